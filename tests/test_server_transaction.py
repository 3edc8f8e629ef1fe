"""What a transaction notices in the bytes of a request."""

from __future__ import annotations

import time

import pytest

from flinkms_sql.server.transaction import may_set

YES = [b"SET x = 1", b"  \n\t set x = 1", b"SELECT 1; SET x = 1", b"SELECT 1;\n\n  reset all", b"/* c */ SET x = 1", b"-- c\nDO $$ $$",
       b"SELECT set_config('a', 'b', false)", b"name\0set x", b"SELECT 1;/**/call f()"]  # fmt: skip
NO = [b"SELECT 1", b"UPDATE t SET a = 1", b"INSERT INTO t VALUES (1)", b"SELECT reset FROM t", b"settle", b""]


@pytest.mark.parametrize("text", YES)
def test_what_may_change_a_setting_is_noticed(text: bytes) -> None:
    assert may_set(text, 0)


@pytest.mark.parametrize("text", NO)
def test_what_cannot_is_not(text: bytes) -> None:
    assert not may_set(text, 0)


@pytest.mark.parametrize("filler", [b"\n", b"\n ", b";", b"/", b" ", b"\0\t", b";\n "])
def test_it_takes_no_longer_than_the_text_is(filler: bytes) -> None:
    """A megabyte of blanks once took hours, for everybody."""
    began = time.process_time()
    assert not may_set(b"SELECT 1" + filler * (1_000_000 // len(filler)) + b"x", 0)
    assert time.process_time() - began < 2.0
