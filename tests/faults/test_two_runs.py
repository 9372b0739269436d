"""A run that stands still beyond its lease while another takes over, and two runs at once: each change happens once."""

import os
import signal

import pytest

from commonweal.errors import ConflictError, FencedError, TransientError
from tests.faults import child, world
from tests.faults.driver import STEPS
from tests.faults.ledger import compare
from tests.faults.points import IN_TRANSACTION, OUTSIDE


@pytest.mark.parametrize("step", STEPS)
def test_a_run_stopped_beyond_its_lease_ends_without_a_change(here, tmp_path, step):
    """It finds a ref moved when it stages its change, or another epoch when it commits it."""
    here.prepare(step)
    before = here.commits(step)
    stopped = child.start(child.Order(step, here.source.id, here.settings, tmp_path / "log", OUTSIDE[step], stops=True))
    child.await_stop(stopped)
    assert here.run(step) == "done"
    os.kill(stopped.pid, signal.SIGCONT)
    assert child.await_end(stopped) in (ConflictError.exit_code, FencedError.exit_code), (tmp_path / "log").read_text()
    assert here.commits(step) == before + 1


def test_a_run_stopped_in_its_transaction_holds_nobody_up(here, tmp_path):
    """The database ends a transaction that stands still for longer than a lease: else its locks would hold up every dataset."""
    here.prepare("release")
    before = here.commits("release")
    order = child.Order("release", here.source.id, here.settings, tmp_path / "log", IN_TRANSACTION, stops=True)
    stopped = child.start(order)
    child.await_stop(stopped)
    try:
        assert child.end_of(child.Order("release", here.source.id, here.settings, tmp_path / "other"), seconds=45) == 0
        assert here.commits("release") == before + 1
        os.kill(stopped.pid, signal.SIGCONT)
        assert child.await_end(stopped) == TransientError.exit_code, (tmp_path / "log").read_text()
    finally:
        stopped.kill()
    assert here.commits("release") == before + 1


@pytest.mark.parametrize("step", STEPS)
def test_two_runs_at_once_change_things_once(here, tmp_path, step):
    here.prepare(step)
    before = here.commits(step)
    both = [child.start(child.Order(step, here.source.id, here.settings, tmp_path / f"log{number}")) for number in range(2)]
    endings = [child.await_end(one) for one in both]
    # Where the first does not come to renew its lease in time, the second takes it, and the first says that it lost.
    assert 0 in endings
    assert set(endings) <= {0, ConflictError.exit_code, FencedError.exit_code}
    assert here.commits(step) == before + 1


def test_people_read_the_ledger(here):
    release = here.released()
    assert here.ledger.acknowledged
    assert not compare(*world.read_release(here.settings, here.source, release.number), here.ledger)
    assert world.evidence_break(here.settings) is None
