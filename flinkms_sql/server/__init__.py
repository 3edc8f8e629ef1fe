"""Sockets, sessions, and the relay to PostgreSQL: the frontend that clients connect to.

Must not know how Flink or the model log work: what it needs of them is injected (``services``). Life of a request:
 1. ``listener`` accepts a connection and makes a ``session``, which nothing else imports: its states are in ``states``;
 2. ``startup`` lets the client in (``authentication``) and tells it the settings (``parameters``);
 3. ``hotpath`` looks whether the bytes are a prediction it has seen the shape of (``shapes``); if so, it answers them;
 4. else ``session`` takes requests one by one, and ``simple`` or ``extended`` has them planned and asks ``route`` whose
    they are: PostgreSQL's, the frontend's, nobody's;
 5. what is PostgreSQL's goes through ``relay`` over a ``link`` of the session's own;
 6. the rest is run by ``run/``, which has one way for each kind of plan, after ``rights`` has agreed;
 7. ``transaction`` is told of every statement that begins, ends or marks a transaction, whoever has answered it, and
    keeps what waits for its end (``pending``), within what may be kept for clients (``budget``); ``local`` is its memory as long as there is no link;
 8. answers leave through ``outbox`` in the order of the requests; a client that reads slowly slows down what it asked
    for.
A ``context`` holds a session's parts together; what all sessions share is in ``shared``.
"""
