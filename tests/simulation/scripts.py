"""Random scripts of statements, and what they must come to."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from tests.simulation.client import STREAM_INSERT, Answer, Exchange
from tests.simulation.ledger import DIVISION, Ledger, Refused

_NAMES = ("a", "b")
STATEMENTS_MAX = 4
"""Statements that are sent together."""


NESTED_SHARE, STRAYS_SHARE = 0.15, 0.1
"""Share of the statements that begin a nested transaction as drivers write them, and of those that come in between."""


def exchanges(chance: random.Random, numbers: Iterator[int], count: int, reads: Sequence[str] = ()) -> Iterator[Exchange]:
    """Exchanges with statements that open, mark, undo and end transactions, insert, fail, and read."""
    statements = _statements(chance, numbers, reads)
    for _ in range(count):
        many = chance.randint(2, STATEMENTS_MAX) if chance.random() < 0.4 else 1
        yield Exchange(simple=chance.random() < 0.5, named=chance.random() < 0.3,
                       statements=tuple(next(statements) for _ in range(many)))


def _statements(chance: random.Random, numbers: Iterator[int], reads: Sequence[str]) -> Iterator[str]:
    while True:
        if chance.random() >= NESTED_SHARE:
            yield _statement(chance, numbers, reads)
            continue
        for statement in _nested(chance, numbers):
            if chance.random() < STRAYS_SHARE:
                yield _statement(chance, numbers, reads)
            yield statement


def _nested(chance: random.Random, numbers: Iterator[int]) -> Iterator[str]:
    """A block with a savepoint in it, that is gone back to or released; some fail inside of it."""
    name = chance.choice(_NAMES)
    yield "BEGIN"
    yield STREAM_INSERT.format(next(numbers))
    yield f"SAVEPOINT {name}"
    yield STREAM_INSERT.format(next(numbers))
    if chance.random() < 0.3:
        yield DIVISION
    yield f"{chance.choice(('ROLLBACK TO', 'ROLLBACK TO', 'RELEASE'))} {name}"
    yield chance.choice(("COMMIT", "COMMIT", "ROLLBACK"))


def _statement(chance: random.Random, numbers: Iterator[int], reads: Sequence[str]) -> str:
    kind = chance.choices(("stream", "table", "begin", "end", "mark", "fail", "read"), (8, 3, 4, 4, 5, 1, 1))[0]
    match kind:
        case "stream":
            return STREAM_INSERT.format(next(numbers))
        case "table":
            return f"INSERT INTO notes VALUES ({next(numbers)})"
        case "begin":
            return chance.choice(("BEGIN", "BEGIN", "START TRANSACTION", "BEGIN READ ONLY", "SET TRANSACTION READ ONLY"))
        case "end":
            return chance.choice(("COMMIT", "COMMIT", "COMMIT", "ROLLBACK", "COMMIT AND CHAIN", "ROLLBACK AND CHAIN"))
        case "mark":
            return f"{chance.choice(('SAVEPOINT', 'SAVEPOINT', 'RELEASE', 'ROLLBACK TO'))} {chance.choice(_NAMES)}"
        case "fail":
            return DIVISION
    return chance.choice(("SELECT count(*) FROM notes", *reads))


def expected(ledger: Ledger, exchange: Exchange) -> Answer:
    """Run an exchange on the model; what a client must be told."""
    tags: list[str] = []
    error = None
    for text in exchange.statements:
        try:
            tags.append(ledger.run(text))
        except Refused as refused:
            error = str(refused)
            break
    ledger.end_of_series()
    return Answer(tags=tuple(tags), error=error, status=ledger.status)
