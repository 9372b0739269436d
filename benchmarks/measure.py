"""Wall time, CPU seconds and peak memory of a program with everything that it starts."""

import os
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

LOOK_SECONDS = 0.2
MIB = 1 << 20


@dataclass(frozen=True)
class Measured:
    """One run.

    Attributes:
        seconds: Wall time.
        cpu_seconds: User and system time of the process and of all its descendants.
        peak_mib: The most memory that the whole tree had at a time, shared pages counted once (PSS).
    """

    seconds: float
    cpu_seconds: float
    peak_mib: float


@dataclass
class Seen:
    """The largest figures that were seen while a program ran."""

    peak_mib: float = 0.0
    cpu_seconds: float = 0.0


def measure(argv: Sequence[str], environment: Mapping[str, str], log: Path) -> Measured:
    """Run a program to its end.

    Args:
        argv: The program and its arguments.
        environment: Its environment.
        log: File that takes what it says.

    Raises:
        RuntimeError: It ended with an error; the message ends with what it said last.
    """
    with log.open("wb") as said:
        began = time.monotonic()
        process = subprocess.Popen(argv, env=dict(environment), stdout=said, stderr=subprocess.STDOUT)  # noqa: S603
        over, seen = threading.Event(), Seen()
        looking = threading.Thread(target=_look, args=(process.pid, over, seen), daemon=True)
        looking.start()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - began
        over.set()
        looking.join()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{argv[0]} ended with {process.returncode}: {log.read_text(errors='replace')[-500:]}")
    # The kernel leaves out descendants that nobody waited for, and a look misses the end.
    return Measured(seconds, max(usage.ru_utime + usage.ru_stime, seen.cpu_seconds), seen.peak_mib)


def memory_mib(pid: int) -> float:
    """What a process and all its descendants have now, shared pages counted once (PSS)."""
    return _sum(pid, lambda process: process.memory_full_info().pss) / MIB


def cpu_seconds(pid: int) -> float:
    """User and system time so far of a process, of all its descendants that live, and of those that these waited for."""
    return _sum(pid, lambda process: sum(process.cpu_times()[:4]))


def _sum(pid: int, figure: Callable[[psutil.Process], float]) -> float:
    """A figure of a process and of all its descendants that live, added up."""
    total = 0.0
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        for member in (process, *process.children(recursive=True)):
            with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                total += figure(member)
    return total


def _look(pid: int, over: threading.Event, seen: Seen) -> None:
    while not over.wait(LOOK_SECONDS):
        seen.peak_mib = max(seen.peak_mib, memory_mib(pid))
        seen.cpu_seconds = max(seen.cpu_seconds, cpu_seconds(pid))
