"""Servers for a row, in a folder of their own that is gone afterwards: the stores alone, or with Spark."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pyarrow as pa
from pyiceberg.exceptions import NamespaceAlreadyExistsError
from rich.console import Console

from commonweal.lake.names import CATALOG
from commonweal.lake.tables import PROPERTIES
from commonweal.ports import Ports, open_ports
from commonweal.settings import Settings
from infra.stack import supervision
from infra.stack.board import Board
from infra.stack.bring_up import LAKEHOUSE, STORES, bring_up_only
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
        yield bring_up_only(STORES, folder, Board(Console(stderr=True)))


@contextmanager
def lakehouse() -> Iterator[Ports]:
    """The stores and Spark, with every contract applied; steps run when the row wants it."""
    with run_folder() as folder:
        ports = open_ports(bring_up_only(LAKEHOUSE, folder, Board(Console(stderr=True))))
        try:
            yield ports
        finally:
            ports.close()


def pids(run_dir: Path) -> dict[str, int]:
    """By service, its first process."""
    return {name: state.pid for name, state in supervision.states(run_dir).items() if state.pid}


def make_table(ports: Ports, name: str, schema: pa.Schema) -> str:
    """An empty table for a peer, written like ours; gives its name in SQL."""
    with suppress(NamespaceAlreadyExistsError):
        ports.lake.create_namespace("bench")
    place = f"s3://{ports.settings.bucket_lakehouse}/bench/{name}"
    ports.lake.create_table(("bench", name), schema=schema, location=place, properties=PROPERTIES)
    return f"{CATALOG}.bench.{name}"


def environment(run_dir: Path) -> dict[str, str]:
    """For a program that reaches these servers."""
    return {**os.environ, "COMMONWEAL_RUN_DIR": str(run_dir)}


def scratch(settings: Settings) -> Path:
    """A folder for the row's own files."""
    folder = settings.run_dir / "bench"
    folder.mkdir(exist_ok=True)
    return folder
