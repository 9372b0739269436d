"""Lakehouses with the hotline's cases in them: rows that want as many cases use the same one, one after the other.

Making one takes longer than most of what they measure.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass

from benchmarks import history, steps
from benchmarks.exports import HOTLINE
from benchmarks.measure import Measured
from benchmarks.servers import lakehouse
from commonweal.ports import Ports, open_ports

FIELDS = history.FIELDS | {
    "closed_on": f"if(id % 500 = 9, null, {history.FIELDS['closed_on']})",
    "category": f"if(id % 1000 = 7, null, {history.FIELDS['category']})",
    "postal_code": f"if(id % 2000 = 3 or id % 2000 = 101 and {{day}} > 0, '1000', {history.FIELDS['postal_code']})",
    "city": f"if(id % 2000 = 5 or id % 2000 = 301 and {{day}} = 0, 'Unknown', {history.FIELDS['city']})",
}
"""As offices export: values are missing or wrong, by rules that warn. Day 1 breaks some that were right, and mends others."""


@dataclass
class Lake:
    """A lakehouse, and what is in it.

    Attributes:
        ports: To reach it with.
        cases: How many cases the hotline has.
        cleaned: How the first clean of all of them went.
        landed: How many events of theirs are landed.
        day: The last day that was landed; 0 is the first.
    """

    ports: Ports
    cases: int
    cleaned: Measured
    landed: int
    day: int = 0

    def land_next_day(self) -> int:
        """Land one per cent of the cases anew; gives how many events were landed before."""
        before, self.day = self.landed, self.day + 1
        self.landed = _land(self.ports, self.cases, self.day)
        return before


class Lakes:
    """Those that are up, by how many cases they have."""

    def __init__(self) -> None:
        self._up: dict[int, tuple[ExitStack, Lake]] = {}

    def hotline(self, cases: int, tell: Callable[[str], None], *, is_new: bool = False) -> Lake:
        """The lakehouse of so many cases, made if it isn't there; ``is_new`` wants one on which nobody worked."""
        if is_new:
            self.close(cases)
        if cases not in self._up:
            tell(f"making a lakehouse of {cases:,} cases")
            with ExitStack() as stack:
                lake = _made(stack.enter_context(lakehouse()), cases)
                self._up[cases] = stack.pop_all(), lake
        return self._up[cases][1]

    def close(self, cases: int) -> None:
        """Take one down, if it is up."""
        if cases in self._up:
            self._up.pop(cases)[0].close()

    def close_all(self) -> None:
        """Take all of them down."""
        for cases in list(self._up):
            self.close(cases)


LAKES = Lakes()


@contextmanager
def kept() -> Iterator[None]:
    """Within, rows find what others made; none outlives this block."""
    try:
        yield
    finally:
        LAKES.close_all()


def _made(ports: Ports, cases: int) -> Lake:
    landed = _land(ports, cases, 0)
    return Lake(ports, cases, steps.carry_out(ports, "clean", HOTLINE), landed)


def _land(ports: Ports, cases: int, day: int) -> int:
    # Spark ends a session that waits for long: each is opened when it is wanted.
    with closing(open_ports(ports.settings)) as own:
        return history.land(own, cases, day=day, fields=FIELDS)
