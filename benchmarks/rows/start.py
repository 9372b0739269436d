"""P9: how long the stack takes to start, how much memory it takes when it does nothing, how soon the command line answers."""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from benchmarks.measure import measure, memory_mib
from benchmarks.results import Result
from benchmarks.servers import environment, run_folder

ROW, SIZE, RUNS = "P9", 1, 5
QUIET_SECONDS = 60
LIMITS = {"stack up again, s": 35.0, "idle memory, MiB": 4096.0, "commonweal --help, s": 0.4}
MAIN = "from commonweal.cli import main; main()"


def run(size: int, runs: int, tell: Callable[[str], None]) -> Result:
    """Start a stack in an empty folder, start it again, leave it alone for a minute."""
    del size
    found: dict[str, float] = {}
    with run_folder() as folder:
        folder.mkdir()
        log = folder.parent / "start.log"
        for name in ("stack up, first, s", "stack up again, s"):
            tell(f"{ROW}: {name}")
            found[name] = measure(_commonweal("stack", "up"), environment(folder), log).seconds
            if "first" in name:
                measure(_commonweal("stack", "down"), environment(folder), log)
        tell(f"{ROW}: nothing to do")
        found["apply with nothing to do, s"] = measure(_commonweal("apply"), environment(folder), log).seconds
        time.sleep(QUIET_SECONDS)
        found["idle memory, MiB"] = memory_mib(int((folder / "supervisord.pid").read_text()))
        helps = [measure(_commonweal("--help"), dict(os.environ), log).seconds for _ in range(runs)]
        found["commonweal --help, s"] = median(helps)
    return Result(
        row=ROW,
        work="start the stack, and leave it alone",
        size=SIZE,
        unit="stack",
        figures=found,
        reach=", ".join(f"{name} at most {limit:g}" for name, limit in LIMITS.items()),
        is_reached=all(found[name] <= limit for name, limit in LIMITS.items()),
    )


def _commonweal(*arguments: str) -> list[str]:
    program = Path(sys.executable).with_name("commonweal")
    return [str(program), *arguments] if program.exists() else [sys.executable, "-c", MAIN, *arguments]
