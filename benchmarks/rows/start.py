"""P9: how long the demo takes, and the stack to start; its memory when it does nothing; how soon the command line answers."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from benchmarks.measure import measure, memory_mib
from benchmarks.results import Result
from benchmarks.servers import environment, run_folder
from commonweal.settings import ROOT
from infra.stack.take_down import reset

ROW, SIZE, RUNS = "P9", 1, 5
QUIET_SECONDS = 60
FIRST, AGAIN = "make demo in a new clone, what it downloads at hand, s", "make demo again, s"
LIMITS = {FIRST: 480.0, AGAIN: 60.0, "stack up again, s": 35.0, "idle memory, MiB": 4096.0, "commonweal --help, s": 0.4}
CACHE, OTHERS = "COMMONWEAL_CACHE", ("COMMONWEAL_", "MAKE", "MFLAGS", "VIRTUAL_")
"""Of the environment, what a new clone may have of this one, and what it may not."""
MAIN = "from commonweal.cli import main; main()"


def run(size: int, runs: int, tell: Callable[[str], None]) -> Result:
    """Run the demo in a new clone, and again; start a stack in an empty folder, start it again, leave it alone for a minute."""
    del size
    found = _demo(tell)
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
        work="run the demo; start a stack, and leave it alone",
        size=SIZE,
        unit="stack",
        figures=found,
        reach=", ".join(f"{name} at most {limit:g}" for name, limit in LIMITS.items()),
        is_reached=all(found[name] <= limit for name, limit in LIMITS.items()),
    )


def _demo(tell: Callable[[str], None]) -> dict[str, float]:
    """What a new user does: of the code that is committed, with nothing set but what this machine needs to download."""
    folder, found = Path(tempfile.mkdtemp(prefix="commonweal-bench-")), {}
    clone = folder / "commonweal"
    folder.chmod(0o711)  # PostgreSQL's user passes through
    own = {name: value for name, value in os.environ.items() if name == CACHE or not name.startswith(OTHERS)}
    try:
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)  # noqa: S603, S607
        for name in (FIRST, AGAIN):
            tell(f"{ROW}: {name}")
            found[name] = measure(["make", "-C", str(clone), "demo"], own, folder / "demo.log").seconds
    finally:
        reset(clone / ".run")
        shutil.rmtree(folder, ignore_errors=True)
    return found


def _commonweal(*arguments: str) -> list[str]:
    program = Path(sys.executable).with_name("commonweal")
    return [str(program), *arguments] if program.exists() else [sys.executable, "-c", MAIN, *arguments]
