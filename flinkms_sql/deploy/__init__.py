"""Deploying: statements that change what is declared, trained, learned or served, carried out on the registry.

``execute`` runs one statement and says how far it is; ``apply`` runs a deployment file, in which a statement that is
already true changes nothing. Must not know about sockets or Flink: what takes time is a row of ``flinkms.jobs``.
"""
