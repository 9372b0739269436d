"""P4: one per cent of new events into what was cleaned before; beside Spark rewriting all of it, and Spark's MERGE."""

import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

from pyiceberg.table.snapshots import Snapshot

from benchmarks.exports import HOTLINE, commonweal
from benchmarks.lakes import LAKES
from benchmarks.measure import Measured, measure
from benchmarks.results import OURS, TIMES, Result, largest
from benchmarks.servers import environment, make_table, pids, scratch
from commonweal.contract.model import Contract
from commonweal.lake.names import CANDIDATE, released_tables
from commonweal.ports import Ports, open_ports
from commonweal.render.lake_schema import fields_schema

ROW, SIZE, RUNS = "P4", 500_000, 3
TIME, BYTES = 0.5, 0.05
PEERS = {"merge": "Spark MERGE of the new events", "rewrite": "Spark writing all cases anew"}
STATE_BYTES = "bytes of a case in current and history"
SAME = "select count(*), sum(crc32(cast(concat_ws('|', case_no, closed_on, sub_category) as binary))) from {}"


@dataclass(frozen=True)
class Found:
    """What some cases showed.

    Attributes:
        runs: By program, its cleans of a day.
        figures: Single figures, by what they say.
        share: Bytes that a clean wrote, as a share of all.
        is_same: Whether all made the same of the days.
    """

    runs: dict[str, list[Measured]]
    figures: dict[str, float]
    share: float
    is_same: bool


def run(size: int, runs: int, tell: Callable[[str], None]) -> Result:
    """Clean a day at a time, each of us in turn; then one day of ten times as many cases, after one to warm up."""
    small = _found(size, runs, tell)
    return _result(size, small, _found(size * TIMES, 1, tell) if runs > 1 else None)


def _found(size: int, days: int, tell: Callable[[str], None]) -> Found:
    lake = LAKES.hotline(size, tell)
    ports, contract = lake.ports, lake.ports.contract(HOTLINE)
    for name in PEERS:
        make_table(ports, name, fields_schema(contract))
    tell(f"{ROW}: {size:,} cases, the peers' tables")
    first = {name: _clean(ports, name, 0) for name in PEERS}
    found: dict[str, list[Measured]] = {name: [] for name in (OURS, *PEERS)}
    written: list[int] = []
    warm = [f"{ROW}: warming up"] if days == 1 else []
    for said in (*warm, *(f"{ROW}: day {day} of {days}" for day in range(1, days + 1))):
        tell(said)
        before, by_then = lake.land_next_day(), _written(ports, contract)
        for name, measured in found.items():
            measured.append(_clean(ports, name, before))
            if name == OURS:
                written.append(_written(ports, contract) - by_then)
    share, cases = max(written) / _whole(ports, contract), f"of {size:,} cases"
    figures = {
        f"bytes written a day {cases}": float(max(written)),
        f"these as a share of a rewrite of current and history {cases}": share,
        from_nothing(size): lake.cleaned.seconds,
        STATE_BYTES: _whole(ports, contract) / size,
        f"all from nothing {cases}, Spark, s": first["rewrite"].seconds,
    }
    counted = {name: runs[len(warm) :] for name, runs in found.items()}
    return Found(counted, figures, share, is_same=len(_contents(ports, contract)) == 1)


def from_nothing(cases: int) -> str:
    """Name of the figure: how long it took to make all of so many cases."""
    return f"all from nothing of {cases:,} cases, s"


def _contents(ports: Ports, contract: Contract) -> set[tuple[int, int]]:
    """What each has: one content when all have the same."""
    current = released_tables(contract)["current"].branch(CANDIDATE)
    tables = current, *(f"lake.bench.{peer}" for peer in PEERS)
    with closing(open_ports(ports.settings)) as own:
        return {tuple(own.spark.sql(SAME.format(name)).collect()[0]) for name in tables}


def _clean(ports: Ports, who: str, after: int) -> Measured:
    run_dir = ports.settings.run_dir
    argv = commonweal("run", "clean", HOTLINE)
    if who != OURS:
        argv = [sys.executable, "-m", "benchmarks.peers.clean", who, HOTLINE, f"lake.bench.{who}", str(after)]
    return measure(argv, environment(run_dir), scratch(ports.settings) / f"{who}.log", servers=pids(run_dir))


def _snapshots(ports: Ports, contract: Contract) -> dict[str, list[Snapshot]]:
    return {name: list(ports.lake.load_table(table.parts).snapshots()) for name, table in released_tables(contract).items()}


def _written(ports: Ports, contract: Contract) -> int:
    """Bytes of all files that cleaning ever added to the dataset's tables."""
    return sum(_added(snapshot) for snapshots in _snapshots(ports, contract).values() for snapshot in snapshots)


def _whole(ports: Ports, contract: Contract) -> int:
    """Bytes of the clean that made all cases from nothing: the largest snapshot of each table."""
    return sum(max(map(_added, snapshots)) for snapshots in _snapshots(ports, contract).values())


def _added(snapshot: Snapshot) -> int:
    return int(snapshot.summary.additional_properties.get("added-files-size", 0)) if snapshot.summary else 0


def _result(size: int, small: Found, large: Found | None) -> Result:
    last = large or small
    tenfold = {name: runs[0] for name, runs in large.runs.items()} if large else {}
    times = largest(small.runs, tenfold)
    share, same = times[OURS] / min(times[name] for name in PEERS), small.is_same and last.is_same
    return Result(
        row=ROW,
        work="clean: one per cent of new events, states and history (servers are in the figures)",
        size=size,
        unit="cases",
        ours=tuple(small.runs[OURS]),
        peers={PEERS[name]: tuple(small.runs[name]) for name in PEERS},
        is_equal=same,
        tenfold={PEERS.get(name, name): run for name, run in tenfold.items()},
        figures=small.figures | last.figures,
        reach=f"at most {TIME} of the faster peer's time, and {BYTES} of a rewrite's bytes",
        is_reached=same and share <= TIME and last.share <= BYTES,
    )
