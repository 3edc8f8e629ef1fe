"""A deterministic simulator: session × link × stream × learner on one event loop with a clock and chance of its own.

A seed decides how bytes are cut, how long they are under way, what fails and when; the same seed gives the same run.
What is simulated is the outside only (network, control database, disk, Flink); sessions and links are the real ones.
"""
