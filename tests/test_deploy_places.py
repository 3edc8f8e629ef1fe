"""Where errors of deploying are: in a statement, in the query it stands for, in a file."""

from __future__ import annotations

import pytest

from flinkms_sql import errors
from flinkms_sql.cli import error_text
from flinkms_sql.deploy.execute import Deployer
from flinkms_sql.deploy.script import applying
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.pgwire import reports
from tests.deploying import (
    LEARNING,
    MODEL,
    SCORING,
    TABLES,
    Runner,
    apply,
    deployer,
    refused,
    runner,
)

__all__ = ["deployer", "runner"]


def test_what_is_wrong_in_a_file_is_said_with_its_place_and_statement(deployer: Deployer, runner: Runner) -> None:
    lines = TABLES.count("\n")
    for text, sqlstate, place, shown in (
        ("CREATE MODEL rec;", errors.SYNTAX_ERROR, f"line {lines + 1}, column 17, in CREATE MODEL rec", "CREATE MODEL rec"),
        ("  SELECT 1", errors.FEATURE_NOT_SUPPORTED, f"line {lines + 1}, column 3, in SELECT 1", "SELECT 1"),
        ("\n\nREFRESH MODEL '${NOPE}'", errors.UNDEFINED_OBJECT, f"line {lines + 3}, column 16", "REFRESH"),
        (MODEL.replace("ratings", "nowhere"), errors.UNDEFINED_TABLE, f"line {lines + 3}", "nowhere"),
    ):
        with pytest.raises(FlinkmsError) as raised, applying(deployer.store, TABLES + text, {}, on_wait=print, file="a.sql") as found:
            for stage in found:
                list(deployer.apply(stage))
        detail = (raised.value.detail or "").splitlines()
        assert raised.value.sqlstate == sqlstate and detail[0].startswith(f"a.sql, {place}")
        assert shown in detail[1] and detail[2].strip() == "^"


def test_what_flink_says_of_a_query_points_into_the_file(deployer: Deployer, runner: Runner) -> None:
    wrong = f"{LEARNING} WHERE nonsense(r)"
    apply(deployer, TABLES + MODEL)
    runner.error, runner.at = ("42883", "Flink: no such function"), "nonsense"
    with pytest.raises(FlinkmsError, match="no such function") as raised:
        apply(deployer, f"-- teach it\n{wrong}")
    told = (raised.value.detail or "").splitlines()
    assert told[0].startswith(f"the file, line 2, column {wrong.index('nonsense') + 1}, in INSERT INTO MODEL rec")
    assert told[1][told[2].index("^"):].startswith("nonsense")


def test_what_flink_says_when_a_model_is_refreshed_points_into_its_query(deployer: Deployer, runner: Runner) -> None:
    apply(deployer, TABLES + MODEL)
    runner.error, runner.at = ("42703", "Flink: no column i"), "i, r"
    error = refused(deployer, "REFRESH MODEL rec")
    assert error.query is not None and error.position == error.query.index("i, r") + 1
    fields = reports.error_response(error).fields
    assert (fields["p"], fields["q"]) == (str(error.position), error.query) and "P" not in fields
    shown = error_text(error).splitlines()
    assert shown[2].strip() == error.query and shown[2][shown[3].index("^"):].startswith("i, r")


def test_what_flink_says_of_a_score_points_into_what_was_written(deployer: Deployer, runner: Runner) -> None:
    apply(deployer, TABLES + MODEL)
    runner.error, runner.at = ("42883", "Flink: no such function"), "nonsense"
    wrong = SCORING.replace("FROM", ", nonsense(u) FROM")
    error = refused(deployer, wrong)
    assert error.position == wrong.index("nonsense") + 1
