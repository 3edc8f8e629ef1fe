"""Names in a text for Flink: whatever CREATE TABLE has accepted works in a job, and errors point into what was written."""

from __future__ import annotations

import pytest

from flinkms_sql.jobs.failures import rejected
from flinkms_sql.query.flinknames import definition_for_flink, query_for_flink
from flinkms_sql.query.rewrite.edits import Edit, apply_edits, written_at

OPTIONS = "WITH ('connector' = 'flinkms')"
BY = "PARTITIONED BY (`value`)"
NAMES = ("ev", "user", "at", "value", "userId", "date", "year", "b")


@pytest.mark.parametrize(("written", "given"), [
    (f"CREATE TABLE user (at BIGINT, Value DOUBLE NOT NULL) {OPTIONS}",
     f"CREATE TABLE `user` (`at` BIGINT, `Value` DOUBLE NOT NULL) {OPTIONS}"),
    (f'CREATE TABLE Ev ("at" text, "a""b" int8 COMMENT \'x\') {OPTIONS}',
     f"CREATE TABLE `ev` (`at` STRING, `a\"b` BIGINT COMMENT 'x') {OPTIONS}"),
    (f"CREATE TABLE ev (at timestamptz(3), b TIMESTAMP(3), WATERMARK FOR at AS AT - INTERVAL '5' SECOND) {OPTIONS}",
     f"CREATE TABLE `ev` (`at` TIMESTAMP_LTZ(3), `b` TIMESTAMP(3), WATERMARK FOR `at` AS `at` - INTERVAL '5' SECOND) {OPTIONS}"),
    (f"CREATE TABLE ev (user bytea, value bigint[], PRIMARY KEY (user, value) NOT ENFORCED) PARTITIONED BY (value) {OPTIONS}",
     f"CREATE TABLE `ev` (`user` BYTES, `value` ARRAY<BIGINT>, PRIMARY KEY (`user`, `value`) NOT ENFORCED) {BY} {OPTIONS}"),
    (f"CREATE TABLE ev (a double precision, b real, c varchar, d varchar(3), e ARRAY<INT>, f bool) {OPTIONS}",
     f"CREATE TABLE `ev` (`a` double precision, `b` FLOAT, `c` STRING, `d` varchar(3), `e` ARRAY<INT>, `f` BOOLEAN) {OPTIONS}"),
])
def test_a_definition_is_given_in_quoted_names_and_types_of_flinks(written: str, given: str) -> None:
    assert definition_for_flink(written) == given


@pytest.mark.parametrize(("written", "given"), [
    ("SELECT at, value FROM user", "SELECT `at`, `value` FROM `user`"),
    ("SELECT AT FROM ev ORDER BY Value DESC", "SELECT `at` FROM `ev` ORDER BY `value` DESC"),
    ('SELECT "at", "x""y" FROM "user"', 'SELECT `at`, `x"y` FROM `user`'),
    ("SELECT `at` FROM ev", "SELECT `at` FROM `ev`"),
    ("SELECT userid, e.USERID FROM ev e", "SELECT `userId`, e.`userId` FROM `ev` e"),
    ("SELECT CAST(at AS DATE), date '2026-01-01', date FROM ev", "SELECT CAST(`at` AS DATE), date '2026-01-01', `date` FROM `ev`"),
    ("SELECT EXTRACT(YEAR FROM at), year, YEAR(at) FROM ev", "SELECT EXTRACT(YEAR FROM `at`), `year`, YEAR(`at`) FROM `ev`"),
    ("SELECT INTERVAL '1' YEAR + at, FLOOR(at TO YEAR) FROM ev", "SELECT INTERVAL '1' YEAR + `at`, FLOOR(`at` TO YEAR) FROM `ev`"),
    ("SELECT b AS position, 1 AS x FROM ev WHERE position > 1", "SELECT `b` AS `position`, 1 AS `x` FROM `ev` WHERE `position` > 1"),
    ("SELECT p.value FROM ev, LATERAL TABLE(f(b)) AS p (value, value2)",
     "SELECT p.`value` FROM `ev`, LATERAL TABLE(f(`b`)) AS p (`value`, `value2`)"),
    ("SELECT CASE WHEN at > 1 THEN value ELSE user END FROM ev", "SELECT CASE WHEN `at` > 1 THEN `value` ELSE `user` END FROM `ev`"),
    ("INSERT INTO user (at, value) SELECT b, 1 FROM ev", "INSERT INTO `user` (`at`, `value`) SELECT `b`, 1 FROM `ev`"),
    ("SELECT 'at', at /* at */ FROM ev -- at", "SELECT 'at', `at` /* at */ FROM `ev` -- at"),
    ("SELECT TUMBLE(TABLE ev, DESCRIPTOR(at), INTERVAL '1' MINUTE)", "SELECT TUMBLE(TABLE `ev`, DESCRIPTOR(`at`), INTERVAL '1' MINUTE)"),
])
def test_names_in_a_query_are_quoted_where_they_stand_as_names(written: str, given: str) -> None:
    assert query_for_flink(written, NAMES).text == given


def test_a_name_that_two_tables_spell_otherwise_is_the_one_that_was_written() -> None:
    assert query_for_flink("SELECT UserId, userid FROM ev", ("ev", "UserId", "userid")).text == "SELECT `UserId`, `userid` FROM `ev`"


def test_a_place_in_what_flink_was_given_is_one_in_what_was_written() -> None:
    written = "SELECT at, nope,\n  userid FROM user"
    text = query_for_flink(written, NAMES)
    for word in ("SELECT", ", nope", "nope", "FROM"):
        assert text.written_at(text.text.index(word) + 1) == written.index(word) + 1
    inside = text.text.index("userId") + 1
    assert text.written_at(inside) == text.written_at(inside - 1) == written.index("userid") + 1


def test_places_are_those_before_any_number_of_edits() -> None:
    text = "0123456789" * 3
    edits = [Edit(2, 4, "abcdef"), Edit(10, 10, "xx"), Edit(15, 20, "")]
    edited = apply_edits(text, edits)
    for position, character in enumerate(edited, 1):
        if character.isdigit():
            assert text[written_at(edits, position) - 1] == character


def test_what_flink_has_made_itself_has_no_place() -> None:
    assert rejected(["From line 0, column 0 to line 0, column 0: Column 'x' is ambiguous"], "SELECT x").position is None
