"""The accounting as a picture: lines of equal length, each a finer division of the one above, so that a missing event is seen.

Pure geometry in a square of 1000 by 1000 that the page stretches to its width; words and numbers are the page's.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from commonweal.gate.model import Accounting

WIDTH = 1000.0
LEAST = 6.0
"""A count above zero is never too thin to be seen."""

ACCEPTED = "live", "superseded", "duplicate", "withdrawn", "pending", "conflict"
REJECTED = "open", "repaired", "dismissed"


@dataclass(frozen=True)
class Line:
    """One line of the picture.

    Attributes:
        whole: What is divided.
        parts: What it is divided into.
    """

    whole: str
    parts: tuple[str, ...]


LINES = (
    Line("offsets", ("landed", "gaps", "expired")),
    Line("landed", ("accepted", "rejected")),
    Line("accepted", ACCEPTED),
    Line("rejected", REJECTED),
)


@dataclass(frozen=True)
class Segment:
    """One part of a line: where it begins and how long it is."""

    name: str
    count: int
    x: float
    width: float


@dataclass(frozen=True)
class Row:
    """One line with its segments, from left to right."""

    whole: str
    segments: tuple[Segment, ...]


def differences(accounting: Accounting) -> dict[str, int]:
    """For each line, by how much its parts differ from the whole; 0 when they add up."""
    return {line.whole: sum(_counts(accounting, line.parts)) - _count(accounting, line.whole) for line in LINES}


def rows(accounting: Accounting) -> tuple[Row, ...]:
    """The rows of the picture, from Kafka down to what became of each event."""
    fates = (*ACCEPTED, "unaccounted_accepted", *REJECTED, "unaccounted_rejected", "gaps", "expired")
    divided = (
        ("offsets", ("offsets",)),
        ("landed", ("landed", "unaccounted_offsets", "gaps", "expired")),
        ("accepted", ("accepted", "unaccounted_landed", "rejected", "gaps", "expired")),
        ("live", fates),
    )
    return tuple(Row(whole, tuple(_segments(accounting, parts))) for whole, parts in divided)


def zoom(accounting: Accounting) -> Row | None:
    """All that is not live, over the whole width; None when there is nothing, or when it is well seen as it is."""
    fates = rows(accounting)[-1].segments
    others = tuple(segment for segment in fates if segment.name != "live")
    if not others or len(others) == len(fates) or others[0].x < WIDTH / 2:
        return None
    return Row("zoom", tuple(_spread([(segment.name, segment.count) for segment in others])))


def _segments(accounting: Accounting, names: Sequence[str]) -> Iterator[Segment]:
    shown = [(name, count) for name in names if (count := _shown(accounting, name)) > 0]
    yield from _spread([(name.split("_")[0], count) for name, count in shown])


def _spread(parts: Sequence[tuple[str, int]]) -> Iterator[Segment]:
    at = 0.0
    for (name, count), width in zip(parts, _widths([count for _, count in parts]), strict=True):
        yield Segment(name, count, round(at, 2), round(width, 2))
        at += width


def _widths(counts: Sequence[int]) -> list[float]:
    """Lengths in proportion, but for the thinnest, which get the least at the cost of the longest."""
    widths = [max(LEAST, WIDTH * count / sum(counts)) for count in counts]
    if widths:
        longest = widths.index(max(widths))
        widths[longest] -= sum(widths) - WIDTH
    return widths


def _shown(accounting: Accounting, name: str) -> int:
    if name.startswith("unaccounted_"):
        return abs(differences(accounting)[name.removeprefix("unaccounted_")])
    return _count(accounting, name)


def _counts(accounting: Accounting, names: Sequence[str]) -> list[int]:
    return [_count(accounting, name) for name in names]


def _count(accounting: Accounting, name: str) -> int:
    return int(getattr(accounting, name))
