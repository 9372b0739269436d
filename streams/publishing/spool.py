"""Events on disk between the check of the last row and the sending of the first.

Each lane is an unnamed temporary file: no other program can open it, and it is gone however this one ends. All events of a key
are in one lane, in the order of the export, so that lanes may be sent side by side.
"""

import os
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import IO, Any

import orjson

from streams.publishing.event import Event

LANES = 2


class Lane:
    """A part of the events. Handed to a process that is started, it is the same file there."""

    def __init__(self, file: IO[bytes], count: int = 0) -> None:
        self._file = file
        self.count = count

    def add(self, event: Event) -> None:
        """Append one event."""
        self._file.write(orjson.dumps([*event]) + b"\n")
        self.count += 1

    def events(self) -> Iterator[Event]:
        """All events, in the order in which they were added."""
        self._file.seek(0)
        return (Event(*orjson.loads(line)) for line in self._file)

    def __reduce__(self) -> tuple[Any, ...]:
        self._file.flush()
        return _handed_over, (DupFd(self._file.fileno()), self.count)


class Spool:
    """Events by lane."""

    def __init__(self, lanes: Sequence[Lane]) -> None:
        self.lanes = tuple(lanes)

    @property
    def count(self) -> int:
        """How many events there are."""
        return sum(lane.count for lane in self.lanes)

    def add(self, event: Event) -> None:
        """Append one event to the lane of its key."""
        self.lanes[zlib.crc32(event.key.encode()) % len(self.lanes)].add(event)


@contextmanager
def spool(folder: Path, lanes: int = LANES) -> Iterator[Spool]:
    """A spool on the disk of that folder, which is made with mode 0700."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with ExitStack() as stack:
        files = [stack.enter_context(tempfile.TemporaryFile(dir=folder, buffering=1 << 20)) for _ in range(lanes)]
        yield Spool([Lane(file) for file in files])


def _handed_over(descriptor: Any, count: int) -> Lane:  # noqa: ANN401 - what multiprocessing makes of it, which has no public type
    return Lane(os.fdopen(descriptor.detach(), "rb", buffering=1 << 20), count)
