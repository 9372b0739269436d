"""What each server is told about where to listen and whom to let in; that it does so, the running stack shows."""

import re
from pathlib import Path

import pytest

from commonweal.settings import Settings
from infra.stack.bring_up import prepare
from infra.stack.profiles import PROFILES, Profile
from infra.stack.services import airflow, kafka, minio, postgres, registry, spark


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_every_server_is_told_to_listen_on_loopback(tmp_path: Path, profile: Profile) -> None:
    layout = prepare(tmp_path / "run", {}, profile.name)
    told = {
        "postgres": re.findall(r"^listen_addresses = '(.*)'$", postgres.SETTINGS, re.M),
        "minio": [word.partition(":")[0] for word in minio.arguments(layout) if word.endswith(f":{layout.ports['minio']}")],
        **{name: _listeners(kafka.server_properties(layout, number)) for number, name in enumerate(profile.kafka, 1)},
        **{name: _after("--host", registry.launcher(name)(layout).argv) for name in profile.spark},
        "spark": [
            spark.configuration(layout)[f"spark.{name}"] for name in ("connect.grpc.binding.address", "driver.bindAddress")
        ],
        "airflow-api-server": [airflow.environment(layout)["AIRFLOW__API__HOST"]],
        "watch": [Settings.model_fields["metrics_host"].default],
    }
    assert told.keys() >= registry.PORTS.keys() & {*registry.services(profile)}
    assert {name: set(hosts) for name, hosts in told.items()} == dict.fromkeys(told, {"127.0.0.1"})


def _listeners(properties: str) -> list[str]:
    return [host for line in re.findall(r"^listeners=(.*)$", properties, re.M) for host in re.findall(r"//([^:]*):", line)]


def _after(option: str, argv: tuple[str, ...]) -> list[str]:
    return [argv[place + 1] for place, word in enumerate(argv) if word == option]


def test_master_and_workers_know_each_other_by_a_secret_and_show_nobody_their_page(tmp_path: Path) -> None:
    layout = prepare(tmp_path / "run", {}, "cluster")
    for name in layout.profile.spark:
        argv = registry.launcher(name)(layout).argv
        (written,) = _after("--properties-file", argv)
        lines = dict(line.split() for line in Path(written).read_text().splitlines())
        assert Path(written).stat().st_mode & 0o777 == 0o600
        assert lines["spark.authenticate"] == "true"
        assert registry.launcher(name)(layout).environment["_SPARK_AUTH_SECRET"] == layout.secret("spark-cluster")
        assert lines["spark.ui.filters"] == "org.apache.spark.ui.JWSFilter"
        assert layout.secret("spark-cluster") not in " ".join(argv)


def test_every_listener_of_kafka_wants_a_password_over_tls() -> None:
    names = re.findall(r"(\w+)://", kafka.SERVER.partition("\nadvertised")[0])
    protocols = re.search(r"^listener\.security\.protocol\.map=(.*)$", kafka.SERVER, re.M)
    assert names
    assert protocols and protocols.group(1).split(",") == [f"{name}:SASL_SSL" for name in names]
    assert "allow.everyone.if.no.acl.found=false\n" in kafka.SERVER
