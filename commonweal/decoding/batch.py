"""Landing's decoding: one Arrow batch of Kafka records in, one batch of landing rows out, one row per record.

Nothing is dropped and nothing raises for what a record holds: a record that breaks a rule becomes a rejected row with its
reasons and the whole record sealed. This is where identifiers become pseudonyms; no raw one leaves in any column.
"""

import gc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
import orjson
import pyarrow as pa

from commonweal.contract.model import Contract
from commonweal.decoding.clearing import Cleared, Clearer
from commonweal.decoding.decoder import Reading
from commonweal.decoding.headers import BatchHeaders, all_headers, split_headers
from commonweal.decoding.record import Record, pack
from commonweal.decoding.whole import Judge
from commonweal.identity import Place, Pseudonymiser, Sealer
from commonweal.render.lake_schema import INSTANT, PLACE_COLUMNS, landing_schema

_ENVELOPE = ("_source", "_event_id", "_event_type", "_replaces", "_recorded_at", "_contract_version")
_AS_THEY_CAME = (*PLACE_COLUMNS, "_appended_at")


class Row(NamedTuple):
    """What is known of one record beside its envelope: accepted when there are no reasons."""

    occurred_at: datetime | None
    sequence: int | None
    reasons: tuple[str, ...]
    sealed: bytes | None
    accepted: bool
    values: Mapping[str, Any]


class BatchDecoder:
    """Decodes the batches of one contract's records; keeps what it found of values from batch to batch."""

    def __init__(self, contract: Contract, pseudonymiser: Pseudonymiser, sealer: Sealer) -> None:
        """Decode by a contract.

        Args:
            contract: The contract of the dataset.
            pseudonymiser: Makes the pseudonyms of this key epoch.
            sealer: Seals to the public key; a fresh data key is made for each batch.
        """
        self._contract, self._sealer = contract, sealer
        self._pseudonym = pseudonymiser.pseudonym
        self._judge = Judge(contract)
        self._clearer = Clearer(contract, self._judge.envelopes)
        self._sequence = contract.sequence or ""
        self._personal = tuple((f.name, f.column, f.identifier or "") for f in contract.fields if f.is_pseudonymised)

    def decode(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The landing rows of a batch of records.

        Args:
            batch: Columns ``_kafka_topic, _kafka_partition, _kafka_offset, _appended_at, headers, key, value``, one row a record.

        Returns:
            A batch with exactly the columns of ``landing_schema(contract)``, row for row.
        """
        sealer = self._sealer.renewed()
        # Both ways ask on which day a record was seen.
        seen_at = batch.column("_appended_at").cast(INSTANT)
        batch = batch.set_column(batch.schema.get_field_index("_appended_at"), "_appended_at", seen_at)
        with _collector_paused():
            headers = split_headers(batch.column("headers"))
            cleared = self._clearer.clear(batch, headers)
            if cleared is None or len(cleared.doubtful) == batch.num_rows:
                return self._long_way(batch, headers, sealer)
            doubtful = sorted(cleared.doubtful)
            short = self._short_way(batch, cleared, sealer)
            if not doubtful:
                return short
            some = batch.take(pa.array(doubtful))
            return _put_back(self._long_way(some, split_headers(some.column("headers")), sealer), short, doubtful)

    def _short_way(self, batch: pa.RecordBatch, cleared: Cleared, sealer: Sealer) -> pa.RecordBatch:
        """Rows of the cleared records; those of doubtful ones say nothing."""
        count = batch.num_rows
        identifiers = {column: cleared.certain(name) for name, column, _ in self._personal}
        columns: dict[str, Any] = {name: batch.column(name) for name in _AS_THEY_CAME}
        columns |= cleared.envelope | {"_occurred_at": cleared.occurred_at, "_replaces": [None] * count}
        columns |= {"_sequence": cleared.values.get(self._sequence, [None] * count)}
        columns |= {"_accepted": [True] * count, "_base": [False] * count, "_reasons": [()] * count}
        columns["_sealed"] = _sealed(batch, identifiers, sealer)
        columns |= {field.column: cleared.values[field.name] for field in self._contract.fields if not field.is_pseudonymised}
        columns |= {column: self._pseudonyms(kind, identifiers[column]) for _, column, kind in self._personal}
        return _table(columns, self._contract)

    def _pseudonyms(self, kind: str, identifiers: Sequence[str | None]) -> list[str | None]:
        return [None if identifier is None else self._pseudonym(kind, identifier) for identifier in identifiers]

    def _long_way(self, batch: pa.RecordBatch, headers: BatchHeaders, sealer: Sealer) -> pa.RecordBatch:
        """Rows of records that are judged one by one, with every reason."""
        envelopes, rows, found = [], [], headers.rows()
        times_and_values = zip(*(batch.column(name).to_pylist() for name in ("_appended_at", "value")), strict=True)
        for number, (place, (seen_at, value)) in enumerate(zip(_places(batch), times_and_values, strict=True)):
            repeated = headers.repeated.get(number, ())
            judged = self._judge.read(found[number], value, topic=place.topic, seen_at=seen_at, repeated=repeated)
            envelopes.append(judged.envelope)
            if judged.reasons:
                rows.append(Row(None, None, judged.reasons, sealer.seal(_packed(batch, number), place), False, {}))
            else:
                rows.append(self._accepted(place, judged.reading, sealer))
        columns: dict[str, Any] = {name: batch.column(name) for name in _AS_THEY_CAME}
        columns |= _transposed((*_ENVELOPE, ""), envelopes)
        columns |= _transposed(("_occurred_at", "_sequence", "_reasons", "_sealed", "_accepted", ""), rows)
        columns["_base"] = [False] * batch.num_rows
        columns |= {field.column: [row.values.get(field.name) for row in rows] for field in self._contract.fields}
        return _table(columns, self._contract)

    def _accepted(self, place: Place, reading: Reading, sealer: Sealer) -> Row:
        values = dict(reading.values)
        raw = {column: values[name] for name, column, _ in self._personal if name in values}
        values |= {name: self._pseudonym(kind, values[name]) for name, _, kind in self._personal if name in values}
        sealed = sealer.seal(orjson.dumps(raw), place) if raw else None
        return Row(reading.occurred_at, values.get(self._sequence), (), sealed, True, values)


def _sealed(batch: pa.RecordBatch, identifiers: Mapping[str, Sequence[str | None]], sealer: Sealer) -> list[bytes | None]:
    """By row its identifiers, sealed; None where there are none."""
    if not identifiers:
        return [None] * batch.num_rows
    rows = (
        {name: value for name, value in zip(identifiers, row, strict=True) if value is not None}
        for row in zip(*identifiers.values(), strict=True)
    )
    return sealer.seal_all([orjson.dumps(raw) if raw else None for raw in rows], _places(batch))


def _packed(batch: pa.RecordBatch, number: int) -> bytes:
    key, value = (batch.column(name)[number].as_py() for name in ("key", "value"))
    return pack(Record(key, value, all_headers(batch.column("headers"), number)))


def _places(batch: pa.RecordBatch) -> Iterator[Place]:
    return map(Place, *(batch.column(name).to_pylist() for name in PLACE_COLUMNS))


def _put_back(some: pa.RecordBatch, batch: pa.RecordBatch, rows: Sequence[int]) -> pa.RecordBatch:
    """The batch with other rows in the given places."""
    order = np.arange(batch.num_rows)
    order[rows] = batch.num_rows + np.arange(len(rows))
    return pa.concat_batches([batch, some]).take(pa.array(order))


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


def _table(columns: Mapping[str, Any], contract: Contract) -> pa.RecordBatch:
    schema = landing_schema(contract)
    return pa.RecordBatch.from_arrays([_array(columns[field.name], field.type) for field in schema], schema=schema)


def _transposed(names: tuple[str, ...], rows: Sequence[tuple[Any, ...]]) -> dict[str, tuple[Any, ...]]:
    return dict(zip(names, zip(*rows, strict=True) if rows else [()] * len(names), strict=True))


def _array(column: "pa.Array | list[Any] | tuple[Any, ...]", kind: pa.DataType) -> pa.Array:
    if isinstance(column, pa.Array):
        return column if column.type == kind else column.cast(kind)
    return pa.array(column, kind)
