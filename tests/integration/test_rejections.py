"""Rejected events answered by people: evidence before a payload, a whole check before a record, every answer known."""

import json
import secrets
from datetime import UTC, datetime

import orjson
import pytest
from sqlalchemy import text

from commonweal import bus
from commonweal.cli import main
from commonweal.database import engine
from commonweal.gate.measure import Counting
from commonweal.lake import lease as leases
from commonweal.lake.candidates import read_candidate
from commonweal.people import Person
from commonweal.rejections import list_rejections
from commonweal.steps.clean import clean
from commonweal.steps.land import land
from tests.integration.copies import copied_contracts
from tests.integration.histories import Sent

NAME = f"reject_{secrets.token_hex(4)}"
DATASET = f"hotline.{NAME}"
OWN = Person("dept_hotline", "hotline")
ENTRIES = text("select actor, action, body from evidence where dataset = :dataset order by seq")
FAULTS = {
    "required:office_code": {},
    "department:ce_source": {"ce_source": "/justice/cases"},
    "required:ce_id": {"ce_id": None},
    "major_version:ce_dataschema": {"ce_dataschema": f"urn:commonweal:{DATASET}:9.0.0"},
    "timestamp:ce_time": {"ce_time": "yesterday"},
    "repeated:ce_id": {},
}
"""By reason, what is wrong with the headers of one record each; the key's last digit is its position here."""
MENDED = {
    "department:ce_source": {"ce_source": "/hotline/cases"},
    "required:ce_id": {"ce_id": "event-2"},
    "major_version:ce_dataschema": {"ce_dataschema": f"urn:commonweal:{DATASET}:1.0.0"},
    "timestamp:ce_time": {"ce_time": "2024-02-01T00:00:00Z"},
    "repeated:ce_id": {"ce_id": "event-5"},
}


@pytest.fixture(scope="module")
def ports(stack, tmp_path_factory):
    """A copy of the hotline's contract with one record of each fault, landed."""
    folder = tmp_path_factory.mktemp("contracts") / "schemas"
    with copied_contracts(stack.settings, folder, NAME) as opened:
        send_faulty(opened)
        landed(opened)
        yield opened


def document(number: int) -> dict[str, str]:
    return {"case_no": f"NYCC{number:08d}", "office_code": "NYCC01", "opened_on": "2024-01-05", "category": "Water"}


def send_faulty(ports) -> None:
    contract = ports.contract(DATASET)
    with bus.producer(ports.settings, "dept-hotline") as producer:
        for number, (reason, changed) in enumerate(FAULTS.items()):
            wrong = {"office_code": None} if reason == "required:office_code" else {}
            event = Sent(f"event-{number}", "recorded", None, datetime(2024, 2, 1, tzinfo=UTC), document(number) | wrong)
            headers = {name: value.decode() for name, value in event.headers(contract)} | changed
            pairs = [(name, text.encode()) for name, text in headers.items() if text is not None]
            pairs += [("ce_id", b"another")] if reason == "repeated:ce_id" else []
            producer.send(contract.topic, key=b"k", value=orjson.dumps(event.document), headers=pairs, partition=0)
        producer.flush()


def landed(ports) -> None:
    contract = ports.contract(DATASET)
    with leases.held(ports.engine, DATASET, "test", seconds=60) as lease:
        land(contract, ports, lease)
        clean(contract, ports, lease)


@pytest.fixture
def command(ports, monkeypatch, capsys):
    """Run ``commonweal rejected``; returns its exit code, its output and its errors."""
    monkeypatch.setenv("COMMONWEAL_RUN_DIR", str(ports.settings.run_dir))
    monkeypatch.setenv("COMMONWEAL_SCHEMAS_DIR", str(ports.settings.schemas_dir))

    def call(name: str, *options: str, role: str = "dept_hotline") -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["rejected", name, DATASET, *options, "--as", role])
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return call


@pytest.fixture
def repairs(tmp_path):
    def write(*lines: dict) -> str:
        path = tmp_path / "repairs.jsonl"
        path.write_bytes(b"\n".join(orjson.dumps(line) for line in lines))
        return str(path)

    return write


def place(number: int) -> str:
    return f"{DATASET}.v1:0:{number}"


def entries(ports) -> list[tuple[str, str, dict]]:
    with engine(ports.settings, "auditor").begin() as connection:
        rows = connection.execute(ENTRIES, {"dataset": DATASET}).all()
    return [(row.actor, row.action, json.loads(row.body)["details"]) for row in rows]


def sent_so_far(ports) -> int:
    topic = ports.contract(DATASET).repair_topic
    with bus.admin(ports.settings, "watch") as admin:
        return sum(bus.end_offsets(admin, [topic])[topic].values())


def test_each_fault_is_listed_with_its_reason(command):
    code, out, _ = command("list", "--json")
    found = [json.loads(line) for line in out.splitlines()]
    assert (code, [item["place"] for item in found]) == (0, [place(number) for number in range(len(FAULTS))])
    assert [item["reasons"] for item in found] == [[reason] for reason in FAULTS]


@pytest.mark.parametrize("decision", ["list", "show", "repair", "replay", "dismiss"])
def test_another_department_is_refused_and_that_is_recorded_once(ports, command, repairs, decision):
    before, sent = entries(ports), sent_so_far(ports)
    what = {"list": [], "repair": [repairs({"place": place(0), "document": document(0)})]}.get(decision, [place(0)])
    code, out, err = command(decision, *what, *([] if decision == "list" else ["--reason", "x"]), role="dept_justice")
    assert (code, out) == (13, "")
    assert "its department or an engineer may" in err
    details = {"decision": decision, "role": "dept_justice", "signed_in": True}
    assert entries(ports)[len(before) :] == [("dept_justice", "decision_denied", details)]
    assert sent_so_far(ports) == sent


def test_what_is_shown_was_recorded_before(ports, command):
    code, out, _ = command("show", place(0), "--reason", "to correct it")
    actor, action, details = entries(ports)[-1]
    assert (code, json.loads(json.loads(out)["value"])["office_code"]) == (0, None)
    assert (actor, action) == ("dept_hotline", "payload_shown")
    assert details == {"reason": "to correct it", "records": [[f"{DATASET}.v1", 0, 0]]}


def test_the_evidence_comes_before_the_payload_is_looked_for(ports, command):
    code, _, err = command("show", place(99), "--reason", "to see whether it is there")
    assert (code, "hold no rejected record" in err) == (10, True)
    shown = ("payload_shown", {"reason": "to see whether it is there", "records": [[f"{DATASET}.v1", 0, 99]]})
    assert [entry[1:] for entry in entries(ports)][-1:] == [shown]


def test_no_payload_is_shown_when_the_evidence_can_not_be_written(ports, command):
    with engine(ports.settings, "commonweal").begin() as owner:
        owner.execute(text("revoke insert on evidence from pipeline"))
    try:
        code, out, err = command("show", place(0), "--reason", "x")
    finally:
        with engine(ports.settings, "commonweal").begin() as owner:
            owner.execute(text("grant insert on evidence to pipeline"))
    assert (code, out) == (13, "")
    assert "lacks a right" in err


def test_what_would_be_rejected_again_is_not_sent_nor_what_is_good_beside_it(ports, command, repairs):
    before = sent_so_far(ports)
    code, _, err = command("replay", *map(place, range(len(FAULTS))), "--reason", "x")
    assert code == 11
    assert f"{len(FAULTS)} of {len(FAULTS)} records can't be sent" in err
    assert all(f"{reason} (1)" in err for reason in FAULTS)
    path = repairs(*({"place": place(number), "document": document(number)} for number in range(len(FAULTS))))
    code, _, err = command("repair", path, "--reason", "x")
    assert code == 11
    assert f"{len(MENDED)} of {len(FAULTS)} records can't be sent" in err
    assert all((f"{reason} (1)" in err) is (reason in MENDED) for reason in FAULTS)
    assert sent_so_far(ports) == before
    assert entries(ports)[-1][1] == "payload_shown"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ({"place": place(0), "document": document(0), "headers": {"ce_id": 7}}, "not of this shape"),
        ({"place": place(0), "document": document(0), "more": 1}, "not of this shape"),
        ({"place": place(0)}, "not of this shape"),
        ({"place": place(0), "document": document(0), "headers": {"ce_id": "another"}}, "stays:ce_id (1)"),
        ({"place": place(1), "document": document(1), "headers": {"ce_source": "/justice/x"}}, "department:ce_source (1)"),
    ],
)
def test_a_repair_that_says_too_much_is_refused(ports, command, repairs, line, said):
    before = sent_so_far(ports)
    code, _, err = command("repair", repairs(line), "--reason", "x")
    assert code in (10, 11)
    assert said in err
    assert sent_so_far(ports) == before


def test_one_record_is_not_repaired_twice_in_a_file(ports, command, repairs):
    line = {"place": place(0), "document": document(0)}
    code, _, err = command("repair", repairs(line, line), "--reason", "x")
    assert (code, "1 of 2 records stand twice" in err, sent_so_far(ports)) == (10, True, 0)


def test_mended_envelopes_land_and_each_rejection_is_known_to_be_answered(ports, command, repairs):
    lines = [{"place": place(number), "document": document(number)} for number in range(len(FAULTS))]
    lines = [line | {"headers": MENDED.get(reason, {})} for line, reason in zip(lines, FAULTS, strict=True)]
    code, out, _ = command("repair", repairs(*lines), "--reason", "read again")
    assert (code, f"{len(FAULTS)} repaired" in out) == (0, True)
    assert entries(ports)[-1][1] == "repaired"
    assert entries(ports)[-1][2]["headers"] == {"ce_source": 1, "ce_id": 2, "ce_dataschema": 1, "ce_time": 1}
    landed(ports)
    contract = ports.contract(DATASET)
    assert len(list_rejections(contract, ports, OWN, fate="repaired")) == len(FAULTS)
    assert list_rejections(contract, ports, OWN) == []
    counted = Counting(contract, read_candidate(ports.engine, DATASET), None, ports.spark, ports.engine).accounting()
    assert (counted.rejected, counted.open, counted.repaired, counted.live) == (len(FAULTS), 0, len(FAULTS), len(FAULTS))
