"""Ctrl-C at any time: a command ends without a traceback, nothing half done stays, and run again it does the whole."""

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from commonweal import bus
from commonweal.cli import INTERRUPTED
from commonweal.lake.releases import current_release
from commonweal.steps.land import end_offsets
from tests.integration.copies import copied_contracts
from tests.integration.test_publish import an_export

NAME = f"interrupt_{secrets.token_hex(4)}"
DATASET = f"hotline.{NAME}"
ROWS = 20_000
ROWS_TO_CHECK = 400_000
"""So many that checking them takes longer than the test waits, on any machine."""
RUN = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from commonweal.cli import main; main()"
"""A shell starts what runs in its background with Ctrl-C ignored, and children keep that."""


@pytest.fixture(scope="module")
def ports(stack, tmp_path_factory):
    with copied_contracts(stack.settings, tmp_path_factory.mktemp("contracts") / "schemas", NAME) as opened:
        yield opened


@pytest.fixture(scope="module")
def export(tmp_path_factory) -> Path:
    return an_export(tmp_path_factory.mktemp("export") / "export.csv", ROWS)


@pytest.fixture
def command(ports):
    """Run a command; interrupted as soon as it is time for it, if it ever is. Returns exit code and what was said."""

    def call(*arguments: str, when: Callable[[float], bool] = lambda _: False) -> tuple[int, str]:
        own = {"COMMONWEAL_RUN_DIR": ports.settings.run_dir, "COMMONWEAL_SCHEMAS_DIR": ports.settings.schemas_dir}
        environment = {**os.environ, **{name: str(value) for name, value in own.items()}}
        argv = [sys.executable, "-c", RUN, *arguments]
        process = subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        began = time.monotonic()
        while process.poll() is None and not when(time.monotonic() - began):
            time.sleep(0.02)
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=120)
        return process.returncode, said

    return call


def sent(ports) -> int:
    contract = ports.contract(DATASET)
    return sum(end_offsets(contract, ports.settings)[contract.topic].values())


def assert_interrupted(code: int, said: str) -> None:
    assert code == INTERRUPTED
    assert "run the command again" in said
    assert "Traceback" not in said
    assert "NYCC" not in said


@pytest.mark.parametrize("seconds", [0.3, 2.0])
def test_before_anything_is_sent(ports, tmp_path, command, seconds):
    export = an_export(tmp_path / "export.csv", ROWS_TO_CHECK)
    code, said = command("publish", str(export), "--dataset", DATASET, when=lambda passed: passed > seconds)
    assert_interrupted(code, said)
    assert sent(ports) == 0


def test_while_events_are_sent(ports, export, command):
    code, said = command("publish", str(export), "--dataset", DATASET, when=lambda _: sent(ports) > 0)
    assert_interrupted(code, said)
    assert sent(ports) > 0


def test_published_again_all_of_it_is_there(ports, export, command):
    code, said = command("publish", str(export), "--dataset", DATASET)
    assert code == 0, said
    assert sent(ports) >= ROWS


@pytest.mark.parametrize("seconds", [1.0, 4.0, 9.0])
def test_while_steps_run(command, seconds):
    code, said = command("run", "all", DATASET, when=lambda passed: passed > seconds)
    if code:  # on a fast machine all may be done by then
        assert_interrupted(code, said)


def test_run_again_every_event_is_released_once(ports, command):
    code, said = command("run", "all", DATASET)
    assert code == 0, said
    release = current_release(ports.engine, DATASET)
    assert release.rows == {"current": ROWS, "history": ROWS}
    assert release.counts["accepted"] == sent(ports)
    with bus.admin(ports.settings, "watch") as admin:
        assert bus.end_offsets(admin, [ports.contract(DATASET).repair_topic])
