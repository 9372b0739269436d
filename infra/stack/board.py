"""What a person sees while the stack comes up: one line per service, with the seconds until it was ready."""

import threading
import time
from dataclasses import dataclass, field
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.table import Table


@dataclass
class Line:
    """One service's line."""

    started: float
    ended: float | None = None
    word: str = "waiting"


@dataclass
class Board:
    """A live table; on something that is no terminal, one line per service when it is ready.

    Attributes:
        console: Where it is shown.
        lines: The services, in the order in which they first appeared.
    """

    console: Console
    lines: dict[str, Line] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Prepare the live display, which starts with the context."""
        self._lock = threading.Lock()
        self._live = Live(console=self.console, refresh_per_second=8, get_renderable=self._table, transient=False)

    def __enter__(self) -> "Board":
        """Show the table, where there is a terminal to redraw it on."""
        if self.console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Leave the last state of the table standing."""
        if self.console.is_terminal:
            self._live.stop()

    def starts(self, name: str) -> None:
        """A service is being started."""
        with self._lock:
            self.lines[name] = Line(time.monotonic(), word="starting")

    def ends(self, name: str, word: str = "ready") -> None:
        """A service is ready, or failed."""
        with self._lock:
            line = self.lines.setdefault(name, Line(time.monotonic()))
            line.ended, line.word = time.monotonic(), word
        if not self.console.is_terminal:
            self.console.print(f"{name:<22} {word:<9} {line.ended - line.started:5.1f} s")

    def _table(self) -> Table:
        table = Table(box=None, pad_edge=False, show_header=False)
        with self._lock:
            for name, line in self.lines.items():
                seconds = (line.ended or time.monotonic()) - line.started
                colour = {"ready": "green", "failed": "red"}.get(line.word, "yellow")
                table.add_row(name, f"[{colour}]{line.word}", f"{seconds:5.1f} s")
        return table
