"""Commands on a stack that is down: the true cause, where to look, and no promise that somebody else tries again."""

import re
import socket

import pytest

from commonweal.cli import main
from commonweal.settings import ROOT

COMMANDS = {
    "status": ["status"],
    "releases": ["releases"],
    "query": ["query", "hotline.service_request", "--purpose", "service_improvement"],
    "release": ["release", "hold", "hotline.service_request", "--reason", "x"],
    "rejected": ["rejected", "list", "hotline.service_request"],
    "loss": ["loss", "accept", "hotline.service_request", "--reason", "x"],
    "evidence": ["evidence", "verify"],
    "run": ["run", "gate", "hotline.service_request"],
    "rebuild": ["rebuild", "hotline.service_request", "--reason", "its tables look wrong"],
}
PROMISE = re.compile(r"(is|be) (tried|asked) again")


@pytest.fixture
def dead(tmp_path, monkeypatch):
    """A run folder with secrets, and addresses at which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    secrets = tmp_path / "secrets"
    secrets.mkdir(mode=0o700)
    (tmp_path / "ca.pem").write_text("")
    for name in ("kafka-watch", "postgres-pipeline", "postgres-query", "postgres-engineer", "postgres-auditor"):
        (secrets / name).touch(mode=0o600)
        (secrets / name).write_text("nothing")
    addresses = {
        "RUN_DIR": tmp_path,
        "KAFKA_BOOTSTRAP": f"127.0.0.1:{port}",
        "KAFKA_CA": tmp_path / "ca.pem",
        "DATABASE_PORT": port,
    }
    for name, value in addresses.items():
        monkeypatch.setenv(f"COMMONWEAL_{name}", str(value))


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_says_the_cause_where_to_look_and_that_nobody_tries_again(dead, command, capsys):
    with pytest.raises(SystemExit) as ended:
        main(COMMANDS[command])
    said = capsys.readouterr().err
    assert ended.value.code == 20
    assert re.search(r"TransientError: .*(PostgreSQL|Kafka) is unreachable", said)
    assert "see: commonweal stack status" in said
    assert "A command is not tried again by itself" in said
    assert not PROMISE.search(said.replace("A command is not tried again by itself", ""))


def test_no_error_promises_another_try():
    """Whoever tries again says so; a message is read by people too, for whom nobody does."""
    files = [path for folder in ("commonweal", "streams") for path in (ROOT / folder).rglob("*.py")]
    assert len(files) > 100
    raised = re.compile(r"(?:Error\(|\bf\")[^\n]*")
    found = [path.name for path in files for line in raised.findall(path.read_text(encoding="utf-8")) if PROMISE.search(line)]
    assert found == []
