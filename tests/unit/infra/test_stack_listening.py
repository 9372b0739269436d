"""What each server is told about where to listen and whom to let in; that it does so, the running stack shows."""

import re
from pathlib import Path

from commonweal.settings import Settings
from infra.stack import ports
from infra.stack.layout import Layout
from infra.stack.secret_files import ensure_secrets
from infra.stack.services import airflow, kafka, minio, postgres, registry, spark

PORTS = {name: 20000 + number for number, name in enumerate(ports.NAMES)}


def test_every_server_is_told_to_listen_on_loopback(tmp_path: Path) -> None:
    ensure_secrets(tmp_path, [])
    layout = Layout(tmp_path, PORTS)
    listeners = re.search(r"^listeners=(.*)$", kafka.SERVER, re.M)
    told = {
        "postgres": re.findall(r"^listen_addresses = '(.*)'$", postgres.SETTINGS, re.M),
        "minio": [word.partition(":")[0] for word in minio.arguments(layout) if word.endswith(f":{PORTS['minio']}")],
        "kafka": re.findall(r"//([^:]*):", listeners.group(1)) if listeners else [],
        "spark": [
            spark.configuration(layout)[f"spark.{name}"] for name in ("connect.grpc.binding.address", "driver.bindAddress")
        ],
        "airflow-api-server": [airflow.environment(layout)["AIRFLOW__API__HOST"]],
        "watch": [Settings.model_fields["metrics_host"].default],
    }
    assert told.keys() == registry.PORTS.keys()
    assert {name: set(hosts) for name, hosts in told.items()} == dict.fromkeys(told, {"127.0.0.1"})


def test_every_listener_of_kafka_wants_a_password_over_tls() -> None:
    names = re.findall(r"(\w+)://", kafka.SERVER.partition("\nadvertised")[0])
    protocols = re.search(r"^listener\.security\.protocol\.map=(.*)$", kafka.SERVER, re.M)
    assert names
    assert protocols and protocols.group(1).split(",") == [f"{name}:SASL_SSL" for name in names]
    assert "allow.everyone.if.no.acl.found=false\n" in kafka.SERVER
