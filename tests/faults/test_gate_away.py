"""A server that goes away for a moment while the gate audits: no refusal, since that would be final and name a wrong cause."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import psutil
import pytest
from sqlalchemy import text

from commonweal.errors import TransientError
from commonweal.ports import open_ports
from infra.stack import readiness, supervision
from infra.stack.layout import Layout
from infra.stack.ports import kept_ports
from tests.faults import child
from tests.faults.driver import EXPECTED
from tests.faults.world import World

AUDITING = "commonweal.gate.audit:_validate:call"
REFUSED = text("select count(*) from gate_result where dataset = :dataset and not passed")


@pytest.fixture
def waiting(here) -> Iterator[World]:
    """A candidate that waits for the gate; seen through a session of its own, since one before may have gone with its server."""
    made = replace(here, ports=open_ports(here.settings))
    with suppress(TransientError):
        made.prepare("gate")  # a connection of Spark's to a database that was away ends with its next use
    made.prepare("gate")
    yield made
    made.ports.close()


@pytest.mark.parametrize("server", ["minio", "postgres", "spark"])
def test_a_server_that_is_killed_during_the_audit_is_no_reason_to_refuse(waiting, stack, tmp_path, server):
    here = waiting
    order = child.Order("gate", here.source.id, here.settings, tmp_path / "log", AUDITING, stops=True)
    auditing = child.start(order)
    child.await_stop(auditing)
    psutil.Process(supervision.states(stack.run_dir)[server].pid).kill()
    os.kill(auditing.pid, signal.SIGCONT)
    assert child.await_end(auditing) in EXPECTED - {-signal.SIGKILL}, (tmp_path / "log").read_text()
    readiness.await_ready(Layout(stack.run_dir, kept_ports(stack.run_dir / "ports.json")), server, threading.Event())
    assert here.count(REFUSED, dataset=here.source.id) == 0
    here.let_lease_expire("gate")
    assert child.end_of(child.Order("gate", here.source.id, here.settings, tmp_path / "again")) == 0
    assert not here.has_work("gate")
