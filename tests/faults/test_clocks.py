"""Machines whose clocks are hours or years off: what is decided and what is proven goes by the database's clock."""

import json
from datetime import datetime, timedelta

import pytest
from sqlalchemy import text

from commonweal.database import database_now, engine
from commonweal.lake.candidates import read_candidate
from tests.faults import child, world
from tests.faults.driver import STEPS
from tests.faults.ledger import compare

SHIFTS = {"nine hours behind": -timedelta(hours=9), "a year ahead": timedelta(days=400)}
ENTRIES = text("select body from evidence where seq > :after order by seq")
LAST = text("select coalesce(max(seq), 0) from evidence")


def run(here: world.World, step: str, folder, shift: timedelta) -> int:
    return child.end_of(child.Order(step, here.of(step).id, here.settings, folder / "log", clock=shift))


@pytest.mark.parametrize("shift", SHIFTS.values(), ids=SHIFTS)
def test_steps_on_a_machine_whose_clock_is_wrong_do_what_others_do(here, tmp_path, shift):
    here.send()
    with engine(here.settings, "auditor").begin() as connection:
        after = connection.execute(LAST).scalar_one()
    began = database_now(here.ports.engine)
    assert {run(here, step, tmp_path, shift) for step in STEPS} == {0}, (tmp_path / "log").read_text()
    assert not any(here.has_work(step) for step in STEPS)
    assert not compare(*world.read_release(here.settings, here.source, here.released().number), here.ledger)
    with engine(here.settings, "auditor").begin() as connection:
        bodies = [json.loads(body) for body in connection.execute(ENTRIES, {"after": after}).scalars()]
    own = [datetime.fromisoformat(body["at"]) for body in bodies if body["dataset"] == here.source.id]
    assert len(own) >= len(STEPS)
    assert began <= min(own) and max(own) <= database_now(here.ports.engine)


def test_no_period_closes_early_where_the_clock_is_ahead(here, tmp_path):
    here.prepare("join")
    here.run("join")
    before = read_candidate(here.ports.engine, here.product.id)
    assert run(here, "join", tmp_path, timedelta(days=400)) == 0, (tmp_path / "log").read_text()
    assert read_candidate(here.ports.engine, here.product.id) == before, "a month that is not over was closed"
