"""Landed events past their retention go; what people read as the present state doesn't change, and the accounting adds up."""

import secrets
import time
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from sqlalchemy import text

from commonweal import bus
from commonweal.gate.measure import Counting
from commonweal.lake import lease as leases
from commonweal.lake.candidates import read_candidate
from commonweal.lake.catalog import head
from commonweal.lake.names import MAIN, landing_table
from commonweal.lake.spark import at
from commonweal.maintenance.landed_events import expire_landed_events
from commonweal.render.lake_schema import PLACE_COLUMNS
from commonweal.steps.clean import clean
from tests.integration.copies import copied_contracts
from tests.integration.histories import Sent, expected, random_history, run, send, tables

NAME = f"expiry_{secrets.token_hex(4)}"


@pytest.fixture(scope="module")
def ports(stack, tmp_path_factory):
    folder = tmp_path_factory.mktemp("contracts") / "schemas"
    with copied_contracts(stack.settings, folder, NAME) as opened:
        yield opened


@pytest.fixture(scope="module")
def contract(ports):
    return ports.contract(f"hotline.{NAME}")


@pytest.fixture(scope="module")
def landed(ports, contract) -> tuple[list[Sent], datetime]:
    """A history, landed and cleaned, and an instant by the broker's clock that lies within it."""
    history = random_history(Random(20_261_126), keys=40, events=400)
    send(ports, contract, history[:300])
    with bus.producer(ports.settings, "dept-hotline") as producer:
        producer.send(contract.topic, key=b"k", value=b"not a document", headers=[])
    time.sleep(1.1)
    between = datetime.now(UTC)
    send(ports, contract, history[300:])
    run(ports, contract)
    return history, between


def expire(ports, contract, cutoff: datetime) -> int:
    now = cutoff + timedelta(days=contract.retention.events_days)
    with leases.held(ports.engine, contract.id, "test", seconds=60) as lease:
        return expire_landed_events(ports, contract, lease, now=now)


def books(ports, contract):
    return Counting(contract, read_candidate(ports.engine, contract.id), None, ports.spark, ports.engine).accounting()


def places(ports, contract) -> set[tuple]:
    """Where the records stand in Kafka that are in landing now."""
    table = landing_table(contract)
    return {tuple(row) for row in at(ports.spark, table, head(ports.lake, table, MAIN)).select(*PLACE_COLUMNS).collect()}


def test_nothing_goes_within_the_retention(ports, contract, landed):
    with leases.held(ports.engine, contract.id, "test", seconds=60) as lease:
        assert expire_landed_events(ports, contract, lease, now=datetime.now(UTC)) == 0


def test_old_events_go_and_the_present_state_and_the_books_stay(ports, contract, landed):
    (_, between), (current, periods) = landed, tables(ports, contract)
    before, rows = books(ports, contract), places(ports, contract)
    gone = expire(ports, contract, between)
    after, left = books(ports, contract), places(ports, contract)
    assert gone > 10
    assert left < rows
    assert len(rows) - len(left) == gone == after.expired
    assert after.offsets == before.offsets
    assert after.offsets_add_up
    assert after.landed_adds_up
    assert after.accepted_adds_up
    assert (before.rejected, after.rejected) == (1, 0)
    now, then = tables(ports, contract)
    assert {row for row in now if row[1] == "live"} == {row for row in current if row[1] == "live"}
    assert {row for row in now if row[1] == "withdrawn"} == {row for row in current if row[1] == "withdrawn"}
    assert then < periods


def test_it_is_in_the_evidence_and_again_changes_nothing(ports, contract, landed):
    query = text("select body::jsonb -> 'details' from evidence where dataset = :d and action = 'expired'")
    with ports.engine.begin() as connection:
        details = connection.execute(query, {"d": contract.id}).scalars().all()
    assert [found["rejected"] for found in details] == [1]
    candidate = read_candidate(ports.engine, contract.id)
    assert expire(ports, contract, landed[1]) == 0
    with leases.held(ports.engine, contract.id, "test", seconds=60) as lease:
        assert clean(contract, ports, lease) == {"keys": 0, "candidate": 0}
    assert read_candidate(ports.engine, contract.id) == candidate


def test_a_rebuild_from_what_is_left_ends_in_the_same_tables(ports, contract, landed):
    before = tables(ports, contract)
    with leases.held(ports.engine, contract.id, "test", seconds=60) as lease:
        clean(contract, ports, lease, rebuild=True)
    assert tables(ports, contract) == before


def test_later_events_settle_as_if_nothing_had_gone(ports, contract, landed):
    history, _ = landed
    later = [
        event._replace(
            event_id=f"later-{number}-xyz", kind="recorded", replaces=None, recorded_at=event.recorded_at + timedelta(days=9)
        )
        for number, event in enumerate(random_history(Random(7), keys=40, events=60))
    ]
    send(ports, contract, later)
    run(ports, contract)
    wanted, _ = expected([*history, *later])
    assert {row for row in tables(ports, contract)[0] if row[1] == "live"} == {row for row in wanted if row[1] == "live"}
    assert books(ports, contract).accepted_adds_up
