"""Random faults against a ledger: 10,000 events and 12 faults of a seed that is printed; seeds that once failed are run again."""

import os
from pathlib import Path
from random import SystemRandom

import pytest

from infra.stack import bring_up
from tests.faults import world
from tests.faults.driver import Driver
from tests.faults.random_run import Size, run

SIZE = Size(events=10_000, faults=12, longest_pause=6)
SEEDS = Path(__file__).with_name("failing_seeds.txt")


def seeds() -> list[object]:
    """Seeds that once failed, then one that nobody has seen; ``COMMONWEAL_FAULTS_SEED`` gives the only one."""
    given = os.environ.get("COMMONWEAL_FAULTS_SEED")
    if given:
        return [int(given)]
    kept = [int(line.split()[0]) for line in SEEDS.read_text().splitlines() if line and not line.startswith("#")]
    # The workers of a run must agree on the names of tests.
    return [*kept, pytest.param(SystemRandom().randrange(10**9), id="new")]


@pytest.mark.usefixtures("whole_stack")
@pytest.mark.parametrize("seed", seeds())
def test_nothing_is_lost_doubled_invented_ungated_or_torn(stack, tmp_path, seed):
    print(f"seed {seed}: COMMONWEAL_FAULTS_SEED={seed} repeats this run")
    here = world.open_world(stack.settings, tmp_path, "random")
    outcome = run(here, stack.run_dir, Driver(here, tmp_path / "steps.log"), seed=seed, size=SIZE)
    here.ports.close()
    print(outcome)
    assert len(outcome.inflicted) >= SIZE.faults - 2, "hardly a fault happened: the run shows little"
    assert outcome.acknowledged > SIZE.events * 0.9
    assert not outcome.differences
    assert outcome.seen.reads >= 3
    assert (outcome.seen.ungated, outcome.seen.torn, outcome.seen.shrunk) == ([], [], [])
    assert not outcome.wrong, (tmp_path / "steps.log").read_text()[-4000:]
    assert outcome.evidence_break is None
    assert bring_up.is_up(stack.run_dir)
