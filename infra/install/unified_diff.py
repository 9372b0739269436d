"""Applies a unified diff, strictly: a bare machine has no ``patch`` program.

A security patch that lands a few lines off, or partly, is worse than none. So there is no fuzz and no offset: every context
line must stand exactly where the patch says, every hunk must have the lengths it states, or nothing is applied.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from commonweal.errors import ConfigError

HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")


@dataclass(frozen=True)
class Hunk:
    """One change: ``old`` lines, beginning at line ``start`` (from 1), become ``new`` lines."""

    start: int
    old: tuple[str, ...]
    new: tuple[str, ...]


def apply_patch(patch: str, folder: Path, *, strip: int) -> tuple[Path, ...]:
    """Applies every hunk of ``patch`` to the files below ``folder``, or none of them.

    Args:
        patch: Text of a unified diff that changes existing files.
        folder: Where the files are.
        strip: Leading folders to take off the names in the patch, as in ``patch -p``.

    Returns:
        The changed files.

    Raises:
        ConfigError: The patch is malformed, or a hunk doesn't match; no file was changed.
    """
    changes = parse(patch)
    if not changes:
        raise ConfigError("the patch holds no change; restore it from the repository")
    results = {}
    for name, hunks in changes.items():
        path = folder.joinpath(*name.split("/")[strip:])
        if not path.is_file():
            raise ConfigError(f"the patch changes {name}, which is not there; the patch and the pinned source differ")
        results[path] = changed(path.read_text(encoding="utf-8"), hunks, name)
    for path, text in results.items():
        path.write_text(text, encoding="utf-8")
    return tuple(results)


def parse(patch: str) -> dict[str, list[Hunk]]:
    """The hunks of each file by its new name.

    Raises:
        ConfigError: A hunk is malformed or comes before any file's name.
    """
    files: dict[str, list[Hunk]] = {}
    lines = iter(patch.splitlines())
    name = ""
    for line in lines:
        if line.startswith("+++ "):
            name = line[4:].split("\t")[0].strip()
        elif match := HUNK.match(line):
            files.setdefault(name, []).append(_hunk(match, lines, name))
        elif line[:1] in {" ", "-", "+"} and not line.startswith("--- "):
            raise ConfigError(f"the patch for {name or 'an unnamed file'} has a change outside its hunks; it was edited by hand")
    return files


def changed(text: str, hunks: list[Hunk], name: str) -> str:
    """The text after all hunks.

    Raises:
        ConfigError: A hunk's old lines don't stand where it says.
    """
    lines = text.split("\n")
    shift = 0
    for number, hunk in enumerate(hunks, 1):
        at = hunk.start - 1 + shift
        if tuple(lines[at : at + len(hunk.old)]) != hunk.old:
            raise ConfigError(f"hunk {number} of {name} doesn't match line {hunk.start}; the patch and the pinned source differ")
        lines[at : at + len(hunk.old)] = hunk.new
        shift += len(hunk.new) - len(hunk.old)
    return "\n".join(lines)


def _hunk(match: re.Match[str], lines: Iterator[str], name: str) -> Hunk:
    start, old_length, new_length = int(match[1]), int(match[2] or 1), int(match[4] or 1)
    old: list[str] = []
    new: list[str] = []
    while len(old) < old_length or len(new) < new_length:
        line = next(lines, None)
        if not name or line is None or line[:1] not in {" ", "-", "+", ""}:
            raise ConfigError(f"the patch for {name or 'an unnamed file'} is malformed near its hunk at line {start}")
        if line[:1] != "+":
            old.append(line[1:])
        if line[:1] != "-":
            new.append(line[1:])
    if (len(old), len(new)) != (old_length, new_length):
        raise ConfigError(f"the hunk of {name} at line {start} has not the lengths it states; the patch was edited by hand")
    return Hunk(start, tuple(old), tuple(new))
