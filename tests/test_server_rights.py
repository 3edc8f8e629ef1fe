"""Who may do what: every kind of plan against what a role has, who may come in, and where clients' statements go."""

from __future__ import annotations

import asyncio

import pytest

from flinkms_sql import errors
from flinkms_sql.catalog.roles import RoleRights
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.query.analyze import analyze
from flinkms_sql.server import rights
from flinkms_sql.server.address import client_address
from tests.serving import Catalogs

CATALOG = Catalogs().current()
NOBODY = None
STRANGER = RoleRights(ours=False, can_log_in=True, reads=False, deploys=False, inserts=frozenset())
READER = RoleRights(ours=False, can_log_in=True, reads=True, deploys=False, inserts=frozenset())
WRITER = RoleRights(ours=False, can_log_in=True, reads=True, deploys=False, inserts=frozenset({"rating_events"}))
ELSEWHERE = RoleRights(ours=False, can_log_in=True, reads=True, deploys=False, inserts=frozenset({"other"}))
DEPLOYER = RoleRights(ours=False, can_log_in=True, reads=True, deploys=True, inserts=frozenset({"rating_events"}))

POINT, MODEL = "SELECT predict('rec', 1, 2)", "SELECT * FROM recommend('rec', 1, 2)"
JOIN, INSERT = "SELECT predict('rec', x, 2) FROM t", "INSERT INTO rating_events VALUES (1, 2, 3.0, '')"
DEPLOYING = ("DROP MODEL rec", "REFRESH MODEL rec", "ALTER MODEL rec ROLLBACK", "STOP JOB 1", "DROP TABLE rating_events",
             "INSERT INTO MODEL rec SELECT user_id, item_id, rating FROM rating_events",
             "EVALUATE MODEL rec USING SELECT user_id, item_id, rating FROM rating_events")
FREE = ("SHOW MODELS", "BEGIN", "SET flinkms.as_of = ''", "SELECT 1 FROM t", "DELETE FROM flinkms.models")
"""What changes the session alone, or is PostgreSQL's to judge."""


@pytest.mark.parametrize(("statements", "permitted", "message"), [
    ((POINT, MODEL, JOIN, "EXPLAIN " + POINT, "EXPLAIN ANALYZE " + MODEL), (READER, WRITER, DEPLOYER, ELSEWHERE),
     "permission denied to ask a model"),
    ((INSERT, "EXPLAIN " + INSERT), (WRITER, DEPLOYER), "permission denied for table rating_events"),
    ((*DEPLOYING, "EXPLAIN " + DEPLOYING[0]), (DEPLOYER,), "permission denied to deploy"),
    (FREE, (NOBODY, STRANGER, READER, WRITER, ELSEWHERE, DEPLOYER), ""),
])
def test_every_plan_asks_for_its_right(statements, permitted, message) -> None:
    for statement in statements:
        plan = analyze(statement, CATALOG)
        for role in (NOBODY, STRANGER, READER, WRITER, ELSEWHERE, DEPLOYER):
            error = rights.refusal(role, plan)
            if role in permitted:
                assert error is None, statement
            else:
                assert (error.sqlstate, error.message) == (errors.INSUFFICIENT_PRIVILEGE, message), statement


def test_who_comes_in() -> None:
    owner = RoleRights(ours=True, can_log_in=True, reads=True, deploys=True, inserts=frozenset())
    group = RoleRights(ours=False, can_log_in=False, reads=True, deploys=False, inserts=frozenset())
    assert rights.login_refusal("ann", READER) is None
    for role, message in ((owner, 'role "ann" does not exist'), (None, 'role "ann" does not exist'),
                          (group, 'role "ann" is not permitted to log in')):
        error = rights.login_refusal("ann", role)
        assert (error.sqlstate, error.message) == (errors.INVALID_AUTHORIZATION, message)


class Grants:
    """What roles may do, where a grant shows only when asked again."""

    def __init__(self, now: dict[str, RoleRights]) -> None:
        self._now, self.asked = now, 0
        self.known: dict[str, RoleRights] = {"ann": READER}
        self.readers = frozenset({"ann"})

    async def refresh(self) -> None:
        self.known, self.asked = self._now, self.asked + 1


def test_who_seems_to_lack_a_right_is_asked_for_again() -> None:
    plan = analyze(INSERT, CATALOG)
    granted, refused = Grants({"ann": WRITER}), Grants({"ann": ELSEWHERE})
    asyncio.run(rights.ensure(granted, "ann", plan))
    asyncio.run(rights.ensure(granted, "ann", plan))
    assert granted.asked == 1
    with pytest.raises(FlinkmsError, match="permission denied for table rating_events"):
        asyncio.run(rights.ensure(refused, "ann", plan))
    asyncio.run(rights.ensure(None, "ann", plan))


def test_clients_statements_never_run_as_the_owner_unless_told() -> None:
    owner = "host=db user=owner password=secret dbname=d"
    found = client_address(owner, None)
    assert (found.user, found.for_client("ann").user, found.for_client("ann").password) == ("owner", "ann", None)
    elsewhere = client_address(owner, "host=pooler port=6432")
    assert (elsewhere.host, elsewhere.port, elsewhere.database, elsewhere.for_client("ann").user) == ("pooler", 6432, "d", "ann")
    one = client_address(owner, "host=db user=app password=other dbname=d")
    assert (one.for_client("ann").user, one.for_client("ann").password) == ("app", "other")
