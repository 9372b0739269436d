"""Landing's decoding: one Arrow batch of Kafka records in, one batch of landing rows out, one row per record.

Nothing is dropped and nothing raises for what a record holds: a record that breaks a rule becomes a rejected row with its
reasons and the whole record sealed. This is where identifiers become pseudonyms; no raw one leaves in any column.
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import orjson
import pyarrow as pa

from commonweal.contract.model import Contract
from commonweal.decoding.decoder import Decoder, Reading
from commonweal.decoding.document import Document, parse
from commonweal.decoding.envelope import Envelope, Envelopes
from commonweal.decoding.headers import RowHeaders, split_headers
from commonweal.decoding.record import Record, pack
from commonweal.identity import Place, Pseudonymiser, Sealer
from commonweal.render.lake_schema import landing_schema

_NOTHING = Reading({}, (), None)


class Row(NamedTuple):
    """One landing row: accepted when there are no reasons."""

    envelope: Envelope
    occurred_at: datetime | None
    sequence: int | None
    digest: str | None
    reasons: tuple[str, ...]
    sealed: bytes | None
    values: Mapping[str, Any]


def decode(batch: pa.RecordBatch, *, contract: Contract, pseudonymiser: Pseudonymiser, sealer: Sealer) -> pa.RecordBatch:
    """The landing rows of a batch of records.

    Args:
        batch: Columns ``_topic, _partition, _offset, _appended_at, headers, key, value``, one row per record.
        contract: The contract of the dataset.
        pseudonymiser: Makes the pseudonyms of this key epoch.
        sealer: Seals to the public key; a fresh data key is made for the batch.

    Returns:
        A batch with exactly the columns of ``landing_schema(contract)``, row for row.
    """
    rows = _RowReader(contract, pseudonymiser, sealer.renewed())
    places = [batch.column(name).to_pylist() for name in ("_topic", "_partition", "_offset", "_appended_at")]
    bodies = [batch.column(name).to_pylist() for name in ("key", "value")]
    headers = split_headers(batch.column("headers"))
    found = [
        rows.read(Place(topic, partition, offset), seen_at, header, (key, value))
        for topic, partition, offset, seen_at, header, key, value in zip(*places, headers, *bodies, strict=True)
    ]
    return _table(batch, found, contract)


class _RowReader:
    def __init__(self, contract: Contract, pseudonymiser: Pseudonymiser, sealer: Sealer) -> None:
        self._decoder = Decoder(contract)
        self._envelopes = Envelopes(contract)
        self._pseudonymiser = pseudonymiser
        self._sealer = sealer
        self._sequence = contract.sequence
        self._personal = tuple((f.name, f.column, f.identifier or "") for f in contract.fields if f.is_pseudonymised)

    def read(self, place: Place, seen_at: datetime, headers: RowHeaders, body: tuple[bytes | None, bytes | None]) -> Row:
        document, unreadable = parse(body[1])
        reading = _NOTHING if document is None else self._decoder.read(document, seen_at=seen_at)
        own = self._decoder.own_identifiers(document) if document and self._personal else ()
        envelope = self._envelopes.read(headers.found, topic=place.topic, seen_at=seen_at, own=own)
        reasons = (*headers.reasons, *envelope.reasons, *((unreadable,) if unreadable else ()), *reading.reasons)
        if reasons:
            return self._rejected(place, envelope, reasons, Record(*body, headers.all()))
        return self._accepted(place, envelope, reading)

    def _rejected(self, place: Place, envelope: Envelope, reasons: tuple[str, ...], record: Record) -> Row:
        return Row(envelope, None, None, None, reasons, self._sealer.seal(pack(record), place), {})

    def _accepted(self, place: Place, envelope: Envelope, reading: Reading) -> Row:
        values, sealed = reading.values, None
        if self._personal:
            raw = {column: values[name] for name, column, _ in self._personal if name in values}
            values = self._pseudonymised(values)
            sealed = self._sealer.seal(orjson.dumps(raw), place) if raw else None
        sequence = values.get(self._sequence) if self._sequence else None
        return Row(envelope, reading.occurred_at, sequence, digest(envelope, values), (), sealed, values)

    def _pseudonymised(self, values: Document) -> Document:
        found = {name: self._pseudonymiser.pseudonym(kind, values[name]) for name, _, kind in self._personal if name in values}
        return {**values, **found}


def digest(envelope: Envelope, values: Mapping[str, Any]) -> str:
    """SHA-256 of an event's content: type, what it replaces, and its typed values with pseudonyms for identifiers.

    Equal content has an equal digest however it was written (order of members, nulls, ``1.5`` or ``1.50``, full-width ids).
    """
    content = [envelope.event_type, envelope.replaces, values]
    return hashlib.sha256(orjson.dumps(content, default=str, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _table(batch: pa.RecordBatch, rows: list[Row], contract: Contract) -> pa.RecordBatch:
    schema = landing_schema(contract)
    columns = {name: batch.column(name) for name in ("_topic", "_partition", "_offset", "_appended_at")} | {
        "_source": [row.envelope.source for row in rows],
        "_event_id": [row.envelope.event_id for row in rows],
        "_event_type": [row.envelope.event_type for row in rows],
        "_replaces": [row.envelope.replaces for row in rows],
        "_recorded_at": [row.envelope.recorded_at for row in rows],
        "_contract_version": [row.envelope.contract_version for row in rows],
        "_occurred_at": [row.occurred_at for row in rows],
        "_sequence": [row.sequence for row in rows],
        "_digest": [row.digest for row in rows],
        "_accepted": [not row.reasons for row in rows],
        "_reasons": [row.reasons for row in rows],
        "_sealed": [row.sealed for row in rows],
    }
    columns |= {field.column: [row.values.get(field.name) for row in rows] for field in contract.fields}
    return pa.RecordBatch.from_arrays([_array(columns[field.name], field.type) for field in schema], schema=schema)


def _array(column: Any, kind: pa.DataType) -> pa.Array:
    if isinstance(column, pa.Array):
        return column if column.type == kind else column.cast(kind)
    return pa.array(column, kind)
