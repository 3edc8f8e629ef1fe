"""Names inside a compiled job that both its compiler and its submitter know. Imports nothing, least of all pyflink."""

PREDICT_FUNCTION = "flinkms_predict_{}"
"""The function of model call number i of a scoring statement: its version is fixed, its arguments are the call's."""
