"""Landing's decoding: one Arrow batch of Kafka records in, one batch of landing rows out, one row per record.

Nothing is dropped and nothing raises for what a record holds: a record that breaks a rule becomes a rejected row with its
reasons and the whole record sealed. This is where identifiers become pseudonyms; no raw one leaves in any column.
"""

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NamedTuple

import orjson
import pyarrow as pa

from commonweal.contract.model import Contract
from commonweal.decoding.decoder import Reading
from commonweal.decoding.document import Document
from commonweal.decoding.envelope import Envelope, Headers
from commonweal.decoding.headers import all_headers, split_headers
from commonweal.decoding.record import Record, pack
from commonweal.decoding.whole import Judge
from commonweal.identity import Place, Pseudonymiser, Sealer
from commonweal.render.lake_schema import PLACE_COLUMNS, landing_schema

_ENVELOPE = ("_source", "_event_id", "_event_type", "_replaces", "_recorded_at", "_contract_version")


class Row(NamedTuple):
    """What is known of one record beside its envelope: accepted when there are no reasons."""

    occurred_at: datetime | None
    sequence: int | None
    reasons: tuple[str, ...]
    sealed: bytes | None
    accepted: bool
    values: Mapping[str, Any]


def decode(batch: pa.RecordBatch, *, contract: Contract, pseudonymiser: Pseudonymiser, sealer: Sealer) -> pa.RecordBatch:
    """The landing rows of a batch of records.

    Args:
        batch: Columns ``_kafka_topic, _kafka_partition, _kafka_offset, _appended_at, headers, key, value``, one row per record.
        contract: The contract of the dataset.
        pseudonymiser: Makes the pseudonyms of this key epoch.
        sealer: Seals to the public key; a fresh data key is made for the batch.

    Returns:
        A batch with exactly the columns of ``landing_schema(contract)``, row for row.
    """
    reader = _RowReader(batch, contract, pseudonymiser, sealer.renewed())
    names = (*PLACE_COLUMNS, "_appended_at", "value")
    records = zip(*(batch.column(name).to_pylist() for name in names), reader.headers.found, strict=True)
    with _collector_paused():
        rows = [
            reader.read(number, Place(topic, partition, offset), seen_at, value, headers)
            for number, (topic, partition, offset, seen_at, value, headers) in enumerate(records)
        ]
        return _table(batch, rows, contract)


@contextmanager
def _collector_paused() -> Iterator[None]:
    # No cycles are made here, and the collector would walk over all rows of the batch again and again: a fifth of the time.
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


class _RowReader:
    def __init__(self, batch: pa.RecordBatch, contract: Contract, pseudonymiser: Pseudonymiser, sealer: Sealer) -> None:
        self.headers = split_headers(batch.column("headers"))
        self._batch = batch
        self._judge = Judge(contract)
        self._pseudonymiser = pseudonymiser
        self._sealer = sealer
        self._sequence = contract.sequence or ""
        self._personal = tuple((f.name, f.column, f.identifier or "") for f in contract.fields if f.is_pseudonymised)

    def read(self, number: int, place: Place, seen_at: datetime, value: bytes | None, headers: Headers) -> tuple[Envelope, Row]:
        repeated = self.headers.repeated.get(number, ())
        envelope, reading, reasons = self._judge.read(headers, value, topic=place.topic, seen_at=seen_at, repeated=repeated)
        return envelope, self._rejected(number, place, reasons) if reasons else self._accepted(place, reading)

    def _rejected(self, number: int, place: Place, reasons: tuple[str, ...]) -> Row:
        key, value = (self._batch.column(name)[number].as_py() for name in ("key", "value"))
        packed = pack(Record(key, value, all_headers(self._batch.column("headers"), number)))
        return Row(None, None, reasons, self._sealer.seal(packed, place), False, {})

    def _accepted(self, place: Place, reading: Reading) -> Row:
        values, sealed = reading.values, None
        if self._personal:
            raw = {column: values[name] for name, column, _ in self._personal if name in values}
            values = self._pseudonymised(values)
            sealed = self._sealer.seal(orjson.dumps(raw), place) if raw else None
        return Row(reading.occurred_at, values.get(self._sequence), (), sealed, True, values)

    def _pseudonymised(self, values: Document) -> Document:
        found = {name: self._pseudonymiser.pseudonym(kind, values[name]) for name, _, kind in self._personal if name in values}
        return {**values, **found}


def _table(batch: pa.RecordBatch, rows: list[tuple[Envelope, Row]], contract: Contract) -> pa.RecordBatch:
    schema = landing_schema(contract)
    columns: dict[str, Any] = {name: batch.column(name) for name in (*PLACE_COLUMNS, "_appended_at")}
    envelopes, found = zip(*rows, strict=True) if rows else ((), ())
    columns |= _transposed((*_ENVELOPE, ""), envelopes)
    columns |= _transposed(("_occurred_at", "_sequence", "_reasons", "_sealed", "_accepted", ""), found)
    columns["_base"] = [False] * batch.num_rows
    values = [row.values for row in found]
    columns |= {field.column: [value.get(field.name) for value in values] for field in contract.fields}
    return pa.RecordBatch.from_arrays([_array(columns[field.name], field.type) for field in schema], schema=schema)


def _transposed(names: tuple[str, ...], rows: tuple[tuple[Any, ...], ...]) -> dict[str, tuple[Any, ...]]:
    return dict(zip(names, zip(*rows, strict=True) if rows else [()] * len(names), strict=True))


def _array(column: "pa.Array | list[Any] | tuple[Any, ...]", kind: pa.DataType) -> pa.Array:
    if isinstance(column, pa.Array):
        return column if column.type == kind else column.cast(kind)
    return pa.array(column, kind)
