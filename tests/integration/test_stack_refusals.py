"""A stack that can't come up says why, and leaves nothing running. Only what each test needs is started."""

import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from commonweal.errors import ConfigError
from infra.stack import bring_up, processes, readiness, supervision
from infra.stack.board import Board
from infra.stack.layout import Layout
from infra.stack.services import registry
from infra.stack.take_down import reset


@pytest.fixture
def layout() -> Iterator[Layout]:
    with tempfile.TemporaryDirectory(prefix="commonweal-") as folder:
        made = bring_up.prepare(Path(folder), {})
        yield made
        reset(made.run_dir)


def test_a_service_that_dies_says_why(layout: Layout) -> None:
    layout.data("minio").write_text("a file where MinIO wants its folder")
    supervision.start(layout)
    supervision.start_service(layout.run_dir, "minio")
    with pytest.raises(ConfigError, match=r"minio does not stay up \(exit status 1\)(.|\n)*File exists"):
        readiness.await_ready(layout, "minio", threading.Event())


def test_a_port_of_another_program_is_named(layout: Layout) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", layout.ports["minio"]))
        other.listen()
        with pytest.raises(ConfigError, match=f"taken by another program: minio={layout.ports['minio']}"):
            bring_up.bring_up(layout.run_dir, {}, Board(Console(stderr=True)))
    assert processes.leftovers(layout.run_dir, [supervision.SUPERVISOR, *registry.MODULES]) == []


def test_after_a_reset_nothing_is_left_but_the_ports(layout: Layout) -> None:
    supervision.start(layout)
    reset(layout.run_dir)
    assert [path.name for path in layout.run_dir.iterdir()] == ["ports.json"]
    assert processes.leftovers(layout.run_dir, [supervision.SUPERVISOR, *registry.MODULES]) == []
