"""What a Python program and all that it started did meanwhile: py-spy's samples, as shares."""

import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

RATE = 100
FRAME = re.compile(r"(?P<function>.+) \((?P<file>[^():]+)(:\d+)?\)")
DEPTH = 2
"""By so many parts of its name a package is told from others."""


@dataclass(frozen=True)
class Samples:
    """What was seen.

    Attributes:
        count: How often a thread was seen at work, which is looked for every 10 ms.
        packages: By package, its share of the samples, the largest first; Python's own work for whoever calls it.
        functions: The same by function that was seen at work.
    """

    count: int
    packages: dict[str, float]
    functions: dict[str, float]


def sampled(argv: Sequence[str], where: Path) -> list[str]:
    """The program under py-spy's eyes, which ends without an error whatever the program ends with."""
    return [*_record(where), "--", *argv]


@contextmanager
def attached(pid: int, where: Path) -> Iterator[None]:
    """Look at a process, and at all that it starts, meanwhile."""
    with subprocess.Popen([*_record(where), "--pid", str(pid)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as spy:  # noqa: S603
        yield
        spy.send_signal(signal.SIGINT)
        _, said = spy.communicate()
        if spy.returncode:
            raise RuntimeError(f"py-spy ended with {spy.returncode}: {said.decode()[-500:]}")


def read(where: Path) -> Samples:
    """What py-spy wrote: a line for each stack, outermost frame first, and how often it was seen."""
    packages, functions = Counter[str](), Counter[str]()
    for line in where.read_text(encoding="utf-8").splitlines():
        stack, _, seen = line.rpartition(" ")
        frames = [found for frame in stack.split(";") if (found := FRAME.fullmatch(frame))]
        if frames:
            packages[_package([found["file"] for found in frames])] += int(seen)
            functions[f"{_module(frames[-1]['file'])}.{frames[-1]['function']}"] += int(seen)
    return Samples(packages.total(), _shares(packages), _shares(functions))


def _record(where: Path) -> list[str]:
    spy = Path(sys.executable).with_name("py-spy")
    return [str(spy), "record", "--subprocesses", "--format", "raw", "--rate", str(RATE), "--output", str(where)]


def _package(files: Sequence[str]) -> str:
    """That of the innermost frame that is not Python's own."""
    modules = [_module(file) for file in reversed(files)]
    own = next((name for name in modules if name.partition(".")[0] not in sys.stdlib_module_names), modules[0])
    return ".".join(own.split(".")[:DEPTH])


def _module(file: str) -> str:
    """Python writes what was frozen into it as ``<frozen importlib._bootstrap>``."""
    return file.removeprefix("<frozen ").removesuffix(">").removesuffix(".py").replace("/", ".")


def _shares(found: Counter[str]) -> dict[str, float]:
    return {what: count / found.total() for what, count in found.most_common()}
