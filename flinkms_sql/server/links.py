"""How many sessions may be connected to the control database: of all, and of one user.

Must not know what a link is. It keeps PostgreSQL from running out of connections, of which one user cannot take all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial

from flinkms_sql import errors
from flinkms_sql.errors import FlinkmsError


class Links:
    """Counts them. ``most`` of all and ``of_user`` of one user, at one time."""

    def __init__(self, most: int, of_user: int) -> None:
        self._most, self._of_user = most, of_user
        self._users: Counter[str] = Counter()

    def take(self, user: str) -> Callable[[], None]:
        """One more of a user; what is given is to be called once, at its end. Raises FlinkmsError 53300."""
        for limit, taken, whose in ((self._most, self._users.total(), "all users"), (self._of_user, self._users[user], "one user")):
            if taken >= limit:
                raise FlinkmsError(
                    errors.TOO_MANY_CONNECTIONS, "sorry, too many sessions use the control database already",
                    detail=f"{limit} sessions of {whose} may read or write PostgreSQL's tables at one time; "
                           "a session keeps its connection until it ends.",
                    hint="End other sessions, or share them: predictions alone need no connection to PostgreSQL.",
                )  # fmt: skip
        self._users[user] += 1
        return partial(self._give_back, user)

    def _give_back(self, user: str) -> None:
        self._users[user] -= 1
        if not self._users[user]:
            del self._users[user]
