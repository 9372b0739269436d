"""What a person sees while something is installed: one line when it starts, one when it is done."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager


def say(line: str) -> None:
    """One line to the error stream, so that a command's own output stays clean."""
    print(line, file=sys.stderr, flush=True)


@contextmanager
def building(name: str, note: str) -> Iterator[None]:
    """Says that ``name`` is being built, and how long it took."""
    say(f"  … {name}" + (f" ({note})" if note else ""))
    start, outcome = time.monotonic(), "✗ {} failed after"
    try:
        yield
        outcome = "✓ {} built in"
    finally:
        say(f"  {outcome.format(name)} {time.monotonic() - start:.1f} s")


def waiting(name: str) -> None:
    """Says that ``name`` is being built by another process or thread."""
    say(f"  … {name}: being built already, waiting for it")
