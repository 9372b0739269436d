"""What happened since the last release, counted key by key; offsets without a record, from a transaction that was aborted."""

import json
import secrets
from dataclasses import replace
from datetime import UTC, datetime

import orjson
import pytest
from sqlalchemy import text

from commonweal import bus
from commonweal.gate.measure import Counting
from commonweal.lake.candidates import read_candidate
from commonweal.lake.releases import current_release
from commonweal.steps.run import run_with, steps_of
from tests.integration.copies import copied_contracts
from tests.integration.histories import Sent

NAME = f"since_{secrets.token_hex(4)}"
DATASET = f"hotline.{NAME}"
ABORTED, MARKERS = 3, 1
ROWS = 3
REPORT = text("select report from gate_result where dataset = :dataset order by made_at desc limit 1")


def case(key: int, day: int = 5, **more: object) -> Sent:
    document = {"case_no": f"NYCC{key:08d}", "office_code": "NYCC01", "category": "Water", "opened_on": f"2024-01-{day:02d}"}
    return Sent(f"event-{key}-{day}", "recorded", None, datetime(2024, 2, day, tzinfo=UTC), document)._replace(**more)


def withdrawal(key: int) -> Sent:
    return case(key, event_id=f"gone-{key}", kind="withdrawn", replaces=f"event-{key}-5")


def correction(key: int, replaces: str) -> Sent:
    return case(key, event_id=f"right-{key}", kind="corrected", replaces=replaces)


@pytest.fixture(scope="module")
def ports(stack, tmp_path_factory):
    """Released: key 1 stands, 2 is withdrawn, 3 waits for an event, 4 stands. Then each is what its neighbour was."""
    changes = {
        "maxRowsChange: 0.5, maxShareWithdrawn: 0.05": "maxRowsChange: 9, maxShareWithdrawn: 1",
        "maxShareSetAside: 0.01": "maxShareSetAside: 1",
    }
    folder = tmp_path_factory.mktemp("contracts") / "schemas"
    with copied_contracts(stack.settings, folder, NAME, changes=changes) as opened:
        send(opened, [case(1), case(2), withdrawal(2), correction(3, "event-3-5"), case(4)])
        run(opened, *steps_of(opened.contract(DATASET)))
        abort(opened)
        send(opened, [withdrawal(1), case(2, day=9), case(3), correction(4, "never")])
        run(opened, "land", "clean")
        yield opened


def send(ports, events: list[Sent]) -> None:
    """Into one partition, in order."""
    contract = ports.contract(DATASET)
    with bus.producer(ports.settings, "dept-hotline") as producer:
        for event in events:
            value = orjson.dumps(event.document)
            producer.send(contract.topic, key=b"k", value=value, headers=event.headers(contract), partition=0)
        producer.flush()


def abort(ports) -> None:
    """A transaction that is aborted; only an administrator may write in one."""
    contract = ports.contract(DATASET)
    with bus.producer(ports.settings, "admin", transactional_id=NAME) as producer:
        producer.init_transactions()
        producer.begin_transaction()
        for number in range(ABORTED):
            event = case(50 + number)
            producer.send(contract.topic, value=orjson.dumps(event.document), headers=event.headers(contract), partition=0)
        producer.flush()
        producer.abort_transaction()


def run(ports, *steps: str) -> None:
    for step in steps:
        run_with(ports, step, DATASET)


def measured(ports, **changes: object):
    return counting(ports, replace(current_release(ports.engine, DATASET), **changes)).since(ROWS)


def counting(ports, before) -> Counting:
    return Counting(ports.contract(DATASET), read_candidate(ports.engine, DATASET), before, ports.spark, ports.engine)


def test_what_one_key_gains_makes_up_for_no_other(ports):
    found = measured(ports)
    assert (found.withdrawn, found.set_aside) == (1, 1)
    assert (found.rows_before, found.accepted) == (2, 4)


def test_keys_that_mean_something_else_are_counted_in_sum(ports):
    found = measured(ports, contract_version="0.9.0")
    assert (found.withdrawn, found.set_aside) == (0, 0)


def test_other_pseudonyms_of_the_same_keys_are_counted_in_sum(ports):
    contract = ports.contract(DATASET)
    own = [field.model_copy(update={"identifier": "resident_id", "personal": "identifier"}) for field in contract.fields[:1]]
    by_person = contract.model_copy(update={"fields": (*own, *contract.fields[1:])})
    candidate = replace(read_candidate(ports.engine, DATASET), key_epoch=2)
    found = {}
    for epoch in (1, 2, None):
        before = replace(current_release(ports.engine, DATASET), key_epoch=epoch)
        counted = Counting(by_person, candidate, before, ports.spark, ports.engine).since(ROWS)
        found[epoch] = (counted.rows_before, counted.withdrawn, counted.set_aside)
    assert contract.fields[0].name in contract.key
    assert found == {1: (2, 0, 0), 2: (2, 1, 1), None: (2, 1, 1)}


def test_before_the_first_release_all_is_new(ports):
    found = counting(ports, None).since(ROWS)
    assert (found.rows_before, found.withdrawn, found.set_aside, found.accepted) == (None, 1, 1, 9)


def test_an_aborted_transaction_is_a_warning_and_no_refusal(ports):
    counted = counting(ports, None).accounting()
    assert counted.gaps == measured(ports).gaps == ABORTED + MARKERS
    assert counted.offsets_add_up
    run(ports, "gate", "release")
    with ports.engine.begin() as connection:
        report = connection.execute(REPORT, {"dataset": DATASET}).scalar_one()
    report = report if isinstance(report, dict) else json.loads(report)
    assert report["passed"]
    (gaps,) = [check for check in report["checks"] if check["id"] == "gaps"]
    assert (gaps["severity"], gaps["success"], gaps["count"]) == ("warn", False, ABORTED + MARKERS)


def test_gaps_that_were_released_warn_no_more(ports):
    assert measured(ports).gaps == 0
