"""The CloudEvents 1.0.2 attributes of a record, from its Kafka headers (binary mode)."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

from commonweal.contract.model import Contract
from commonweal.decoding.traces import is_traceable
from commonweal.decoding.values import Refused, read_instant

TYPES = ("recorded", "corrected", "withdrawn")
HEADERS = (
    "ce_specversion",
    "ce_id",
    "ce_source",
    "ce_type",
    "ce_time",
    "ce_dataschema",
    "ce_replaces",
    "ce_repairer",
    "content-type",
)
_REQUIRED = ("ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "ce_dataschema")
_LONGEST_ID = 200
_LONGEST_HEADER = 500

Headers = Mapping[str, bytes | None]
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


class Envelopes:
    """Reads the envelopes of one contract's records."""

    def __init__(self, contract: Contract) -> None:
        self._repair_topic = contract.repair_topic
        self._horizon = timedelta(days=contract.limits.horizon_days)
        self._rules = {
            "ce_specversion": _matching(re.compile(r"1\.0"), "version"),
            "ce_source": _matching(re.compile(rf"/{contract.department}(?:/[A-Za-z0-9][A-Za-z0-9._-]{{0,63}})?"), "department"),
            "ce_type": _matching(re.compile(rf"{re.escape(contract.id)}\.({'|'.join(TYPES)})"), "event_type"),
            "ce_dataschema": _version_rule(contract),
            "content-type": _matching(re.compile(r"application/json(?:\s*;.*)?", re.IGNORECASE), "media_type"),
        }

    def read(self, headers: Headers, *, topic: str, seen_at: datetime, own: Sequence[str] = ()) -> Envelope:
        """The envelope of one record.

        Args:
            headers: The headers that are there, each once; those in ``HEADERS`` are read.
            topic: The topic from which the record came.
            seen_at: When the broker appended it.
            own: Personal identifiers of the record's document, which may not stand in an event's id.
        """
        reasons = [f"required:{name}" for name in _REQUIRED if not headers.get(name)]
        found = {name: self._cached(name, headers.get(name), reasons) for name in self._rules}
        recorded_at = self._time(headers.get("ce_time"), seen_at, reasons)
        event_id = _identity("ce_id", headers.get("ce_id"), own, reasons)
        replaces = _identity("ce_replaces", headers.get("ce_replaces"), own, reasons)
        reasons += _relation_reasons(found["ce_type"], event_id, replaces, headers)
        if topic == self._repair_topic and not headers.get("ce_repairer"):
            reasons.append("required:ce_repairer")
        return Envelope(
            found["ce_source"], event_id, found["ce_type"], replaces, recorded_at, found["ce_dataschema"], tuple(reasons)
        )

    def _cached(self, name: str, raw: bytes | None, reasons: list[str]) -> str | None:
        if not raw:
            return None
        value, rule = self._rules[name](raw)
        if rule:
            reasons.append(f"{rule}:{name}")
        return value

    def _time(self, raw: bytes | None, seen_at: datetime, reasons: list[str]) -> datetime | None:
        if not raw:
            return None
        recorded_at = _instant(raw)
        if recorded_at is None:
            reasons.append("timestamp:ce_time")
        elif recorded_at > seen_at + self._horizon:
            # Whoever writes from the future would outrank every later correction.
            reasons.append("horizon:ce_time")
        return recorded_at


def _matching(pattern: "re.Pattern[str]", rule: str) -> Callable[[bytes], Verdict]:
    # The same few values stand on every record: each is judged once.
    @lru_cache(maxsize=1024)
    def read(raw: bytes) -> Verdict:
        match = pattern.fullmatch(_text(raw) or "")
        return (match.group(match.lastindex or 0), None) if match else (None, rule)

    return read


def _version_rule(contract: Contract) -> Callable[[bytes], Verdict]:
    number = r"(?:0|[1-9][0-9]{0,5})"
    return _matching(
        re.compile(rf"urn:commonweal:{re.escape(contract.id)}:({contract.major}\.{number}\.{number})"), "major_version"
    )


@lru_cache(maxsize=1024)
def _instant(raw: bytes) -> datetime | None:
    try:
        return read_instant(_text(raw))
    except Refused:
        return None


def _identity(name: str, raw: bytes | None, own: Sequence[str], reasons: list[str]) -> str | None:
    if not raw:
        return None
    text = _text(raw)
    if not text or len(text) > _LONGEST_ID or not text.isprintable() or text != text.strip():
        reasons.append(f"characters:{name}")
        return None
    if is_traceable(text, own):
        reasons.append(f"resident_id_in_text:{name}")
        return None
    return text


def _relation_reasons(event_type: str | None, event_id: str | None, replaces: str | None, headers: Headers) -> list[str]:
    given = headers.get("ce_replaces") is not None
    if event_type in ("corrected", "withdrawn") and not headers.get("ce_replaces"):
        return ["required:ce_replaces"]
    if event_type == "recorded" and given:
        return ["forbidden:ce_replaces"]
    return ["itself:ce_replaces"] if replaces is not None and replaces == event_id else []


def _text(raw: bytes) -> str | None:
    try:
        return raw.decode() if len(raw) <= _LONGEST_HEADER else None
    except UnicodeDecodeError:
        return None
