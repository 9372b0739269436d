"""The people of an invented town: nobody in it exists, and no number in it can be anyone's (region codes 99… aren't assigned)."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

from stdnum.cn.ric import calc_check_digit

AREAS = ("990101", "990102", "990103", "990104")
FIRST_DAY = date(2024, 1, 1)
LAST_DAY = date(2025, 6, 30)


@dataclass(frozen=True)
class Person:
    """One resident of the town."""

    number: int
    resident_id: str
    household_no: str
    area_code: str
    born_on: date


def people(count: int, random: Random) -> list[Person]:
    """That many residents, in households of one to five."""
    homes = _homes(count, random)
    found: list[Person] = []
    seen: set[str] = set()
    while len(found) < count:
        born = date(1930, 1, 1) + timedelta(days=random.randrange(92 * 365))
        identifier = resident_id(random.choice(AREAS), born, random.randrange(1000))
        if identifier not in seen:
            seen.add(identifier)
            household_no, area = next(homes)
            found.append(Person(len(found) + 1, identifier, household_no, area, born))
    return found


def resident_id(area_code: str, born_on: date, serial: int) -> str:
    """A number with a right checksum (GB 11643-1999).

    >>> resident_id("990101", date(1990, 3, 7), 2)
    '990101199003070023'
    """
    body = f"{area_code}{born_on:%Y%m%d}{serial:03d}"
    return body + calc_check_digit(f"{body}0")


def mistyped(identifier: str) -> str:
    """The same number with one wrong digit, which its checksum gives away.

    >>> mistyped("990101199003070023")
    '990101199003070033'
    """
    return identifier[:16] + str((int(identifier[16]) + 1) % 10) + identifier[17]


def _homes(count: int, random: Random) -> Iterator[tuple[str, str]]:
    for home in range(1, count + 1):
        area = random.choice(AREAS)
        for _ in range(random.choice((1, 2, 2, 3, 3, 4, 5))):
            yield f"H-{home:06d}", area
