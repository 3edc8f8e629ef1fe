"""Benchmarks: ``python -m tests.bench NAME [--small] [--no-write]``, or ``make bench BENCH=NAME``.

Each sets up its own deployment and its peers, runs them in one run, and counts errors as errors. A benchmark that cannot
set up a peer fails; it never leaves the peer out.
"""
