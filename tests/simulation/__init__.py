"""A deterministic simulator: sessions × links × streams × learners × following, in one schedule with a clock and chance of
its own.

A seed decides how bytes are cut, how long they are under way, what fails and when; the same seed gives the same run.
What is simulated is the outside only (network, control database, registry's way, disk's delay, Flink): frontends, the
runner and its jobs are the real ones. ``world`` is who writes, ``learning`` who deploys and what fails, ``laws`` what has to
be true. FLINKMS_SIMULATION_SEEDS is how many runs of each kind there are, FLINKMS_SIMULATION_FIRST the first one's seed.
"""
