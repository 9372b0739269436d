"""The town's social assistance as its civil affairs office would export it: one line per state of a case."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from random import Random
from typing import NamedTuple

from infra.demo.people import LAST_DAY, Person

COLUMNS = (
    "案件编号", "公民身份号码", "救助类别", "状态", "受理日期",
    "变动日期", "终止日期", "月救助金额", "发放截至日期", "行政区划代码",
)  # fmt: skip
ALLOWANCE, HARDSHIP, TEMPORARY = "subsistence_allowance", "extreme_hardship", "temporary_assistance"
_PROGRAMMES = {ALLOWANCE: ("低保", "最低生活保障"), HARDSHIP: ("特困", "特困人员救助供养"), TEMPORARY: ("临时救助",)}
_STATES = {"active": "在享", "suspended": "暂停", "ended": "终止"}


@dataclass(frozen=True)
class State:
    """One state of one case, as an event says it."""

    case_no: str
    person: Person
    programme: str
    status: str
    opened_on: date
    changed_on: date
    amount: Decimal
    paid_through_on: date
    ended_on: date | None = None


class Finding(NamedTuple):
    """One finding that a person should be shown: the rule, the case, the other record."""

    rule: str
    case_no: str
    other_record_no: str


@dataclass
class Caseload:
    """The states of all cases in the first export and in the second, and the findings that are right after each."""

    first: list[State] = field(default_factory=list)
    second: list[State] = field(default_factory=list)
    after_first: set[Finding] = field(default_factory=set)
    after_second: set[Finding] = field(default_factory=set)

    def add(self, *states: State, finding: Finding | None = None) -> None:
        """Put states into the first export, with the finding that they make."""
        self.first += states
        if finding:
            self.after_first.add(finding)
            self.after_second.add(finding)


@dataclass(frozen=True)
class Roles:
    """Who has which case; nobody has two roles, so that no finding arises by chance."""

    dead_and_paid: list[Person]
    dead_and_ended: list[Person]
    overlapping: list[Person]
    succeeding: list[Person]
    once: list[Person]
    ordinary: list[Person]


def roles(residents: list[Person], random: Random) -> Roles:
    """Draw the roles, in proportion to the town."""
    adults = [person for person in residents if person.born_on < date(2000, 1, 1)]
    random.shuffle(adults)
    remaining = iter(adults)

    def draw(share: float) -> list[Person]:
        return [next(remaining) for _ in range(max(3, round(len(residents) * share)))]

    return Roles(draw(0.0012), draw(0.002), draw(0.0009), draw(0.0015), draw(0.003), draw(0.06))


def deaths(drawn: Roles, random: Random) -> dict[int, date | None]:
    """The day of death, or None, of everybody whose case depends on it, by person's number."""
    dying = [*drawn.dead_and_paid, *drawn.dead_and_ended]
    living = [*drawn.overlapping, *drawn.succeeding, *drawn.once, *drawn.ordinary]
    days: dict[int, date | None] = {
        person.number: date(2024, random.randrange(6, 13), random.randrange(1, 28)) for person in dying
    }
    return days | dict.fromkeys((person.number for person in living), None)


def caseload(drawn: Roles, died_on: Mapping[int, date], entry: Mapping[int, str], random: Random) -> Caseload:
    """All cases of the town.

    Args:
        drawn: Who has which case.
        died_on: Day of death by person's number.
        entry: Each person's last entry in the register, by person's number.
        random: The source of chance.
    """
    found = Caseload()
    _paid_after_death(found, drawn.dead_and_paid, (died_on, entry), random)
    for person in drawn.dead_and_ended:
        found.add(*_ended(_opening(person, ALLOWANCE, random), _month_end(died_on[person.number])))
    _overlaps(found, drawn.overlapping, random)
    for person in drawn.succeeding:
        closing, months = _ended(_opening(person, ALLOWANCE, random), date(2024, 8, 31)), _opening(person, HARDSHIP, random, "B")
        found.add(*closing, replace(months, opened_on=date(2024, 9, 1), changed_on=date(2024, 9, 1)))
    for person in drawn.once:
        found.add(replace(_opening(person, TEMPORARY, random), amount=Decimal(random.randrange(500, 3000))))
    _ordinary(found, drawn.ordinary, random)
    return found


def lines(states: Iterable[State], random: Random) -> list[dict[str, str]]:
    """The lines of an export, by case and day of change."""
    return [_line(state, random) for state in sorted(states, key=lambda state: (state.case_no, state.changed_on, state.status))]


def document(state: State) -> dict[str, str]:
    """The state as the value of an event: names and codes of the contract."""
    found = {
        "case_no": state.case_no,
        "resident_id": state.person.resident_id,
        "programme_code": state.programme,
        "status_code": state.status,
        "opened_on": state.opened_on.isoformat(),
        "changed_on": state.changed_on.isoformat(),
        "monthly_amount_cny": f"{state.amount:.2f}",
        "paid_through_on": state.paid_through_on.isoformat(),
        "area_code": state.person.area_code,
    }
    return found | ({"ended_on": state.ended_on.isoformat()} if state.ended_on else {})


def opening(person: Person, case_no: str, opened_on: date) -> State:
    """A subsistence allowance that begins that day."""
    return State(case_no, person, ALLOWANCE, "active", opened_on, opened_on, Decimal("655.00"), _month_end(opened_on))


def _paid_after_death(
    found: Caseload, people: list[Person], register: tuple[Mapping[int, date], Mapping[int, str]], random: Random
) -> None:
    died_on, entry = register
    for index, person in enumerate(people):
        state = replace(_opening(person, ALLOWANCE, random), paid_through_on=_later_end(died_on[person.number], 1 + index % 4))
        finding = Finding("payment_after_death", state.case_no, entry[person.number])
        found.add(state, finding=finding)
        if index % 4 == 0:
            # The office found its own mistake: its next export writes the same state with the right last day.
            found.second.append(replace(state, paid_through_on=_month_end(died_on[person.number])))
            found.after_second.discard(finding)


def _overlaps(found: Caseload, people: list[Person], random: Random) -> None:
    for person in people:
        allowance, hardship = _opening(person, ALLOWANCE, random), _opening(person, HARDSHIP, random, "B")
        begins = date(2024, random.randrange(7, 11), 1)
        found.add(
            allowance,
            replace(hardship, opened_on=begins, changed_on=begins),
            finding=Finding("overlapping_assistance", allowance.case_no, hardship.case_no),
        )


def _ordinary(found: Caseload, people: list[Person], random: Random) -> None:
    for index, person in enumerate(people):
        state = _opening(person, random.choice((ALLOWANCE, ALLOWANCE, HARDSHIP)), random)
        raised = replace(state, changed_on=date(2024, 7, 1), amount=state.amount + random.randrange(20, 90))
        if index % 3:
            found.add(state)
        elif index % 2:
            found.add(state, raised)
        else:
            found.add(state, raised, _ended(raised, date(2025, random.randrange(1, 6), 1) - timedelta(days=1))[1])
        if index % 5 == 1 and index % 3:
            found.second.append(replace(raised, changed_on=date(2025, 7, 1), paid_through_on=date(2025, 7, 31)))


def _opening(person: Person, programme: str, random: Random, suffix: str = "A") -> State:
    opened = date(2024, random.randrange(1, 6), random.randrange(1, 28))
    amount = Decimal(random.randrange(45_000, 120_000)) / 100
    return State(f"MZ-{person.number:06d}-{suffix}", person, programme, "active", opened, opened, amount, LAST_DAY)


def _ended(state: State, last_day: date) -> tuple[State, State]:
    paid = replace(state, paid_through_on=last_day)
    return paid, replace(paid, status="ended", changed_on=last_day, ended_on=last_day)


def _month_end(day: date) -> date:
    return _later_end(day, 0)


def _later_end(day: date, months: int) -> date:
    index = day.year * 12 + day.month + months
    return date(index // 12, index % 12 + 1, 1) - timedelta(days=1)


def _line(state: State, random: Random) -> dict[str, str]:
    cells = (
        state.case_no,
        state.person.resident_id,
        random.choice(_PROGRAMMES[state.programme]),
        _STATES[state.status],
        state.opened_on.isoformat(),
        f"{state.changed_on:%Y%m%d}",
        state.ended_on.isoformat() if state.ended_on else "",
        f"{state.amount}",
        state.paid_through_on.isoformat(),
        state.person.area_code,
    )
    return dict(zip(COLUMNS, cells, strict=True))
