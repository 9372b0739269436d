"""The logs of a stack: the last lines of each, or new ones as they come."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from commonweal.errors import ConfigError
from infra.stack import readiness, supervision
from infra.stack.layout import Layout
from infra.stack.services import registry


def log_lines(run_dir: Path, services: Sequence[str], *, last: int, follow: bool) -> Iterator[str]:
    """Lines of the logs, each with its service before it when there are several.

    Raises:
        ConfigError: There is no such service.
    """
    known = [*registry.MODULES, supervision.SUPERVISOR]
    unknown = sorted(set(services) - set(known))
    if unknown:
        raise ConfigError(f"no service is called {', '.join(unknown)}; choose from {', '.join(known)}")
    layout = Layout(run_dir, {})
    chosen = list(services) or [name for name in known if readiness.log_path(layout, name).is_file()]
    ends = {name: _size(readiness.log_path(layout, name)) for name in chosen}
    for name in chosen:
        yield from (_prefixed(name, line, chosen) for line in readiness.tail(layout, name, last).splitlines())
    while follow:
        for name in chosen:
            text, ends[name] = _new_text(readiness.log_path(layout, name), ends[name])
            yield from (_prefixed(name, line, chosen) for line in text.splitlines())
        time.sleep(0.25)


def _new_text(path: Path, position: int) -> tuple[str, int]:
    """What was written after ``position``, whole lines only; a log that was rotated is read from its start."""
    size = _size(path)
    if size == position:
        return "", position
    with path.open("rb") as file:
        file.seek(position if position < size else 0)
        whole, _, _ = file.read().rpartition(b"\n")
        start = position if position < size else 0
        return whole.decode(errors="replace"), start + len(whole) + 1 if whole else start


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _prefixed(name: str, line: str, chosen: Sequence[str]) -> str:
    return f"{name:<22} {line}" if len(chosen) > 1 else line
