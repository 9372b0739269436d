"""Rotation of the pseudonym key on a dataset of its own: everything follows the new key, nothing else changes."""

import dataclasses
import secrets
from datetime import UTC, date, datetime

import orjson
import pytest
from sqlalchemy import text

from commonweal import bus, rotation
from commonweal.database import this_day
from commonweal.epochs import dataset_epoch, newest_epoch
from commonweal.errors import AccessDeniedError, ConfigError, ConflictError
from commonweal.identity import current_epoch, load_pseudonymiser
from commonweal.lake.candidates import read_candidate
from commonweal.lake.catalog import head, load
from commonweal.lake.names import MAIN, landing_table, released_tables
from commonweal.lake.releases import current_release
from commonweal.lake.spark import at
from commonweal.people import Person
from commonweal.steps.run import run_with, steps_of
from commonweal.work import find_work, read_state
from infra.demo.people import resident_id
from tests.integration.copies import copied_contracts

NAME = f"keys_{secrets.token_hex(4)}"
DATASET = f"civil_affairs.{NAME}"
ENGINEER = Person("engineer", None)
IDS = [resident_id("990101", date(1960, 1, 1 + number), number) for number in range(20)]


@pytest.fixture(scope="module")
def ports(stack, tmp_path_factory):
    """The stack with a copy of the assistance contract, which alone is rotated here."""
    folder = tmp_path_factory.mktemp("contracts") / "schemas"
    with copied_contracts(stack.settings, folder, NAME, of="civil_affairs.assistance_case") as opened:
        own = dataclasses.replace(opened, contracts={DATASET: opened.contracts[DATASET]})
        yield own
        own.close()


@pytest.fixture(scope="module")
def contract(ports):
    return ports.contract(DATASET)


@pytest.fixture(scope="module")
def released(ports, contract) -> int:
    """Two states of each case and one bad record, released; returns the epoch that they landed under."""
    send(ports, contract, [(f"C-{number}", number, month) for month in (1, 2) for number in range(len(IDS))])
    run(ports)
    return dataset_epoch(ports.engine, DATASET)


def send(ports, contract, cases: list[tuple[str, int, int]]) -> None:
    with bus.producer(ports.settings, "dept-civil_affairs") as producer:
        for case_no, person, month in cases:
            document = {
                "case_no": case_no,
                "resident_id": IDS[person],
                "programme_code": "subsistence_allowance",
                "status_code": "active",
                "opened_on": "2025-01-01",
                "changed_on": f"2025-{month:02d}-01",
                "monthly_amount_cny": "820.50",
                "area_code": "990101",
            }
            headers = {
                "ce_specversion": "1.0",
                "ce_id": f"{case_no}-{month}",
                "ce_source": "/civil_affairs/cases",
                "ce_type": f"{contract.id}.recorded",
                "ce_time": datetime(2025, month, 2, tzinfo=UTC).isoformat(),
                "ce_dataschema": f"urn:commonweal:{contract.id}:{contract.version}",
                "content-type": "application/json",
            }
            packed = [(name, value.encode()) for name, value in headers.items()]
            producer.send(contract.topic, key=case_no.encode(), value=orjson.dumps(document), headers=packed)
        producer.flush()


def run(ports) -> None:
    for step in steps_of(ports.contract(DATASET)):
        run_with(ports, step, DATASET)


def rotate(ports) -> list[rotation.Standing]:
    return list(rotation.rotate(ports, ENGINEER, reason="a test"))


def people_read(ports, contract) -> dict[str, str]:
    """By case the pseudonym that people read."""
    made = current_release(ports.engine, DATASET)
    frame = at(ports.spark, released_tables(contract)["current"], made.snapshots["current"])
    return {row["case_no"]: row["person_key"] for row in frame.collect()}


def pseudonyms(ports, epoch: int) -> dict[str, str]:
    key = load_pseudonymiser(ports.settings.keys_dir, epoch)
    return {f"C-{number}": key.pseudonym("resident_id", identifier) for number, identifier in enumerate(IDS)}


def test_everything_follows_the_new_key_and_people_wait_for_the_gate(ports, contract, released):
    before = current_release(ports.engine, DATASET)
    assert people_read(ports, contract) == pseudonyms(ports, released)
    assert rotate(ports) == [rotation.Standing(DATASET, newest_epoch(ports.engine), released)]
    epoch = newest_epoch(ports.engine)
    assert epoch > released
    assert people_read(ports, contract) == pseudonyms(ports, released)
    assert (
        "keys rotated"
        in find_work(contract, read_state(ports.engine, contract), {}, "code", today=this_day(ports.engine)).reasons
    )
    run(ports)
    assert people_read(ports, contract) == pseudonyms(ports, epoch)
    after = current_release(ports.engine, DATASET)
    assert (before.key_epoch, after.key_epoch, after.rows) == (released, epoch, before.rows)
    assert rotation.standings(ports) == [rotation.Standing(DATASET, epoch, epoch)]


def test_later_events_land_under_the_new_key_and_meet_the_old_ones(ports, contract, released):
    send(ports, contract, [("C-0", 0, 2), ("C-1", 1, 3)])
    run(ports)
    counts = current_release(ports.engine, DATASET).counts
    assert (counts["duplicate"], counts["conflict"], counts["live"]) == (1, 0, len(IDS))
    assert people_read(ports, contract) == pseudonyms(ports, newest_epoch(ports.engine))
    landing = landing_table(contract)
    rows = at(ports.spark, landing, head(ports.lake, landing, MAIN)).select("person_key").distinct().collect()
    assert {row["person_key"] for row in rows} == set(pseudonyms(ports, newest_epoch(ports.engine)).values())


def test_it_is_in_the_evidence_with_person_and_reason(ports, released):
    query = text("select body::jsonb -> 'details' from evidence where dataset = :d and action = 'keys_rotated' order by seq")
    with ports.engine.begin() as connection:
        details = connection.execute(query, {"d": DATASET}).scalars().first()
        made = connection.execute(text("select person, reason from pseudonym_epoch order by epoch desc limit 1")).one()
    assert (details["reason"], details["events"]) == ("a test", 2 * len(IDS))
    assert tuple(made) == ("engineer", "a test")


def test_a_rotation_that_was_interrupted_goes_on_where_it_was(ports, contract, released):
    add = rotation.add_epoch(ports.settings.keys_dir)
    assert rotate(ports)[0].landed == add == current_epoch(ports.settings.keys_dir)
    with ports.engine.begin() as connection:
        connection.execute(text("insert into pseudonym_epoch (epoch, person, reason) values (:e, 'x', 'x')"), {"e": add + 1})
    with pytest.raises(ConfigError, match=rf"pseudonym\.{add + 1}\.key is missing"):
        rotate(ports)
    assert dataset_epoch(ports.engine, DATASET) == add
    assert set(load(ports.lake, landing_table(contract)).metadata.refs) - {MAIN}, "its branch is the janitor's"
    assert rotation.add_epoch(ports.settings.keys_dir) == add + 1
    assert rotate(ports)[0].landed == add + 1
    run(ports)
    assert people_read(ports, contract) == pseudonyms(ports, add + 1)


def test_only_an_engineer_may_and_a_refusal_is_recorded(ports, released):
    query = text(
        "select count(*) from evidence where action = 'decision_denied' and actor = 'dept_civil_affairs' and dataset is null"
    )
    with ports.engine.begin() as connection:
        before = connection.execute(query).scalar_one()
    with pytest.raises(AccessDeniedError, match="dept_civil_affairs may not decide what concerns all"):
        list(rotation.rotate(ports, Person("dept_civil_affairs", "civil_affairs"), reason="a test"))
    with ports.engine.begin() as connection:
        assert connection.execute(query).scalar_one() == before + 1


def test_a_landing_under_another_epoch_changes_nothing(ports, released):
    from commonweal.epochs import confirm

    with pytest.raises(ConflictError, match="rotated meanwhile"), ports.engine.begin() as connection:
        confirm(connection, DATASET, dataset_epoch(ports.engine, DATASET) - 1)
    assert read_candidate(ports.engine, DATASET).key_epoch == dataset_epoch(ports.engine, DATASET)
