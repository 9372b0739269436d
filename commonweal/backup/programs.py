"""``pg_dump`` and ``pg_restore`` as streams: no dump is ever a plain file."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from commonweal.backup.contents import OWNER
from commonweal.errors import CommonwealError, ConfigError, TransientError
from commonweal.settings import Settings


@dataclass(frozen=True)
class Programs:
    """PostgreSQL's own programs, of the server's version or a newer one.

    Attributes:
        folder: Where they are.
        settings: Which database they work on.
    """

    folder: Path
    settings: Settings

    @contextmanager
    def dump(self, snapshot: str) -> Iterator[IO[bytes]]:
        """The database as of an exported snapshot, in PostgreSQL's custom format; roles and rights are not in it.

        Raises:
            TransientError: ``pg_dump`` failed; what was read is not a dump.
        """
        with self._start("pg_dump", "--format=custom", f"--snapshot={snapshot}", stdout=subprocess.PIPE) as process:
            if process.stdout is None:
                raise ConfigError("pg_dump has no output; this is a fault of the program")
            yield process.stdout
            process.stdout.close()
        if process.returncode:
            raise TransientError(f"pg_dump ended with {process.returncode}; its lines above say why; nothing was kept")

    @contextmanager
    def load(self) -> Iterator[IO[bytes]]:
        """A stream that takes a dump into the empty database, all of it or nothing.

        Raises:
            ConfigError: ``pg_restore`` failed; nothing of the dump is in the database.
        """
        with self._start("pg_restore", "--exit-on-error", "--single-transaction", stdin=subprocess.PIPE) as process:
            if process.stdin is None:
                raise ConfigError("pg_restore has no input; this is a fault of the program")
            try:
                yield process.stdin
                process.stdin.close()
            except (CommonwealError, BrokenPipeError):
                if process.wait() == 0:
                    raise
        if process.returncode:
            raise ConfigError(
                f"pg_restore ended with {process.returncode}; its lines above say why; the database is empty as before"
            )

    def _start(
        self, program: str, *options: str, stdin: int | None = None, stdout: int | None = None
    ) -> "subprocess.Popen[bytes]":
        to = self.settings
        place = ("-h", to.database_host, "-p", str(to.database_port), "-U", OWNER, "-d", to.database_name, "--no-password")
        argv = [str(self.folder / program), *place, "--no-owner", "--no-privileges", *options]
        # The password is in the child's environment, which only its own user can read; never in its arguments.
        secret = {"PGPASSWORD": to.secret(f"postgres-{OWNER}"), "PGCONNECT_TIMEOUT": "10", "LC_ALL": "C.UTF-8"}
        return subprocess.Popen(argv, stdin=stdin, stdout=stdout, env=secret)  # noqa: S603
