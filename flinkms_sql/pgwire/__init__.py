"""PostgreSQL's protocol, versions 3.0 to 3.2, without I/O: bytes in, events out; messages in, bytes out.

Must not know about sockets, clocks, sessions, SQL or models: randomness, certificates and time zones are arguments.
Both roles live here, because the frontend is a server to its clients and a client of the control database.

``frames`` cuts bytes into messages, ``messages`` names them, ``client_messages`` and ``server_messages`` encode and
decode the two directions, ``state`` is the transition table, ``connection`` puts them together, ``scram`` is
authentication, ``parameters`` decodes values, ``columns`` encodes them (with ``floats``, ``times``, ``arrays``).
Source of every rule: PostgreSQL 18 documentation, chapter 54. PostgreSQL says frontend for a client and backend for a
server: in this code only its own message texts and names do, for our frontend is the process that serves.
"""
