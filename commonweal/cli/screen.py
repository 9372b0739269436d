"""What people see in a terminal: one console, wide enough for tables also where output goes to a file."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer
from rich.console import Console

if TYPE_CHECKING:
    from rich.progress import TaskID

    from commonweal.ports import Ports

WIDE = 150


def console(*, stderr: bool = False) -> Console:
    """The console; where there is no terminal to ask, tables are as wide as they need."""
    found = Console(stderr=stderr)
    return found if found.is_terminal else Console(stderr=stderr, width=WIDE)


def warn_of_broken(ports: "Ports") -> None:
    """Say which datasets a table leaves out since their contracts are wrong; on standard error, so that output stays plain."""
    if ports.broken:
        names = ", ".join(ports.broken)
        typer.echo(f"wrong contracts, so these datasets stand still: {names}; see: commonweal contract lint", err=True)


@contextmanager
def progress() -> Iterator[Callable[[str, int, int], None]]:
    """A bar per kind of thing on standard error, told what is done: name, how much, of how much."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = TextColumn("{task.description:<14}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console(stderr=True)) as shown:
        bars: dict[str, TaskID] = {}

        def tell(name: str, done: int, total: int) -> None:
            if name not in bars:
                bars[name] = shown.add_task(name, total=total)
            shown.update(bars[name], completed=done, total=total)

        yield tell
