"""The producer's ledger, and the oracle: what people read must be exactly what was acknowledged, as sets.

Event ``n`` is one state of case ``n // STATES``; its number stands in ``sub_category``, so it is recognised wherever it is read.
No two states of a case have the same day, so a case's present state is that of its latest day, whatever the order of arrival.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import NamedTuple

import orjson

from commonweal.contract.model import Contract

STATES = 3
"""States of one case: so that histories are more than one period long."""
FIRST_OPENED, OPENED_DAYS = date(2024, 1, 1), 180
"""Cases are opened over half a year: the product publishes a month only when later ones have come."""


def case_of(number: int) -> str:
    """The case that an event is a state of; the shape is what the contract's rules ask for.

    >>> case_of(7)
    'NYCC01000002'
    """
    return f"NYCC01{number // STATES:06d}"


def document(number: int) -> bytes:
    """The event's payload."""
    opened = FIRST_OPENED + timedelta(days=number // STATES * 7 % OPENED_DAYS)
    closed = opened + timedelta(days=1 + number % STATES)
    values = {
        "case_no": case_of(number),
        "office_code": f"NYCC{1 + number // STATES % 51:02d}",
        "opened_on": opened.isoformat(),
        "closed_on": closed.isoformat(),
        "category": ("Sanitation", "Parks", "Housing and Buildings")[number // STATES % 3],
        "sub_category": f"{number}",
        "district_code": f"NYCC{1 + number // STATES % 51:02d}",
    }
    return orjson.dumps(values)


def headers(number: int, contract: Contract) -> list[tuple[str, bytes]]:
    """CloudEvents in Kafka's binary mode."""
    texts = {
        "ce_specversion": "1.0",
        "ce_id": f"event-{number:07d}",
        "ce_source": f"/{contract.department}/cases",
        "ce_type": f"{contract.id}.recorded",
        "ce_time": "2025-01-01T00:00:00Z",
        "ce_dataschema": f"urn:commonweal:{contract.id}:{contract.version}",
        "content-type": "application/json",
    }
    return [(name, text.encode()) for name, text in texts.items()]


@dataclass
class Ledger:
    """What became of each event, as the producer knows it.

    Attributes:
        acknowledged: The broker said that it has them.
        unknown: Sent, but no answer: it may have them or not.
        failed: Never sent.
    """

    acknowledged: set[int] = field(default_factory=set)
    unknown: set[int] = field(default_factory=set)
    failed: set[int] = field(default_factory=set)

    def note(self, number: int, outcome: str) -> None:
        """Write down an outcome; once acknowledged an event stays so, and a later failure leaves an unknown one unknown."""
        if outcome == "acknowledged":
            self.acknowledged.add(number)
            self.unknown.discard(number)
            self.failed.discard(number)
        elif number not in self.acknowledged and (outcome == "unknown" or number not in self.unknown):
            getattr(self, outcome).add(number)
            if outcome == "unknown":
                self.failed.discard(number)


class Current(NamedTuple):
    """A row of ``current`` as it is read: the case, and the event whose state it shows."""

    case: str
    number: int


class Period(NamedTuple):
    """A row of ``history`` as it is read; ``until`` is None while the state holds."""

    case: str
    number: int
    until: datetime | None


@dataclass(frozen=True)
class Differences:
    """What is wrong with what people read; all empty when nothing is."""

    lost: frozenset[int]
    doubled: frozenset[int]
    invented: frozenset[int]
    torn: frozenset[str]

    def __bool__(self) -> bool:
        return bool(self.lost or self.doubled or self.invented or self.torn)


def compare(current: Iterable[Current], history: Iterable[Period], ledger: Ledger) -> Differences:
    """Compare both tables of one release with the ledger."""
    rows, periods = list(current), list(history)
    read = Counter(period.number for period in periods)
    doubled_cases = {case for case, count in Counter(row.case for row in rows).items() if count > 1}
    doubled = {number for number, count in read.items() if count > 1} | {row.number for row in rows if row.case in doubled_cases}
    invented = (set(read) | {row.number for row in rows}) - ledger.acknowledged - ledger.unknown
    return Differences(frozenset(ledger.acknowledged - set(read)), frozenset(doubled), frozenset(invented), torn(rows, periods))


def torn(current: Iterable[Current], history: Iterable[Period]) -> frozenset[str]:
    """Cases whose present state is not the open and latest period of their history: the two tables don't belong together."""
    shown = {row.case: row.number for row in current}
    latest: dict[str, int] = {}
    still = defaultdict(list)
    for period in history:
        latest[period.case] = max(period.number, latest.get(period.case, -1))
        if period.until is None:
            still[period.case].append(period.number)
    cases = shown.keys() | latest.keys()
    return frozenset(case for case in cases if shown.get(case) != latest.get(case) or still[case] != [latest[case]])
