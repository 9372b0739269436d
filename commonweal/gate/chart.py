"""The trend of the last runs as geometry: rows to be released above, shares of rejected and set-aside events below.

Places are pixels of a picture of a given width. Words and colours are the page's: the picture holds numbers and dates only.
A library that draws such a picture starts a JavaScript engine in each step anew, which took longer than all else of a report.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from commonweal.gate.model import PastRun

LEFT, RIGHT, BOTTOM = 46.0, 28.0, 22.0
"""Room for the numbers at the left, for half a date at the right, and for the dates below."""
DATE_WIDTH = 80
"""Each date has this much room; the newest run always has its own."""
STEPS = (1, 2, 5, 10)
Label = Callable[[float], str]
UNITS = ((1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k"))


@dataclass(frozen=True)
class Tick:
    """A number or a date at the edge, and where it stands."""

    at: float
    label: str


@dataclass(frozen=True)
class Mark:
    """One run: where it stands, and whether it passed."""

    x: float
    y: float
    passed: bool


@dataclass(frozen=True)
class Line:
    """What one number was in each run, oldest first; ``name`` is ``rows``, ``rejected`` or ``aside``."""

    name: str
    marks: tuple[Mark, ...]

    @property
    def path(self) -> str:
        """The line as an SVG path."""
        return "M" + "L".join(f"{mark.x} {mark.y}" for mark in self.marks)


@dataclass(frozen=True)
class Panel:
    """Lines that share an axis, and its ticks from the lowest up."""

    ticks: tuple[Tick, ...]
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Chart:
    """The picture: two panels above one row of dates.

    Attributes:
        left: Where lines of the grid begin.
        right: Where they end.
    """

    width: float
    height: float
    left: float
    right: float
    panels: tuple[Panel, ...]
    dates: tuple[Tick, ...]


class Room(NamedTuple):
    """Where a panel stands, and in how many steps its axis may go up."""

    top: float
    height: float
    ticks: int


ABOVE, BELOW = Room(8.0, 120.0, 4), Room(146.0, 80.0, 3)


def trend(runs: Sequence[PastRun], *, width: int) -> Chart:
    """The picture of some runs.

    Args:
        runs: Oldest first; at least one.
        width: Width in pixels at which its letters have their own size.
    """
    room = (width - LEFT - RIGHT) / len(runs)
    places = [round(LEFT + (number + 0.5) * room, 1) for number in range(len(runs))]
    rows = {"rows": [run.rows for run in runs]}
    shares = {"rejected": [run.share_rejected for run in runs], "aside": [run.share_set_aside for run in runs]}
    panels = _panel(runs, places, rows, ABOVE, _short), _panel(runs, places, shares, BELOW, _percent)
    height = BELOW.top + BELOW.height + BOTTOM
    return Chart(width, height, LEFT, width - RIGHT, panels, tuple(_dates(runs, places, width)))


def ticks(highest: float, count: int) -> list[float]:
    """Round numbers from 0 up to the first that is not below the highest, in at most so many steps.

    >>> ticks(1234, 4)
    [0.0, 500.0, 1000.0, 1500.0]
    """
    if highest <= 0:
        return [0.0]
    wanted = highest / count
    power = 10.0 ** math.floor(math.log10(wanted))
    step = power * next(factor for factor in STEPS if factor * power >= wanted * (1 - 1e-9))
    return [float(f"{step * number:.12g}") for number in range(math.ceil(round(highest / step, 9)) + 1)]


def _panel(
    runs: Sequence[PastRun], places: Sequence[float], numbers: Mapping[str, Sequence[float]], room: Room, label: Label
) -> Panel:
    shown = ticks(max(max(line) for line in numbers.values()), room.ticks)
    highest = shown[-1] or 1.0

    def place(number: float) -> float:
        return round(room.top + room.height * (1 - number / highest), 1)

    lines = (
        Line(name, tuple(Mark(x, place(number), run.passed) for x, number, run in zip(places, line, runs, strict=True)))
        for name, line in numbers.items()
    )
    return Panel(tuple(Tick(place(number), label(number)) for number in shown), tuple(lines))


def _dates(runs: Sequence[PastRun], places: Sequence[float], width: int) -> Iterator[Tick]:
    step = max(1, -(-len(runs) * DATE_WIDTH // width))
    for number in range((len(runs) - 1) % step, len(runs), step):
        yield Tick(places[number], f"{runs[number].at:%m-%d %H:%M}")


def _short(number: float) -> str:
    """A count in few letters, such as ``1.5k``."""
    factor, unit = next(((factor, unit) for factor, unit in UNITS if number >= factor), (1, ""))
    return f"{number / factor:g}{unit}"


def _percent(share: float) -> str:
    return f"{100 * share:g}%"
