"""What a contract says about one document, and what a JSON Schema can't say about it."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

import jsonschema_rs

from commonweal.contract.model import Contract
from commonweal.decoding.document import Document
from commonweal.decoding.traces import Traces
from commonweal.decoding.values import Refused, midnight, reader
from commonweal.identity import check, normalise
from commonweal.render.event_schema import event_schema

_WHOLE = "_document"


class Reading(NamedTuple):
    """What was read of one document.

    Attributes:
        values: Typed values by field name, without nulls; identifiers normalised, not yet pseudonyms.
        reasons: Every rule that the document breaks, as ``rule:field``; empty for a good one.
        occurred_at: When the state took effect, or None.
        own: The personal identifiers that the document holds, normalised.
    """

    values: dict[str, Any]
    reasons: tuple[str, ...]
    occurred_at: datetime | None
    own: Sequence[str]


class Decoder:
    """The validator of one contract's documents."""

    def __init__(self, contract: Contract) -> None:
        self._fields = {field.name: field for field in contract.fields}
        self._identifiers = tuple((field.name, field.identifier) for field in contract.fields if field.identifier)
        self._readers = tuple((field.name, reader(field)) for field in contract.fields)
        self._occurred_at = contract.occurred_at
        self._horizon = timedelta(days=contract.limits.horizon_days)
        self._validator = jsonschema_rs.Draft202012Validator(event_schema(contract))
        self._traces = Traces(contract)

    def problems(self, document: Document, *, seen_at: datetime | None = None) -> tuple[str, ...]:
        """Every rule that the document breaks, as ``rule:field``; none for a good one.

        Args:
            document: The event's value.
            seen_at: When the broker appended it, or now for one that isn't sent yet; by default nothing is too early.
        """
        return self.read(document, seen_at=seen_at).reasons

    def read(self, document: Document, *, seen_at: datetime | None = None) -> Reading:
        """The document's typed values, with every rule that it breaks."""
        document = self._normalised(document)
        reasons = self._schema_reasons(document)
        values = self._values(document, reasons)
        reasons += self._identifier_reasons(document, seen_at)
        reasons += self._traces.reasons(document)
        occurred_at = self._occurred(values)
        reasons += self._time_reasons(occurred_at, seen_at)
        return Reading(values, tuple(dict.fromkeys(reasons)), occurred_at, self._traces.own(document))

    def _normalised(self, document: Document) -> Document:
        found = {name: normalise(kind, value) for name, kind in self._identifiers if type(value := document.get(name)) is str}
        return {**document, **found} if found else document

    def _schema_reasons(self, document: Document) -> list[str]:
        try:
            if self._validator.is_valid(document):
                return []
            return [self._reason(error, document) for error in self._validator.iter_errors(document)]
        except ValueError:
            # The validator gives up on nesting that a flat document never has.
            return [f"nesting:{_WHOLE}"]

    def _reason(self, error: jsonschema_rs.ValidationError, document: Document) -> str:
        name = error.kind.as_dict()["property"] if error.kind.name == "required" else next(iter(error.instance_path), None)
        if name not in self._fields:
            # A name that the contract doesn't know was chosen by the sender, and may be a person's number.
            return f"{_snake(error.kind.name)}:{_WHOLE}"
        rule = "required" if document.get(name) is None else _snake(error.kind.name)
        return f"{rule}:{name}"

    def _values(self, document: Document, reasons: list[str]) -> dict[str, Any]:
        broken = {reason.partition(":")[2] for reason in reasons}
        values = {name: value for name, value in document.items() if value is not None and name in self._fields}
        for name, read in self._readers:
            if name not in values:
                continue
            try:
                values[name] = read(values[name])
            except Refused as refused:
                del values[name]
                if name not in broken:
                    reasons.append(f"{refused.rule}:{name}")
        return values

    def _identifier_reasons(self, document: Document, seen_at: datetime | None) -> list[str]:
        reasons = []
        for name, kind in self._identifiers:
            text = document.get(name)
            rule = check(kind, text, on=seen_at.date() if seen_at else None) if type(text) is str else None
            if rule:
                reasons.append(f"{rule}:{name}")
        return reasons

    def _occurred(self, values: dict[str, Any]) -> datetime | None:
        found = next((values[name] for name in self._occurred_at if name in values), None)
        return midnight(found) if type(found) is date else found

    def _time_reasons(self, occurred_at: datetime | None, seen_at: datetime | None) -> list[str]:
        if occurred_at is None:
            return ["required:occurred_at"] if self._occurred_at else []
        if seen_at is not None and occurred_at > seen_at + self._horizon:
            return ["horizon:occurred_at"]
        return []


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
