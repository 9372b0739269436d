"""Each row of an export against the contract, with all its errors: what passes becomes an event, the rest is written down."""

import csv
import hashlib
import hmac
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

import orjson

from commonweal.contract.model import Contract
from commonweal.decoding import Decoder, Envelopes, to_document
from commonweal.decoding.envelope import HEADERS, TYPES
from commonweal.render.topic import MAX_MESSAGE_BYTES
from streams.publishing.event import LETTERS, OVERHEAD_BYTES, Event, Origin
from streams.publishing.exports import SourceRow
from streams.publishing.shortcut import Shortcut

ATTRIBUTES = ("ce_id", "ce_type", "ce_replaces")
REJECT_COLUMNS = ("_row", "_reasons")


class Checker:
    """Makes events of rows, or says why not."""

    def __init__(self, contract: Contract, origin: Origin, seen_at: datetime) -> None:
        self._contract = contract
        self._origin = origin
        self._seen_at = seen_at
        self._decoder = Decoder(contract)
        self._envelopes = Envelopes(contract)
        self._shortcut = Shortcut(contract, origin, self._decoder, seen_at)
        known = {item.physical_name for item in contract.fields}
        self._known = known | set(ATTRIBUTES) | set(REJECT_COLUMNS) | ({origin.id_column} if origin.id_column else set())

    def check(self, row: SourceRow) -> tuple[Event, tuple[str, ...]]:
        """The row's event, and every rule that it breaks; with any, the event isn't for sending."""
        event = None if row.reasons else self._shortcut.event(row.cells)
        return (event, ()) if event else self.judge(row)

    def judge(self, row: SourceRow) -> tuple[Event, tuple[str, ...]]:
        """The same, the long way."""
        document, problems = to_document(row.cells, self._contract)
        reading = self._decoder.read(document, seen_at=self._seen_at)
        event = self._event(row.cells, document)
        headers = {name: text.encode() for name, text in self._origin.headers(event, self._contract).items()}
        raw = tuple(headers.get(name) for name in HEADERS)
        envelope = self._envelopes.read(raw, topic=self._contract.topic, seen_at=self._seen_at, own=reading.own)
        named = {problem.partition(":")[2] for problem in reading.reasons}
        unread = tuple(problem for problem in problems if problem.partition(":")[2] not in named)
        reasons = (*row.reasons, *unread, *reading.reasons, *envelope.reasons, *self._form_reasons(row, event))
        return event, tuple(dict.fromkeys(reasons))

    def _event(self, cells: Mapping[str, str | None], document: dict[str, Any]) -> Event:
        kind = (cells.get("ce_type") or self._origin.event_type).removeprefix(f"{self._contract.id}.")
        replaces = cells.get("ce_replaces") or None
        value = orjson.dumps(document).decode()
        key = "|".join(str(document.get(name, "")) for name in self._contract.key)
        own = cells.get(self._origin.id_column or "ce_id")
        return Event(
            key, own.strip() if own and own.strip() else self._derived_id(kind, replaces, document), kind, replaces, value
        )

    def _derived_id(self, kind: str, replaces: str | None, document: dict[str, Any]) -> str:
        # A plain hash would give identifiers away to whoever tries them all. The time of the export belongs to it: a case
        # that goes from A to B and back to A has three events, and the third must not be taken for a copy of the first.
        content = [self._origin.source, kind, replaces, self._origin.exported_at, document]
        canonical = orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
        return hmac.digest(self._origin.secret, canonical, "sha256").hex().translate(LETTERS)

    def _form_reasons(self, row: SourceRow, event: Event) -> list[str]:
        reasons = [] if row.cells.keys() <= self._known else ["unknown_column:_row"]
        if event.event_type not in TYPES:
            reasons.append("event_type:ce_type")
        if len(event.value.encode()) + len(event.key.encode()) + OVERHEAD_BYTES > MAX_MESSAGE_BYTES:
            reasons.append("size:_row")
        return reasons


@dataclass
class Tally:
    """Counts of a check: rows, bad rows, and bad rows by reason."""

    rows: int = 0
    bad: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(self.rows + other.rows, self.bad + other.bad, self.reasons + other.reasons)


class Rejects:
    """The reject file: a CSV that can be mended and published as it is. Made with the first bad row, mode 0600."""

    def __init__(self, path: Path, columns: Iterable[str]) -> None:
        self.path = path
        self._columns = [name for name in dict.fromkeys(columns) if name not in REJECT_COLUMNS]
        self._file: TextIO | None = None

    def add(self, row: SourceRow, reasons: tuple[str, ...]) -> None:
        """Write one bad row down, with its number and its reasons."""
        self._file = self._file or self._open()
        cells = [row.cells.get(name) for name in self._columns]
        csv.writer(self._file).writerow([row.number, " ".join(reasons), *cells])

    def close(self) -> None:
        """Finish the file, if there is one."""
        if self._file:
            self._file.close()

    def _open(self) -> TextIO:
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        os.fchmod(descriptor, 0o600)
        file = os.fdopen(descriptor, "w", encoding="utf-8-sig", newline="")
        csv.writer(file).writerow([*REJECT_COLUMNS, *self._columns])
        return file


def fingerprint(*parts: str) -> str:
    """One digest over several texts."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
