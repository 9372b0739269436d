"""Airflow over REST, the DAGs that it read, and the announcements: on a running stack."""

import json
import time
from collections.abc import Iterator
from contextlib import closing

import pytest
from kafka import KafkaConsumer, TopicPartition
from sqlalchemy import text

from commonweal import bus
from commonweal.airflow_api import ACTIVE, ENDED, Airflow
from commonweal.contract.loader import load_contracts
from commonweal.database import engine
from commonweal.errors import AccessDeniedError, ConfigError, TransientError
from commonweal.render.access import RELEASES_TOPIC
from commonweal.settings import Settings
from streams.announce import announce
from streams.watch import opened

pytestmark = pytest.mark.usefixtures("whole_stack")

GUEST = "announced_guest.paper"
QUIET = "public_security.household_registration"
PATIENCE_SECONDS = 400
PUT = text("insert into outbox (dataset, dataset_seq, kind, payload) values (:dataset, :seq, :kind, cast(:payload as jsonb))")
FORGET = text("delete from outbox where dataset like 'announced_guest.%'")
UNSENT = text("select count(*) from outbox where dataset = :dataset and sent_at is null")
LOSE_MARK = text("update outbox set sent_at = null where dataset = :dataset and dataset_seq = 2")


@pytest.fixture(scope="module")
def settings(stack) -> Settings:
    return stack.settings


@pytest.fixture
def airflow(settings) -> Iterator[Airflow]:
    with closing(Airflow(settings, "watch")) as client:
        yield client


@pytest.fixture
def outbox(settings) -> Iterator[dict[TopicPartition, int]]:
    """Three messages of one dataset and one of another, gone at the end; gives where the topic ended before they were there."""
    start = end(settings)
    rows = [(GUEST, 1, "refused"), (GUEST, 2, "released"), ("announced_guest.pen", 1, "released"), (GUEST, 3, "rolled_back")]
    with engine(settings, "commonweal").begin() as connection:
        for dataset, seq, kind in rows:
            connection.execute(PUT, {"dataset": dataset, "seq": seq, "kind": kind, "payload": json.dumps({"release": seq})})
    yield start
    with engine(settings, "commonweal").begin() as connection:
        connection.execute(FORGET)


def end(settings: Settings) -> dict[TopicPartition, int]:
    with bus.admin(settings, "admin") as client:
        offsets = bus.end_offsets(client, [RELEASES_TOPIC])[RELEASES_TOPIC]
    return {TopicPartition(RELEASES_TOPIC, partition): offset for partition, offset in offsets.items()}


def announced(settings: Settings, start: dict[TopicPartition, int], dataset: str) -> list[tuple[str, str, int]]:
    """Id, type and sequence of the messages of a dataset since ``start``, in the topic's order."""
    found = []
    with bus.consumer(settings, "admin") as consumer:
        consumer.assign(list(start))
        for partition, offset in start.items():
            consumer.seek(partition, offset)
        for record in _until(consumer, end(settings)):
            headers = {name: value.decode() for name, value in record.headers}
            if record.key.decode() == dataset:
                found.append((headers["ce_id"], headers["ce_type"], json.loads(record.value)["dataset_seq"]))
    return found


def _until(consumer: KafkaConsumer, stop: dict[TopicPartition, int]) -> Iterator:
    deadline = time.monotonic() + 30
    while any(consumer.position(partition) < offset for partition, offset in stop.items()):
        assert time.monotonic() < deadline
        for records in consumer.poll(timeout_ms=200).values():
            yield from records


def drained(settings: Settings, dataset: str) -> None:
    """Wait until nothing waits: the stack's own announcer may be the one that sends."""
    deadline = time.monotonic() + 60
    while True:
        announce(settings)
        with engine(settings, "announce").begin() as connection:
            if not connection.execute(UNSENT, {"dataset": dataset}).scalar():
                return
        assert time.monotonic() < deadline


def test_the_outbox_is_announced_in_order_and_once(settings, outbox):
    drained(settings, GUEST)
    announce(settings)
    assert announced(settings, outbox, GUEST) == [
        (f"{GUEST}/1", "commonweal.refused", 1),
        (f"{GUEST}/2", "commonweal.released", 2),
        (f"{GUEST}/3", "commonweal.rolled_back", 3),
    ]


@pytest.mark.usefixtures("outbox")
def test_a_mark_that_was_lost_is_announced_again_under_the_same_id(settings):
    drained(settings, GUEST)
    start = end(settings)
    with engine(settings, "commonweal").begin() as connection:
        connection.execute(LOSE_MARK, {"dataset": GUEST})
    drained(settings, GUEST)
    assert announced(settings, start, GUEST) == [(f"{GUEST}/2", "commonweal.released", 2)]


def test_airflow_has_read_a_dag_of_every_contract(settings, airflow):
    contracts = load_contracts(settings.schemas_dir)
    assert len(contracts) > 0
    for dataset in contracts:
        assert wait_for(lambda dataset=dataset: airflow.ended(dataset) >= 0)


def test_a_second_start_under_the_same_id_is_refused(airflow):
    run = started(airflow, QUIET)
    assert not airflow.start(QUIET, run)
    assert airflow.state(QUIET, run) in (*ACTIVE, *ENDED)


def test_a_run_that_finds_nothing_to_do_ends_well(airflow):
    first = started(airflow, QUIET)
    assert wait_for(lambda: airflow.state(QUIET, first) in ENDED)
    second = started(airflow, QUIET)
    assert wait_for(lambda: airflow.state(QUIET, second) in ENDED)
    assert airflow.state(QUIET, second) == "success"
    assert not airflow.start(QUIET, second)
    assert airflow.ended(QUIET) >= 2


def test_a_token_that_has_run_out_is_replaced(airflow):
    airflow._token = "run-out"
    assert isinstance(airflow.active(), frozenset)


def test_a_viewer_starts_nothing(settings):
    with closing(Airflow(settings, "auditor")) as viewer:
        assert isinstance(viewer.active(), frozenset)
        with pytest.raises(AccessDeniedError):
            viewer.start("hotline.service_request", "by_a_viewer")


def test_a_wrong_password_is_named_and_not_shown(settings, tmp_path):
    (tmp_path / "airflow-watch").write_text("not-the-password")
    (tmp_path / "airflow-watch").chmod(0o600)
    stranger = settings.model_copy(update={"secrets_dir": tmp_path})
    with closing(Airflow(stranger, "watch")) as client, pytest.raises(ConfigError, match="airflow-watch") as raised:
        client.active()
    assert "not-the-password" not in str(raised.value)


def test_an_unknown_dag_is_asked_for_again(airflow):
    with pytest.raises(TransientError):
        airflow.start("no.such", "run")


def test_a_watcher_sees_kafka_airflow_and_the_database(settings):
    with opened(settings) as look:
        assert isinstance(look(), tuple)


def started(airflow: Airflow, dataset: str) -> str:
    run = f"{dataset}__{time.time_ns()}"
    assert wait_for(lambda: airflow.start(dataset, run))
    return run


def wait_for(is_so) -> bool:
    """Ask again while Airflow has not got there yet."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        try:
            if is_so():
                return True
        except TransientError:
            pass
        time.sleep(0.5)
    return False
