"""An invented town: the exports that its departments would make, and a ledger of what must come out in the end.

Deterministic: the same seed writes the same bytes. Three exports (the register; social assistance; a later one of social
assistance with what changed and what was mistaken) go through ``publish``. One batch of events is for a department's own
producer, which doesn't check: enough of them are wrong for the gate to refuse, until they are repaired.
"""

import csv
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from random import Random
from typing import Any

import orjson

from infra.demo import cases, registrations
from infra.demo.cases import Caseload, Finding
from infra.demo.people import Person, mistyped, people

REGISTER, CASES = "public_security.household_registration", "civil_affairs.assistance_case"
SOURCE = "/civil_affairs/case_system"
SEED = 20_000
DIRECT_EVENTS = 150
WRONG_EVENTS = 45
_FIRST_AT, _SECOND_AT, _DIRECT_AT = "2025-07-01T02:00:00Z", "2025-08-01T02:00:00Z", "2025-08-02T09:30:00Z"


@dataclass(frozen=True)
class ExportFile:
    """One export and what publishing must count: rows, bad rows, and the keys that its good rows have.

    Attributes:
        exported_at: When the department made it; the file's time says the same.
    """

    dataset: str
    path: Path
    exported_at: str
    rows: int
    bad_rows: int
    keys: frozenset[str]


@dataclass(frozen=True)
class DirectEvent:
    """One event as a department's own producer writes it.

    Attributes:
        value: The event's value as it is sent.
        right: The document as it should have been; equal to the one sent unless ``is_wrong``.
    """

    event_id: str
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...]
    is_wrong: bool
    right: Mapping[str, Any]


@dataclass(frozen=True)
class Ledger:
    """What the town's data must come to.

    Attributes:
        exports: In the order in which they are to be published.
        direct: The events that go to Kafka without ``publish``, after the exports.
        dead: Persons whom the register calls dead.
        findings: The findings that are right after each export of assistance; the direct events make none.
    """

    exports: tuple[ExportFile, ...]
    direct: tuple[DirectEvent, ...]
    dead: int
    findings: tuple[frozenset[Finding], frozenset[Finding]]

    @property
    def wrong(self) -> tuple[DirectEvent, ...]:
        """The direct events that landing must reject."""
        return tuple(event for event in self.direct if event.is_wrong)

    def keys(self, dataset: str) -> int:
        """Business keys of a dataset in the end, repairs included."""
        found = {key for export in self.exports if export.dataset == dataset for key in export.keys}
        return len(found | ({event.key.decode() for event in self.direct} if dataset == CASES else set()))

    def events(self, dataset: str) -> int:
        """Events of a dataset in Kafka in the end, repairs not included."""
        sent = sum(export.rows - export.bad_rows for export in self.exports if export.dataset == dataset)
        return sent + (len(self.direct) if dataset == CASES else 0)


def build(folder: Path, *, residents: int = 20_000, seed: int = SEED) -> Ledger:
    """Write the exports and say what must become of them.

    Args:
        folder: Where the exports go.
        residents: How many people the town has; at least 500.
        seed: The town's number.
    """
    # Not for secrets: the same town again and again is what is wanted.
    random = Random(seed)  # noqa: S311
    everybody = people(residents + registrations.MISTYPED + DIRECT_EVENTS, random)
    town, newcomers = everybody[:residents], everybody[residents + registrations.MISTYPED :]
    drawn = cases.roles(town, random)
    book = registrations.register([*town, *newcomers], cases.deaths(drawn, random) | _alive(newcomers), random)
    load = cases.caseload(drawn, book.died_on, book.entry, random)
    folder.mkdir(parents=True, exist_ok=True)
    mistakes = registrations.mistyped_lines(everybody[residents : residents + registrations.MISTYPED], random)
    exports = (
        _write_register(folder, registrations.lines(book.changes, random), mistakes),
        _write_cases(folder / "assistance_2025-07.csv", cases.lines(load.first, random), _FIRST_AT),
        _write_cases(folder / "assistance_2025-08.csv", cases.lines(load.second, random), _SECOND_AT),
    )
    return Ledger(exports, direct_events(newcomers), len(book.died_on), _findings(load))


def direct_events(newcomers: Sequence[Person]) -> tuple[DirectEvent, ...]:
    """New cases as the civil affairs office's own system sends them; some with a mistyped number, some with its own code."""
    return tuple(_direct_event(index, person) for index, person in enumerate(newcomers))


def _direct_event(index: int, person: Person) -> DirectEvent:
    right = cases.document(cases.opening(person, f"MZ-{person.number:06d}-C", date(2025, 8, 1)))
    sent = dict(right)
    if index < WRONG_EVENTS:
        change = ("resident_id", mistyped(person.resident_id)) if index % 3 else ("programme_code", "低保")
        sent |= [change]
    event_id = f"case-system-2025-08-02-{index:04d}"
    headers = {
        "ce_specversion": "1.0",
        "ce_id": event_id,
        "ce_source": SOURCE,
        "ce_type": f"{CASES}.recorded",
        "ce_time": _DIRECT_AT,
        "ce_dataschema": f"urn:commonweal:{CASES}:1.0.0",
        "content-type": "application/json",
    }
    packed = tuple((name, text.encode()) for name, text in headers.items())
    return DirectEvent(event_id, right["case_no"].encode(), orjson.dumps(sent), packed, index < WRONG_EVENTS, right)


def _alive(newcomers: Sequence[Person]) -> dict[int, date | None]:
    return dict.fromkeys((person.number for person in newcomers), None)


def _findings(load: Caseload) -> tuple[frozenset[Finding], frozenset[Finding]]:
    return frozenset(load.after_first), frozenset(load.after_second)


def _write_register(folder: Path, good: list[dict[str, str]], mistakes: list[dict[str, str]]) -> ExportFile:
    path = folder / "household_registration_2025-07.csv"
    # With a byte order mark, as spreadsheet programs write it.
    _write(path, registrations.COLUMNS, [*good, *mistakes], "utf-8-sig", _FIRST_AT)
    keys = frozenset(line["登记编号"] for line in good)
    return ExportFile(REGISTER, path, _FIRST_AT, len(good) + len(mistakes), len(mistakes), keys)


def _write_cases(path: Path, lines: list[dict[str, str]], exported_at: str) -> ExportFile:
    _write(path, cases.COLUMNS, lines, "gb18030", exported_at)
    return ExportFile(CASES, path, exported_at, len(lines), 0, frozenset(line["案件编号"] for line in lines))


def _write(path: Path, columns: Sequence[str], lines: Iterable[Mapping[str, str]], encoding: str, exported_at: str) -> None:
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(lines)
    moment = datetime.fromisoformat(exported_at).timestamp()
    os.utime(path, (moment, moment))
