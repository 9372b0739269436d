"""Contract -> Arrow schemas and Spark DDL of its tables: landing, current and history.

Arrow is the one description: landing builds its batches with it, pyiceberg and Spark get their columns from it.
"""

from collections.abc import Iterable

import pyarrow as pa

from commonweal.contract.model import Contract, Field

INSTANT = pa.timestamp("us", tz="UTC")
_SIMPLE = {"string": pa.string(), "integer": pa.int64(), "boolean": pa.bool_(), "date": pa.date32(), "timestamp": INSTANT}
_DDL = {pa.string(): "STRING", pa.int64(): "BIGINT", pa.int32(): "INT", pa.bool_(): "BOOLEAN", pa.date32(): "DATE",
        INSTANT: "TIMESTAMP", pa.binary(): "BINARY", pa.list_(pa.string()): "ARRAY<STRING>"}  # fmt: skip

PLACE_COLUMNS = ("_kafka_topic", "_kafka_partition", "_kafka_offset")
"""Where an event stood in Kafka: the key of landing's rows."""
LANDING_COLUMNS: dict[str, pa.DataType] = {
    "_kafka_topic": pa.string(), "_kafka_partition": pa.int32(), "_kafka_offset": pa.int64(), "_appended_at": INSTANT,
    "_source": pa.string(), "_event_id": pa.string(), "_event_type": pa.string(), "_replaces": pa.string(),
    "_recorded_at": INSTANT, "_occurred_at": INSTANT, "_sequence": pa.int64(), "_contract_version": pa.string(),
    "_accepted": pa.bool_(), "_reasons": pa.list_(pa.string()), "_sealed": pa.binary(), "_base": pa.bool_(),
}  # fmt: skip
CURRENT_COLUMNS: dict[str, pa.DataType] = {
    "_state": pa.string(), "_valid_from": INSTANT, "_recorded_at": INSTANT, "_source": pa.string(), "_event_id": pa.string(),
}  # fmt: skip
COUNTERS: dict[str, pa.DataType] = {
    name: pa.int32() for name in ("_events", "_superseded", "_duplicates", "_conflicts", "_pending", "_withdrawn")
}
HISTORY_COLUMNS: dict[str, pa.DataType] = {
    "_valid_from": INSTANT, "_valid_to": INSTANT, "_recorded_at": INSTANT, "_source": pa.string(), "_event_id": pa.string(),
}  # fmt: skip


def landing_schema(contract: Contract) -> pa.Schema:
    """The landing table: what is known of each record, then one typed column per field; all may be null (a rejected record)."""
    return pa.schema([*_columns(LANDING_COLUMNS), *fields_schema(contract)])


def fields_schema(contract: Contract) -> pa.Schema:
    """The columns of the contract's fields alone."""
    return pa.schema([_column(field) for field in contract.fields])


def current_schema(contract: Contract) -> pa.Schema:
    """The current table; for a product the contract's columns only."""
    own = fields_schema(contract)
    if contract.kind == "product":
        return own
    return pa.schema([*own, *_columns(CURRENT_COLUMNS), *_columns(COUNTERS)])


def history_schema(contract: Contract) -> pa.Schema:
    """The history table: the contract's columns and the period in which the state held (``_valid_to`` null: still)."""
    return pa.schema([*fields_schema(contract), *_columns(HISTORY_COLUMNS)])


def ddl(schema: Iterable[pa.Field]) -> str:
    """The columns in Spark's DDL: ``case_no STRING, opened_on DATE``."""
    return ", ".join(f"{column.name} {_ddl_type(column.type)}" for column in schema)


def arrow_type(field: Field) -> pa.DataType:
    """The type of a field's column in the lake."""
    if field.type == "decimal":
        return pa.decimal128(field.precision or 38, field.scale or 0)
    return _SIMPLE[field.type]


def _column(field: Field) -> pa.Field:
    return pa.field(field.column, arrow_type(field))


def _columns(columns: dict[str, pa.DataType]) -> list[pa.Field]:
    return [pa.field(name, kind) for name, kind in columns.items()]


def _ddl_type(kind: pa.DataType) -> str:
    return f"DECIMAL({kind.precision},{kind.scale})" if pa.types.is_decimal(kind) else _DDL[kind]
