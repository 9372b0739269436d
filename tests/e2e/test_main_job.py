"""The main job, end to end: events in, a gate that closes, a repair, releases out, and the proof of it."""

import json

import pytest
from sqlalchemy import text

from commonweal import bus
from commonweal.evidence import GENESIS, Link, first_break
from commonweal.lake.releases import current_release
from commonweal.render.access import RELEASES_TOPIC
from commonweal.steps.run import run_with, steps_of
from infra.demo.story import CASES, HOTLINE
from infra.demo.town import REGISTER
from tests.main_job import rows_of


@pytest.fixture(scope="module")
def links(told) -> list[Link]:
    with told.ports.engine.begin() as connection:
        rows = connection.execute(text("select seq, body, prev_hash, hash from evidence order by seq")).all()
    return [Link(row.seq, row.body, bytes(row.prev_hash), bytes(row.hash)) for row in rows]


@pytest.mark.parametrize("dataset", [REGISTER, CASES])
def test_people_read_every_key_of_the_ledger_and_no_other(told, dataset):
    key = told.ports.contract(dataset).key_columns[0]
    read = [row[key] for row in rows_of(told, dataset)]
    assert len(read) == len(set(read)) == told.town.keys(dataset)


def test_the_real_export_is_released_without_its_conflicts(told):
    counts = current_release(told.ports.engine, HOTLINE).counts
    assert counts["accepted"] == told.outcomes["requests.csv"].sent
    assert counts["conflict"] > 0, "the export's double keys must be set aside"
    assert counts["accepted"] == counts["live"] + counts["superseded"] + counts["duplicate"] + counts["conflict"]


def test_findings_are_those_of_the_ledger(told):
    found = {(row["rule_code"], row["case_no"], row["other_record_no"]) for row in rows_of(told, "data_bureau.benefit_integrity")}
    assert found == {tuple(finding) for finding in told.town.findings[1]}


def test_the_gate_refused_first_and_a_repair_answered_every_rejection(told):
    assert f"{CASES}: refused" in told.log
    counts = current_release(told.ports.engine, CASES).counts
    assert (counts["rejected"], counts["open"], counts["repaired"]) == (len(told.town.wrong), 0, len(told.town.wrong))


def test_small_cells_of_open_data_are_hidden(told):
    rows = rows_of(told, "data_bureau.community_issues")
    shown = [row for row in rows if not row["is_suppressed"]]
    assert shown
    assert all(row["requests_count"] is None for row in rows if row["is_suppressed"])
    assert min(row["requests_count"] for row in shown) >= 20, "closed and open ones are ten each at least"


def test_the_evidence_is_an_unbroken_chain_with_every_release_and_refusal(told, links):
    assert first_break(links) is None
    actions = [(json.loads(link.body)["action"], json.loads(link.body)["dataset"]) for link in links]
    for contract in told.ports.contracts.values():
        assert ("released", contract.id) in actions
    assert actions.index(("refused", CASES)) < actions.index(("repaired", CASES)) < actions.index(("released", CASES))


@pytest.mark.parametrize("change", ["body", "removed", "swapped", "inserted"])
def test_a_changed_evidence_log_is_found_out(links, change):
    changed, middle = list(links), len(links) // 2
    if change == "body":
        link = changed[middle]
        changed[middle] = Link(link.seq, link.body.replace('"action"', '"Action"'), link.prev_hash, link.hash)
    elif change == "removed":
        del changed[middle]
    elif change == "swapped":
        changed[middle], changed[middle + 1] = changed[middle + 1], changed[middle]
    else:
        changed.insert(0, Link(1, "{}", GENESIS, GENESIS))
    assert first_break(changed) is not None


def test_subscribers_are_told_in_order_with_the_head_of_the_evidence(told, links):
    from kafka import TopicPartition

    heads, heard = {link.hash.hex() for link in links}, {}
    group = {"group_id": "hotline.e2e", "auto_offset_reset": "earliest"}
    with bus.consumer(told.ports.settings, "dept-hotline", **group) as consumer:
        parts = [TopicPartition(RELEASES_TOPIC, number) for number in consumer.partitions_for_topic(RELEASES_TOPIC)]
        consumer.assign(parts)
        consumer.seek_to_beginning(*parts)
        ends = consumer.end_offsets(parts)
        while any(consumer.position(part) < end for part, end in ends.items()):
            for records in consumer.poll(timeout_ms=500).values():
                for record in records:
                    heard.setdefault(record.key.decode(), []).append((dict(record.headers)["ce_type"], json.loads(record.value)))
    for contract in told.ports.contracts.values():
        numbers = [value["dataset_seq"] for _, value in heard[contract.id]]
        assert sorted(set(numbers)) == list(range(1, len(set(numbers)) + 1))
        assert heard[contract.id][-1][0] == b"commonweal.released"
        assert all(value["evidence"]["hash"] in heads for _, value in heard[contract.id])
    assert b"commonweal.refused" in [kind for kind, _ in heard[CASES]]


@pytest.mark.parametrize("dataset", [HOTLINE, CASES, "data_bureau.benefit_integrity"])
def test_every_step_run_again_changes_nothing(told, dataset):
    before = current_release(told.ports.engine, dataset)
    for step in steps_of(told.ports.contract(dataset)):
        assert run_with(told.ports, step, dataset)["outcome"] == "nothing", step
    assert current_release(told.ports.engine, dataset) == before
