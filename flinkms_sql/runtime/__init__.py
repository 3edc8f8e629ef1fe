"""The parts that run: embedded PostgreSQL and Flink, and the supervisor behind ``flinkms up``.

Must not know SQL, models or the log: a part is a command line, a probe and what it needs.
"""
