"""One random run: a producer, the steps, a reader, and faults; then everything heals, drains, and is compared with the ledger."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from commonweal.errors import CommonwealError
from infra.stack.layout import Layout
from infra.stack.ports import kept_ports
from tests.faults import world
from tests.faults.chaos import Chaos, Inflicted, plan
from tests.faults.driver import EXPECTED, STEPS, Drive
from tests.faults.ledger import Differences, compare
from tests.faults.reader import Reader, Seen

BATCH = 250
DRAIN_SECONDS = 600


@dataclass(frozen=True)
class Size:
    """How much: numbered events, faults, the longest pause between two faults, and seconds after which no fault begins."""

    events: int
    faults: int
    longest_pause: float
    seconds: float = float("inf")


@dataclass(frozen=True)
class Outcome:
    """What a run showed.

    Attributes:
        seed: Of the run.
        seconds: Its length, without what it takes to start a stack.
        acknowledged: Events that the broker acknowledged.
        unknown: Events whose answer was lost, and that were not sent again with success.
        inflicted: The faults.
        differences: Between what people read at the end and the ledger.
        seen: What the reader saw.
        endings: How steps ended.
        wrong: Steps that ended with an error that names a wrong cause, or that did not end.
        evidence_break: The first broken link of the evidence, or None.
    """

    seed: int
    seconds: float
    acknowledged: int
    unknown: int
    inflicted: tuple[Inflicted, ...]
    differences: Differences
    seen: Seen
    endings: Counter[tuple[str, int]]
    wrong: tuple[str, ...]
    evidence_break: int | None


class Producer(threading.Thread):
    """Sends the events in random order, batch by batch; what was not acknowledged is mostly, but not always, sent again."""

    def __init__(self, here: world.World, random: Random, size: Size) -> None:
        super().__init__(name="producer", daemon=True)
        self._world, self._random = here, random
        self._waiting = random.sample(range(size.events), size.events)
        # So slow that it sends as long as faults are to be expected.
        self._pause = size.faults * size.longest_pause * BATCH / size.events

    def begin(self) -> None:
        """Send the first events, while nothing fails yet."""
        batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
        self._world.publish(batch)

    def run(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
            try:
                self._world.publish(batch)
            except CommonwealError:
                time.sleep(1)
            known = self._world.ledger
            open_ones = [number for number in batch if number not in known.acknowledged]
            # An event that is never sent again stays unknown: it may be read, once, or not at all.
            self._waiting += [number for number in open_ones if number not in known.unknown or self._random.random() < 0.8]
            time.sleep(self._random.uniform(0, self._pause))


def run(
    here: world.World, run_dir: Path, driver: Drive, *, seed: int, size: Size, tell: Callable[[str], None] = lambda _: None
) -> Outcome:
    """Run once on a stack that is up, telling how far it is; the stack is left healed."""
    random, began = Random(seed), time.monotonic()
    producer, reader = Producer(here, random, size), Reader(here)
    chaos = Chaos(Layout(run_dir, kept_ports(run_dir / "ports.json")), driver.running, tell)
    faults = plan(random, faults=size.faults, longest_pause=size.longest_pause)
    producer.begin()
    driver.start()
    await_release(here)  # so that there is something to read from the first fault on
    for thread in (producer, reader):
        thread.start()
    try:
        chaos.inflict(faults, until=began + size.seconds)
        tell("no more faults: the last events are sent, and all is worked off")
        producer.join(DRAIN_SECONDS)
        drain(here)
    finally:
        driver.stop()
        reader.stop()
    release = here.released()
    differences = compare(*world.read_release(here.settings, here.source, release.number), here.ledger)
    return Outcome(
        seed,
        time.monotonic() - began,
        len(here.ledger.acknowledged),
        len(here.ledger.unknown),
        tuple(chaos.inflicted),
        differences,
        reader.seen,
        driver.endings,
        (*driver.hung, *(f"{step}: exit {code}" for step, code in driver.endings if code not in EXPECTED)),
        world.evidence_break(here.settings),
    )


def await_release(here: world.World) -> None:
    """Wait for the first release."""
    deadline = time.monotonic() + DRAIN_SECONDS
    while here.released() is None:
        assert time.monotonic() < deadline, "there was no release although nothing failed"
        time.sleep(0.5)


def drain(here: world.World) -> None:
    """Wait until no step has work any more."""
    deadline = time.monotonic() + DRAIN_SECONDS
    while any(here.has_work(step) for step in STEPS):
        assert time.monotonic() < deadline, "the pipeline did not drain"
        time.sleep(1)
