"""A person who reads all the while: every release that is seen passed its gate, is whole, and holds all that was read before."""

import threading
from dataclasses import dataclass, field

from commonweal.errors import CommonwealError
from commonweal.lake.releases import Release
from tests.faults import ledger, world


@dataclass
class Seen:
    """What the reader saw.

    Attributes:
        reads: How many releases were read whole.
        releases: Numbers of the releases, in the order in which they were seen.
        failures: Reads that failed, as reads may while things fail.
        ungated: Releases that no gate had passed.
        torn: Releases whose two tables don't belong together.
        shrunk: Releases that lacked what an earlier one held.
    """

    reads: int = 0
    releases: list[int] = field(default_factory=list)
    failures: int = 0
    ungated: list[int] = field(default_factory=list)
    torn: list[int] = field(default_factory=list)
    shrunk: list[int] = field(default_factory=list)


class Reader(threading.Thread):
    """Reads the current release, looks at it, waits a moment, and again, until told to stop."""

    def __init__(self, here: world.World) -> None:
        super().__init__(name="reader", daemon=True)
        self.seen = Seen()
        self._world, self._stop_asked, self._held = here, threading.Event(), frozenset[int]()

    def run(self) -> None:
        while not self._stop_asked.wait(0.5):
            try:
                release = self._world.released()
                if release:
                    self._look(release)
            except CommonwealError:
                self.seen.failures += 1

    def stop(self) -> None:
        """End after the read that is under way."""
        self._stop_asked.set()
        self.join(120)

    def _look(self, release: Release) -> None:
        passed = world.passed_its_gate(self._world.settings, release)
        current, history = world.read_release(self._world.settings, self._world.source, release.number)
        held = frozenset(period.number for period in history)
        self.seen.reads += 1
        if release.number not in self.seen.releases:
            self.seen.releases.append(release.number)
        for found, is_wrong in (
            (self.seen.ungated, not passed),
            (self.seen.torn, bool(ledger.torn(current, history))),
            (self.seen.shrunk, not self._held <= held),
        ):
            if is_wrong:
                found.append(release.number)
        self._held |= held
