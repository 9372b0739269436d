"""Machines whose clocks are minutes, hours or years off: none writes a table, and each is told that its clock is the cause."""

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from kafka import TopicPartition

from commonweal import bus
from commonweal.database import database_now
from commonweal.errors import ConfigError
from commonweal.settings import ROOT
from infra.stack import processes, readiness, supervision
from infra.stack.layout import Layout
from infra.stack.ports import kept_ports
from infra.stack.services import registry
from tests.faults import child, clock, world
from tests.faults.driver import STEPS
from tests.faults.ledger import compare

pytestmark = pytest.mark.skipif(not clock.IS_AVAILABLE, reason=clock.WHY_NOT)

A_YEAR_AHEAD, NINE_HOURS_BEHIND, HALF_AN_HOUR = timedelta(days=400), -timedelta(hours=9), timedelta(minutes=30)
DAYS_AHEAD = timedelta(days=20)
"""Less than the broker keeps records: those of other tests are beside these."""


def assert_all_is_released(here: world.World) -> None:
    assert not any(here.has_work(step) for step in STEPS)
    assert not compare(*world.read_release(here.settings, here.source, here.released().number), here.ledger)


@pytest.mark.parametrize("shift", [A_YEAR_AHEAD, -timedelta(minutes=2)])
def test_a_machine_whose_clock_is_wrong_writes_nothing_and_is_told_why(here, tmp_path, shift):
    """By its clock a table would be written that Spark can't read: Iceberg takes no time that runs backwards."""
    steps = (*STEPS, "join")
    here.prepare("land")
    before = {step: here.commits(step) for step in steps}
    orders = [child.Order(step, here.of(step).id, here.settings, tmp_path / "log") for step in steps]
    endings = dict(zip(steps, child.ends_by_clock(orders, shift), strict=True))
    said = (tmp_path / "log").read_text()
    assert endings["land"] == ConfigError.exit_code, said
    direction = "ahead of" if shift > timedelta(0) else "behind"
    assert re.search(rf"the clock of this machine is [\w, :]+ {direction} the database's", said)
    assert set(endings.values()) <= {0, ConfigError.exit_code}, said
    assert {step: here.commits(step) for step in steps} == before
    for step in STEPS:
        here.run(step)
    assert_all_is_released(here)


@pytest.mark.parametrize(("system", "shift"), [("minio", A_YEAR_AHEAD), ("kafka", NINE_HOURS_BEHIND)], ids=["store", "broker"])
def test_who_is_refused_for_his_clock_by_store_or_broker_is_told_so(here, system, shift):
    """A signature of another time; a certificate that is not valid yet."""
    argv = [sys.executable, "-c", "from commonweal.cli import main; main()", "apply", "--plan", "--only", system]
    own = {**os.environ, "COMMONWEAL_RUN_DIR": str(here.settings.run_dir), "NO_COLOR": "1", **clock.environment(shift)}
    done = subprocess.run(argv, env=own, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == ConfigError.exit_code
    assert "this machine's clock" in " ".join(done.stderr.split())


@pytest.fixture
def server(stack, request, tmp_path) -> Iterator[timedelta]:
    """A server of the stack with a wrong clock, in place of the one with the right one, which is back afterwards."""
    service, shift = request.param
    layout = Layout(stack.run_dir, kept_ports(stack.run_dir / "ports.json"))
    supervision.stop_service(stack.run_dir, service)
    wait_until(lambda: supervision.states(stack.run_dir)[service].state == "STOPPED")
    launch = registry.launcher(service)(layout)
    # With the mark of the service, so that the supervisor's own ends it, should this run be killed.
    mark = {processes.MARK: processes.unit(stack.run_dir, service)}
    own = {**layout.environment(), **launch.environment, **clock.environment(shift), **mark}
    with (tmp_path / "server.log").open("wb") as log:
        started = subprocess.Popen(launch.argv, env=own, cwd=stack.run_dir, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        wait_until(lambda: started.poll() is not None or readiness.PROBES[service](layout))
        assert started.poll() is None, (tmp_path / "server.log").read_text()[-2000:]
        yield shift
    finally:
        started.terminate()
        try:
            started.wait(30)
        except subprocess.TimeoutExpired:
            started.kill()
        supervision.start_service(stack.run_dir, service)
        readiness.await_ready(layout, service, threading.Event())


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + readiness.PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.1)


@pytest.mark.parametrize("server", [("kafka", -HALF_AN_HOUR), ("kafka", DAYS_AHEAD)], indirect=True, ids=["behind", "ahead"])
def test_a_broker_with_a_wrong_clock_changes_nothing_that_people_read(here, server):
    """It stamps each record with its time; what was recorded when, and what is too old, goes by the database's."""
    here.send()
    stamped = last_stamp(here)
    assert abs(stamped - database_now(here.ports.engine) - server) < timedelta(minutes=10), "its clock was right"
    for step in STEPS:
        here.run(step)
    assert_all_is_released(here)


@pytest.mark.parametrize("server", [("spark", HALF_AN_HOUR)], indirect=True, ids=["ahead"])
def test_a_spark_with_a_wrong_clock_writes_nothing(here, server, tmp_path):
    here.send()
    before = here.commits("land")
    order = child.Order("land", here.source.id, here.settings, tmp_path / "log")
    assert child.end_of(order) == ConfigError.exit_code
    assert re.search(r"the clock of the Spark Connect server is 0:(29|30):\d\d ahead of", (tmp_path / "log").read_text())
    assert here.commits("land") == before


def last_stamp(here: world.World) -> datetime:
    """The broker's time of a record that it took last."""
    topic = here.source.topic
    with bus.consumer(here.settings, "landing") as consumer:
        parts = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic)]
        consumer.assign(parts)
        for part, end in consumer.end_offsets(parts).items():
            consumer.seek(part, max(0, end - 1))
        found = [record for records in consumer.poll(timeout_ms=10_000).values() for record in records]
    return datetime.fromtimestamp(max(record.timestamp for record in found) / 1000, UTC)
