"""Messages of assistance cases at any number, each of another person: what landing has to decode, check and pseudonymise."""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import orjson

from infra.demo.people import AREAS, resident_id
from infra.demo.town import CASES, SOURCE

PROGRAMMES = ("subsistence_allowance", "extreme_hardship", "temporary_assistance")
DAY_ONE, DAYS, SERIALS = date(1930, 1, 1), 92 * 365, 900
RECORDED = "2025-08-02T09:30:00Z"


def write_messages(messages: Path, size: int, *, first: int = 0) -> int:
    """One JSON line each: headers, key, value; returns the bytes of the values.

    Args:
        messages: The file to write.
        size: How many, each of a case and a person of its own.
        first: The number of the first case.
    """
    written = 0
    with messages.open("wb") as out:
        for number in range(first, first + size):
            value = orjson.dumps(document(number)).decode()
            written += len(value)
            out.write(orjson.dumps([list(_headers(number)), f"MZ-{number:09d}", value]) + b"\n")
    return written


def document(number: int) -> dict[str, Any]:
    """The value of the event of one case."""
    area, born = AREAS[number % len(AREAS)], DAY_ONE + timedelta(days=number // len(AREAS) % DAYS)
    opened = date(2024, 1, 1) + timedelta(days=number % 500)
    return {
        "case_no": f"MZ-{number:09d}",
        "resident_id": resident_id(area, born, number // len(AREAS) // DAYS % SERIALS),
        "programme_code": PROGRAMMES[number % len(PROGRAMMES)],
        "status_code": "active",
        "opened_on": opened.isoformat(),
        "changed_on": (opened + timedelta(days=number % 90)).isoformat(),
        "monthly_amount_cny": f"{300 + number % 900}.{number % 100:02d}",
        "paid_through_on": "2025-07-31",
        "area_code": area,
    }


def _headers(number: int) -> Iterator[tuple[str, str]]:
    yield "ce_specversion", "1.0"
    yield "ce_id", f"case-system-{number:09d}"
    yield "ce_source", SOURCE
    yield "ce_type", f"{CASES}.recorded"
    yield "ce_time", RECORDED
    yield "ce_dataschema", f"urn:commonweal:{CASES}:1.0.0"
    yield "content-type", "application/json"
