"""Results of rows, kept as JSON: a run that was interrupted goes on with the rows that are missing."""

import json
import math
import os
import platform
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.measure import Measured
from commonweal.settings import ROOT

FOLDER = ROOT / "benchmarks" / "results"
BEFORE, OTHER = "before", "other"
"""In that folder, the ones with the results that those of today replaced, and with those of other sizes than a row's own."""
CODE = ("benchmarks", "commonweal", "dags", "infra", "jobs", "schemas", "streams", "requirements.lock")
TELLING = tuple(
    f":(exclude)benchmarks/{name}" for name in ("results", "profiles", "README.md", "page.py", "picture.py", "sizing.py")
)
"""What is measured, and what of it only tells what was."""
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


Kept = tuple[dict[str, Any], Result]
"""Where a result was measured, and the result."""


def seconds(runs: Iterable[Measured]) -> float:
    """The median of the wall times."""
    return median(run.seconds for run in runs)


def largest(found: Mapping[str, Sequence[Measured]], tenfold: Mapping[str, Measured]) -> dict[str, float]:
    """By program, how long it took in the largest run: ten times as much where there is that, else the median."""
    return {name: run.seconds for name, run in tenfold.items()} or {name: seconds(runs) for name, runs in found.items()}


def write(result: Result, own: int) -> Path:
    """Keep a result, with the machine and the versions that it was measured on, and the one that it replaces.

    Args:
        result: What a row showed.
        own: The row's own size; a result of another one is kept apart, and replaces only one of the same size.
    """
    path = FOLDER / f"{result.row}.json" if result.size == own else FOLDER / OTHER / f"{result.row}-{result.size}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    if result.size == own and path.exists():
        before = FOLDER / BEFORE
        before.mkdir(exist_ok=True)
        path.replace(before / path.name)
    content = {"measured": machine(), **asdict(result)}
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def read() -> list[Kept]:
    """All results that are kept, each with where it was measured, in the order of the rows."""
    return [_read(path) for path in sorted(FOLDER.glob("*.json"))]


def read_before() -> list[Kept]:
    """Those that they replaced."""
    return [_read(path) for path in sorted((FOLDER / BEFORE).glob("*.json"))]


def read_other() -> list[Kept]:
    """Those of other sizes than the rows' own, in the order of the rows and sizes."""
    found = (_read(path) for path in (FOLDER / OTHER).glob("*.json"))
    return sorted(found, key=lambda kept: (kept[1].row, kept[1].size))


def code() -> str:
    """The last commit that changed what is measured, marked when it was changed since: keeping a result makes none an old one."""
    commit = _git("log", "-1", "--format=%h", "--abbrev=12", "--", *CODE, *TELLING) or "unknown"
    return f"{commit}+changed" if _git("status", "--porcelain", "--", *CODE, *TELLING) else commit


def _git(*words: str) -> str:
    try:
        asked = ["git", "-C", str(ROOT), *words]
        return subprocess.run(asked, capture_output=True, text=True, check=True, timeout=10).stdout.strip()  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return ""  # no git, or no checkout


def machine() -> dict[str, Any]:
    """Where and of what it is measured."""
    return {
        "day": datetime.now(UTC).date().isoformat(),
        "code": code(),
        "cores": os.cpu_count(),
        "processor": _processor(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in PACKAGES},
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _read(path: Path) -> Kept:
    content = json.loads(path.read_text(encoding="utf-8"))
    where = content.pop("measured")
    peers = {name: _runs(runs) for name, runs in content.pop("peers").items()}
    tenfold = {name: Measured(**run) for name, run in content.pop("tenfold", {}).items()}
    return where, Result(ours=_runs(content.pop("ours")), peers=peers, tenfold=tenfold, **content)


def _runs(kept: Iterable[dict[str, Any]]) -> tuple[Measured, ...]:
    return tuple(Measured(**run) for run in kept)
