"""flinkms_sql: train, update and serve machine-learning models from SQL."""

__version__ = "0.1.0"
