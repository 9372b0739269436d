"""A daemon of Python workers without workers ends itself, one with a worker stays; it has loaded what workers import."""

import os
import socket
import struct
import subprocess
import sys
import time

import psutil
import pytest

from commonweal.settings import ROOT

WORKED_WITH = ("decoding.workers", "decoding.rotation", "identity", "settings", "folding", "settling")
"""Modules of the platform that a worker imports for what it is handed."""
LOADED = """
import importlib, sys, threading
from infra.stack.preloading import preload
from infra.stack.spark_daemon import PACKAGES
preload(PACKAGES)
assert threading.active_count() == 1, "a thread would not be there in a fork"
loaded = set(sys.modules)
for name in sys.argv[1:]:
    importlib.import_module(f"commonweal.{name}")
print(*loaded)
print(*{*sys.modules} - loaded)
"""
SCRIPT = "from infra.stack.spark_daemon import main; main(idle=0.6, look=0.1)"


def start() -> tuple[subprocess.Popen[bytes], int]:
    environment = os.environ | {"PYTHON_WORKER_FACTORY_SECRET": "made-up", "SPARK_REUSE_WORKER": "1"}
    pipe = subprocess.PIPE
    process = subprocess.Popen([sys.executable, "-c", SCRIPT], stdin=pipe, stdout=pipe, stderr=pipe, env=environment)
    assert process.stdout
    return process, struct.unpack("!i", process.stdout.read(4))[0]


def test_without_workers_it_ends() -> None:
    process, _ = start()
    with process:
        process.wait(20)


def test_with_a_worker_it_stays_until_that_is_gone() -> None:
    process, port = start()
    with process, socket.create_connection(("127.0.0.1", port)) as connection:
        worker = struct.unpack("!i", connection.recv(4))[0]
        assert psutil.Process(worker).ppid() == process.pid
        time.sleep(1.5)
        assert process.poll() is None
        psutil.Process(worker).kill()
        process.wait(20)


@pytest.fixture(scope="module")
def modules() -> tuple[set[str], set[str]]:
    """What the daemon has loaded, and what a worker loads then."""
    argv = [sys.executable, "-c", LOADED, *WORKED_WITH]
    run = subprocess.run(argv, capture_output=True, text=True, cwd=ROOT, check=True)
    loaded, then = run.stdout.splitlines()
    return set(loaded.split()), set(then.split())


def test_a_worker_loads_only_the_platforms_own(modules: tuple[set[str], set[str]]) -> None:
    _, then = modules
    assert {"commonweal.decoding.workers", "commonweal.settling"} <= then
    assert {name for name in then if name.partition(".")[0] != "commonweal"} == set()


def test_a_daemon_has_loaded_nothing_of_the_platform(modules: tuple[set[str], set[str]]) -> None:
    """Its workers would run yesterday's code after a change."""
    loaded, _ = modules
    assert "pyarrow" in loaded
    assert {name for name in loaded if name.partition(".")[0] in ("commonweal", "jobs", "streams", "dags")} == set()
