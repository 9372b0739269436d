"""Events on disk between the check of the last row and the sending of the first, and rows that are not for sending.

All of it stands in unnamed temporary files: no other program can open them, and they are gone however this one ends. All events
of a key are in one lane, in the order of the export, so that lanes may be sent side by side. What several processes checked is
read as if one had: each took its blocks of rows, and ended each with a mark.
"""

import os
import tempfile
import zlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import IO, Any, NamedTuple

import orjson

from streams.publishing.event import Event
from streams.publishing.exports import SourceRow

LANES = 2
MARK = b"\n"
"""Ends a block: no line of JSON is empty."""
BUFFER_BYTES = 1 << 20


class Pile:
    """Lines of one kind that one process writes. Handed to a process that is started, it is the same file there."""

    def __init__(self, file: IO[bytes], count: int = 0) -> None:
        self._file = file
        self.count = count

    def add(self, values: Sequence[object]) -> None:
        """Append one line."""
        self._file.write(orjson.dumps(values) + b"\n")
        self.count += 1

    def end_block(self) -> None:
        """Append the mark."""
        self._file.write(MARK)

    def flush(self) -> None:
        """Give what was appended to whoever reads the file."""
        self._file.flush()

    def lines(self) -> Iterator[bytes]:
        """All lines and marks, in the order in which they were appended."""
        self._file.seek(0)
        return iter(self._file)

    def __reduce__(self) -> tuple[Any, ...]:
        self.flush()
        return _handed_over, (DupFd(self._file.fileno()), self.count)


class Lane(NamedTuple):
    """A part of the events, in a pile of each process that checked rows."""

    piles: tuple[Pile, ...]

    @property
    def size(self) -> int:
        """How many events there are."""
        return sum(pile.count for pile in self.piles)

    def events(self) -> Iterator[Event]:
        """All events, in the order of the export."""
        return (Event(*values) for values in in_order(self.piles))


class Writer(NamedTuple):
    """What one process that checks rows writes into: a pile for each lane, and one for bad rows."""

    lanes: tuple[Pile, ...]
    rejected: Pile

    def add(self, event: Event) -> None:
        """Append one event to the lane of its key."""
        self.lanes[zlib.crc32(event.key.encode()) % len(self.lanes)].add([*event])

    def reject(self, row: SourceRow, reasons: tuple[str, ...]) -> None:
        """Append one bad row."""
        self.rejected.add([row.number, row.cells, reasons])

    def end_block(self) -> None:
        """End a block of rows in every pile."""
        for pile in (*self.lanes, self.rejected):
            pile.end_block()

    def flush(self) -> None:
        """Give all of it to whoever reads it."""
        for pile in (*self.lanes, self.rejected):
            pile.flush()

    def counts(self) -> tuple[int, ...]:
        """How many lines each pile has, that of the bad rows last."""
        return tuple(pile.count for pile in (*self.lanes, self.rejected))

    def take(self, counts: Sequence[int]) -> None:
        """Know of the lines that another process wrote into these files."""
        for pile, count in zip((*self.lanes, self.rejected), counts, strict=True):
            pile.count = count


class Spool(NamedTuple):
    """Events by lane, and bad rows, of all that check rows."""

    writers: tuple[Writer, ...]

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """The events by lane."""
        return tuple(Lane(piles) for piles in zip(*(writer.lanes for writer in self.writers), strict=True))

    @property
    def size(self) -> int:
        """How many events there are."""
        return sum(lane.size for lane in self.lanes)

    def rejected(self) -> Iterator[tuple[SourceRow, tuple[str, ...]]]:
        """The bad rows with their reasons, in the order of the export."""
        for number, cells, reasons in in_order([writer.rejected for writer in self.writers]):
            yield SourceRow(number, cells), tuple(reasons)


@contextmanager
def spool(folder: Path, *, writers: int = 1) -> Iterator[Spool]:
    """A spool on the disk of that folder, which is made with mode 0700."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with ExitStack() as stack:

        def pile() -> Pile:
            return Pile(stack.enter_context(tempfile.TemporaryFile(dir=folder, buffering=BUFFER_BYTES)))

        yield Spool(tuple(Writer(tuple(pile() for _ in range(LANES)), pile()) for _ in range(writers)))


def in_order(piles: Iterable[Pile]) -> Iterator[Any]:
    """The lines of piles whose processes took blocks in turn, as if one process had written them all."""
    waiting = deque(pile.lines() for pile in piles)
    while waiting:
        lines = waiting.popleft()
        for line in lines:
            if line == MARK:
                waiting.append(lines)
                break
            yield orjson.loads(line)


def _handed_over(descriptor: Any, count: int) -> Pile:  # noqa: ANN401 - what multiprocessing makes of it, which has no public type
    return Pile(os.fdopen(descriptor.detach(), "r+b", buffering=BUFFER_BYTES), count)
