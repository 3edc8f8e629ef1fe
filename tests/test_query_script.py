"""Laws of deployment files: variables stay within their quotes, and every error names its place and line."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flinkms_sql.errors import FlinkmsError
from flinkms_sql.query.lexer import Kind, string_value, tokenize
from flinkms_sql.query.script import place, read_script

FILE = """-- ratings
CREATE TABLE ratings (a BIGINT)
  WITH ('path' = '${DIR}/it''s', 'x' = '${DIR}${N}');

/* ${NOT} one; */
REFRESH MODEL rec;
"""


def test_statements_with_lines_and_variables() -> None:
    first, second = read_script(FILE, {"DIR": "/d'ata", "N": "1"})
    assert first.text == "CREATE TABLE ratings (a BIGINT)\n  WITH ('path' = '/d''ata/it''s', 'x' = '/d''ata1')"
    assert (first.line, second.line, second.text) == (2, 6, "REFRESH MODEL rec")


@given(st.text(max_size=30))
@settings(max_examples=50, deadline=None)
def test_a_value_stays_one_text(value: str) -> None:
    (statement,) = read_script("SELECT 'a${V}b'", {"V": value})
    texts = [token for token in tokenize(statement.text) if token.kind is Kind.STRING]
    assert [string_value(token) for token in texts] == [f"a{value}b"]


@pytest.mark.parametrize(
    ("text", "sqlstate", "position", "line"),
    [
        ("SELECT 1;\nSELECT '${DIR}/${NOPE}'", "42704", 26, 2),
        ("SELECT ${DIR}", "42601", 8, 1),
        ("SELECT '${DI R}'", "42601", 9, 1),
        ("\n\nSELECT E'${DIR}'", "0A000", 12, 3),
        ("SELECT $$${DIR}$$", "0A000", 10, 1),
        ("SELECT 1;\n\nSELECT 'abc", "42601", 19, 3),
    ],
)
def test_errors_name_place_and_line(text: str, sqlstate: str, position: int, line: int) -> None:
    with pytest.raises(FlinkmsError) as caught:
        read_script(text, {"DIR": "/data"})
    error = caught.value
    assert (error.sqlstate, error.position) == (sqlstate, position)
    assert place(text, position).line == line


def test_a_place_in_a_statement_is_one_in_its_file() -> None:
    first, second = read_script(FILE, {"DIR": "/d'ata", "N": "1"})
    for word, line in (("CREATE", 2), ("ratings", 2), ("WITH", 3), ("'x'", 3), ("it''s", 3)):
        found = first.place(first.text.index(word) + 1)
        assert (found.line, found.text) == (line, FILE.splitlines()[line - 1])
        assert found.text[found.column - 1 :].startswith(word)
    inside = first.place(first.text.index("ata") + 1)
    assert inside.text[inside.column - 1 :].startswith("${DIR}")
    assert second.place(9).text[8:] == "MODEL rec;" and second.place(None)[:2] == (6, 1)
