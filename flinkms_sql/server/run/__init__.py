"""One way for each kind of plan: a portal and a context in, the answer out.

Must not know the difference between the simple and the extended protocol. ``execute`` has the list.
"""
