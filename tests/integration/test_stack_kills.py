"""What a stack survives: ``kill -9`` of any one process, and of all of them, the supervisor included. Data stays."""

import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import closing
from io import BytesIO
from typing import Any

import psutil
import psycopg
import pytest
from minio import Minio
from rich.console import Console

from infra.stack import bring_up, processes, readiness, supervision
from infra.stack.board import Board
from infra.stack.layout import Layout
from infra.stack.ports import kept_ports
from infra.stack.services import postgres, registry, spark

pytestmark = pytest.mark.usefixtures("whole_stack")

SERVICES = [name for name in registry.services() if name not in registry.ONCE]
TOPIC, BUCKET = "stack.kept.v1", "stack-kept"


@pytest.fixture(scope="module")
def layout(stack: Any) -> Layout:
    return Layout(stack.run_dir, kept_ports(stack.run_dir / "ports.json"))


@pytest.fixture(scope="module")
def mark(layout: Layout) -> Iterator[str]:
    """A word that is written to every store before the first kill, and looked for after each."""
    word = uuid.uuid4().hex
    _write(layout, word)
    yield word
    with postgres.connect(layout, "commonweal") as connection:
        connection.execute("DROP TABLE stack_kept")
    _store(layout).remove_object(bucket_name=BUCKET, object_name="kept")
    _store(layout).remove_bucket(bucket_name=BUCKET)
    with closing(_broker_admin(layout)) as admin:
        admin.delete_topics([TOPIC])


@pytest.mark.parametrize("service", SERVICES)
def test_a_killed_service_comes_back_with_its_data(layout: Layout, mark: str, service: str) -> None:
    before = supervision.states(layout.run_dir)[service].pid
    psutil.Process(before).kill()
    _await(lambda: supervision.states(layout.run_dir)[service].pid not in (0, before))
    readiness.await_ready(layout, service, threading.Event())
    assert _read(layout) == {"postgres": mark, "minio": mark, "kafka": mark}
    assert spark.is_ready(layout)


def test_a_stack_of_which_everything_was_killed_comes_up_again(layout: Layout, mark: str) -> None:
    victims = processes.leftovers(layout.run_dir, [supervision.SUPERVISOR, *registry.MODULES])
    assert len(victims) > len(SERVICES)
    for process in victims:
        process.kill()
    assert not supervision.is_running(layout.run_dir)
    bring_up.bring_up(layout.run_dir, {}, Board(Console(stderr=True)))
    assert bring_up.is_up(layout.run_dir)
    assert kept_ports(layout.run_dir / "ports.json") == layout.ports
    assert _read(layout) == {"postgres": mark, "minio": mark, "kafka": mark}


def test_services_end_with_their_supervisor(layout: Layout, mark: str) -> None:
    supervisor = processes.recorded(layout.run_dir, supervision.SUPERVISOR)
    assert supervisor
    supervisor.kill()
    _await(lambda: not processes.leftovers(layout.run_dir, ["postgres", "minio", "spark", "watch"]))
    bring_up.bring_up(layout.run_dir, {}, Board(Console(stderr=True)))
    assert _read(layout) == {"postgres": mark, "minio": mark, "kafka": mark}


def _await(condition: Any, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def _write(layout: Layout, word: str) -> None:
    with postgres.connect(layout, "commonweal") as connection:
        connection.execute("CREATE TABLE stack_kept (word text)")
        connection.execute("INSERT INTO stack_kept VALUES (%s)", (word,))
    _store(layout).make_bucket(bucket_name=BUCKET)
    _store(layout).put_object(bucket_name=BUCKET, object_name="kept", data=BytesIO(word.encode()), length=len(word))
    from kafka import KafkaProducer

    with closing(_broker_admin(layout)) as admin:
        admin.create_topics({TOPIC: {"num_partitions": 1, "replication_factor": 1}}, wait_for_metadata=True)
    with closing(KafkaProducer(**_login(layout))) as producer:
        producer.send(TOPIC, word.encode()).get(30)


def _read(layout: Layout) -> dict[str, str]:
    try:
        with postgres.connect(layout, "commonweal") as connection:
            row = connection.execute("SELECT word FROM stack_kept").fetchone()
    except psycopg.Error:
        row = None
    kept = _store(layout).get_object(bucket_name=BUCKET, object_name="kept").read().decode()
    return {"postgres": row[0] if row else "", "minio": kept, "kafka": _first_record(layout)}


def _first_record(layout: Layout) -> str:
    from kafka import KafkaConsumer, TopicPartition

    consumer = KafkaConsumer(**_login(layout), enable_auto_commit=False, auto_offset_reset="earliest")
    consumer.assign([TopicPartition(TOPIC, 0)])
    try:
        found = consumer.poll(timeout_ms=15000, max_records=1)
        return "".join(record.value.decode() for records in found.values() for record in records)
    finally:
        consumer.close()


def _store(layout: Layout) -> Minio:
    address = f"127.0.0.1:{layout.ports['minio']}"
    return Minio(endpoint=address, access_key="root", secret_key=layout.secret("minio-root"), secure=False)


def _broker_admin(layout: Layout) -> Any:
    from kafka.admin import KafkaAdminClient

    return KafkaAdminClient(**_login(layout))


def _login(layout: Layout) -> dict[str, Any]:
    return {
        "bootstrap_servers": f"127.0.0.1:{layout.ports['kafka']}",
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "admin",
        "sasl_plain_password": layout.secret("kafka-admin"),
        "ssl_cafile": str(layout.tls / "ca.pem"),
    }
