"""Scripts of transaction control, made from a seed: what any client may send, in any protocol, in any order.

A script is a list of rounds; a round is what is sent before its answer is waited for. The same bytes go to the frontend,
whose ``rating_events`` is a stream, and to PostgreSQL, whose is a table.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from flinkms_sql.pgwire import messages as m
from flinkms_sql.pgwire.messages import ClientMessage

CONTROL = ("BEGIN", "BEGIN", "BEGIN READ ONLY", "START TRANSACTION", "COMMIT", "COMMIT", "END",
           "ROLLBACK", "COMMIT AND CHAIN", "ROLLBACK AND CHAIN", "ABORT")
SAVEPOINTS = ("SAVEPOINT a", "SAVEPOINT a", "savepoint b", 'SAVEPOINT "A"', "RELEASE a", "RELEASE SAVEPOINT b", "ROLLBACK TO a",
              "ROLLBACK TO SAVEPOINT b", 'ROLLBACK TRANSACTION TO SAVEPOINT "A"')
ACCESS = ("SET TRANSACTION READ ONLY", "SET TRANSACTION READ WRITE", "SET LOCAL transaction_read_only = on",
          "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", "SET default_transaction_read_only = off",
          "SET default_transaction_read_only = on", "SELECT set_config('transaction_read_only', 'on', true)")
OTHERS = ("SELECT 1", "SELECT count(*) FROM movies", "SELECT predict('rec', 1, 2)",
          "SELECT predict('rec', 1, item_id) FROM movies WHERE item_id < 4", "SET LOCAL timezone TO 'Asia/Tokyo'")
FAILURES = ("SELECT 1/0 FROM movies", "SELECT predict('nope', 1, 2)", "INSERT INTO movies VALUES (1, 'taken', 1)",
            "SELECT nothing FROM nowhere")
DO = "DO $$ BEGIN PERFORM 1; END $$"


class Script:
    """One script; ``texts`` are its statements, for whoever reads a failure."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._rows = 0
        self.protocol = self._random.choice(("simple", "extended", "mixed"))
        self.texts: list[str] = []
        if self._random.random() < 0.5:
            self.texts.append("(linked)")
        self.rounds: list[list[ClientMessage]] = [list(self._round()) for _ in range(self._random.randint(2, 9))]

    @property
    def linked(self) -> bool:
        """The session has asked PostgreSQL something before the script begins."""
        return self.texts[:1] == ["(linked)"]

    def _statement(self, *, extended: bool) -> str:
        kind = self._random.choices(("control", "savepoint", "event", "row", "access", "other", "failure", "do"),
                                    (25, 20, 25, 8, 4, 10, 6, 0 if extended else 2))[0]
        match kind:
            case "event":
                self._rows += 1
                return f"INSERT INTO rating_events VALUES ({self._rows}, 0, 1.5, 'x')"
            case "row":
                self._rows += 1
                return f"INSERT INTO plain VALUES ({self._rows})"
            case "do":
                return DO
        pool = {"control": CONTROL, "savepoint": SAVEPOINTS, "access": ACCESS, "other": OTHERS, "failure": FAILURES}
        return self._random.choice(pool[kind])

    def _round(self) -> Iterator[ClientMessage]:
        extended = self.protocol == "extended" or (self.protocol == "mixed" and self._random.random() < 0.5)
        for _ in range(self._random.choice((1, 1, 1, 2))):
            texts = [self._statement(extended=extended) for _ in range(self._random.choice((1, 1, 1, 2, 3, 4)))]
            if not extended:
                self.texts.append("; ".join(texts))
                yield m.Query(text="; ".join(texts))
                continue
            for text in texts:
                self.texts.append(f"{text} (extended)")
                yield m.Parse(statement="", text=text)
                yield m.Bind()
                if self._random.random() < 0.3:
                    yield m.Describe(target="portal")
                yield m.Execute()
            self.texts.append("(sync)")
            yield m.Sync()
