"""A content-addressed cache: each artefact lies in a folder named by the hash of what it was made from.

Only the standard library: the first step of an install imports this before anything is installed.
"""

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from infra.install.progress import building, waiting


def cache_folder() -> Path:
    """The cache folder: ``COMMONWEAL_CACHE``, else ``commonweal`` in the user's cache folder (XDG)."""
    own = os.environ.get("COMMONWEAL_CACHE")
    if own:
        return Path(own).expanduser().absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").absolute() / "commonweal"


def digest(inputs: Mapping[str, bytes]) -> str:
    """The SHA-256 of named inputs, in the order of their names; names and lengths count, so that no two sets collide."""
    total = hashlib.sha256()
    for name, content in sorted(inputs.items()):
        total.update(f"{name}\0{len(content)}\0".encode())
        total.update(content)
    return total.hexdigest()


@dataclass(frozen=True)
class Artefact:
    """Something that is built once from its inputs and kept.

    Attributes:
        name: What it is called, in the cache and on the screen.
        inputs: Everything that decides what comes out, by name: files, versions, flags.
        build: Fills the empty folder that it is given.
        note: What a person who waits should know, for example how long it takes.
    """

    name: str
    inputs: Mapping[str, bytes]
    build: Callable[[Path], None]
    note: str = ""

    @property
    def folder(self) -> Path:
        """Where it is, or will be."""
        return cache_folder() / "artefacts" / f"{self.name}-{digest(self.inputs)[:32]}"

    def provide(self) -> Path:
        """The artefact's folder, built now if the cache does not have it yet."""
        if not self.folder.is_dir():
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            with locked(self.folder.parent / f".{self.name}.lock", self.name):
                if not self.folder.is_dir():
                    self._build()
        return self.folder

    def _build(self) -> None:
        # The lock is held, so what an earlier, killed build left behind is nobody's.
        for stale in self.folder.parent.glob(f".{self.name}.building.*"):
            shutil.rmtree(stale, ignore_errors=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{self.name}.building.", dir=self.folder.parent))
        try:
            with building(self.name, self.note):
                self.build(draft)
            draft.chmod(0o755)
            draft.rename(self.folder)
        finally:
            shutil.rmtree(draft, ignore_errors=True)


@contextmanager
def workplace(name: str) -> Iterator[Path]:
    """A temporary folder beside the artefacts, gone afterwards: on the same disk, never in a small ``/tmp``."""
    (cache_folder() / "artefacts").mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{name}.building.", dir=cache_folder() / "artefacts"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def locked(path: Path, name: str) -> Iterator[None]:
    """Holds the lock file ``path``, so that two installs of ``name`` don't race; it frees when its process dies."""
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting(name)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
