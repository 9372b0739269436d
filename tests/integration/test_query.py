"""Released rows through ``commonweal query``: evidence before rows, refusals recorded, the release that people read."""

import json
import secrets
from datetime import UTC, datetime

import orjson
import pytest
from pyarrow import parquet
from sqlalchemy import text

from commonweal import bus
from commonweal.cli import main
from commonweal.contract.loader import load_datasets
from commonweal.database import engine
from commonweal.errors import AccessDeniedError
from commonweal.lake import lease as leases
from commonweal.people import Person
from commonweal.reading import Request, read
from commonweal.steps.release import roll_back
from commonweal.steps.run import run_with, steps_of
from commonweal.store import client, get_object, object_keys, put_object
from tests.integration.copies import copied_contracts
from tests.integration.histories import Sent

NAME = f"query_{secrets.token_hex(4)}"
DATASET = f"hotline.{NAME}"
PURPOSE = "service_improvement"
LAST = text("select actor, action, body from evidence where dataset = :dataset order by seq desc limit 1")


@pytest.fixture(scope="module")
def ports(stack, tmp_path_factory):
    """A copy of the hotline's contract with two releases: of 30 cases, then of 50, one of the first ones withdrawn."""
    changes = {"maxRowsChange: 0.5": "maxRowsChange: 5", "maxShareWithdrawn: 0.05": "maxShareWithdrawn: 1"}
    folder = tmp_path_factory.mktemp("contracts") / "schemas"
    with copied_contracts(stack.settings, folder, NAME, changes=changes) as opened:
        release(opened, [case(number) for number in range(30)])
        release(opened, [case(number) for number in range(30, 51)] + [withdrawal(0)])
        yield opened


def case(number: int) -> Sent:
    document = {"case_no": f"NYCC{number:08d}", "office_code": "NYCC01", "opened_on": "2024-01-05", "category": "供水 Water"}
    return Sent(f"event-{number}", "recorded", None, datetime(2024, 2, 1, tzinfo=UTC), document)


def withdrawal(number: int) -> Sent:
    told = case(number)
    return told._replace(event_id=f"{told.event_id}-w", kind="withdrawn", replaces=told.event_id)


def release(ports, events: list[Sent]) -> None:
    contract = ports.contract(DATASET)
    with bus.producer(ports.settings, "dept-hotline") as producer:
        for event in events:
            key = event.document["case_no"].encode()
            producer.send(contract.topic, key=key, value=orjson.dumps(event.document), headers=event.headers(contract))
        producer.flush()
    for step in steps_of(contract):
        run_with(ports, step, DATASET)


@pytest.fixture
def ask(ports, monkeypatch, capsysbinary):
    """Run the command; returns its exit code and what it wrote."""
    monkeypatch.setenv("COMMONWEAL_RUN_DIR", str(ports.settings.run_dir))
    monkeypatch.setenv("COMMONWEAL_SCHEMAS_DIR", str(ports.settings.schemas_dir))

    def run(*options: str, purpose: str = PURPOSE) -> tuple[int, bytes, str]:
        with pytest.raises(SystemExit) as ended:
            main(["query", DATASET, "--purpose", purpose, *options])
        out, err = capsysbinary.readouterr()
        return int(ended.value.code or 0), out, err.decode()

    return run


def last_entry(ports) -> tuple[str, str, dict]:
    with engine(ports.settings, "query").begin() as connection:
        row = connection.execute(LAST, {"dataset": DATASET}).one()
    return row.actor, row.action, json.loads(row.body)["details"]


def test_table_shows_twenty_rows_and_says_how_many_more(ask):
    code, out, _ = ask()
    assert code == 0
    assert "20 rows shown, 30 more" in out.decode()
    assert "_state" not in out.decode()


def test_csv_has_a_bom_chinese_and_live_rows_only(ask):
    code, out, err = ask("--format", "csv")
    lines = out.decode("utf-8-sig").splitlines()
    assert code == 0
    assert out.startswith(b"\xef\xbb\xbf")
    assert len(lines) == 51
    assert "供水 Water" in lines[1]
    assert not any("NYCC00000000" in line for line in lines)
    assert "50 of 50 rows" in err


def test_parquet_of_an_older_release_and_of_history(ask, tmp_path):
    older, history = tmp_path / "older.parquet", tmp_path / "history.parquet"
    assert ask("--release", "1", "--format", "parquet", "--output", str(older))[0] == 0
    assert ask("--table", "history", "--format", "parquet", "--output", str(history))[0] == 0
    assert parquet.read_table(older).num_rows == 30
    assert older.stat().st_mode & 0o777 == 0o600
    columns = parquet.read_table(history).column_names
    assert {"_valid_from", "_valid_to"} == {name for name in columns if name.startswith("_")}
    assert list(tmp_path.iterdir()) in ([older, history], [history, older])


def test_read_is_in_the_evidence_with_purpose_and_basis(ask, ports):
    ask("--as", "dept_justice", "--limit", "3")
    actor, action, details = last_entry(ports)
    assert (actor, action) == ("dept_justice", "read")
    assert (details["purpose"], details["release"], details["rows_at_most"]) == (PURPOSE, 2, 3)
    assert "Decree 809" in details["legal_basis"]
    assert "category" in details["columns"]


def test_no_row_is_read_when_the_evidence_can_not_be_written(ask, ports, monkeypatch):
    with engine(ports.settings, "commonweal").begin() as owner:
        owner.execute(text("revoke insert on evidence from query"))
    try:
        code, out, err = ask("--format", "csv")
    finally:
        with engine(ports.settings, "commonweal").begin() as owner:
            owner.execute(text("grant insert on evidence to query"))
    assert (code, out) == (13, b"")
    assert "lacks a right" in err


def test_what_was_asked_for_is_in_the_evidence_before_a_row_is_read(ask, ports):
    """Without the files that hold rows nothing can be read; that it was asked for is recorded all the same."""
    store, bucket = client(ports.settings, "root"), ports.settings.bucket_lakehouse
    files = [key for key in object_keys(store, bucket, f"hotline/{NAME}/") if key.endswith(".parquet")]
    contents = {key: get_object(store, bucket, key) for key in files}
    assert files
    try:
        for key in files:
            store.remove_object(bucket_name=bucket, object_name=key)
        code, _, _ = ask("--format", "csv", "--limit", "7")
    finally:
        for key, content in contents.items():
            put_object(store, bucket, key, content, content_type="application/octet-stream")
    actor, action, details = last_entry(ports)
    assert code == 20
    assert (actor, action, details.get("rows_at_most")) == ("engineer", "read", 7)


def test_a_refusal_is_in_the_evidence_even_where_nothing_was_released(stack):
    datasets = load_datasets(stack.settings.schemas_dir)
    asked = Request("public_security.household_registration", purpose=f"purpose_{secrets.token_hex(4)}", role="auditor")
    with pytest.raises(AccessDeniedError, match="not in its contract"):
        read(asked, stack.settings, datasets)
    with engine(stack.settings, "query").begin() as connection:
        entries = connection.execute(LAST, {"dataset": asked.dataset}).all()
    found = [(entry.actor, entry.action, json.loads(entry.body)["details"].get("purpose")) for entry in entries]
    assert found == [("auditor", "read_denied", asked.purpose)]


@pytest.mark.parametrize("purpose", ["marketing", "99010119900307002X"])
def test_denied_purpose_is_recorded_and_never_repeated(ask, ports, purpose):
    code, out, err = ask(purpose=purpose)
    actor, action, details = last_entry(ports)
    assert (code, out) == (13, b"")
    assert PURPOSE in err
    assert (actor, action) == ("engineer", "read_denied")
    assert details["purpose"] == ("marketing" if purpose == "marketing" else "not a name")


def test_missing_secret_is_refused_and_recorded(ask, ports):
    code, out, _ = ask("--as", "dept_nobody")
    actor, action, details = last_entry(ports)
    assert (code, out) == (13, b"")
    assert (actor, action, details["role"], details["signed_in"]) == ("query", "read_denied", "dept_nobody", False)


def test_program_is_refused(ask, ports):
    assert ask("--as", "pipeline")[0] == 13
    assert last_entry(ports)[:2] == ("pipeline", "read_denied")


def test_release_that_never_was(ask):
    code, _, err = ask("--release", "99")
    assert code == 10
    assert "people read release 2" in err


def test_rolled_back_dataset_reads_the_older_release(ask, ports):
    with leases.held(ports.engine, DATASET, "test", seconds=60) as lease:
        roll_back(ports.contract(DATASET), ports, lease, number=1, person=Person("engineer", None), reason="a test")
    assert len(ask("--format", "csv")[1].decode("utf-8-sig").splitlines()) == 31
    assert ask("--release", "2")[0] == 10
