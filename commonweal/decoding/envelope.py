"""The CloudEvents 1.0.2 attributes of a record, from its Kafka headers (binary mode)."""

import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

from commonweal.contract.model import Contract
from commonweal.decoding.traces import is_traceable
from commonweal.decoding.values import Refused, read_instant

TYPES = ("recorded", "corrected", "withdrawn")
# Those of a whole export first: they are judged together, once; then those of one record.
SHARED_HEADERS = ("ce_specversion", "ce_source", "ce_type", "ce_time", "ce_dataschema", "ce_repairer", "content-type")
HEADERS = (*SHARED_HEADERS, "ce_id", "ce_replaces")
_REQUIRED = frozenset(("ce_specversion", "ce_source", "ce_type", "ce_time", "ce_dataschema"))
_LONGEST_ID = 200
_LONGEST_HEADER = 500
_LONGEST_SHARED = 2_000

Headers = Sequence[bytes | None]
Verdict = tuple[str | None, str | None]


class Envelope(NamedTuple):
    """What the headers say; an attribute that breaks a rule is None, and the rule stands among the reasons."""

    source: str | None
    event_id: str | None
    event_type: str | None
    replaces: str | None
    recorded_at: datetime | None
    contract_version: str | None
    reasons: tuple[str, ...]


class Shared(NamedTuple):
    """What the headers say that are the same on every record of an export."""

    source: str | None
    event_type: str | None
    recorded_at: datetime | None
    contract_version: str | None
    reasons: tuple[str, ...]


class Envelopes:
    """Reads the envelopes of one contract's records."""

    def __init__(self, contract: Contract) -> None:
        self._repair_topic = contract.repair_topic
        self._horizon = timedelta(days=contract.limits.horizon_days)
        self._kept = timedelta(days=contract.retention.events_days)
        system = r"(?:/[A-Za-z0-9][A-Za-z0-9._-]{0,63})?"
        number = r"(?:0|[1-9][0-9]{0,5})"
        version = rf"urn:commonweal:{re.escape(contract.id)}:({contract.major}\.{number}\.{number})"
        self._rules = {
            "ce_specversion": _matching(r"1\.0", "version"),
            "ce_source": _matching(rf"/{re.escape(contract.department)}{system}", "department"),
            "ce_type": _matching(rf"{re.escape(contract.id)}\.({'|'.join(TYPES)})", "event_type"),
            "ce_dataschema": _matching(version, "major_version"),
            "content-type": _matching(r"(?i:application/json)(?:\s*;.*)?", "media_type"),
        }
        self._known = lru_cache(maxsize=1024)(self._read_shared)

    def read(self, headers: Headers, *, topic: str, seen_at: datetime, own: Sequence[str] = ()) -> Envelope:
        """The envelope of one record.

        Args:
            headers: The values of ``HEADERS``, in that order; None for one that isn't there.
            topic: The topic from which the record came.
            seen_at: When the broker appended it.
            own: Personal identifiers of the record's document, which may not stand in an event's id.
        """
        shared = self.shared(topic, *headers[: len(SHARED_HEADERS)])
        source, event_type, recorded_at, version, reasons = shared
        event_id, id_reasons = _identity("ce_id", headers[-2], own)
        replaces, replaces_reasons = _identity("ce_replaces", headers[-1], own)
        reasons += id_reasons + replaces_reasons + _relation_reasons(event_type, headers)
        if recorded_at is not None and recorded_at > seen_at + self._horizon:
            # Whoever writes from the future would outrank every later correction.
            reasons += ("horizon:ce_time",)
        if recorded_at is not None and recorded_at < seen_at - self._kept + self._horizon:
            # It may have landed before and gone since: landed again, it would undo what came after it.
            reasons += ("retention:ce_time",)
        return Envelope(source, event_id, event_type, replaces, recorded_at, version, reasons)

    def shared(self, topic: str, *raws: bytes | None) -> Shared:
        """What the values of ``SHARED_HEADERS`` say; kept, since a whole export has the same, unless they are overlong."""
        return (self._known if sum(map(len, filter(None, raws))) <= _LONGEST_SHARED else self._read_shared)(topic, *raws)

    def _read_shared(self, topic: str, *raws: bytes | None) -> Shared:
        raw = dict(zip(SHARED_HEADERS, raws, strict=True))
        needed = _REQUIRED | {"ce_repairer"} if topic == self._repair_topic else _REQUIRED
        reasons = [f"required:{name}" for name in SHARED_HEADERS if name in needed and not raw[name]]
        found = {}
        for name, rule in self._rules.items():
            found[name], broken = rule(raw[name] or b"")
            reasons += [f"{broken}:{name}"] if raw[name] and broken else []
        recorded_at = _instant(raw["ce_time"] or b"")
        reasons += ["timestamp:ce_time"] if raw["ce_time"] and recorded_at is None else []
        return Shared(found["ce_source"], found["ce_type"], recorded_at, found["ce_dataschema"], tuple(reasons))


def _matching(pattern: str, rule: str) -> Callable[[bytes], Verdict]:
    compiled = re.compile(pattern)

    def read(raw: bytes) -> Verdict:
        match = compiled.fullmatch(_text(raw) or "")
        return (match.group(match.lastindex or 0), None) if match else (None, rule)

    return read


def _instant(raw: bytes) -> datetime | None:
    try:
        return read_instant(_text(raw))
    except Refused:
        return None


def _identity(name: str, raw: bytes | None, own: Sequence[str]) -> tuple[str | None, tuple[str, ...]]:
    if not raw:
        return None, ("required:ce_id",) if name == "ce_id" else ()
    text = _text(raw)
    if not text or len(text) > _LONGEST_ID or not text.isprintable() or text != text.strip():
        return None, (f"characters:{name}",)
    if is_traceable(text, own):
        return None, (f"resident_id_in_text:{name}",)
    return text, ()


def _relation_reasons(event_type: str | None, headers: Headers) -> tuple[str, ...]:
    event_id, replaces = headers[-2:]
    if event_type == "recorded" and replaces is not None:
        return ("forbidden:ce_replaces",)
    if event_type in ("corrected", "withdrawn") and not replaces:
        return ("required:ce_replaces",)
    return ("itself:ce_replaces",) if replaces and replaces == event_id else ()


def _text(raw: bytes) -> str | None:
    try:
        return raw.decode() if len(raw) <= _LONGEST_HEADER else None
    except UnicodeDecodeError:
        return None
