"""The registry: which models, versions, aliases, streams and jobs exist. Frozen records and the stores that keep them.

Must not know how a model is trained, logged or asked; those read and write the registry through ``store.Store``.
"""
