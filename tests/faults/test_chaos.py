"""A plan is its seed's, everybody is hurt in it, and what is stopped goes on."""

import signal
import subprocess
import sys
from random import Random

import psutil
import pytest

from tests.faults.chaos import SERVICES, STEP, Fault, Inflicted, hurt, instead_of_step, plan


@pytest.fixture
def victim():
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    yield process
    process.kill()
    process.wait()


def test_a_seed_hurts_everybody_and_says_the_same_twice():
    made = plan(Random(5), faults=30, longest_pause=6)
    assert made == plan(Random(5), faults=30, longest_pause=6)
    assert {fault.victim for fault in made} == {*SERVICES, STEP}
    assert {fault.kind for fault in made} == {"killed", "stopped"}


def test_when_no_step_runs_the_service_hurt_least_is_hurt():
    hurt_once = [Inflicted(Fault(0, victim, "killed", 0), 1.0) for victim in SERVICES if victim != "minio"]
    assert instead_of_step(hurt_once) == "minio"
    assert instead_of_step([]) in SERVICES


def test_a_killed_process_is_gone_and_nobody_minds_that_it_is_killed_again(victim):
    process = psutil.Process(victim.pid)
    hurt(process, Fault(0, STEP, "killed", 0))
    assert victim.wait(10) == -signal.SIGKILL
    hurt(process, Fault(0, STEP, "killed", 0))


def test_a_stopped_process_goes_on(victim):
    process = psutil.Process(victim.pid)
    hurt(process, Fault(0, STEP, "stopped", 0.1))
    assert process.is_running()
    assert process.status() != psutil.STATUS_STOPPED
