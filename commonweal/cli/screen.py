"""What people see in a terminal: one console, wide enough for tables also where output goes to a file."""

from rich.console import Console

WIDE = 150


def console(*, stderr: bool = False) -> Console:
    """The console; where there is no terminal to ask, tables are as wide as they need."""
    found = Console(stderr=stderr)
    return found if found.is_terminal else Console(stderr=stderr, width=WIDE)
