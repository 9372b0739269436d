"""Results of rows, kept as JSON: a run that was interrupted goes on with the rows that are missing."""

import json
import math
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.measure import Measured
from commonweal.ports import code_version
from commonweal.settings import ROOT

FOLDER = ROOT / "benchmarks" / "results"
OURS = "commonweal"
TIMES = 10
"""How many times as much the large run of a row is."""
PACKAGES = ("kafka-python", "pyspark", "great-expectations", "apache-airflow", "pyiceberg")


@dataclass(frozen=True)
class Result:
    """What one row showed.

    Attributes:
        row: Its id, ``P1``.
        work: What was done, in words.
        size: How much, for each run of either.
        unit: What ``size`` counts.
        ours: Our runs.
        peers: By peer, its runs, in turn with ours; empty where there is nothing to compare with.
        is_equal: Whether all had the same result; None where there is no peer.
        figures: Single figures, by what they say.
        reach: What is asked for, in words.
        is_reached: Whether it is; None where the row does not say.
        tenfold: By program, ours as ``OURS``: one run of ten times as much; empty where that was not run.
    """

    row: str
    work: str
    size: int
    unit: str
    ours: tuple[Measured, ...] = ()
    peers: dict[str, tuple[Measured, ...]] = field(default_factory=dict)
    is_equal: bool | None = None
    figures: dict[str, float] = field(default_factory=dict)
    reach: str = ""
    is_reached: bool | None = None
    tenfold: dict[str, Measured] = field(default_factory=dict)

    def speed(self, peer: str) -> float:
        """How fast we are as a share of a peer's speed: 1 is as fast, by the median of either."""
        return seconds(self.peers[peer]) / seconds(self.ours)

    def growth(self, program: str) -> float:
        """By which power of the size a program's time grows: 1 where ten times as much takes ten times as long."""
        runs = self.ours if program == OURS else self.peers[program]
        return math.log(self.tenfold[program].seconds / seconds(runs), TIMES)


def seconds(runs: Iterable[Measured]) -> float:
    """The median of the wall times."""
    return median(run.seconds for run in runs)


def largest(found: Mapping[str, Sequence[Measured]], tenfold: Mapping[str, Measured]) -> dict[str, float]:
    """By program, how long it took in the largest run: ten times as much where there is that, else the median."""
    return {name: run.seconds for name, run in tenfold.items()} or {name: seconds(runs) for name, runs in found.items()}


def write(result: Result) -> Path:
    """Keep a result, with the machine and the versions that it was measured on."""
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"{result.row}.json"
    content = {"measured": machine(), **asdict(result)}
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def read() -> list[tuple[dict[str, Any], Result]]:
    """All results that are kept, each with where it was measured, in the order of the rows."""
    return [_read(path) for path in sorted(FOLDER.glob("*.json"))]


def machine() -> dict[str, Any]:
    """Where and of what it is measured."""
    return {
        "day": datetime.now(UTC).date().isoformat(),
        "code": code_version(ROOT),
        "cores": os.cpu_count(),
        "processor": _processor(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in PACKAGES},
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _read(path: Path) -> tuple[dict[str, Any], Result]:
    content = json.loads(path.read_text(encoding="utf-8"))
    where = content.pop("measured")
    peers = {name: _runs(runs) for name, runs in content.pop("peers").items()}
    tenfold = {name: Measured(**run) for name, run in content.pop("tenfold", {}).items()}
    return where, Result(ours=_runs(content.pop("ours")), peers=peers, tenfold=tenfold, **content)


def _runs(kept: Iterable[dict[str, Any]]) -> tuple[Measured, ...]:
    return tuple(Measured(**run) for run in kept)
