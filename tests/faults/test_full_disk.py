"""A disk that fills up under all services at once: said plainly, nothing lost, and all goes on when there is room again."""

import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from rich.console import Console

from commonweal.errors import CommonwealError
from infra.stack import processes, readiness, status
from infra.stack.board import Board
from infra.stack.bring_up import bring_up
from infra.stack.layout import Layout
from infra.stack.ports import kept_ports
from infra.stack.take_down import reset, take_down
from tests.conftest import OWNER, PREFIX
from tests.faults import child, world
from tests.faults.driver import EXPECTED, STEPS
from tests.faults.ledger import compare

SIZE = "3g"
SERVICES = ("postgres", "minio", "kafka", "spark")
FILL = 1 << 20


@pytest.fixture(scope="module")
def run_dir() -> Iterator[Path]:
    """A run folder of which all that services keep is on a small disk of its own."""
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    folder.chmod(0o711)  # PostgreSQL's user passes through
    (folder / "data").mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=711", "tmpfs", str(folder / "data")]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        folder.rmdir()
        pytest.skip("only root may mount the small disk that is to fill up")
    processes.record(folder, OWNER, os.getpid())
    yield folder
    take_down(folder)
    subprocess.run(["umount", "--lazy", str(folder / "data")], check=True)
    reset(folder)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def here(run_dir, tmp_path_factory) -> Iterator[world.World]:
    settings = bring_up(run_dir, {}, Board(Console(stderr=True)))
    made = world.open_world(settings, tmp_path_factory.mktemp("full"), "full")
    yield made
    made.ports.close()


def fill(ballast: Path) -> None:
    """Take all the room that is left."""
    with ballast.open("ab", buffering=0) as file:
        try:
            while file.write(b"\0" * FILL):
                pass
        except OSError:
            return


def test_a_full_disk_is_survived(here, run_dir, tmp_path):
    ballast = run_dir / "data" / "ballast"
    here.send()
    for step in STEPS:
        here.run(step)
    before = here.released()
    fill(ballast)
    endings = []
    for step in STEPS:
        with suppress(CommonwealError):  # there is no connection to a broker that has given up its disk
            here.send()
        fill(ballast)
        endings.append(child.end_of(child.Order(step, here.source.id, here.settings, tmp_path / "log")))
    assert set(endings) <= EXPECTED, (tmp_path / "log").read_text()
    assert set(endings) - {0}, "nothing failed: the disk was not full"
    said = [line for line in (tmp_path / "log").read_text().splitlines() if "TransientError" in line]
    assert said
    assert all("disk is full" in line or "see: commonweal stack" in line for line in said), said
    assert "The disk is full" in status.shortage(run_dir), "whom a message sends to the status of the stack is not told why"
    ballast.unlink()
    assert not status.shortage(run_dir)
    layout = Layout(run_dir, kept_ports(run_dir / "ports.json"))
    for service in SERVICES:
        readiness.await_ready(layout, service, threading.Event())
    here.send()
    for step in STEPS:
        while here.has_work(step):
            here.let_lease_expire(step)
            here.run(step)
    release = here.released()
    assert release.number > before.number
    assert len(here.ledger.acknowledged) >= 2 * world.BATCH
    assert not compare(*world.read_release(here.settings, here.source, release.number), here.ledger)
    assert world.evidence_break(here.settings) is None
