"""Files of the stack: secrets, ports, certificates, generated configuration."""

import datetime
import socket
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography import x509

from commonweal.errors import ConfigError
from commonweal.identity import load_private_key, load_pseudonymiser, load_public_key
from commonweal.settings import load_settings
from infra.stack import bring_up, ports, supervision
from infra.stack.certificates import ensure_certificates
from infra.stack.layout import Layout
from infra.stack.profiles import LOCAL
from infra.stack.secret_files import create_once, ensure_secrets, secret_names
from infra.stack.services import airflow, registry, spark

NOW = datetime.datetime.now(datetime.UTC)
PORTS = {name: 20000 + number for number, name in enumerate(LOCAL.ports)}
FILES_ONLY = [name for name, module in registry.MODULES.items() if module in ("airflow", "streams")]
"""Services whose launch prepares nothing but files; what the others are started with, the running stack shows."""


def test_secrets_are_private_and_differ(tmp_path: Path) -> None:
    folder = ensure_secrets(tmp_path, ["hotline", "justice"])
    files = sorted(path.name for path in folder.iterdir())
    assert files == sorted(secret_names(["hotline", "justice"]))
    assert {"kafka-dept-hotline", "postgres-dept_justice", "minio-root", "airflow-watch", "spark-token"} <= set(files)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE((folder / name).stat().st_mode) for name in files} == {0o600}
    values = [(folder / name).read_text() for name in files]
    assert len(set(values)) == len(values) and min(map(len, values)) >= 32


def test_a_secret_is_never_overwritten(tmp_path: Path) -> None:
    ensure_secrets(tmp_path, ["hotline"])
    before = {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}
    ensure_secrets(tmp_path, ["hotline", "justice"])
    after = {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}
    assert before.items() <= after.items() and len(after) == len(before) + 2


def test_two_starts_at_once_agree_on_a_secret(tmp_path: Path) -> None:
    made = [str(number) * 40 for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda value: create_once(tmp_path / "name", lambda: value), made))
    assert (tmp_path / "name").read_text() in made
    assert [path.name for path in tmp_path.iterdir()] == ["name"]


def test_ports_are_kept_and_can_be_set(tmp_path: Path) -> None:
    path = tmp_path / "ports.json"
    first = ports.choose_ports(path, {"kafka": 19092})
    assert set(first) == set(LOCAL.ports) and first["kafka"] == 19092
    assert len(set(first.values())) == len(first)
    assert ports.choose_ports(path, {}) == first
    assert ports.choose_ports(path, {"minio": 19000}) == first | {"minio": 19000}
    with pytest.raises(ConfigError, match="nothing"):
        ports.choose_ports(path, {"nothing": 1})


def test_a_port_that_is_let_go_in_time_is_not_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as kept, socket.create_server(("127.0.0.1", 0)) as dying:
        wanted = {"postgres": kept.getsockname()[1], "minio": dying.getsockname()[1]}
        assert ports.still_taken(wanted, patience=0) == wanted
        threading.Timer(0.3, dying.close).start()
        assert ports.still_taken(wanted, patience=2) == {"postgres": wanted["postgres"]}


def test_certificates_are_made_once_and_renewed_in_time(tmp_path: Path) -> None:
    ensure_certificates(tmp_path, NOW)
    authority = x509.load_pem_x509_certificate((tmp_path / "ca.pem").read_bytes())
    server = x509.load_pem_x509_certificates((tmp_path / "kafka.pem").read_bytes())[0]
    server.verify_directly_issued_by(authority)
    assert stat.S_IMODE((tmp_path / "kafka.pem").stat().st_mode) == 0o600
    first = (tmp_path / "ca.pem").read_bytes()
    ensure_certificates(tmp_path, NOW + datetime.timedelta(days=700))
    assert (tmp_path / "ca.pem").read_bytes() == first
    ensure_certificates(tmp_path, NOW + datetime.timedelta(days=800))
    assert (tmp_path / "ca.pem").read_bytes() != first


def test_preparing_twice_changes_nothing(tmp_path: Path) -> None:
    layout = bring_up.prepare(tmp_path / "run", {})
    before = {path: path.read_bytes() for path in layout.run_dir.rglob("*") if path.is_file()}
    assert bring_up.prepare(tmp_path / "run", {}) == layout
    assert {path: path.read_bytes() for path in layout.run_dir.rglob("*") if path.is_file()} == before
    assert load_settings(layout.run_dir).database_port == layout.ports["postgres"]


def test_the_keys_of_pseudonyms_and_of_sealing_are_there_before_anything_lands(tmp_path: Path) -> None:
    layout = bring_up.prepare(tmp_path / "run", {})
    assert load_pseudonymiser(layout.run_dir / "keys").epoch == 1
    assert load_private_key(layout.run_dir / "keys").public_key() == load_public_key(layout.run_dir / "keys")


def test_airflow_is_set_up_anew_when_a_password_changed_and_the_mark_tells_none(tmp_path: Path) -> None:
    layout = bring_up.prepare(tmp_path / "run", {})
    assert not airflow.is_set_up(layout)
    airflow.mark_set_up(layout.run_dir, layout.secret)
    assert airflow.is_set_up(layout)
    mark = (layout.run_dir / airflow.SET_UP).read_text()
    assert not [path for path in layout.secrets.iterdir() if path.read_text() in mark]
    for account in airflow.ACCOUNTS:
        (layout.secrets / f"airflow-{account}").write_text("another")
        assert not airflow.is_set_up(layout), account
        airflow.mark_set_up(layout.run_dir, layout.secret)
        assert airflow.is_set_up(layout), account


def test_no_configuration_holds_a_secret(tmp_path: Path) -> None:
    layout = bring_up.prepare(tmp_path / "run", {})
    shown = supervision.configure(layout).read_text() + str(spark.configuration(layout)) + str(layout.environment())
    values = [path.read_text() for path in layout.secrets.iterdir()]
    assert values
    assert not [value for value in values if value in shown]


@pytest.mark.parametrize("service", FILES_ONLY)
def test_no_argument_holds_a_secret(tmp_path: Path, service: str) -> None:
    layout = bring_up.prepare(tmp_path / "run", {})
    values = [path.read_text() for path in layout.secrets.iterdir()]
    assert values
    arguments = " ".join(registry.launcher(service)(layout).argv)
    assert not [value for value in values if value in arguments]


def test_another_systems_address_in_the_environment_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMMONWEAL_S3_ENDPOINT", "http://store.invalid")
    with pytest.raises(ConfigError, match="COMMONWEAL_S3_ENDPOINT"):
        bring_up.refuse_foreign_addresses(Layout(tmp_path, PORTS))


def test_a_long_run_folder_gets_a_short_socket() -> None:
    assert supervision.socket_path(Path("/run/short")) == Path("/run/short/supervisor.sock")
    assert len(str(supervision.socket_path(Path("/" + "long/" * 40)))) <= supervision.SOCKET_ROOM


def test_each_step_comes_after_what_it_needs() -> None:
    names = list(bring_up.STEPS)
    assert names
    for name, needed in bring_up.STEPS.items():
        assert all(names.index(other) < names.index(name) for other in needed), name
