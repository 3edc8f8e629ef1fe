"""Plan -> rows: what the frontend computes by itself, from the loaded versions of the models.

``registry`` knows the loaded versions and resolves addresses, ``execute`` runs a tree of nodes, ``batcher`` answers
concurrent point predictions together, ``explain`` adds versions and log positions to a plan's text.
"""
