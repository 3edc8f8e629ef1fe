"""How many sessions may be connected to the control database."""

from __future__ import annotations

import asyncio

import pytest

from flinkms_sql.errors import FlinkmsError
from flinkms_sql.server.address import BackendAddress
from flinkms_sql.server.dialing import open_link
from flinkms_sql.server.links import Links


def refused(links: Links, user: str) -> str:
    with pytest.raises(FlinkmsError) as raised:
        links.take(user)
    assert raised.value.sqlstate == "53300"
    return raised.value.detail


def test_one_user_leaves_the_others_some() -> None:
    links = Links(3, 2)
    ends = [links.take("ann"), links.take("ann")]
    assert refused(links, "ann").startswith("2 sessions of one user")
    ends.append(links.take("bob"))
    assert refused(links, "cy").startswith("3 sessions of all users")
    ends[0]()
    links.take("cy")


def test_a_link_that_never_comes_about_is_not_counted() -> None:
    links = Links(1, 1)
    for _ in range(3):
        with pytest.raises(FlinkmsError, match="cannot be reached"):
            asyncio.run(open_link(BackendAddress(host="/nowhere"), {}, None, links.take("ann")))
    links.take("ann")
