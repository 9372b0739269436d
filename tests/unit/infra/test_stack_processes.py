"""Processes are known by pid and start time, and by the mark they inherit; never by name."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from infra.stack import processes
from infra.stack.launch import ORPHAN
from infra.stack.supervision import SUPERVISOR

SLEEP = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"]


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    environment = os.environ | {processes.MARK: processes.unit(tmp_path, "watch")}
    with subprocess.Popen(SLEEP, env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout and process.stdout.readline()
        yield process
        process.kill()


def test_a_recorded_process_is_recognised(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    processes.record(tmp_path, "kafka", sleeper.pid)
    assert processes.recorded(tmp_path, "kafka") == psutil.Process(sleeper.pid)
    assert processes.recorded(tmp_path, "minio") is None


def test_a_pid_that_was_given_to_another_process_is_not_recognised(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    processes.record(tmp_path, "kafka", sleeper.pid)
    path = tmp_path / "pids" / "kafka.json"
    known = json.loads(path.read_text())
    path.write_text(json.dumps(known | {"started": known["started"] - 60}))
    assert processes.recorded(tmp_path, "kafka") is None
    assert processes.leftovers(tmp_path, ["kafka"]) == []


def test_what_a_service_left_is_found_by_its_mark_and_ended(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    assert processes.leftovers(tmp_path, ["kafka"]) == []
    assert processes.leftovers(tmp_path / "other", ["watch"]) == []
    found = processes.leftovers(tmp_path, ["watch"])
    assert [process.pid for process in found] == [sleeper.pid]
    assert processes.end(found) == 1
    assert not found[0].is_running()
    assert processes.leftovers(tmp_path, ["watch"]) == []


def test_one_that_ignores_the_polite_signal_is_ended_all_the_same() -> None:
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
    with subprocess.Popen([sys.executable, "-c", deaf], stdout=subprocess.PIPE) as process:
        assert process.stdout and process.stdout.readline()
        target = psutil.Process(process.pid)
        processes.end([target], grace=0.2)
        assert not target.is_running()


@pytest.mark.parametrize("supervisor", ["gone", "another"])
def test_a_launch_whose_supervisor_is_gone_ends_nothing_and_starts_nothing(
    tmp_path: Path, sleeper: subprocess.Popen[bytes], supervisor: str
) -> None:
    if supervisor == "another":
        processes.record(tmp_path, SUPERVISOR, sleeper.pid)
    argv = [sys.executable, "-m", "infra.stack.launch", "watch", "--run-dir", str(tmp_path)]
    ended = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert (ended.returncode, ended.stderr.strip()) == (1, ORPHAN)
    assert sleeper.poll() is None, "it bears the mark of the service that was to be started"
    assert processes.recorded(tmp_path, "watch") is None
