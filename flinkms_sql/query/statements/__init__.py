"""Parsers of our own statements and the session's, on tokens: one file for each kind, values in ``statement``."""
