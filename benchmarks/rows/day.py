"""P8: a day's events, from Kafka to a release, on a history of years and on one of a tenth; beside recomputing all of it."""

import csv
import math
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from statistics import median

from benchmarks.exports import HOTLINE, commonweal, produce, write_messages
from benchmarks.lakes import LAKES
from benchmarks.measure import Measured, measure
from benchmarks.results import Result, seconds
from benchmarks.servers import environment, pids, scratch
from benchmarks.steps import lengths
from commonweal.contract.model import Contract
from commonweal.database import database_now
from commonweal.lake.names import released_tables
from commonweal.lake.releases import Release, current_release
from commonweal.ports import Ports, open_ports
from commonweal.render.lake_schema import fields_schema

ROW, SIZE, RUNS = "P8", 5_000_000, 2
EVENTS, NEW = 100_000, 20
"""The most events of a day, and of how many one is of a case that was not there before."""
RATIO = 1.5
SHARE = "a day on the larger history as a share of one on the smaller"
PEER = "all cases recomputed: commonweal rebuild"
OPENED, FIRST_DAY = date(2019, 1, 1), date(2025, 7, 1)
"""The histories' first day, and one after their last state and before the export that tells of it."""
SAME = "select count(*), sum(crc32(cast(to_json(struct({columns})) as binary))) from {table}"
SHOWN = "select count(*) from {table} where sub_category = '{note}'"


@dataclass(frozen=True)
class Found:
    """What one history showed.

    Attributes:
        cases: How long it is.
        days: The days after its first release.
        hops: By step, its median length on those days, in seconds.
        rebuilt: All cases recomputed afterwards.
        is_same: Whether what people read stayed the same by that.
    """

    cases: int
    days: tuple[Measured, ...]
    hops: dict[str, float]
    rebuilt: Measured
    is_same: bool

    def figures(self) -> dict[str, float]:
        """What took how long, by words that name the history."""
        on = f"on {self.cases:,} cases"
        return {
            f"a day {on}, s": seconds(self.days),
            cpu_of(self.cases): median(day.cpu_seconds for day in self.days),
            **{f"of it {step} {on}, s": length for step, length in self.hops.items()},
            f"all cases recomputed {on}, s": self.rebuilt.seconds,
        }


def run(size: int, runs: int, tell: Callable[[str], None]) -> Result:
    """The same days on a history of a tenth of the size, and on one of the whole."""
    events = events_of(size)
    smaller, larger = (_found(cases, events, runs, tell) for cases in lengths_of(size))
    share, same = seconds(larger.days) / seconds(smaller.days), smaller.is_same and larger.is_same
    return Result(
        row=ROW,
        work=f"a day of {events:,} events: landed, cleaned, judged and released (servers are in the figures)",
        size=size,
        unit="cases",
        ours=larger.days,
        peers={PEER: (larger.rebuilt,)},
        is_equal=same,
        figures={SHARE: share, "growth": math.log10(share), **smaller.figures(), **larger.figures()},
        reach=f"{SHARE} at most {RATIO}",
        is_reached=same and share <= RATIO,
    )


def lengths_of(size: int) -> tuple[int, int]:
    """How many cases the two histories have."""
    return size // 10, size


def events_of(size: int) -> int:
    """How many events a day has."""
    return min(size // 10, EVENTS)


def cpu_of(cases: int) -> str:
    """Name of the figure: the CPU seconds of a day on so many cases."""
    return f"a day on {cases:,} cases, CPU s"


def _found(cases: int, events: int, runs: int, tell: Callable[[str], None]) -> Found:
    ports = LAKES.hotline(cases, tell).ports
    tell(f"{ROW}: a first release of {cases:,} cases")
    _run(ports, "run", "all", HOTLINE)
    began, days = database_now(ports.engine), []
    for number in range(1, runs + 1):
        tell(f"{ROW}: day {number} of {runs}")
        days.append(_day(ports, cases, number, events))
    hops = lengths(ports, HOTLINE, began)
    tell(f"{ROW}: all cases recomputed")
    before, content = _released(ports), _content(ports)
    rebuilt = _run(ports, "rebuild", HOTLINE, "--reason", "measured")
    if _released(ports).number == before.number:
        raise RuntimeError("what was recomputed was not released")
    is_same = _content(ports) == content
    LAKES.close(cases)  # the last row that wants it
    return Found(cases, tuple(days), hops, rebuilt, is_same)


def _run(ports: Ports, *arguments: str) -> Measured:
    run_dir = ports.settings.run_dir
    log = scratch(ports.settings) / f"{'-'.join(arguments[:2])}.log"
    return measure(commonweal(*arguments), environment(run_dir), log, servers=pids(run_dir))


def _day(ports: Ports, cases: int, number: int, events: int) -> Measured:
    """Publish a day's events, then measure all steps up to the release that shows them."""
    folder, contract = scratch(ports.settings), ports.contract(HOTLINE)
    export, messages = folder / "day.csv", folder / "day.jsonl"
    _write_export(export, contract, _cases(cases, number, events), number)
    write_messages(export, messages, contract, ports.settings)
    measure(produce(messages, contract), environment(ports.settings.run_dir), folder / "produce.log")
    before = _released(ports)
    measured = _run(ports, "run", "all", HOTLINE)
    new = _released(ports).rows["current"] - before.rows["current"]
    shown, _ = _asked(ports, SHOWN.format(table=_table(contract), note=_note(number)))
    if shown != events or new * 10 > events:
        raise RuntimeError(f"of {events:,} events of day {number} a release shows {shown:,}, for {new:,} cases that are new")
    return measured


def _cases(cases: int, number: int, events: int) -> Iterator[int]:
    """The cases of a day's events: known ones, as far from each other as can be, and others that come after all known ones."""
    new = events // NEW
    known = events - new
    yield from ((place * cases // known + number) % cases for place in range(known))
    yield from range(cases + (number - 1) * new, cases + number * new)


def _write_export(path: Path, contract: Contract, cases: Iterator[int], number: int) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(field.physical_name for field in contract.fields)
        for case in cases:
            cells = _cells(case, number)
            writer.writerow(cells[field.name] for field in contract.fields)


def _cells(case: int, number: int) -> dict[str, str]:
    """A newer state of a case of ``history``, or the first one of a case that it doesn't have."""
    place = case % 5
    return {
        "case_no": f"NYCC{case:08d}",
        "office_code": f"NYCC{1 + case % 51:02d}",
        "opened_on": (OPENED + timedelta(days=case % 2000)).isoformat(),
        "closed_on": (FIRST_DAY + timedelta(days=number)).isoformat(),
        "category": ("Transportation", "Sanitation", "Health", "Aging", "Parks")[place],
        "sub_category": _note(number),
        "postal_code": f"{10000 + case % 1500}",
        "borough": ("Bronx", "Brooklyn", "Manhattan", "Queens", "Staten Island")[place],
        "city": ("Bronx", "Brooklyn", "New York", "Queens", "Staten Island")[place],
        "district_code": f"NYCC{1 + case % 51:02d}",
        "community_board": f"{1 + case % 18:02d} Queens",
    }


def _note(number: int) -> str:
    return f"as published on day {number}"


def _released(ports: Ports) -> Release:
    found = current_release(ports.engine, HOTLINE)
    if found is None:
        raise RuntimeError("nothing was released")
    return found


def _content(ports: Ports) -> tuple[int, int]:
    """How many rows people read, and a sum over the digests of their business columns."""
    contract = ports.contract(HOTLINE)
    return _asked(ports, SAME.format(columns=", ".join(fields_schema(contract).names), table=_table(contract)))


def _asked(ports: Ports, query: str) -> tuple[int, int]:
    """The first number of Spark's answer, and the last."""
    with closing(open_ports(ports.settings)) as own:
        row = own.spark.sql(query).collect()[0]
    return int(row[0]), int(row[-1])


def _table(contract: Contract) -> str:
    return released_tables(contract)["current"].sql
