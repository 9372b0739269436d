"""Seeded faults: processes killed, or stopped for a while and let go on, and how long the stack takes to be ready again."""

import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from random import Random
from typing import Literal

import psutil

from infra.stack import readiness, supervision
from infra.stack.layout import Layout

SERVICES = ("kafka", "minio", "postgres", "spark", "airflow-scheduler", "watch", "announce")
STEP = "step"
Kind = Literal["killed", "stopped"]
LONGEST_STOP_SECONDS = 8.0
"""Longer than the lease of the datasets under test, so that a stopped step may lose it."""
PATIENCE_SECONDS = 240
TOLD_EVERY = 10


@dataclass(frozen=True)
class Fault:
    """One fault.

    Attributes:
        after: Seconds since the fault before it.
        victim: A service, or ``step`` for the step that runs just then.
        kind: ``killed`` by SIGKILL, or ``stopped`` by SIGSTOP.
        seconds: How long it stands still.
    """

    after: float
    victim: str
    kind: Kind
    seconds: float


@dataclass(frozen=True)
class Inflicted:
    """A fault that happened, and after how many seconds from its end the victim answered again; None for a step."""

    fault: Fault
    recovered: float | None


def plan(random: Random, *, faults: int, longest_pause: float) -> list[Fault]:
    """The faults of a seed: every victim equally often, in random order, three of four kills."""
    rounds = faults // (len(SERVICES) + 2) + 1
    victims = [victim for _ in range(rounds) for victim in random.sample((*SERVICES, STEP, STEP), len(SERVICES) + 2)]
    made = []
    for victim in victims[:faults]:
        kind: Kind = "killed" if random.random() < 0.75 else "stopped"
        seconds = random.uniform(1, LONGEST_STOP_SECONDS) if kind == "stopped" else 0.0
        made.append(Fault(random.uniform(0.5, longest_pause), victim, kind, seconds))
    return made


@dataclass
class Chaos:
    """Inflicts a plan on a stack, one fault after the other; a victim is left alone until it is ready again.

    Attributes:
        layout: The stack.
        step: Gives the process of a step that runs now, or None.
        tell: Takes a line now and then: how far it is.
        inflicted: What happened so far.
    """

    layout: Layout
    step: Callable[[], psutil.Process | None]
    tell: Callable[[str], None] = lambda _: None
    inflicted: list[Inflicted] = field(default_factory=list)
    _waits: dict[str, threading.Thread] = field(default_factory=dict)
    _errors: list[Exception] = field(default_factory=list)

    def inflict(self, faults: Sequence[Fault], until: float = float("inf")) -> None:
        """Inflict faults, the last one begun before ``until`` (of the monotonic clock), and wait until all victims are ready."""
        for number, fault in enumerate(faults):
            if number % TOLD_EVERY == 0:
                self.tell(f"faults: {number} of {len(faults)}")
            time.sleep(fault.after)
            if time.monotonic() > until:
                break
            self._one(fault)
        for waiting in self._waits.values():
            waiting.join()
        if self._errors:
            raise self._errors[0]

    def _one(self, fault: Fault) -> None:
        if fault.victim == STEP:
            if process := self._step():
                hurt(process, fault)
                self.inflicted.append(Inflicted(fault, None))
                return
            fault = replace(fault, victim=instead_of_step(self.inflicted))
        if fault.victim in self._waits:
            self._waits[fault.victim].join()
        process = self._service(fault.victim)
        if process is None:
            return
        hurt(process, fault)
        old = process.pid if fault.kind == "killed" else 0
        self._waits[fault.victim] = threading.Thread(target=self._await_ready, args=(fault, old, time.monotonic()))
        self._waits[fault.victim].start()

    def _step(self) -> psutil.Process | None:
        deadline = time.monotonic() + 30
        while (process := self.step()) is None and time.monotonic() < deadline:
            time.sleep(0.05)
        return process

    def _service(self, name: str) -> psutil.Process | None:
        with suppress(psutil.NoSuchProcess, KeyError):
            pid = supervision.states(self.layout.run_dir)[name].pid
            return psutil.Process(pid) if pid else None
        return None

    def _await_ready(self, fault: Fault, old: int, since: float) -> None:
        """Until the supervisor has started another process, and that one answers by its own protocol."""
        try:
            while supervision.states(self.layout.run_dir)[fault.victim].pid in (0, old):
                if time.monotonic() - since > PATIENCE_SECONDS:
                    raise AssertionError(f"{fault.victim} was not started again")
                time.sleep(0.1)
            readiness.await_ready(self.layout, fault.victim, threading.Event())
            self.inflicted.append(Inflicted(fault, time.monotonic() - since))
        except Exception as error:  # noqa: BLE001 - told by the thread that waits for this one
            self._errors.append(error)


def instead_of_step(inflicted: Sequence[Inflicted]) -> str:
    """The service that was hurt least often: when no step runs for so long, another fault happens than none."""
    often = Counter(one.fault.victim for one in inflicted)
    return min(SERVICES, key=lambda service: often[service])


def hurt(process: psutil.Process, fault: Fault) -> None:
    """Kill a process, or let it and its children stand still for a while."""
    with suppress(psutil.NoSuchProcess):
        if fault.kind == "killed":
            process.kill()
            return
        family = [process, *process.children(recursive=True)]
        try:
            for member in family:
                send(member, signal.SIGSTOP)
            time.sleep(fault.seconds)
        finally:
            for member in family:
                send(member, signal.SIGCONT)


def send(process: psutil.Process, number: signal.Signals) -> None:
    """Send a signal, unless the process has ended."""
    with suppress(psutil.NoSuchProcess):
        process.send_signal(number)
