"""Nightly maintenance on a dataset of its own: what it removes, what it must leave, and that people read the same after it."""

import secrets
from datetime import UTC, datetime, timedelta
from itertools import count

import orjson
import pytest
from pyiceberg.types import StringType
from sqlalchemy import text

from commonweal import bus, compaction
from commonweal.compaction import content_digest
from commonweal.contract.model import Rule, Text
from commonweal.errors import GateClosedError
from commonweal.lake import lease as leases
from commonweal.lake.candidates import read_candidate
from commonweal.lake.catalog import catalog, create_branch, head, load
from commonweal.lake.names import CANDIDATE, MAIN, all_tables, landing_table, released_tables
from commonweal.lake.releases import current_release
from commonweal.lake.spark import at
from commonweal.maintenance.audit import audit
from commonweal.maintenance.compact import compact
from commonweal.maintenance.expire import expire
from commonweal.maintenance.janitor import janitor, remove_orphans
from commonweal.steps.run import run_with, steps_of
from tests.integration.copies import copied_contracts
from tests.integration.histories import Sent

NAME = f"maint_{secrets.token_hex(4)}"
BATCHES = 3
AUDITED = text("""
select body::jsonb -> 'details' from evidence where dataset = :dataset and action = 'audited' order by seq desc limit 1
""")


@pytest.fixture(scope="module")
def ports(stack, tmp_path_factory):
    """A copy of the hotline's contract with three releases, and a neighbour whose name begins like its own."""
    folder = tmp_path_factory.mktemp("contracts") / "schemas"
    settings = stack.settings.model_copy(update={"lease_seconds": 5})
    with copied_contracts(settings, folder, NAME, f"{NAME}_next", changes={"maxRowsChange: 0.5": "maxRowsChange: 9"}) as opened:
        for batch in range(BATCHES):
            release(opened, range(batch * 10, batch * 10 + 10))
        yield opened


@pytest.fixture
def contract(ports):
    return ports.contract(f"hotline.{NAME}")


def release(ports, numbers: range) -> None:
    contract = ports.contract(f"hotline.{NAME}")
    with bus.producer(ports.settings, "dept-hotline") as producer:
        for number in numbers:
            key = f"NYCC{number:08d}"
            document = {"case_no": key, "office_code": "NYCC01", "opened_on": "2024-01-05", "category": "Water"}
            event = Sent(f"event-{number}", "recorded", None, datetime(2024, 2, 1, tzinfo=UTC), document)
            producer.send(contract.topic, key=b"k", value=orjson.dumps(document), headers=event.headers(contract))
        producer.flush()
    run(ports, *steps_of(contract))


def run(ports, *steps: str) -> None:
    for step in steps:
        run_with(ports, step, f"hotline.{NAME}")


def readable(ports, contract) -> set[tuple]:
    """What people read now, by the manifest."""
    made, tables = current_release(ports.engine, contract.id), released_tables(contract)
    frames = [at(ports.spark, tables[name], made.snapshots[name]).select("case_no", "_event_id") for name in tables]
    return {tuple(row) for frame in frames for row in frame.collect()}


def refs(ports, table) -> set[str]:
    return set(load(ports.lake, table).metadata.refs)


def test_janitor_drops_what_lost_and_leaves_the_rest(ports, contract):
    before = {table: refs(ports, table) for table in all_tables([contract])}
    for table in before:
        create_branch(ports.lake, table, "a_1_0123456789ab", head(ports.lake, table, MAIN))
    assert janitor(ports, [contract]) == {"branches": 3, "files": 0, "busy": 0}
    assert {table: refs(ports, table) for table in before} == before


def test_janitor_does_nothing_under_a_live_lease(ports, contract):
    table = landing_table(contract)
    with leases.held(ports.engine, contract.id, "test", seconds=5) as lease:
        branch = f"a_{lease.epoch}_0123456789ab"
        create_branch(ports.lake, table, branch, head(ports.lake, table, MAIN))
        assert janitor(ports, [contract]) == {"branches": 0, "files": 0, "busy": 1}
        assert branch in refs(ports, table)
    assert janitor(ports, [contract])["branches"] == 1


def test_orphan_is_removed_and_neither_the_tables_nor_the_neighbours_files(ports, contract, stack):
    tables = [*all_tables([contract]), *all_tables([ports.contract(f"hotline.{NAME}_next")])]
    later = datetime.now(UTC) + timedelta(hours=1)
    with leases.held(ports.engine, contract.id, "test", seconds=60):
        assert [remove_orphans(ports, table, later, dry_run=True) for table in tables] == [0] * len(tables)
        loaded = load(catalog(stack.settings, "spark"), tables[1])
        left = f"{loaded.location()}/data/left-behind.parquet"
        with loaded.io.new_output(left).create() as file:
            file.write(b"x")
        young = datetime.now(UTC) - timedelta(hours=1)
        assert remove_orphans(ports, tables[1], young) == 0
        assert loaded.io.new_input(left).exists()
        assert remove_orphans(ports, tables[1], later) == 1
        assert not loaded.io.new_input(left).exists()
    assert len(readable(ports, contract)) == BATCHES * 10


def test_compaction_leaves_content_and_readers_alone_and_the_gate_follows(ports, contract):
    seen, main = readable(ports, contract), head(ports.lake, released_tables(contract)["current"], MAIN)
    landing, before = landing_table(contract), read_candidate(ports.engine, contract.id)
    digest = content_digest(ports, landing, head(ports.lake, landing, MAIN))
    assert compact(ports, [contract], many=2)["tables"] == 3
    after = read_candidate(ports.engine, contract.id)
    assert content_digest(ports, landing, head(ports.lake, landing, MAIN)) == digest
    assert head(ports.lake, released_tables(contract)["current"], MAIN) == main
    assert (after.number, after.offsets) == (before.number + 1, before.offsets)
    run(ports, "gate", "release")
    assert current_release(ports.engine, contract.id).snapshots == after.snapshots
    assert readable(ports, contract) == seen


def test_candidate_that_is_not_released_is_not_compacted(ports, contract):
    with leases.held(ports.engine, contract.id, "test", seconds=5):
        assert compact(ports, [contract], many=1)["busy"] == 1
    assert compact(ports, [contract], many=1000)["tables"] == 0


def test_content_digest_is_the_same_for_the_compacted_release_only(ports):
    table = released_tables(ports.contract(f"hotline.{NAME}"))["current"]
    snapshots = [found.snapshot_id for ref, found in load(ports.lake, table).metadata.refs.items() if ref.startswith("rel_")]
    digests = {content_digest(ports, table, snapshot) for snapshot in snapshots}
    assert (len(snapshots), len(digests)) == (BATCHES + 1, BATCHES)


def test_audit_of_what_people_read_is_in_the_evidence(ports, contract):
    assert audit(ports, [contract]) == {"audited": 1, "overtaken": 0}
    query = text(
        "select body::jsonb -> 'details' from evidence where dataset = :d and action = 'audited' order by seq desc limit 1"
    )
    with ports.engine.begin() as connection:
        details = connection.execute(query, {"d": contract.id}).scalar_one()
    assert details["passed"]
    assert details["release"] == current_release(ports.engine, contract.id).number


def test_audit_that_fails_names_dataset_and_rule(ports, contract):
    never = Rule(
        id="never",
        expectation="expect_column_values_to_be_null",
        kwargs={"column": "case_no"},
        sentence=Text(en="Never", zh="从不"),
    )
    broken = contract.model_copy(update={"rules": (*contract.rules, never)})
    with pytest.raises(GateClosedError, match=rf"{contract.id}: rule:never"):
        audit(ports, [broken])


def test_audit_leaves_an_overtaken_release_to_the_gate(ports, contract):
    other = contract.model_copy(update={"digest": "another"})
    assert audit(ports, [other]) == {"audited": 0, "overtaken": 1}


def test_expiry_keeps_the_last_of_the_day_and_what_a_run_needs(ports, contract):
    seen, tables = readable(ports, contract), released_tables(contract).values()
    later = datetime.now(UTC) + timedelta(days=contract.retention.releases_days + 4)
    assert expire(ports, [contract]) == {"releases": 0, "events": 0, "busy": 0}
    assert expire(ports, [contract], now=later) == {"releases": BATCHES, "events": 0, "busy": 0}
    now = current_release(ports.engine, contract.id)
    assert all(refs(ports, table) == {MAIN, CANDIDATE, f"rel_{now.number}"} for table in tables)
    assert all(len(load(ports.lake, table).metadata.snapshots) == 1 for table in tables)
    assert readable(ports, contract) == seen
    release(ports, range(90, 95))
    assert len(readable(ports, contract)) == len(seen) + 5


def test_expiry_leaves_a_held_dataset_alone(ports, contract):
    later = datetime.now(UTC) + timedelta(days=30)
    statement = "insert into hold (dataset, person, reason) values (:d, 'engineer', 'test')"
    with ports.engine.begin() as connection:
        connection.execute(text(statement), {"d": contract.id})
    assert expire(ports, [contract], now=later)["releases"] == 0
    with ports.engine.begin() as connection:
        connection.execute(text("delete from hold where dataset = :d"), {"d": contract.id})
    assert expire(ports, [contract], now=later)["releases"] == 1


def test_small_files_are_joined_in_the_day_when_they_are_many(ports, contract, monkeypatch):
    monkeypatch.setattr(compaction, "FEW_FILES", 2)
    landing, seen = landing_table(contract), readable(ports, contract)
    for batch in range(4):
        release(ports, range(200 + batch * 5, 205 + batch * 5))
        candidate = read_candidate(ports.engine, contract.id)
        snapshots = {landing: head(ports.lake, landing, MAIN)}
        snapshots |= {table: candidate.snapshots[name] for name, table in released_tables(contract).items()}
        assert all(compaction.files(ports, table, snapshot) <= 2 for table, snapshot in snapshots.items())
        assert current_release(ports.engine, contract.id).snapshots == candidate.snapshots
    assert len(readable(ports, contract)) == len(seen) + 20
    assert refs(ports, landing) == {MAIN}
    with ports.engine.begin() as connection:
        statement = "select count(*) from evidence where dataset = :d and action = 'compacted' and body like :landing"
        joined = connection.execute(text(statement), {"d": contract.id, "landing": f"%{landing.sql}%"}).scalar_one()
    assert joined >= 2


def test_a_compaction_that_would_change_the_content_is_dropped(ports, contract, monkeypatch):
    landing, digests = landing_table(contract), count()
    before = head(ports.lake, landing, MAIN)
    monkeypatch.setattr(compaction, "content_digest", lambda *_: next(digests))
    with pytest.raises(GateClosedError, match="no row is lost"):
        compact(ports, [contract], many=1)
    assert (head(ports.lake, landing, MAIN), refs(ports, landing)) == (before, {MAIN})


def test_small_files_that_can_not_be_joined_in_the_day_stay(ports, contract, monkeypatch):
    """The steps go on without: what they landed and cleaned is right as it stands."""
    monkeypatch.setattr(compaction, "FEW_FILES", 0)
    digests = count()
    monkeypatch.setattr(compaction, "content_digest", lambda *_: next(digests))
    seen, tables = readable(ports, contract), [landing_table(contract), *released_tables(contract).values()]
    release(ports, range(300, 305))
    assert next(digests) == 6, "landing, current and history were tried"
    assert len(readable(ports, contract)) == len(seen) + 5
    assert {ref for table in tables for ref in refs(ports, table) if not ref.startswith("rel_")} == {MAIN, CANDIDATE}


def test_a_column_gained_meanwhile_is_no_other_content(ports, contract, monkeypatch):
    """A deployment may come between a snapshot and the joining of its files."""
    landing = landing_table(contract)
    release(ports, range(310, 315))
    before = head(ports.lake, landing, MAIN)
    with ports.lake.load_table(landing.parts).update_schema() as update:
        update.add_column("gained", StringType())
    assert compact(ports, [contract], many=1)["tables"] >= 1
    after = head(ports.lake, landing, MAIN)
    assert after != before
    columns = at(ports.spark, landing, before).columns
    assert content_digest(ports, landing, after, columns) == content_digest(ports, landing, before)
    assert "gained" in at(ports.spark, landing, after).columns
