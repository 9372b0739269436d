"""Who runs the steps while things fail: a loop of processes of our own, or the stack's own watch and Airflow."""

import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import psutil
from sqlalchemy import text

from commonweal.errors import ConflictError, FencedError, TransientError
from commonweal.steps.run import ERRORS
from infra.stack import supervision
from tests.faults import child
from tests.faults.world import ORDER, World

STEPS = ORDER[:4]
EXPECTED = frozenset({0, -9, ConflictError.exit_code, FencedError.exit_code, TransientError.exit_code})
"""How a step may end while things fail: any other exit code would name a wrong cause, and wait for a person."""
LONGEST_STEP_SECONDS = 300
ATTEMPTS = text("select step, finished_at is null as is_open, error from attempt where dataset = :dataset")


class Drive(Protocol):
    """What a run needs of whoever runs the steps."""

    endings: Counter[tuple[str, int]]
    hung: list[str]

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def running(self) -> psutil.Process | None: ...


class Driver(threading.Thread):
    """The steps one after the other, each in a process of its own, whatever one ends with, until told to stop.

    Attributes:
        endings: How often which step ended with which exit code.
        hung: Steps that did not end by themselves.
    """

    def __init__(self, world: World, log: Path) -> None:
        super().__init__(name="driver", daemon=True)
        self.endings: Counter[tuple[str, int]] = Counter()
        self.hung: list[str] = []
        self._world, self._log, self._stop_asked = world, log, threading.Event()
        self._pid = 0

    def run(self) -> None:
        while not self._stop_asked.is_set():
            for step in STEPS:
                if self._one(step):
                    time.sleep(0.5)
                    break

    def stop(self) -> None:
        """End after the step that runs now."""
        self._stop_asked.set()
        self.join(LONGEST_STEP_SECONDS)

    def running(self) -> psutil.Process | None:
        """The process of the step that runs now."""
        with suppress(psutil.NoSuchProcess):
            return psutil.Process(self._pid) if self._pid else None
        return None

    def _one(self, step: str) -> int:
        started = child.start(child.Order(step, self._world.source.id, self._world.settings, self._log))
        self._pid = started.pid or 0
        try:
            code = child.await_end(started, LONGEST_STEP_SECONDS)
        except AssertionError:
            self.hung.append(step)
            code = -9
        self._pid = 0
        self.endings[step, code] += 1
        return code


class Airflow:
    """The stack's own watch and Airflow run the steps; what became of them stands in the table of attempts.

    Attributes:
        endings: How often which step ended with which exit code; -9 for those that could not record an end.
        hung: Always empty: Airflow ends what takes too long.
    """

    def __init__(self, world: World, run_dir: Path) -> None:
        self.endings: Counter[tuple[str, int]] = Counter()
        self.hung: list[str] = []
        self._world, self._run_dir = world, run_dir

    def start(self) -> None:
        """Nothing: they run."""

    def stop(self) -> None:
        """Count how attempts ended."""
        with self._world.ports.engine.begin() as connection:
            for row in connection.execute(ATTEMPTS, {"dataset": self._world.source.id}):
                code = -9 if row.is_open else ERRORS[row.error].exit_code if row.error else 0
                self.endings[row.step, code] += 1

    def running(self) -> psutil.Process | None:
        """A process of a task that runs now: what the scheduler's workers have started."""
        with suppress(psutil.NoSuchProcess, KeyError):
            scheduler = psutil.Process(supervision.states(self._run_dir)["airflow-scheduler"].pid)
            started = [process for worker in scheduler.children() for process in worker.children(recursive=True)]
            return started[-1] if started else None
        return None
