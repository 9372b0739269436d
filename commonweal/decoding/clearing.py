"""The short way through a batch: records that are provably good, found column by column; all others are left to the long way.

A column is judged by the same readers and the same parts of the event's schema as a record on its own, each distinct value
once. Nothing here says what is wrong with a record: any doubt at all leaves it to the long way, which alone gives reasons.
"""

from collections.abc import Sequence, Set
from datetime import timedelta
from typing import Any, NamedTuple

import jsonschema_rs
import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from commonweal.contract.model import Contract, Field
from commonweal.decoding.document import Document
from commonweal.decoding.envelope import SHARED_HEADERS, Envelopes
from commonweal.decoding.headers import BatchHeaders, distinct
from commonweal.decoding.values import Refused, reader
from commonweal.identity import check, normalise
from commonweal.identity.columns import are_resident_ids
from commonweal.render.event_schema import event_schema
from commonweal.render.lake_schema import INSTANT, arrow_type

MOST = 50_000
"""Good values remembered of one column."""
_NOTHING: Document = {}
_KINDS = {"integer": int, "boolean": bool}
_IS_PLAIN_ID = r"^[!-~]{1,200}$"
# At least as wide as every search in ``traces``: 17 digits of any width, with nothing but blanks between them.
_MAY_HOLD_ID = r"(?:[0-9０-９][\s\pZ\x{0B}\x{1C}-\x{1F}\x{85}\x{200B}\x{FEFF}]*){17}"


class Cleared(NamedTuple):
    """What was read of a batch.

    Attributes:
        doubtful: Numbers of the records that must go the long way.
        values: By field name, one typed value or None per record; identifiers normalised, not yet pseudonyms. Those of doubtful
            records say nothing.
        envelope: By landing column, what the headers say; the same holds of doubtful records.
        occurred_at: When the states took effect.
    """

    doubtful: frozenset[int]
    values: dict[str, Sequence[Any]]
    envelope: dict[str, Any]
    occurred_at: pa.Array

    def certain(self, name: str) -> Sequence[Any]:
        """The values of a field, None for those of doubtful records."""
        return _without(self.values[name], self.doubtful) if self.doubtful else self.values[name]


class Clearer:
    """Clears the records of one contract; keeps the good values that it met from batch to batch.

    A contract with pseudonyms of other identifiers than resident ids has no short way: the search in texts would not find them.
    """

    def __init__(self, contract: Contract, envelopes: Envelopes) -> None:
        parts = event_schema(contract)["properties"]
        kinds = {field.name: field for field in contract.fields}
        self._names = frozenset(parts)
        self._columns = {field.name: _column(field, parts[field.name]) for field in contract.fields}
        self._texts = tuple(name for name, column in self._columns.items() if isinstance(column, _Texts))
        # In JSON these stand between quotes.
        self._quoted = tuple(field.name for field in contract.fields if field.type not in _KINDS)
        self._occurred_at = [(name, arrow_type(kinds[name])) for name in contract.occurred_at]
        self._envelopes = envelopes
        self._horizon = timedelta(days=contract.limits.horizon_days)
        self._kept = timedelta(days=contract.retention.events_days)
        self._is_open = all(field.identifier == "resident_id" for field in contract.fields if field.is_pseudonymised)

    def clear(self, batch: pa.RecordBatch, headers: BatchHeaders) -> Cleared | None:
        """Read a batch, or None if none of this contract's records can be cleared.

        Args:
            batch: As ``BatchDecoder.decode`` takes it, its instants in UTC.
            headers: Those of its records.
        """
        if not self._is_open:
            return None
        seen = batch.column("_appended_at")
        documents, doubtful = self._documents(batch.column("value"))
        values = {}
        for name, column in self._columns.items():
            cells = [document.get(name) for document in documents]
            values[name], doubts = column.read(cells, seen)
            doubtful |= doubts
        doubtful |= self._repeating(batch.column("value"), documents, values)
        doubtful |= self._traceable(values)
        occurred_at, doubts = self._occurred(values, seen)
        doubtful |= doubts
        envelope, doubts = self._envelope(batch.column("_kafka_topic"), headers, seen)
        return Cleared(frozenset(doubtful | doubts), values, envelope, occurred_at)

    def _documents(self, column: pa.Array) -> tuple[list[Document], set[int]]:
        documents = [_object(raw) for raw in column.to_pylist()]
        known = self._names.issuperset
        return documents, {row for row, document in enumerate(documents) if document is _NOTHING or not known(document)}

    def _repeating(self, column: pa.Array, documents: list[Document], values: dict[str, Sequence[Any]]) -> set[int]:
        """Records that may name a key twice, of which the parser kept one: it has more quotes than what was kept."""
        expected = pa.array([2 * len(document) for document in documents], pa.int64())
        for name in self._quoted:
            is_there = pa.array([value is not None for value in values[name]])
            expected = pc.add(expected, pc.multiply(is_there.cast(pa.int64()), 2))
        return _rows(pc.not_equal(pc.count_substring(column, '"'), expected))

    def _traceable(self, values: dict[str, Sequence[Any]]) -> set[int]:
        """Records of which a text may hold a resident id."""
        found: set[int] = set()
        for name in self._texts:
            found |= _rows(pc.match_substring_regex(pa.array(values[name], pa.string()), _MAY_HOLD_ID))
        return found

    def _occurred(self, values: dict[str, Sequence[Any]], seen: pa.Array) -> tuple[pa.Array, set[int]]:
        if not self._occurred_at:
            return pa.nulls(len(seen), INSTANT), set()
        found = pc.coalesce(*(pa.array(values[name], kind).cast(INSTANT) for name, kind in self._occurred_at))
        return found, _rows(pc.fill_null(pc.greater(found, pc.add(seen, self._horizon)), True))

    def _envelope(self, topics: pa.Array, headers: BatchHeaders, seen: pa.Array) -> tuple[dict[str, Any], set[int]]:
        combinations, own = distinct([topics, *(headers.columns[name] for name in SHARED_HEADERS)])
        shared = [self._envelopes.shared(topic, *values) for topic, *values in combinations]
        is_bad = np.array([bool(said.reasons) or said.event_type != "recorded" for said in shared], np.bool_)
        doubtful = set(np.flatnonzero(is_bad[own]).tolist()) | set(headers.repeated)
        doubtful |= _rows(pc.is_valid(headers.columns["ce_replaces"]))
        ids, of_row = headers.columns["ce_id"], pa.array(own)
        is_plain = pc.and_(pc.match_substring_regex(ids, _IS_PLAIN_ID), pc.invert(pc.match_substring_regex(ids, "[0-9]{17}")))
        is_plain = pc.fill_null(is_plain, False)
        recorded = pa.array([said.recorded_at for said in shared], INSTANT).take(of_row)
        is_late = pc.greater(recorded, pc.add(seen, self._horizon))
        is_old = pc.less(recorded, pc.add(pc.subtract(seen, self._kept), self._horizon))
        doubtful |= _rows(pc.invert(is_plain)) | _rows(pc.fill_null(pc.or_(is_late, is_old), True))
        envelope = {
            "_source": pa.array([said.source for said in shared], pa.string()).take(of_row),
            "_event_id": pc.if_else(is_plain, ids, None).cast(pa.string()),
            "_event_type": pa.array([said.event_type for said in shared], pa.string()).take(of_row),
            "_recorded_at": recorded,
            "_contract_version": pa.array([said.contract_version for said in shared], pa.string()).take(of_row),
        }
        return envelope, doubtful


class _Texts:
    """A column of texts, of which hardly one is like another: the schema is asked of all at once."""

    def __init__(self, part: dict[str, Any]) -> None:
        self._validator = jsonschema_rs.Draft202012Validator({"type": "array", "items": part})

    def read(self, cells: list[Any], _seen: pa.Array) -> tuple[Sequence[Any], set[int]]:
        if self._holds(cells):
            return cells, set()
        doubtful = {row for row, cell in enumerate(cells) if not self._holds([cell])}
        return _without(cells, doubtful), doubtful

    def _holds(self, cells: list[Any]) -> bool:
        return _is_valid(self._validator, cells) and "\0" not in "".join(cell for cell in cells if cell)


class _Values:
    """A column of codes, numbers, days or instants: each distinct value is read once, as a record's would be."""

    def __init__(self, field: Field, part: dict[str, Any]) -> None:
        self._kinds = {_KINDS.get(field.type, str), type(None)}
        self._validator = jsonschema_rs.Draft202012Validator(part)
        self._read = reader(field)
        self._known: dict[Any, Any] = {}

    def read(self, cells: list[Any], _seen: pa.Array) -> tuple[Sequence[Any], set[int]]:
        # Only one type of key is ever asked for: True, 1 and 1.0 would be found under one another.
        doubtful = set[int]()
        if not self._kinds.issuperset(map(type, cells)):
            doubtful = {row for row, cell in enumerate(cells) if type(cell) not in self._kinds}
            cells = _without(cells, doubtful)
        if len(self._known) > MOST:
            self._known.clear()
        bad = {cell for cell in set(cells) if cell not in self._known and not self._learn(cell)}
        if bad:
            doubtful |= {row for row, cell in enumerate(cells) if cell in bad}
        return list(map(self._known.get, cells)), doubtful

    def _learn(self, cell: object) -> bool:
        """Keep what a good value becomes; a bad one is not kept: it may be of any length, and no two need be alike."""
        if not _is_valid(self._validator, cell):
            return False
        try:
            self._known[cell] = None if cell is None else self._read(cell)
        except Refused:
            return False
        return True


class _Identifiers:
    """A column of identifiers, as they are made pseudonyms of."""

    def __init__(self, kind: str, part: dict[str, Any]) -> None:
        self._kind = kind
        self._texts = _Texts(part)

    def read(self, cells: list[Any], seen: pa.Array) -> tuple[Sequence[Any], set[int]]:
        days = pc.cast(seen, pa.date32())
        others = self._not_certain(cells, days)
        normal = list(cells)
        for row in others:
            normal[row] = normalise(self._kind, cells[row]) if type(cells[row]) is str else cells[row]
        found, doubtful = self._texts.read(normal, seen)
        wrong = {row for row in others if found[row] is not None and check(self._kind, found[row], on=days[row].as_py())}
        return (_without(found, wrong), doubtful | wrong) if wrong else (found, doubtful)

    def _not_certain(self, cells: list[Any], days: pa.Array) -> list[int]:
        """The rows whose identifier must be looked at on its own."""
        if self._kind != "resident_id" or not {str, type(None)}.issuperset(map(type, cells)):
            return list(range(len(cells)))
        others: list[int] = np.flatnonzero(~are_resident_ids(pa.array(cells, pa.string()), days)).tolist()
        return others


def _column(field: Field, part: dict[str, Any]) -> "_Texts | _Values | _Identifiers":
    if field.identifier:
        return _Identifiers(field.identifier, part)
    return _Texts(part) if field.type == "string" and not field.codes else _Values(field, part)


def _object(raw: bytes | None) -> Document:
    try:
        found = orjson.loads(raw or b"")
    except orjson.JSONDecodeError:
        return _NOTHING
    return found if type(found) is dict else _NOTHING


def _is_valid(validator: jsonschema_rs.Draft202012Validator, instance: object) -> bool:
    try:
        return validator.is_valid(instance)
    except ValueError:
        # It gives up on nesting that a flat document never has.
        return False


def _without(cells: Sequence[Any], rows: Set[int]) -> list[Any]:
    return [None if row in rows else cell for row, cell in enumerate(cells)]


def _rows(mask: pa.Array) -> set[int]:
    """The rows for which a mask holds; for a null it does not."""
    return set(pc.indices_nonzero(mask).to_pylist())
