"""The server acted and its answer was lost: COMMIT, PutObject, Produce. The step ends as if nothing had been, or says so."""

import os
import signal
import threading
from pathlib import Path
from random import Random

import psutil
import pytest
from sqlalchemy import text

from infra.stack import readiness, supervision
from infra.stack.layout import Layout
from infra.stack.ports import kept_ports
from tests.faults import child, world
from tests.faults.driver import EXPECTED, STEPS
from tests.faults.ledger import compare
from tests.faults.proxy import between, commits, large, led_to, lossy, puts

RETRYABLE = 20
REFUSED = text("select count(*) from gate_result where dataset = :dataset and not passed")


@pytest.mark.parametrize("step", STEPS)
def test_answer_to_commit_lost(here, tmp_path: Path, step: str):
    """It was committed: the step finds that by reading, and ends well, having changed things once."""
    here.prepare(step)
    before = here.commits(step)
    with between(here.settings.database_port, commits) as proxy:
        proxy.armed = 1
        settings = here.settings.model_copy(update={"database_host": "127.0.0.1", "database_port": proxy.port})
        assert child.end_of(child.Order(step, here.source.id, settings, tmp_path / "log")) == 0, (tmp_path / "log").read_text()
        assert proxy.dropped == 1
    assert here.commits(step) == before + 1
    assert here.run(step) == "nothing"


@pytest.mark.parametrize(("step", "bucket"), [("gate", "reports"), ("release", "lakehouse")])
def test_answer_to_put_object_lost(here, tmp_path: Path, step: str, bucket: str):
    """The object is there; written again it is the same. The step ends well, or is run again."""
    here.prepare(step)
    before, port = here.commits(step), int(here.settings.s3_endpoint.rsplit(":", 1)[1])
    with between(port, puts(bucket)) as proxy:
        proxy.armed = 1
        settings = here.settings.model_copy(update={"s3_endpoint": f"http://127.0.0.1:{proxy.port}"})
        assert child.end_of(child.Order(step, here.source.id, settings, tmp_path / "log")) in (0, RETRYABLE)
        assert proxy.dropped == 1
    here.run(step)
    assert here.commits(step) == before + 1


def test_answer_to_produce_lost(here):
    """The producer sends the batch again, and the broker knows it by its number: each event stands there once."""
    port = int(here.settings.kafka_bootstrap.rsplit(":", 1)[1])
    with between(port, large(4_000)) as proxy, led_to(proxy):
        proxy.armed = 1
        here.send(200)
        assert proxy.dropped == 1
    assert not here.ledger.unknown
    for step in STEPS:
        here.run(step)
    release = here.released()
    assert release.counts["accepted"] == len(here.ledger.acknowledged)
    assert not compare(*world.read_release(here.settings, here.source, release.number), here.ledger)


def test_over_a_slow_and_lossy_line_to_the_database_every_step_comes_to_its_end(here, tmp_path: Path):
    """Any answer may be lost: a step names no wrong cause, and run until it ends well it has changed things once."""
    with between(here.settings.database_port, lossy(Random(20_261_126), 0.004)) as proxy:
        proxy.armed, proxy.delay = 1_000_000, 0.01
        settings = here.settings.model_copy(update={"database_host": "127.0.0.1", "database_port": proxy.port})
        for step in STEPS:
            here.prepare(step)
            before = here.commits(step)
            tries = [child.end_of(child.Order(step, here.source.id, settings, tmp_path / "log"))]
            while tries[-1]:
                here.let_lease_expire(step)
                tries.append(child.end_of(child.Order(step, here.source.id, settings, tmp_path / "log")))
                assert len(tries) < 25, tries
            assert set(tries) <= EXPECTED, (step, tries, (tmp_path / "log").read_text())
            assert here.commits(step) == before + 1
        assert proxy.dropped >= 1
    release = here.released()
    assert not compare(*world.read_release(here.settings, here.source, release.number), here.ledger)


def test_a_database_that_is_killed_during_the_audit_is_no_reason_to_refuse(here, stack, tmp_path: Path):
    """Spark's catalog is away for a moment: rules can't be run. A refusal would be final, and name a wrong cause."""
    here.prepare("gate")
    order = child.Order(
        "gate", here.source.id, here.settings, tmp_path / "log", "commonweal.gate.audit:_validate:call", stops=True
    )
    auditing = child.start(order)
    child.await_stop(auditing)
    psutil.Process(supervision.states(stack.run_dir)["postgres"].pid).kill()
    os.kill(auditing.pid, signal.SIGCONT)
    assert child.await_end(auditing) in (0, RETRYABLE), (tmp_path / "log").read_text()
    readiness.await_ready(Layout(stack.run_dir, kept_ports(stack.run_dir / "ports.json")), "postgres", threading.Event())
    assert here.count(REFUSED, dataset=here.source.id) == 0
    here.let_lease_expire("gate")
    assert child.end_of(child.Order("gate", here.source.id, here.settings, tmp_path / "again")) == 0
    assert not here.has_work("gate")


def test_the_evidence_is_unbroken(here):
    assert world.evidence_break(here.settings) is None
