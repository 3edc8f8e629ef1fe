"""The catalog that the tests of query and engine use: two models and two Flink tables."""

from flinkms_sql.query.signatures import Catalog, ModelSignature, TableSignature
from flinkms_sql.types import SqlType

CATALOG = Catalog(
    model_signatures=(
        ModelSignature(
            name="rec",
            algorithm="als",
            inputs=(("user_id", SqlType.BIGINT), ("item_id", SqlType.BIGINT)),
            outputs=(("rating", SqlType.DOUBLE),),
            recommends=True,
        ),
        ModelSignature(
            name="tumor",
            algorithm="logistic",
            inputs=(("features", SqlType.DOUBLE_ARRAY),),
            outputs=(("malignant", SqlType.DOUBLE),),
        ),
    ),
    table_signatures=(
        TableSignature(
            name="rating_events",
            kind="stream",
            columns=(
                ("user_id", SqlType.BIGINT),
                ("item_id", SqlType.BIGINT),
                ("rating", SqlType.DOUBLE),
                ("rated_at", SqlType.TIMESTAMP_LTZ),
            ),
        ),
        TableSignature(
            name="ratings",
            kind="flink",
            columns=(("user_id", SqlType.BIGINT), ("item_id", SqlType.BIGINT), ("rating", SqlType.DOUBLE)),
        ),
    ),
)


def input_types(model: str) -> tuple[SqlType, ...]:
    """Types of the inputs of one of the models above."""
    signature = CATALOG.model(model)
    assert signature is not None
    return tuple(kind for _, kind in signature.inputs)
