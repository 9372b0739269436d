"""However a history is split into batches, Spark ends in the two tables of the plain fold; and run again, nothing changes."""

from dataclasses import replace
from random import Random

import pytest

from commonweal.lake import lease as leases
from commonweal.lake.candidates import read_candidate
from commonweal.lake.names import landing_table
from commonweal.steps.clean import clean
from tests.integration.copies import copied_contracts
from tests.integration.histories import Sent, expected, random_history, run, send, tables

SEED = 20_261_123
COPIES = ("history_whole", "history_split", "history_shuffled")


@pytest.fixture(scope="module")
def ports(stack, tmp_path_factory):
    """The stack with copies of the hotline's contract, each with topics and tables of its own."""
    with copied_contracts(stack.settings, tmp_path_factory.mktemp("contracts") / "schemas", *COPIES) as opened:
        yield opened


@pytest.fixture(scope="module")
def history():
    return random_history(Random(SEED), keys=120, events=900)


def split(events: list[Sent], random: Random, parts: int) -> list[list[Sent]]:
    cuts = sorted(random.sample(range(1, len(events)), parts - 1))
    return [events[start:end] for start, end in zip([0, *cuts], [*cuts, len(events)], strict=True)]


@pytest.mark.parametrize(
    ("name", "parts", "shuffled"), [("history_whole", 1, False), ("history_split", 3, False), ("history_shuffled", 3, True)]
)
def test_any_split_and_order_ends_in_the_tables_of_the_fold(ports, history, name, parts, shuffled):
    contract, random = ports.contract(f"hotline.{name}"), Random(SEED + parts + shuffled)
    events = random.sample(history, len(history)) if shuffled else history
    for batch in split(events, random, parts) if parts > 1 else [events]:
        send(ports, contract, batch)
        assert run(ports, contract)["rejected"] == 0
    current, periods = expected(history)
    assert len(current) > 100
    assert {state for _, state, _, _ in current} == {"live", "withdrawn", "unsettled"}
    assert tables(ports, contract) == (current, periods)


def test_each_step_run_again_changes_nothing(ports):
    contract = ports.contract("hotline.history_whole")
    before = read_candidate(ports.engine, contract.id)
    assert not any(run(ports, contract).values())
    assert read_candidate(ports.engine, contract.id) == before


def test_a_rebuild_ends_in_the_same_tables(ports):
    contract = ports.contract("hotline.history_split")
    before = tables(ports, contract)
    with leases.held(ports.engine, contract.id, "test", seconds=60) as lease:
        clean(contract, ports, lease, rebuild=True)
    assert tables(ports, contract) == before


def test_every_event_is_accounted_for(ports, history):
    from commonweal.gate.measure import Counting

    for name in COPIES:
        contract = ports.contract(f"hotline.{name}")
        counted = Counting(contract, read_candidate(ports.engine, contract.id), None, ports.spark, ports.engine).accounting()
        assert counted.accepted == len(history) == counted.offsets
        assert counted.offsets_add_up
        assert counted.accepted_adds_up
        assert not replace(counted, live=counted.live + 1).accepted_adds_up
        assert ports.spark.table(landing_table(contract).sql).count() == len(history)
