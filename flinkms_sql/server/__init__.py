"""Sockets, sessions, and the relay to PostgreSQL: the frontend that clients connect to.

Must not know how Flink or the model log work: what it needs of them is injected (``services``). Life of a request:
 1. ``listener`` accepts a connection and makes a ``Session``;
 2. ``startup`` lets the client in (``authentication``) and tells it the settings;
 3. ``hotpath`` looks whether the bytes are a prediction it has seen the shape of; if so, they are answered from there;
 4. else ``session`` takes requests one by one and ``simple`` or ``extended`` has them planned (``statements``);
 5. what is PostgreSQL's goes through ``relay`` over a ``link`` of the session's own;
 6. ``control`` answers transaction control and settings as long as there is no link;
 7. the rest is run by ``execution``, which knows one way per kind of plan: ``joins``, ``inserts``, ``deploying``;
 8. answers leave in the order of the requests; a client that reads slowly slows down what it asked for.
"""
