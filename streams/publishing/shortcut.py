"""The short way for a row: each of its cells was found good on its own before, and nothing that looks at the whole row objects.

Most cells of an export say what many others said: a code, a day, a name of a street. What a cell becomes, and that it breaks no
rule, is found once by the validator and remembered. A row takes the short way only if that proves it good; any doubt sends it
the long way, which alone finds what is wrong. Both give the same event, byte by byte.
"""

import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import jsonschema_rs
import orjson

from commonweal.contract.model import Contract, Field
from commonweal.decoding import Decoder, to_document
from commonweal.decoding.traces import Traces
from commonweal.identity import holds_resident_id
from commonweal.render.event_schema import event_schema
from commonweal.render.topic import MAX_MESSAGE_BYTES
from streams.publishing.event import LETTERS, OVERHEAD_BYTES, Event, Origin

MOST = 50_000
"""Cells remembered of one column; an export in which no cell repeats takes no more memory."""


class Cell(NamedTuple):
    """What a text of one column becomes.

    Attributes:
        value: In the document.
        member: As JSON, ``"name":value``.
    """

    value: Any
    member: str


class Shortcut:
    """Makes events of rows that are provably good."""

    def __init__(self, contract: Contract, origin: Origin, decoder: Decoder, seen_at: datetime) -> None:
        self._contract, self._decoder, self._seen_at = contract, decoder, seen_at
        self._columns = [(field, field.physical_name, field.required) for field in contract.fields]
        self._known: list[dict[str, Cell]] = [{} for _ in contract.fields]
        self._names = frozenset(field.physical_name for field in contract.fields)
        self._texts = _text_validators(contract)
        places = {field.name: place for place, field in enumerate(contract.fields)}
        self._sorted = [places[name] for name in sorted(places)]
        self._key = [places[name] for name in contract.key]
        self._occurred_at = [places[name] for name in contract.occurred_at]
        self._traces = Traces(contract) if contract.has_pseudonyms else None
        # A department's own ids, corrections and withdrawals are judged the long way.
        self._is_open = origin.event_type == "recorded" and origin.id_column is None
        self._secret = origin.secret
        shared = orjson.dumps([origin.source, "recorded", None, origin.exported_at]).decode()
        self._head = f"{shared[:-1]},{{"

    def event(self, cells: Mapping[str, str | None]) -> Event | None:
        """The row's event, or None if it must go the long way."""
        if not self._is_open or not cells.keys() <= self._names:
            return None
        found: list[Cell | None] = []
        for (field, column, required), known in zip(self._columns, self._known, strict=True):
            text = cells.get(column)
            cell = (known.get(text) or self._learn(field, text, known)) if text else None
            if cell is None and (required or text):
                return None
            found.append(cell)
        if not self._has_time(found) or (self._traces and not self._is_silent(found)):
            return None
        return self._made(found)

    def _made(self, found: "list[Cell | None]") -> Event | None:
        value = f"{{{','.join([cell.member for cell in found if cell])}}}"
        key = "|".join([str(cell.value) if (cell := found[place]) else "" for place in self._key])
        if len(value.encode()) + len(key.encode()) + OVERHEAD_BYTES > MAX_MESSAGE_BYTES:
            return None
        canonical = f"{self._head}{','.join([cell.member for place in self._sorted if (cell := found[place])])}}}]"
        event_id = hmac.digest(self._secret, canonical.encode(), "sha256").hex().translate(LETTERS)
        return Event(key, event_id, "recorded", None, value)

    def _has_time(self, found: "list[Cell | None]") -> bool:
        """Whether something says when the state took effect; that it isn't too late was found with each cell that may."""
        return not self._occurred_at or any(found[place] for place in self._occurred_at)

    def _is_silent(self, found: "list[Cell | None]") -> bool:
        """Whether none of the record's own identifiers stands in another of its texts."""
        document = {field.name: cell.value for field, cell in zip(self._contract.fields, found, strict=True) if cell}
        return self._traces is not None and not self._traces.reasons(document)

    def _learn(self, field: Field, text: str, known: dict[str, Cell]) -> Cell | None:
        validator = self._texts.get(field.name)
        cell = _text_cell(field, text, validator) if validator else self._probed(field, text)
        if cell is not None:
            if len(known) >= MOST:
                known.clear()
            known[text] = cell
        return cell

    def _probed(self, field: Field, text: str) -> Cell | None:
        """The cell as the validator reads it in a document of its own; rules of other fields don't concern it."""
        document, problems = to_document({field.physical_name: text}, self._contract)
        if problems or field.name not in document:
            return None
        reading = self._decoder.read(document, seen_at=self._seen_at)
        if field.name not in reading.values or any(_concerns(reason, field.name) for reason in reading.reasons):
            return None
        return _cell(field, document[field.name])


def _text_validators(contract: Contract) -> dict[str, jsonschema_rs.Draft202012Validator]:
    """By name of each field that is any text: what its own part of the event's schema says."""
    parts = event_schema(contract)["properties"]
    texts = [field.name for field in contract.fields if field.type == "string" and not field.codes and not field.identifier]
    return {name: jsonschema_rs.Draft202012Validator(parts[name]) for name in texts if name not in contract.occurred_at}


def _text_cell(field: Field, text: str, validator: jsonschema_rs.Draft202012Validator) -> Cell | None:
    """The cell of a text, of which hardly one is like another: no whole document is read for it."""
    if text.isspace() or "\0" in text or holds_resident_id(text):
        return None
    return _cell(field, text) if validator.is_valid(text) else None


def _cell(field: Field, value: object) -> Cell:
    return Cell(value, f'"{field.name}":{orjson.dumps(value).decode()}')


def _concerns(reason: str, name: str) -> bool:
    rule, _, field = reason.partition(":")
    return field in (name, "_document") or (field == "occurred_at" and rule != "required")
