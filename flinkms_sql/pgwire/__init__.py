"""The PostgreSQL frontend/backend protocol 3.0 to 3.2 without I/O: bytes in, events out; messages in, bytes out.

Must not know about sockets, clocks, sessions, SQL or models: randomness, certificates and time zones are arguments.
Both roles live here, because the frontend is a server to its clients and a client of the control database.

``frames`` cuts bytes into messages, ``messages`` names them, ``frontend`` and ``backend`` encode and decode the two
directions, ``state`` is the transition table, ``connection`` puts them together, ``scram`` is authentication,
``parameters`` decodes values, ``columns`` encodes them (with ``floats``, ``times``, ``arrays``). Source of every rule: PostgreSQL 18 documentation, chapter 54.
"""
