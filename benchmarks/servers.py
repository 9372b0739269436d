"""Servers for a row: the stores alone, or a whole stack, in a folder of their own that is gone afterwards."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from commonweal.settings import Settings
from infra.stack.board import Board
from infra.stack.bring_up import bring_up_stores
from infra.stack.take_down import reset


@contextmanager
def run_folder() -> Iterator[Path]:
    """An empty run folder; at the end everything in it is stopped and removed."""
    folder = Path(tempfile.mkdtemp(prefix="commonweal-bench-"))
    folder.chmod(0o711)  # PostgreSQL's user passes through
    try:
        yield folder / "run"
    finally:
        reset(folder / "run")
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def stores() -> Iterator[Settings]:
    """PostgreSQL, MinIO and Kafka, with nothing that works on them."""
    with run_folder() as folder:
        yield bring_up_stores(folder, Board(Console(stderr=True)))


def environment(run_dir: Path) -> dict[str, str]:
    """For a program that reaches these servers."""
    return {**os.environ, "COMMONWEAL_RUN_DIR": str(run_dir)}
