"""Tests that need a JVM, sockets or a real PostgreSQL."""
