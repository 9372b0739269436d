"""Each step, killed with SIGKILL at each of its commit points and run again: no event lost, doubled or invented."""

import signal

import pytest

from commonweal.lake.candidates import read_candidate
from commonweal.lake.names import landing_table, released_tables
from commonweal.lake.spark import at
from infra.stack import supervision
from streams.announce import announce
from tests.faults import child, world
from tests.faults.ledger import compare
from tests.faults.points import POINTS, Point


@pytest.fixture(scope="module")
def here(stack, tmp_path_factory):
    """Datasets of this module's own.

    An announcer of the stack is stopped meanwhile, and what waits of other datasets is sent before: children announce these only.
    """
    made = world.open_world(stack.settings, tmp_path_factory.mktemp("points"), "points")
    runs = supervision.states(stack.run_dir)["announce"].pid
    supervision.stop_service(stack.run_dir, "announce")
    announce(stack.settings)
    yield made
    if runs:
        supervision.start_service(stack.run_dir, "announce")
    made.ports.close()


def order(here: world.World, step: str, folder, **more: object) -> child.Order:
    return child.Order(step, here.of(step).id, here.settings, folder / "step.log", **more)


def test_the_points_are_enough_and_each_has_its_own_name():
    assert len({point.id for point in POINTS}) == len(POINTS) >= 12
    assert {point.step for point in POINTS} == set(world.ORDER)


@pytest.mark.parametrize("point", POINTS, ids=[point.id for point in POINTS])
def test_a_step_killed_there_and_run_again_changes_what_one_run_would(here, tmp_path, point: Point):
    here.prepare(point.step)
    before, read_before = here.commits(point.step), here.released()
    killed = order(here, point.step, tmp_path, chain=point.chain, few_files=point.few_files)
    assert child.end_of(killed) == -signal.SIGKILL, "the point was not reached"
    here.let_lease_expire(point.step)
    assert here.commits(point.step) == before + point.committed
    if point.step != "release":
        assert here.released() == read_before
    if point.committed:
        assert child.end_of(order(here, point.step, tmp_path, few_files=point.few_files)) == 0
        assert not here.has_work(point.step)
        assert here.commits(point.step) == before + 1 or point.step == "announce", "it announces all that waits"
        CHECKS[point.step](here)


def everything_landed_once(here: world.World) -> None:
    rows = here.ports.spark.table(landing_table(here.source).sql).select("sub_category", "_accepted").collect()
    assert all(row["_accepted"] for row in rows)
    assert sorted(int(row["sub_category"]) for row in rows) == sorted(here.ledger.acknowledged)


def candidate_has_every_state(here: world.World) -> None:
    snapshot = read_candidate(here.ports.engine, here.source.id).snapshots["history"]
    rows = at(here.ports.spark, released_tables(here.source)["history"], snapshot).select("sub_category").collect()
    assert sorted(int(row["sub_category"]) for row in rows) == sorted(here.ledger.acknowledged)


def candidate_has_one_verdict(here: world.World) -> None:
    candidate = read_candidate(here.ports.engine, here.source.id)
    query = world.text("select count(*) from gate_result where dataset = :dataset and candidate_number = :number and passed")
    assert here.count(query, dataset=here.source.id, number=candidate.number) == 1


def people_read_the_ledger(here: world.World) -> None:
    release = here.released()
    assert world.passed_its_gate(here.settings, release)
    assert len(here.ledger.acknowledged) >= world.BATCH
    assert not compare(*world.read_release(here.settings, here.source, release.number), here.ledger)


def product_is_of_the_release(here: world.World) -> None:
    candidate = read_candidate(here.ports.engine, here.product.id)
    assert candidate.inputs == {here.source.id: here.released().number}
    rows = at(here.ports.spark, released_tables(here.product)["current"], candidate.snapshots["current"])
    cells = rows.select("district_code", "category_code", "month").collect()
    assert len(cells) == len(set(cells)), "so few cases are hidden, all of them; what is shown stands there once"


def subscribers_heard_everything(here: world.World) -> None:
    assert here.count(world.UNSENT, dataset=here.source.id) == 0
    heard = world.announcements(here.settings, here.source.id)
    assert sorted(set(heard)) == list(range(1, max(heard) + 1))
    firsts = list(dict.fromkeys(heard))
    assert firsts == sorted(firsts), "told out of order"


CHECKS = {
    "land": everything_landed_once,
    "clean": candidate_has_every_state,
    "gate": candidate_has_one_verdict,
    "release": people_read_the_ledger,
    "join": product_is_of_the_release,
    "announce": subscribers_heard_everything,
}


def test_the_evidence_is_unbroken(here):
    assert world.evidence_break(here.settings) is None
