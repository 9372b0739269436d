"""The running stack: where its secrets are and aren't, who gets in, what it listens on."""

import http.client
import json
import os
import socket
import subprocess
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
from rich.console import Console

from commonweal import bus
from commonweal.lake import spark
from infra.stack import bring_up, processes, status, supervision
from infra.stack.board import Board
from infra.stack.layout import Layout
from infra.stack.ports import kept_ports
from infra.stack.services import postgres, registry

pytestmark = pytest.mark.usefixtures("whole_stack")

API_VERSIONS = bytes.fromhex("0000000a 0012 0000 00000001 ffff")
"""A request that Kafka answers anybody, without TLS: length, key, version, correlation id, no client id."""
TLS_ALERT = b"\x15"
DERIVED = ("secrets", "private", "tls/kafka.pem", "keys")


@pytest.fixture(scope="module")
def layout(stack: Any) -> Layout:
    return Layout(stack.run_dir, kept_ports(stack.run_dir / "ports.json"))


@pytest.fixture(scope="module")
def values(layout: Layout) -> dict[str, str]:
    found = {path.name: path.read_text().strip() for path in layout.secrets.iterdir()}
    assert len(found) > 20
    return found


def members(run_dir: Path) -> list[psutil.Process]:
    found = processes.leftovers(run_dir, [supervision.SUPERVISOR, *registry.MODULES])
    assert len(found) >= len(status.rows(run_dir))
    return found


def test_every_service_runs_and_starting_again_is_no_work(stack: Any) -> None:
    rows = status.rows(stack.run_dir)
    assert {row.service for row in rows} >= {"postgres", "minio", "kafka", "spark", "airflow-scheduler", "supervisor"}
    assert {row.state for row in rows} == {"running"}
    before = {row.service: row.pid for row in rows}
    assert bring_up.is_up(stack.run_dir)
    assert {row.service: row.pid for row in status.rows(stack.run_dir)} == before


def test_no_secret_is_in_a_file_beside_the_private_ones(layout: Layout, values: dict[str, str], tmp_path: Path) -> None:
    patterns = tmp_path / "patterns"
    patterns.touch(mode=0o600)
    patterns.write_text("\n".join(values.values()))
    command = ["grep", "--recursive", "--files-with-matches", "--fixed-strings", "--binary-files=binary", f"--file={patterns}"]
    found = subprocess.run([*command, str(layout.run_dir)], capture_output=True, text=True, check=False).stdout.split("\n")
    places = {str(Path(path).relative_to(layout.run_dir)) for path in found if path}
    assert len([path for path in places if path.startswith("secrets/")]) == len(values), "the search itself works"
    assert [path for path in places if not path.startswith(DERIVED)] == []


def test_files_with_secrets_are_for_their_owner_only(layout: Layout) -> None:
    for folder in (layout.secrets, layout.private, layout.run_dir / "keys"):
        assert folder.stat().st_mode & 0o777 == 0o700, folder
        assert not [path for path in folder.rglob("*") if path.is_file() and path.stat().st_mode & 0o777 != 0o600]
    assert (layout.tls / "kafka.pem").stat().st_mode & 0o777 == 0o600


def test_no_secret_is_in_an_argument_list(layout: Layout, values: dict[str, str]) -> None:
    lists = [" ".join(process.cmdline()) for process in members(layout.run_dir)]
    assert any("kafka.Kafka" in line for line in lists)
    assert [line for line in lists if any(value in line for value in values.values())] == []


def test_no_secret_is_in_what_a_spark_client_can_read(stack: Any, layout: Layout, values: dict[str, str]) -> None:
    from pyspark.sql.connect.session import SparkSession

    session = SparkSession.builder.remote(f"{stack.settings.spark_remote}/;token={values['spark-token']}").create()
    try:
        shown = str(session.conf.getAll) + str(session.sql("SET -v").collect()) + str(session.sql("SET").collect())
    finally:
        spark.end(session)
    assert f"127.0.0.1:{layout.ports['postgres']}" in shown, "the settings are what was read"
    assert [name for name, value in values.items() if value in shown] == []


def test_everything_listens_on_loopback_only(layout: Layout) -> None:
    sockets = []
    for process in members(layout.run_dir):
        with suppress(psutil.NoSuchProcess):  # a worker that ended meanwhile
            sockets += process.net_connections("inet")
    listening = {(socket.laddr.ip, socket.laddr.port) for socket in sockets if socket.status == psutil.CONN_LISTEN}
    assert {port for _, port in listening} >= set(layout.ports.values())
    assert {ip for ip, _ in listening} <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}


def test_postgres_wants_a_password(layout: Layout) -> None:
    address = {"host": "127.0.0.1", "port": layout.ports["postgres"], "user": "commonweal", "dbname": "commonweal"}
    for password in ("", "wrong"):
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(**address, password=password, passfile=os.devnull)


def test_kafka_wants_a_password_over_tls(stack: Any, layout: Layout, tmp_path: Path) -> None:
    assert bus.accepts_password(stack.settings, "admin")
    (tmp_path / "kafka-admin").touch(mode=0o600)
    (tmp_path / "kafka-admin").write_text("wrong")
    assert not bus.accepts_password(stack.settings.model_copy(update={"secrets_dir": tmp_path}), "admin")
    with socket.create_connection(("127.0.0.1", layout.ports["kafka"]), timeout=10) as plain:
        plain.sendall(API_VERSIONS)
        try:
            answer = plain.recv(1)
        except ConnectionResetError:
            answer = b""
    assert answer in (b"", TLS_ALERT)


def test_spark_wants_its_token(stack: Any) -> None:
    from pyspark.errors import PySparkException
    from pyspark.sql.connect.session import SparkSession

    with pytest.raises(PySparkException, match=r"(?i)unauthenticated"):
        session = SparkSession.builder.remote(f"{stack.settings.spark_remote}/;token=wrong").create()
        try:
            session.sql("SELECT 1").collect()
        finally:
            spark.end(session)


RUNS = "/api/v2/dags/hotline.service_request/dagRuns"
LOOK, CONNECTIONS = ("GET", "/api/v2/dags"), ("GET", "/api/v2/connections")
DELETE, START = ("DELETE", f"{RUNS}/none"), ("POST", RUNS)
MAY = {
    "engineer": {LOOK: 200, CONNECTIONS: 200, DELETE: 404, START: 422},
    "auditor": {LOOK: 200, CONNECTIONS: 403, DELETE: 403, START: 403},
    "watch": {LOOK: 200, CONNECTIONS: 403, DELETE: 403, START: 422},
}
"""Status codes: 403 is refused; 404 and 422 are answers to somebody who may."""


@pytest.mark.parametrize("account", MAY)
def test_airflow_lets_each_account_do_its_own(layout: Layout, values: dict[str, str], account: str) -> None:
    body = {"username": account, "password": values[f"airflow-{account}"]}
    token = json.loads(_ask(layout, "POST", "/auth/token", body=body)[1])["access_token"]
    for (method, path), expected in MAY[account].items():
        assert _ask(layout, method, path, token=token, body={"unknown": 1})[0] == expected, (method, path)


def test_airflow_lets_nobody_in_without_an_account(layout: Layout) -> None:
    assert _ask(layout, "GET", "/api/v2/dags")[0] == 401
    assert _ask(layout, "POST", "/auth/token", body={"username": "engineer", "password": "wrong"})[0] == 401


def test_a_changed_password_file_is_the_password_after_the_next_start(stack: Any, layout: Layout) -> None:
    path = layout.secrets / "airflow-auditor"
    old, new = path.read_text().strip(), uuid.uuid4().hex
    before = {row.service: row.pid for row in status.rows(stack.run_dir)}
    path.write_text(new)
    try:
        bring_up.bring_up(stack.run_dir, {}, Board(Console(stderr=True)))
        assert [_signs_in(layout, "auditor", word) for word in (old, new)] == [401, 201]
        assert _signs_in(layout, "engineer", layout.secret("airflow-engineer")) == 201
        assert {row.service: row.pid for row in status.rows(stack.run_dir)} == before
    finally:
        path.write_text(old)
        bring_up.bring_up(stack.run_dir, {}, Board(Console(stderr=True)))
    assert [_signs_in(layout, "auditor", word) for word in (old, new)] == [201, 401]


def _signs_in(layout: Layout, account: str, password: str) -> int:
    return _ask(layout, "POST", "/auth/token", body={"username": account, "password": password})[0]


def _ask(layout: Layout, method: str, path: str, *, token: str = "", body: dict[str, Any] | None = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", layout.ports["airflow"], timeout=30)
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    try:
        connection.request(method, path, body=json.dumps(body) if body is not None else None, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_a_role_that_is_there_gets_the_password_of_its_file(layout: Layout) -> None:
    role = f"stack_{uuid.uuid4().hex[:8]}"
    with postgres.connect(layout) as connection:
        try:
            for password in ("first", "second"):
                postgres.set_role(connection, role, password)
                address = {"host": "127.0.0.1", "port": layout.ports["postgres"], "dbname": "postgres", "user": role}
                psycopg.connect(**address, password=password).close()
            with pytest.raises(psycopg.OperationalError, match="password"):
                psycopg.connect(**address, password="first")  # noqa: S106
        finally:
            connection.execute(f"DROP ROLE {role}")
