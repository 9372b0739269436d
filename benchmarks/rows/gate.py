"""P3: the gate of everything that was cleaned, and of one per cent more; beside Great Expectations by default, and DuckDB.

All look at the same candidate. A gate whose verdict stands has nothing to do, so before each run the verdict is taken away, but
for one by which something was released: each run audits, counts, reports and records as the first did. What Great Expectations
had Spark keep of the snapshots is let go too, or whoever reads them next would read memory. Ours also accounts for every offset.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import steps
from benchmarks.exports import HOTLINE
from benchmarks.lakes import LAKES
from benchmarks.measure import Measured, measure
from benchmarks.results import OURS, TIMES, Result, largest
from benchmarks.servers import environment, pids, scratch
from commonweal.lake.candidates import read_candidate
from commonweal.ports import Ports
from commonweal.work import read_state

ROW, SIZE, RUNS = "P3", 500_000, 3
SPEED, SHARE = 2.5, 0.3
GX, DUCKDB = "gx", "duckdb"
PEERS = {GX: "Great Expectations by default, the same suite", DUCKDB: "DuckDB by hand, the same rules"}
AGAIN = "a gate after 1 % changed, as a share of the first"
Verdict = dict[str, Any]
"""``passed``, and under ``failed`` by rule how many rows break it."""


@dataclass(frozen=True)
class Found:
    """What some cases showed.

    Attributes:
        runs: By program, its gates of everything.
        again: Our gate after one per cent had changed.
        checks: How many there were.
        is_same: Whether all gave the same verdicts.
    """

    runs: dict[str, list[Measured]]
    again: Measured
    checks: dict[str, float]
    is_same: bool


def run(size: int, runs: int, tell: Callable[[str], None]) -> Result:
    """Gate all cases in turn, and what one per cent of new events made of them; then ten times as many once, all warmed up."""
    small = _found(size, runs, tell)
    return _result(size, small, _found(size * TIMES, 1, tell) if runs > 1 else None)


def _found(size: int, runs: int, tell: Callable[[str], None]) -> Found:
    lake = LAKES.hotline(size, tell, is_new=True)
    ports = lake.ports
    if runs == 1:
        tell(f"{ROW}: warming up")
        for name in (OURS, *PEERS):
            _gate(ports, name)
    found: dict[str, list[Measured]] = {name: [] for name in (OURS, *PEERS)}
    verdicts: list[Verdict] = []
    for number in range(1, runs + 1):
        tell(f"{ROW}: run {number} of {runs}")
        for name, measured in found.items():
            measured.append(_gate(ports, name))
            verdicts.append(_verdict(ports, name))
    for what in ("to warm up", "measured"):
        steps.carry_out(ports, "release", HOTLINE)
        lake.land_next_day()
        steps.carry_out(ports, "clean", HOTLINE)
        tell(f"{ROW}: one per cent more, {what}")
        again = _gate(ports, OURS)
    later = [_verdict(ports, OURS)]
    if runs > 1:
        tell(f"{ROW}: one per cent more, {PEERS[GX]}, to compare")
        _gate(ports, GX)
        later.append(_verdict(ports, GX))
    same = _are_one(verdicts) and _are_one(later) and verdicts[0]["passed"] == later[0]["passed"]
    return Found(found, again, _checks(ports), same)


def _gate(ports: Ports, who: str) -> Measured:
    if who == OURS:
        steps.forget(ports, "gate", HOTLINE)
        return steps.carry_out(ports, "gate", HOTLINE)
    steps.clear_cache(ports)
    candidate, run_dir = read_candidate(ports.engine, HOTLINE), ports.settings.run_dir
    snapshots = json.dumps(candidate.snapshots) if candidate else "{}"
    argv = [sys.executable, "-m", "benchmarks.peers.gate", who, HOTLINE, snapshots]
    return measure(argv, environment(run_dir), _log(ports, who), servers=pids(run_dir))


def _log(ports: Ports, who: str) -> Path:
    return scratch(ports.settings) / f"{who}.log"


def _verdict(ports: Ports, who: str) -> Verdict:
    """What the last gate, or a peer, said."""
    if who != OURS:
        return steps.said(_log(ports, who))
    report = _report(ports)
    failed = {result["rule"]: result["unexpected"] for result in report["results"]}
    return {"passed": report["passed"], "failed": failed}


def _are_one(verdicts: list[Verdict]) -> bool:
    return all(verdict == verdicts[0] for verdict in verdicts)


def _checks(ports: Ports) -> dict[str, float]:
    report = _report(ports)
    return {"checks of a verdict": len(report["checks"]), "of these rules, which the peers check too": len(report["results"])}


def _report(ports: Ports) -> dict[str, Any]:
    """The newest report that the gate stored."""
    gate = read_state(ports.engine, ports.contract(HOTLINE)).gate
    if gate is None:
        raise RuntimeError("the gate stored no verdict")
    report: dict[str, Any] = gate["report"]
    return report


def _result(size: int, small: Found, large: Found | None) -> Result:
    last = large or small
    tenfold = {name: runs[0] for name, runs in large.runs.items()} if large else {}
    times = largest(small.runs, tenfold)
    speed, share = times[GX] / times[OURS], last.again.seconds / times[OURS]
    same = small.is_same and last.is_same
    return Result(
        row=ROW,
        work="gate: audit everything, current and history, and decide (servers are in the figures)",
        size=size,
        unit="cases",
        ours=tuple(small.runs[OURS]),
        peers={PEERS[name]: tuple(small.runs[name]) for name in PEERS},
        is_equal=same,
        tenfold={PEERS.get(name, name): run for name, run in tenfold.items()},
        figures={"a gate after 1 % changed, s": last.again.seconds, AGAIN: share, **last.checks},
        reach=f"at least {SPEED} times as fast as Great Expectations by default, and {AGAIN} at most {SHARE}",
        is_reached=same and speed >= SPEED and share <= SHARE,
    )
