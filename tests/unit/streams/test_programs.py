"""The programs as processes, with nothing there that they need: they stay, say what is away, and end when told to."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from streams.repeat import GRACE_SECONDS

SECRET = "a-secret-that-no-log-may-hold"
SAID = {"watch": ("TransientError", "Kafka is unreachable"), "announce": ("TransientError", "PostgreSQL is unreachable")}


@pytest.mark.parametrize("program", SAID)
def test_a_program_stays_and_says_what_is_away(program, run_dir):
    with subprocess.Popen(
        [sys.executable, "-m", f"streams.{program}"],
        env={**os.environ, "COMMONWEAL_RUN_DIR": str(run_dir)},
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stderr is not None
        try:
            lines = [json.loads(process.stderr.readline()) for _ in range(3)]
            assert process.poll() is None
        finally:
            begin = time.monotonic()
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=30)
        rest = process.stderr.read().decode()
    error, message = SAID[program]
    assert [line["event"] for line in lines] == [f"{program}_started", "look_failed", "look_failed"]
    assert [(line["error"], line["failures"]) for line in lines[1:]] == [(error, 1), (error, 2)]
    assert message in lines[1]["message"]
    assert lines[2]["again_in_seconds"] > lines[1]["again_in_seconds"] > 0
    assert SECRET not in json.dumps(lines) + rest
    assert time.monotonic() - begin < GRACE_SECONDS + 5
    assert process.returncode == 0


@pytest.fixture
def run_dir(tmp_path) -> Path:
    """A run folder with secrets, and addresses at which nobody listens."""
    port = _free_port()
    (tmp_path / "secrets").mkdir(mode=0o700)
    (tmp_path / "tls").mkdir()
    (tmp_path / "tls" / "ca.pem").write_text("")
    for name in ("kafka-watch", "kafka-announce", "postgres-watch", "postgres-announce", "airflow-watch"):
        (tmp_path / "secrets" / name).write_text(SECRET)
        (tmp_path / "secrets" / name).chmod(0o600)
    addresses = {"KAFKA_BOOTSTRAP": f"127.0.0.1:{port}", "DATABASE_PORT": port, "AIRFLOW_URL": f"http://127.0.0.1:{port}"}
    (tmp_path / "stack.env").write_text("".join(f"COMMONWEAL_{name}={value}\n" for name, value in addresses.items()))
    return tmp_path


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
