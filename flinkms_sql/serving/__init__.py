"""What a frontend process keeps at hand: loaded versions, stream writers, the catalog, and a way to deploy.

``process`` composes them around a server; the server knows them by its protocols only.
"""
