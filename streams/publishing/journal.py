"""What a department has published from here: one line per file, so that the same file isn't sent again by mistake.

A convenience, not a safeguard: events have stable ids, so that sending a file again adds nothing in the end. The journal holds
digests and counts, no row and no name of a file.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

_TABLE = "create table if not exists published (fingerprint text primary key, dataset text, events integer, sent_at text)"


class Journal:
    """The journal of one department."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "journal.sqlite"

    def events(self, fingerprint: str) -> int | None:
        """How many events were sent of the file with that fingerprint, or None if it wasn't."""
        with self._open() as database:
            found = database.execute("select events from published where fingerprint = ?", (fingerprint,)).fetchone()
        return int(found[0]) if found else None

    def add(self, fingerprint: str, dataset: str, events: int) -> None:
        """Remember a file of which every event was acknowledged."""
        sent_at = datetime.now(UTC).isoformat()
        with self._open() as database:
            database.execute("insert or replace into published values (?, ?, ?, ?)", (fingerprint, dataset, events, sent_at))

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o600))
        with closing(sqlite3.connect(self._path, timeout=30)) as database, database:
            database.execute(_TABLE)
            yield database
