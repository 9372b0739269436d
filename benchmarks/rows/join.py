"""P5: a product joined from two registers, and again after one per cent of one has changed; beside Spark alone, and DuckDB.

All read the same released snapshots. A join that finds its candidate made of these has nothing to do, so before each run of the
whole the candidate is forgotten, as if nothing had ever been joined; the rows that it left are overwritten, as the peers' are.
Then each day brings its own one per cent of cases, cleaned, gated and released, and the join does what it does then. What the
gates had Spark keep of the snapshots is let go before every run, or some would read memory.
"""

import sys
import zlib
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

from benchmarks import history, registers, steps
from benchmarks.measure import Measured, measure
from benchmarks.results import OURS, TIMES, Result, largest
from benchmarks.servers import environment, lakehouse, make_table, pids, scratch
from commonweal.lake.names import CANDIDATE, CATALOG, released_tables
from commonweal.ports import Ports, open_ports
from commonweal.render.lake_schema import current_schema
from infra.demo.town import CASES, REGISTER

ROW, SIZE, RUNS = "P5", 500_000, 3
FULL, SHARE = 1.1, 0.3
PRODUCT = "data_bureau.benefit_integrity"
SPARK, DUCKDB = "spark", "duckdb"
PEERS = {SPARK: "Spark alone, the same transform", DUCKDB: "DuckDB by hand, into a file"}
AGAIN = "a join after 1 % changed, as a share of the whole"
TABLE = "findings"
Content = tuple[int, int]
"""How many findings, and a sum over all of them: the same for the same set."""


@dataclass(frozen=True)
class Found:
    """What some people and cases showed.

    Attributes:
        runs: By program, its joins of everything.
        again: Our join after a day that changed one per cent of the cases.
        findings: How many rows the product has.
        is_same: Whether all made the same.
    """

    runs: dict[str, list[Measured]]
    again: Measured
    findings: int
    is_same: bool


def run(size: int, runs: int, tell: Callable[[str], None]) -> Result:
    """Release both registers and join them in turn, then join what a day changed; then ten times as many, once."""
    small = _found(size, runs, tell)
    return _result(size, small, _found(size * TIMES, 1, tell) if runs > 1 else None)


def _found(size: int, runs: int, tell: Callable[[str], None]) -> Found:
    with lakehouse() as ports:
        tell(f"{ROW}: {size:,} people")
        _release(ports, REGISTER, size, 0)
        _release(ports, CASES, size, 0)
        make_table(ports, TABLE, current_schema(ports.contract(PRODUCT)))
        if runs == 1:
            tell(f"{ROW}: warming up")
            for name in (OURS, *PEERS):
                _join(ports, name)
        found: dict[str, list[Measured]] = {name: [] for name in (OURS, *PEERS)}
        for number in range(1, runs + 1):
            tell(f"{ROW}: run {number} of {runs}")
            steps.forget(ports, "join", PRODUCT)
            for name, measured in found.items():
                measured.append(_join(ports, name))
        first = _contents(ports, PEERS)
        for day, what in ((2, "to warm up"), (1, "measured")):
            _release(ports, CASES, size, day)
            tell(f"{ROW}: one per cent more, {what}")
            again = _join(ports, OURS)
        compared = [SPARK] if runs > 1 else []
        for name in compared:
            _join(ports, name)
        later = _contents(ports, compared)
        return Found(found, again, max(first)[0], len(first) == len(later) == 1 and first != later)


def _release(ports: Ports, dataset: str, size: int, day: int) -> None:
    """Land a day of a register, and let the platform's steps make a release of it."""
    fields = registers.REGISTER_FIELDS if dataset == REGISTER else registers.CASES_FIELDS
    keys = size if dataset == REGISTER else size // registers.PEOPLE_A_CASE
    # Spark ends a session that waits for long: each is opened when it is wanted.
    with closing(open_ports(ports.settings)) as own:
        history.land(own, keys, day=day, dataset=dataset, fields=fields)
    for step in ("clean", "gate", "release"):
        steps.carry_out(ports, step, dataset)


def _join(ports: Ports, who: str) -> Measured:
    if who == OURS:
        return steps.carry_out(ports, "join", PRODUCT)
    steps.clear_cache(ports)
    run_dir, place = ports.settings.run_dir, _table() if who == SPARK else str(_file(ports))
    argv = [sys.executable, "-m", "benchmarks.peers.join", who, PRODUCT, place]
    log = scratch(ports.settings) / f"{who}.log"
    return measure(argv, environment(run_dir), log, servers=pids(run_dir))


def _table() -> str:
    return f"{CATALOG}.bench.{TABLE}"


def _file(ports: Ports) -> Path:
    return scratch(ports.settings) / f"{TABLE}.parquet"


def _contents(ports: Ports, peers: Iterable[str]) -> set[Content]:
    """What we and these peers have made: one content when all have made the same."""
    contract = ports.contract(PRODUCT)
    names = current_schema(contract).names
    tables = {OURS: released_tables(contract)["current"].branch(CANDIDATE), SPARK: _table()}
    with closing(open_ports(ports.settings)) as own:
        made = {
            name: own.spark.table(tables[name]).select(*names).toArrow() if name in tables else parquet.read_table(_file(ports))
            for name in (OURS, *peers)
        }
    return {_content(rows.select(names)) for rows in made.values()}


def _content(rows: pa.Table) -> Content:
    lines = ("|".join(map(str, row.values())) for row in rows.to_pylist())
    return rows.num_rows, sum(zlib.crc32(line.encode()) for line in lines)


def _result(size: int, small: Found, large: Found | None) -> Result:
    last = large or small
    tenfold = {name: runs[0] for name, runs in large.runs.items()} if large else {}
    times = largest(small.runs, tenfold)
    full, share, same = times[OURS] / times[SPARK], last.again.seconds / times[OURS], small.is_same and last.is_same
    return Result(
        row=ROW,
        work="join: payments to be checked, of a register and a fifth as many cases (servers are in the figures)",
        size=size,
        unit="people",
        ours=tuple(small.runs[OURS]),
        peers={PEERS[name]: tuple(small.runs[name]) for name in PEERS},
        is_equal=same,
        tenfold={PEERS.get(name, name): run for name, run in tenfold.items()},
        figures={"findings, the largest run": last.findings, "a join after 1 % changed, s": last.again.seconds, AGAIN: share},
        reach=f"at most {FULL} of the time of Spark alone, and {AGAIN} at most {SHARE} where the transform allows it",
        is_reached=same and full <= FULL and share <= SHARE,
    )
