"""SQL types as PyFlink's data types. Must not know tables or jobs: workers import it, without the client's JVM."""

from __future__ import annotations

from pyflink.table import DataTypes
from pyflink.table.types import DataType

from flinkms_sql.types import SqlType


def data_type(sql_type: SqlType) -> DataType:
    """PyFlink's DataType of a SqlType."""
    return _DATA_TYPES[sql_type]


_DATA_TYPES = {
    SqlType.BOOLEAN: DataTypes.BOOLEAN(),
    SqlType.SMALLINT: DataTypes.SMALLINT(),
    SqlType.INT: DataTypes.INT(),
    SqlType.BIGINT: DataTypes.BIGINT(),
    SqlType.FLOAT: DataTypes.FLOAT(),
    SqlType.DOUBLE: DataTypes.DOUBLE(),
    SqlType.STRING: DataTypes.STRING(),
    SqlType.BYTES: DataTypes.BYTES(),
    SqlType.DATE: DataTypes.DATE(),
    SqlType.TIMESTAMP: DataTypes.TIMESTAMP(6),
    SqlType.TIMESTAMP_LTZ: DataTypes.TIMESTAMP_LTZ(6),
    SqlType.SMALLINT_ARRAY: DataTypes.ARRAY(DataTypes.SMALLINT()),
    SqlType.INT_ARRAY: DataTypes.ARRAY(DataTypes.INT()),
    SqlType.BIGINT_ARRAY: DataTypes.ARRAY(DataTypes.BIGINT()),
    SqlType.FLOAT_ARRAY: DataTypes.ARRAY(DataTypes.FLOAT()),
    SqlType.DOUBLE_ARRAY: DataTypes.ARRAY(DataTypes.DOUBLE()),
}
