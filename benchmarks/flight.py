"""Where a Java server's time went while a program ran: Java's own flight recorder, read back as shares of its samples."""

import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from infra.install import java

NAME = "bench"
SAMPLE, PAUSE, COMPILER = "jdk.ExecutionSample", "jdk.GCPhasePause", "jdk.CompilerStatistics"
JAVAS_OWN = re.compile(r"(java|javax|jdk|sun|scala|com\.sun)\.")
"""Packages that work for whoever calls them: a sample is put down to the first frame that is none of theirs."""
FRAME = re.compile(r"^ {4}([\w.$<>/]+)\(", re.MULTILINE)
UNITS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
DEPTH = 3
"""By so many parts of its name a package is told from others."""


@dataclass(frozen=True)
class Flight:
    """What was recorded of a server.

    Attributes:
        samples: How often a thread was seen at work in Java, which is looked for every 10 to 20 ms.
        pauses: Seconds in which all threads stood still for a collection of memory.
        compiling: Seconds of compilers that turn bytecode into the machine's; they are in no sample.
        packages: By package, its share of the samples, the largest first.
        methods: The same by method that was seen at work.
    """

    samples: int
    pauses: float
    compiling: float
    packages: dict[str, float]
    methods: dict[str, float]


@contextmanager
def recorded(pid: int, recording: Path) -> Iterator[None]:
    """Record a Java process meanwhile; costs it one or two per cent."""
    _tool("jcmd", str(pid), "JFR.start", f"name={NAME}", "settings=profile")
    try:
        yield
    finally:
        _tool("jcmd", str(pid), "JFR.stop", f"name={NAME}", f"filename={recording}")


def read(recording: Path) -> Flight:
    """What a recording holds."""
    text = _tool("jfr", "print", "--stack-depth", "64", "--events", f"{SAMPLE},{PAUSE},{COMPILER}", str(recording))
    events = [(event.lstrip().partition(" ")[0], event) for event in text.split("\n\n")]
    stacks = [FRAME.findall(event) for kind, event in events if kind == SAMPLE]
    stacks = [stack for stack in stacks if stack]
    compiling = [_seconds("totalTimeSpent", event) for kind, event in events if kind == COMPILER]
    return Flight(
        samples=len(stacks),
        pauses=sum(_seconds("duration", event) for kind, event in events if kind == PAUSE),
        compiling=max(compiling, default=0.0) - min(compiling, default=0.0),
        packages=_shares([_package(stack) for stack in stacks]),
        methods=_shares([_method(stack[0]) for stack in stacks]),
    )


def _seconds(name: str, event: str) -> float:
    """A length of time, written ``4.51 ms``, ``3.27 s`` or ``1 m 15 s``."""
    line = re.search(rf"{name} = (.*)", event)
    parts = re.findall(r"([\d.]+) (\w+)", line[1]) if line else []
    return sum(float(number) * UNITS[unit] for number, unit in parts)


def _package(stack: list[str]) -> str:
    own = next((frame for frame in stack if not JAVAS_OWN.match(frame)), stack[-1])
    parts = own.split(".")[:-2]  # without class and method
    return ".".join(parts[: DEPTH + (parts[:2] == ["org", "apache"])])


def _method(frame: str) -> str:
    return ".".join(frame.split(".")[-2:])


def _shares(found: list[str]) -> dict[str, float]:
    return {what: count / len(found) for what, count in Counter(found).most_common()}


def _tool(name: str, *arguments: str) -> str:
    program = java().with_name(name)
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)  # noqa: S603 - Java's own
    if done.returncode:
        raise RuntimeError(f"{name} ended with {done.returncode}: {(done.stdout + done.stderr)[-500:]}")
    return done.stdout
