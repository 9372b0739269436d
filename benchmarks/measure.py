"""Wall time, CPU seconds and peak memory of a program with everything that it starts, and of the servers that work for it."""

import os
import subprocess
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import psutil

from benchmarks.flight import recorded
from benchmarks.sampling import sampled

FLIGHTS = "COMMONWEAL_BENCH_FLIGHTS"
"""Environment variable: a folder that takes recordings of Spark's Java and of Python, where a profile is wanted."""
LOOK_SECONDS = 0.2
MIB = 1 << 20
TICKS = os.sysconf("SC_CLK_TCK")
STEP = "step"
NONE: Mapping[str, int] = MappingProxyType({})
Times = dict[tuple[int, float], tuple[str, float]]
"""By id and start of a process or thread, what it is and its CPU seconds."""


@dataclass(frozen=True)
class Measured:
    """One run.

    Attributes:
        seconds: Wall time.
        cpu_seconds: User and system time of the process, of all its descendants, and of the servers meanwhile.
        peak_mib: The most memory that all these had at a time, shared pages counted once (PSS).
        cpu_by: ``cpu_seconds`` by what spent them: ``step`` for the program, a server's name, or that with another program's.
    """

    seconds: float
    cpu_seconds: float
    peak_mib: float
    cpu_by: dict[str, float] = field(default_factory=dict)


@dataclass
class Seen:
    """What was seen while a program ran: the largest figures, and of each process of its servers the last time."""

    peak_mib: float = 0.0
    cpu_seconds: float = 0.0
    times: Times = field(default_factory=dict)


def measure(argv: Sequence[str], environment: Mapping[str, str], log: Path, *, servers: Mapping[str, int] = NONE) -> Measured:
    """Run a program to its end.

    Args:
        argv: The program and its arguments.
        environment: Its environment.
        log: File that takes what it says.
        servers: By name, processes that work for it, each with its descendants.

    Raises:
        RuntimeError: It ended with an error; the message ends with what it said last.
    """
    before = times(servers)
    with log.open("wb") as said, flight(servers, log.stem):
        argv = sampled(argv, where) if (where := recording(log.stem, "txt")) else argv
        began = time.monotonic()
        process = subprocess.Popen(argv, env=dict(environment), stdout=said, stderr=subprocess.STDOUT)  # noqa: S603
        over, seen = threading.Event(), Seen(times=dict(before))
        looking = threading.Thread(target=_look, args=(process.pid, servers, over, seen), daemon=True)
        looking.start()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - began
        over.set()
        looking.join()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{argv[0]} ended with {process.returncode}: {log.read_text(errors='replace')[-500:]}")
    # The kernel leaves out descendants that nobody waited for, and a look misses the end.
    own = max(usage.ru_utime + usage.ru_stime, seen.cpu_seconds)
    seen.times |= times(servers)
    spent = {STEP: own} | spent_since(before, seen.times)
    return Measured(seconds, sum(spent.values()), seen.peak_mib, spent)


def flight(servers: Mapping[str, int], name: str) -> AbstractContextManager[None]:
    """Record Spark meanwhile when a profile is wanted."""
    where = recording(name, "jfr")
    return recorded(servers["spark"], where) if where and "spark" in servers else nullcontext()


def recording(name: str, kind: str) -> Path | None:
    """Where the next recording of a program goes, whose runs are numbered; None when no profile is wanted."""
    folder = os.environ.get(FLIGHTS)
    if not folder:
        return None
    number = len(list(Path(folder).glob(f"{name}-*.{kind}"))) + 1
    return Path(folder) / f"{name}-{number}.{kind}"


def memory_mib(pid: int) -> float:
    """What a process and all its descendants have now, shared pages counted once (PSS)."""
    return _sum(pid, lambda process: process.memory_full_info().pss) / MIB


def cpu_seconds(pid: int) -> float:
    """User and system time so far of a process, of all its descendants that live, and of those that these waited for."""
    return _sum(pid, lambda process: sum(process.cpu_times()[:4]))


def times(servers: Mapping[str, int]) -> Times:
    """User and system time so far of each process of some servers; one that ends between two looks is counted up to the first."""
    found: Times = {}
    for name, pid in servers.items():
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            for member in (process, *process.children(recursive=True)):
                with suppress(psutil.NoSuchProcess):
                    what = name if member.name() == process.name() else f"{name}: {member.name()}"
                    found[member.pid, member.create_time()] = what, sum(member.cpu_times()[:2])
    return found


def thread_times(pid: int, prefixes: tuple[str, ...], what: str) -> Times:
    """User and system time so far of the threads of a process whose names begin with one of some prefixes, under one name."""
    found: Times = {}
    for stat in Path(f"/proc/{pid}/task").glob("*/stat"):
        with suppress(OSError):
            name, _, rest = stat.read_text().partition("(")[2].rpartition(")")
            if name.startswith(prefixes):
                fields = rest.split()
                found[int(stat.parent.name), float(fields[19])] = what, (int(fields[11]) + int(fields[12])) / TICKS
    return found


def spent_since(before: Times, after: Times) -> dict[str, float]:
    """By what the processes are, the seconds that were added."""
    spent: dict[str, float] = defaultdict(float)
    for process, (what, seconds) in after.items():
        spent[what] += seconds - before.get(process, (what, 0.0))[1]
    return dict(spent)


def _sum(pid: int, figure: Callable[[psutil.Process], float]) -> float:
    """A figure of a process and of all its descendants that live, added up."""
    total = 0.0
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        for member in (process, *process.children(recursive=True)):
            with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                total += figure(member)
    return total


def _look(pid: int, servers: Mapping[str, int], over: threading.Event, seen: Seen) -> None:
    while not over.wait(LOOK_SECONDS):
        seen.peak_mib = max(seen.peak_mib, sum(map(memory_mib, (pid, *servers.values()))))
        seen.times |= times(servers)
        seen.cpu_seconds = max(seen.cpu_seconds, cpu_seconds(pid))
