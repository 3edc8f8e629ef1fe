"""Which outputs a declaration may have: what an algorithm answers, in a type that holds it."""

from __future__ import annotations

import pytest

from flinkms_sql import errors
from flinkms_sql.catalog.records import Column
from flinkms_sql.deploy.options import configured
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.types import SqlType

INPUTS = {"als": ["BIGINT", "STRING"]}


def declare(algorithm: str, *kinds: SqlType, **options: str) -> None:
    outputs = [Column(name=f"y{at}", type=kind) for at, kind in enumerate(kinds)]
    configured(algorithm, {"algorithm": algorithm, **options}, INPUTS.get(algorithm, ["DOUBLE"]), outputs, 7)


@pytest.mark.parametrize("algorithm", ["als", "ridge", "svm", "logistic"])
@pytest.mark.parametrize("kind", [SqlType.BOOLEAN, SqlType.SMALLINT, SqlType.INT, SqlType.BIGINT, SqlType.FLOAT, SqlType.DOUBLE])
def test_every_model_answers_numbers(algorithm: str, kind: SqlType):
    declare(algorithm, kind)


@pytest.mark.parametrize("algorithm", ["svm", "logistic"])
def test_classifiers_answer_names(algorithm: str):
    declare(algorithm, SqlType.STRING)


@pytest.mark.parametrize(("algorithm", "kinds", "options", "message", "sqlstate"), [
    ("als", [SqlType.STRING], {}, 'algorithm "als" does not answer output y0 STRING', errors.DATATYPE_MISMATCH),
    ("ridge", [SqlType.STRING], {}, 'algorithm "ridge" does not answer output y0 STRING', errors.DATATYPE_MISMATCH),
    ("svm", [SqlType.STRING], {"output": "decision"}, "does not answer output y0 STRING", errors.DATATYPE_MISMATCH),
    ("logistic", [SqlType.BOOLEAN], {"output": "probability"}, "output y0 BOOLEAN", errors.DATATYPE_MISMATCH),
    ("svm", [SqlType.DATE], {}, "does not answer output y0 DATE", errors.DATATYPE_MISMATCH),
    ("svm", [SqlType.DOUBLE_ARRAY], {}, "does not answer output y0 ARRAY<DOUBLE>", errors.DATATYPE_MISMATCH),
    ("svm", [SqlType.INT, SqlType.INT], {}, "a model has one output, not 2", errors.FEATURE_NOT_SUPPORTED),
])  # fmt: skip
def test_an_output_that_a_model_cannot_answer_is_refused(algorithm, kinds, options, message, sqlstate):
    with pytest.raises(FlinkmsError, match=message) as caught:
        declare(algorithm, *kinds, **options)
    assert (caught.value.sqlstate, caught.value.position) == (sqlstate, 7)
