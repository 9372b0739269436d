"""A product that is joined group by group has the rows that it has joined whole, whatever came, went or moved."""

import dataclasses
import secrets
import shutil
import sys
from collections.abc import Iterable
from contextlib import closing
from datetime import UTC, date, datetime
from typing import Any

import orjson
import pytest

from commonweal import bus
from commonweal.apply import apply
from commonweal.contract.model import Contract
from commonweal.lake.candidates import read_candidate
from commonweal.lake.names import released_table
from commonweal.lake.spark import appended, at
from commonweal.ports import Ports, open_ports
from commonweal.steps.run import run_with, steps_of
from infra.demo.people import resident_id
from jobs.data_bureau import benefit_integrity

SUFFIX = secrets.token_hex(4)
CASES, REGISTER, PRODUCT = f"civil_affairs.c_{SUFFIX}", f"public_security.r_{SUFFIX}", f"data_bureau.p_{SUFFIX}"
COPIES = {
    "civil_affairs.assistance_case": CASES,
    "public_security.household_registration": REGISTER,
    "data_bureau.benefit_integrity": PRODUCT,
}
PEOPLE = 40
IDS = [resident_id("990101", date(1960, 1, 1 + number % 28), number) for number in range(PEOPLE)]
DEAD = range(10)


@pytest.fixture(scope="module")
def ports(stack, tmp_path_factory):
    """The stack with copies of both sources and of their product, whose inputs are never too small or too much changed."""
    folder = tmp_path_factory.mktemp("contracts") / "schemas"
    shutil.copytree(stack.settings.schemas_dir, folder)
    for original, name in COPIES.items():
        words = (folder / f"{original.replace('.', '/')}.yaml").read_text(encoding="utf-8")
        words = words.replace(f"id: {original}", f"id: {name}").replace(
            f"name: {original.split('.')[1]}\n", f"name: {name.split('.')[1]}\n"
        )
        for other, copy in COPIES.items():
            words = words.replace(f"dataset: {other},", f"dataset: {copy},")
        (folder / f"{name.replace('.', '/')}.yaml").write_text(words, encoding="utf-8")
    opened = open_ports(stack.settings.model_copy(update={"schemas_dir": folder}))
    apply(opened.settings)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, f"jobs.{PRODUCT}", benefit_integrity)
        patch.setattr("commonweal.steps.changes.FEW_ROWS", 0)
        patch.setattr("commonweal.steps.changes.MOST_CHANGED", 1.0)
        yield opened
    opened.close()


def case(number: int, person: int, month: int = 1, **values: str) -> dict[str, Any]:
    amount = f"{800 + 10 * month}.00"
    given = {
        "case_no": f"C-{number}",
        "resident_id": IDS[person],
        "programme_code": "subsistence_allowance",
        "status_code": "active",
    }
    dates = {"opened_on": "2024-01-01", "changed_on": f"2024-{month:02d}-01", "paid_through_on": "2024-12-31"}
    return {**given, **dates, "monthly_amount_cny": amount, "area_code": "990101", **values}


def entry(person: int, event: str, day: str, number: int = 0) -> dict[str, Any]:
    died = {"died_on": day} if event == "death" else {}
    named = {"registration_no": f"R-{person}-{number}", "resident_id": IDS[person], "registration_event_code": event}
    return {**named, "changed_on": day, "change_sequence": 1, "area_code": "990101", **died}


def released(
    ports: Ports, dataset: str, documents: Iterable[dict[str, Any]], *, round_: int, withdrawn: tuple[str, ...] = ()
) -> None:
    """Send a round of documents, and withdrawals of events of the first round, and release what they make."""
    contract = ports.contract(dataset)
    key = contract.key[0]
    with bus.producer(ports.settings, f"dept-{contract.department}") as producer:
        for document in documents:
            is_gone = document[key] in withdrawn
            texts = {
                "ce_specversion": "1.0",
                "ce_id": f"{document[key]}-{round_}",
                "ce_source": f"/{contract.department}/records",
                "ce_type": f"{dataset}.{'withdrawn' if is_gone else 'recorded'}",
                "ce_time": datetime(2025, round_, 2, tzinfo=UTC).isoformat(),
                "ce_dataschema": f"urn:commonweal:{dataset}:{contract.version}",
                "content-type": "application/json",
            } | ({"ce_replaces": f"{document[key]}-1"} if is_gone else {})
            headers = [(name, value.encode()) for name, value in texts.items()]
            producer.send(contract.topic, key=document[key].encode(), value=orjson.dumps(document), headers=headers)
        producer.flush()
    for step in steps_of(contract):
        run_with(ports, step, dataset)


def rows(ports: Ports, contract: Contract) -> set[tuple[Any, ...]]:
    """What the product's candidate holds."""
    snapshot = read_candidate(ports.engine, contract.id).snapshots["current"]
    found = [tuple(row) for row in at(ports.spark, released_table(contract, "current"), snapshot).collect()]
    assert len(set(found)) == len(found)
    return set(found)


def joined(ports: Ports, *, rebuild: bool = False) -> dict[str, int | str]:
    return run_with(ports, "join", PRODUCT, rebuild=rebuild)


def test_group_by_group_is_the_same_as_whole(ports):
    product = ports.contract(PRODUCT)
    released(
        ports,
        REGISTER,
        [entry(person, "death" if person in DEAD else "register", "2024-06-10") for person in range(PEOPLE)],
        round_=1,
    )
    released(ports, CASES, [case(number, number) for number in range(PEOPLE)], round_=1)
    assert "groups" not in joined(ports)
    first = rows(ports, product)
    assert len(first) == len(DEAD)

    # A case moves to a person who is dead, one of a dead person goes, one's amount changes, and one comes beside another.
    later = [case(20, 3, 2), case(4, 4), case(5, 5, 3), case(40, 30, programme_code="extreme_hardship")]
    released(ports, CASES, later, round_=2, withdrawn=("C-4",))
    assert joined(ports)["groups"] == len({20, 3, 4, 5, 30})
    second = rows(ports, product)
    people = {row[product.fields.index(product.field("person_key"))] for row in first ^ second}
    assert len(people) == len({3, 4, 5, 30})
    assert len(second) == len(DEAD) - 1 + 1 + 1
    joined(ports, rebuild=True)
    assert rows(ports, product) == second

    # The register calls somebody alive after all, and another dead; then both sources change at once.
    released(ports, REGISTER, [entry(1, "register", "2024-09-01", number=1), entry(21, "death", "2024-07-03")], round_=2)
    assert joined(ports)["groups"] == len({1, 21})
    released(ports, REGISTER, [entry(22, "death", "2024-07-03")], round_=3)
    released(ports, CASES, [case(23, 23, 4)], round_=3)
    assert joined(ports)["groups"] == len({22, 23})
    third = rows(ports, product)
    assert len(third) == len(second) - 1 + 2
    joined(ports, rebuild=True)
    assert rows(ports, product) == third


def test_between_a_snapshot_and_itself_nothing_came(ports):
    """Compaction may have made a release of which one table is as it was."""
    cases = ports.contract(CASES)
    snapshot = read_candidate(ports.engine, CASES).snapshots["current"]
    assert appended(ports.spark, released_table(cases, "current"), snapshot, snapshot).count() == 0


def test_a_rebuilt_source_is_joined_whole(ports):
    product = ports.contract(PRODUCT)
    before = rows(ports, product)
    run_with(ports, "clean", CASES, rebuild=True)
    for step in ("gate", "release"):
        run_with(ports, step, CASES)
    found = joined(ports)
    assert found["outcome"] == "done"
    assert "groups" not in found
    assert rows(ports, product) == before


def test_few_rows_or_many_changes_are_joined_whole(ports, monkeypatch):
    for month, (name, value) in enumerate((("FEW_ROWS", 1000), ("MOST_CHANGED", 0.01)), start=5):
        with monkeypatch.context() as patch:
            patch.setattr(f"commonweal.steps.changes.{name}", value)
            released(ports, CASES, [case(24, 24, month)], round_=month)
            assert "groups" not in joined(ports)


def test_rows_that_other_code_made_are_joined_whole(ports):
    released(ports, CASES, [case(25, 25, 7)], round_=7)
    with closing(dataclasses.replace(ports, code_version="another")) as other:
        assert "groups" not in joined(other)
    released(ports, CASES, [case(26, 26, 8)], round_=8)
    assert "groups" not in joined(ports)
    released(ports, CASES, [case(27, 27, 9)], round_=9)
    assert joined(ports)["groups"] == 1
