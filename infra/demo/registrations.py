"""The town's household register as its police would export it: one line per change of an entry, Chinese columns and codes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random

from infra.demo.people import AREAS, FIRST_DAY, LAST_DAY, Person, mistyped

COLUMNS = ("登记编号", "公民身份号码", "变动类别", "变动日期", "变动序号", "死亡日期", "户号", "行政区划代码")
MISTYPED = 6
_FULL_WIDTH = {code: code + 0xFEE0 for code in range(0x30, 0x5B)}
# Two systems of the same office: one writes words, the other numbers.
_CODES = {"register": ("登记", "10"), "move_in": ("迁入", "20"), "move_out": ("迁出", "30"), "death": ("死亡注销", "40")}
_DEATH_SHARE = 0.012
_MOVE_SHARE = 0.04


@dataclass(frozen=True)
class Change:
    """One change of one entry of the register."""

    registration_no: str
    person: Person
    kind: str
    changed_on: date
    sequence: int
    area_code: str
    died_on: date | None = None


@dataclass
class Register:
    """The register's changes, and what a reader must find in the end.

    Attributes:
        changes: All changes, in no order that matters.
        entry: The entry under which each person stands last.
        died_on: Day of death by person's number.
    """

    changes: list[Change] = field(default_factory=list)
    entry: dict[int, str] = field(default_factory=dict)
    died_on: dict[int, date] = field(default_factory=dict)


def register(residents: Iterable[Person], settled: Mapping[int, date | None], random: Random) -> Register:
    """Registrations, moves within the town, and deaths.

    Args:
        residents: Everybody.
        settled: Day of death, or None for who lives, by person's number; of the others some die.
        random: The source of chance.
    """
    found = Register()
    for person in residents:
        dies = person.number not in settled and random.random() < _DEATH_SHARE
        _add_person(found, person, _a_day(random) if dies else settled.get(person.number), random)
    return found


def lines(changes: Iterable[Change], random: Random) -> list[dict[str, str]]:
    """The lines of an export, in the order of the entries' numbers, with the ways of writing that real exports have."""
    ordered = sorted(changes, key=lambda change: (change.registration_no, change.sequence))
    return [_line(change, random) for change in ordered]


def mistyped_lines(residents: Iterable[Person], random: Random) -> list[dict[str, str]]:
    """Lines that publishing must refuse: numbers with a wrong digit, a day that no calendar has, a code that nobody knows."""
    found = []
    for index, person in enumerate(residents):
        line = _line(Change(f"R-9{index:06d}-1", person, "register", FIRST_DAY, 1, person.area_code), random)
        line["公民身份号码"] = mistyped(person.resident_id)
        found.append(line)
    found[0] |= {"公民身份号码": found[0]["公民身份号码"][:17], "变动日期": "2024-02-30"}
    found[1] |= {"变动类别": "99"}
    return found


def _add_person(found: Register, person: Person, dies_on: date | None, random: Random) -> None:
    number = f"R-{person.number:07d}"
    begins = max(person.born_on, date(1980, 1, 1) + timedelta(days=random.randrange(12_000)))
    entry, sequence, area = f"{number}-1", 1, person.area_code
    found.changes.append(Change(entry, person, "register", min(begins, FIRST_DAY), sequence, area))
    if dies_on is None and random.random() < _MOVE_SHARE:
        moved_on, area = _a_day(random), random.choice(AREAS)
        found.changes.append(Change(entry, person, "move_out", moved_on, 2, person.area_code))
        entry, sequence = f"{number}-2", 1
        found.changes.append(Change(entry, person, "move_in", moved_on, sequence, area))
    found.entry[person.number] = entry
    if dies_on is not None:
        entered_on = dies_on + timedelta(days=random.randrange(1, 15))
        found.changes.append(Change(entry, person, "death", entered_on, sequence + 1, area, dies_on))
        found.died_on[person.number] = dies_on


def _a_day(random: Random) -> date:
    return FIRST_DAY + timedelta(days=random.randrange(1, (LAST_DAY - FIRST_DAY).days - 20))


def _line(change: Change, random: Random) -> dict[str, str]:
    identifier = change.person.resident_id
    cells = (
        change.registration_no,
        random.choice((identifier,) * 18 + (identifier.lower(), identifier.translate(_FULL_WIDTH))),
        random.choice(_CODES[change.kind]),
        f"{change.changed_on:%Y/%m/%d}" if random.random() < 0.3 else change.changed_on.isoformat(),
        str(change.sequence),
        change.died_on.isoformat() if change.died_on else "",
        change.person.household_no,
        change.area_code,
    )
    return dict(zip(COLUMNS, cells, strict=True))
