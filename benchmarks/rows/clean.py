"""P4: one per cent of new events into what was cleaned before; beside Spark rewriting all of it, and Spark's MERGE."""

import sys
from collections.abc import Callable

from pyiceberg.table.snapshots import Snapshot

from benchmarks import history
from benchmarks.exports import HOTLINE, commonweal
from benchmarks.measure import Measured, measure
from benchmarks.results import Result, seconds
from benchmarks.servers import environment, lakehouse, make_table, pids, scratch
from commonweal.contract.model import Contract
from commonweal.lake.names import CANDIDATE, released_tables
from commonweal.ports import Ports
from commonweal.render.lake_schema import fields_schema

ROW, SIZE, RUNS = "P4", 5_000_000, 3
TIME, BYTES = 0.5, 0.05
PEERS = {"merge": "Spark MERGE of the new events", "rewrite": "Spark writing all cases anew"}
SAME = "select count(*), sum(crc32(cast(concat_ws('|', case_no, closed_on, sub_category) as binary))) from {}"


def run(size: int, runs: int, tell: Callable[[str], None]) -> Result:
    """Clean everything once, then a day at a time, each of us in turn."""
    with lakehouse() as ports:
        contract = ports.contract(HOTLINE)
        tell(f"{ROW}: {size:,} cases")
        landed = history.land(ports, size)
        for name in PEERS:
            make_table(ports, name, fields_schema(contract))
        first = {name: _clean(ports, name, 0) for name in ("ours", *PEERS)}
        ours: list[Measured] = []
        peers: dict[str, list[Measured]] = {name: [] for name in PEERS}
        written: list[int] = []
        for day in range(1, runs + 1):
            tell(f"{ROW}: run {day} of {runs}")
            before, landed = landed, history.land(ports, size, day=day)
            by_then = _written(ports, contract)
            ours.append(_clean(ports, "ours", before))
            written.append(_written(ports, contract) - by_then)
            for name, found in peers.items():
                found.append(_clean(ports, name, before))
        current = released_tables(contract)["current"].branch(CANDIDATE)
        contents = {
            tuple(ports.spark.sql(SAME.format(name)).collect()[0])
            for name in (current, *(f"lake.bench.{peer}" for peer in PEERS))
        }
        figures = {
            "bytes written a run": float(max(written)),
            "bytes written a run, as a share of a rewrite of current and history": max(written) / _whole(ports, contract),
            "all cases from nothing, s": first["ours"].seconds,
            "all cases from nothing, Spark, s": first["rewrite"].seconds,
        }
        named = {PEERS[name]: tuple(found) for name, found in peers.items()}
        return _result(size, tuple(ours), named, figures, same=len(contents) == 1)


def _clean(ports: Ports, who: str, after: int) -> Measured:
    run_dir = ports.settings.run_dir
    argv = commonweal("run", "clean", HOTLINE)
    if who != "ours":
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


def _result(
    size: int, ours: tuple[Measured, ...], peers: dict[str, tuple[Measured, ...]], figures: dict[str, float], *, same: bool
) -> Result:
    share = seconds(ours) / min(map(seconds, peers.values()))
    written = figures["bytes written a run, as a share of a rewrite of current and history"]
    return Result(
        row=ROW,
        work="clean: one per cent of new events, states and history (servers are in the figures)",
        size=size,
        unit="cases",
        ours=ours,
        peers=peers,
        is_equal=same,
        figures=figures,
        reach=f"at most {TIME} of the faster peer's time, and {BYTES} of a rewrite's bytes",
        is_reached=same and share <= TIME and written <= BYTES,
    )
