"""One module per command of ``flinkms``: its options and what it does. ``cli`` puts them together.

Each has ``configure(parser)`` and ``run(arguments, settings) -> exit code``; errors are raised as FlinkmsError.
"""
