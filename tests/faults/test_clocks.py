"""Machines whose clocks are hours or years off: what is decided and what is proven goes by the database's clock."""

import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from kafka import TopicPartition
from sqlalchemy import text

from commonweal import bus
from commonweal.database import database_now, engine
from commonweal.errors import ConfigError
from commonweal.lake.candidates import read_candidate
from infra.stack import processes, readiness, supervision
from infra.stack.layout import Layout
from infra.stack.ports import kept_ports
from infra.stack.services import kafka
from tests.faults import child, clock, world
from tests.faults.driver import STEPS
from tests.faults.ledger import compare

pytestmark = pytest.mark.skipif(not clock.IS_AVAILABLE, reason=clock.WHY_NOT)

A_YEAR_AHEAD, NINE_HOURS_BEHIND = timedelta(days=400), -timedelta(hours=9)
ENTRIES = text("select body from evidence where seq > :after order by seq")
LAST = text("select coalesce(max(seq), 0) from evidence")


def run(here: world.World, steps: tuple[str, ...], folder: Path, shift: timedelta) -> list[int]:
    """The endings of steps on a machine with a wrong clock."""
    return child.ends_by_clock((child.Order(step, here.of(step).id, here.settings, folder / "log") for step in steps), shift)


def assert_all_is_released(here: world.World) -> None:
    assert not any(here.has_work(step) for step in STEPS)
    assert not compare(*world.read_release(here.settings, here.source, here.released().number), here.ledger)


def test_steps_on_a_machine_a_year_ahead_do_what_others_do(here, tmp_path):
    """But for the gate: the object store takes no request that is signed at another time, and that is said."""
    here.send()
    with engine(here.settings, "auditor").begin() as connection:
        after = connection.execute(LAST).scalar_one()
    began = database_now(here.ports.engine)
    endings = run(here, ("land", "clean", "gate"), tmp_path, A_YEAR_AHEAD)
    said = (tmp_path / "log").read_text()
    assert endings == [0, 0, ConfigError.exit_code], said
    assert "this machine's clock" in said.splitlines()[-1]
    assert here.released() is None
    here.run("gate")
    assert run(here, ("release",), tmp_path, A_YEAR_AHEAD) == [0], (tmp_path / "log").read_text()
    assert_all_is_released(here)
    with engine(here.settings, "auditor").begin() as connection:
        bodies = [json.loads(body) for body in connection.execute(ENTRIES, {"after": after}).scalars()]
    own = [datetime.fromisoformat(body["at"]) for body in bodies if body["dataset"] == here.source.id]
    assert len(own) >= len(STEPS)
    assert began <= min(own) and max(own) <= database_now(here.ports.engine)


def test_a_machine_on_which_the_brokers_certificate_is_not_valid_yet_is_told_so(here, tmp_path):
    here.send()
    assert run(here, ("land",), tmp_path, NINE_HOURS_BEHIND) == [ConfigError.exit_code]
    assert "this machine's clock" in (tmp_path / "log").read_text()
    for step in STEPS:
        here.run(step)
    assert_all_is_released(here)


def test_no_period_closes_early_where_the_clock_is_ahead(here, tmp_path):
    here.prepare("join")
    here.run("join")
    before = read_candidate(here.ports.engine, here.product.id)
    assert run(here, ("join",), tmp_path, A_YEAR_AHEAD) == [0], (tmp_path / "log").read_text()
    assert read_candidate(here.ports.engine, here.product.id) == before, "a month that is not over was closed"


@pytest.fixture
def broker_clock(stack, request, tmp_path) -> Iterator[timedelta]:
    """The stack's broker with a wrong clock, in place of the one with the right one, which is back afterwards."""
    layout = Layout(stack.run_dir, kept_ports(stack.run_dir / "ports.json"))
    supervision.stop_service(stack.run_dir, "kafka")
    wait_until(lambda: supervision.states(stack.run_dir)["kafka"].state == "STOPPED")
    launch = kafka.launch_kafka(layout)
    # With the mark of the service, so that the supervisor's own ends it, should this run be killed.
    mark = {processes.MARK: processes.unit(stack.run_dir, "kafka")}
    own = {**layout.environment(), **launch.environment, **clock.environment(request.param), **mark}
    with (tmp_path / "broker.log").open("wb") as log:
        broker = subprocess.Popen(launch.argv, env=own, cwd=stack.run_dir, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        wait_until(lambda: broker.poll() is not None or kafka.is_ready(layout))
        yield request.param
    finally:
        broker.terminate()
        broker.wait(60)
        supervision.start_service(stack.run_dir, "kafka")
        readiness.await_ready(layout, "kafka", threading.Event())


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < deadline, "it did not come to pass in two minutes"
        time.sleep(0.1)


@pytest.mark.parametrize("broker_clock", [NINE_HOURS_BEHIND, A_YEAR_AHEAD], indirect=True, ids=["behind", "ahead"])
def test_a_broker_with_a_wrong_clock_changes_nothing_that_people_read(here, broker_clock):
    """It stamps each record with its time; what was recorded when, and what is too old, goes by the database's."""
    here.send()
    stamped = last_stamp(here)
    assert abs(stamped - database_now(here.ports.engine) - broker_clock) < timedelta(minutes=10), "its clock was right"
    for step in STEPS:
        here.run(step)
    assert_all_is_released(here)


def last_stamp(here: world.World) -> datetime:
    """The broker's time of a record that it took last."""
    topic = here.source.topic
    with bus.consumer(here.settings, "pipeline") as consumer:
        parts = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic)]
        consumer.assign(parts)
        for part, end in consumer.end_offsets(parts).items():
            consumer.seek(part, max(0, end - 1))
        found = [record for records in consumer.poll(timeout_ms=10_000).values() for record in records]
    return datetime.fromtimestamp(max(record.timestamp for record in found) / 1000, UTC)
