"""Where a backup is kept: a folder, or a prefix in a bucket of any S3. What comes here is encrypted already."""

import os
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Protocol

from commonweal import store
from commonweal.errors import ConfigError, TransientError
from commonweal.settings import Settings

SCHEME = "s3://"


class Target(Protocol):
    """A place for files by name; a name is a relative path with ``/``."""

    def size(self, name: str) -> int | None:
        """Bytes of a file, or None when there is none."""

    def write(self, name: str, content: Path) -> None:
        """Store a copy of a local file, whole or not at all."""

    def read(self, name: str) -> AbstractContextManager[IO[bytes]]:
        """A file's bytes as a stream, within a ``with`` block."""

    def names(self, prefix: str) -> list[str]:
        """Names of all files below a folder, in order."""


class Folder:
    """A folder of this machine; files of mode 0600."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def size(self, name: str) -> int | None:
        """Bytes of a file, or None."""
        path = self._within(name)
        return path.stat().st_size if path.is_file() else None

    def write(self, name: str, content: Path) -> None:
        """Store a copy; it appears under its name when it is complete and on the disk."""
        path = self._within(name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            draft = path.with_name(f".{path.name}.{os.getpid()}.part")
            with content.open("rb") as source, draft.open("wb") as copy:
                draft.chmod(0o600)
                shutil.copyfileobj(source, copy, 1 << 20)
                copy.flush()
                os.fsync(copy.fileno())
            draft.replace(path)
        except OSError as error:
            raise TransientError(
                f"the backup's folder {self._path} can't be written ({error.strerror}); make room, or mend it"
            ) from None

    @contextmanager
    def read(self, name: str) -> Iterator[IO[bytes]]:
        """A file's bytes."""
        path = self._within(name)
        if not path.is_file():
            raise ConfigError(f"the backup lacks the file {name}; use another backup, or another copy of this one")
        with path.open("rb") as file:
            yield file

    def names(self, prefix: str) -> list[str]:
        """Names below a folder; drafts of a backup that died are none."""
        found = (path.relative_to(self._path) for path in self._within(prefix).rglob("*") if path.is_file())
        return sorted(path.as_posix() for path in found if not path.name.startswith("."))

    def _within(self, name: str) -> Path:
        parts = PurePosixPath(name)
        if parts.is_absolute() or ".." in parts.parts:
            raise ConfigError("the backup's manifest names a file outside the backup; it was changed; use another backup")
        return self._path / parts


class Bucket:
    """A prefix in a bucket of an S3 of its own, by an explicit endpoint and login."""

    def __init__(self, address: store.Address, bucket: str, prefix: str) -> None:
        self._store = store.connect(address)
        self._bucket = bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""

    def size(self, name: str) -> int | None:
        """Bytes of an object, or None."""
        return store.object_size(self._store, self._bucket, self._prefix + name)

    def write(self, name: str, content: Path) -> None:
        """Upload a local file."""
        with content.open("rb") as file:
            store.upload(self._store, self._bucket, self._prefix + name, file)

    @contextmanager
    def read(self, name: str) -> Iterator[IO[bytes]]:
        """An object's bytes."""
        with store.stream_object(self._store, self._bucket, self._prefix + name) as content:
            yield content

    def names(self, prefix: str) -> list[str]:
        """Names below a folder."""
        found = store.object_keys(self._store, self._bucket, f"{self._prefix}{prefix.strip('/')}/")
        return [name.removeprefix(self._prefix) for name in found]


def open_target(given: str, settings: Settings) -> Target:
    """The target that a person named: a folder, or ``s3://bucket/prefix``.

    Raises:
        ConfigError: For S3, a setting or the file with the secret key is missing.
    """
    if not given.startswith(SCHEME):
        return Folder(Path(given).absolute())
    bucket, _, prefix = given.removeprefix(SCHEME).partition("/")
    path = settings.backup_secret_file
    if not settings.backup_endpoint or not settings.backup_user:
        raise ConfigError("for s3:// set COMMONWEAL_BACKUP_ENDPOINT, COMMONWEAL_BACKUP_USER and COMMONWEAL_BACKUP_SECRET_FILE")
    if not path.is_file() or path.stat().st_mode & 0o077:
        raise ConfigError(f"the secret key in {path} is missing or readable by others; place it there, mode 0600")
    login = store.Address(settings.backup_endpoint, settings.backup_region, settings.backup_user, path.read_text().strip())
    return Bucket(login, bucket, prefix)
