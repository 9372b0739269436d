"""What people decide about releases: who may, what a refusal leaves behind, and what a rollback and its end come to."""

import json
import secrets
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from sqlalchemy import text

from commonweal import bus
from commonweal.cli import main
from commonweal.cli.status import _next
from commonweal.lake.candidates import read_candidate
from commonweal.lake.catalog import head
from commonweal.lake.names import MAIN, released_tables
from commonweal.lake.releases import current_release, hold_of, rolled_back_numbers
from commonweal.maintenance.compact import compact
from commonweal.maintenance.expire import expire
from commonweal.overview import end_offsets, overview
from commonweal.steps.join import _not_newer_than_current
from commonweal.steps.run import run_with, steps_of
from tests.integration.copies import copied_contracts
from tests.integration.histories import Sent

NAME = f"decide_{secrets.token_hex(4)}"
DATASET = f"hotline.{NAME}"
DENIED = text("select actor, body from evidence where dataset = :dataset and action = 'decision_denied' order by seq")


@pytest.fixture(scope="module")
def ports(stack, tmp_path_factory):
    """A copy of the hotline's contract with two releases, of 10 cases and of 20."""
    folder = tmp_path_factory.mktemp("contracts") / "schemas"
    with copied_contracts(stack.settings, folder, NAME, changes={"maxRowsChange: 0.5": "maxRowsChange: 9"}) as opened:
        for batch in range(2):
            publish(opened, range(batch * 10, batch * 10 + 10))
            run(opened)
        yield opened


def publish(ports, numbers: range) -> None:
    contract = ports.contract(DATASET)
    with bus.producer(ports.settings, "dept-hotline") as producer:
        for number in numbers:
            document = {"case_no": f"NYCC{number:08d}", "office_code": "NYCC01", "opened_on": "2024-01-05", "category": "Water"}
            event = Sent(f"event-{number}", "recorded", None, datetime(2024, 2, 1, tzinfo=UTC), document)
            producer.send(contract.topic, key=b"k", value=orjson.dumps(document), headers=event.headers(contract))
        producer.flush()


def run(ports) -> str:
    """Every step, as a run of the DAG; what the last of them, release, came to."""
    return [run_with(ports, step, DATASET) for step in steps_of(ports.contract(DATASET))][-1]["outcome"]


@pytest.fixture
def command(ports, monkeypatch, capsys):
    """Run ``commonweal release``; returns its exit code and what it wrote."""
    monkeypatch.setenv("COMMONWEAL_RUN_DIR", str(ports.settings.run_dir))
    monkeypatch.setenv("COMMONWEAL_SCHEMAS_DIR", str(ports.settings.schemas_dir))

    def call(decision: str, *options: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            main(["release", decision, DATASET, *options, "--reason", "a test"])
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out + err

    return call


@pytest.fixture
def denied(ports):
    def read() -> list[tuple[str, dict]]:
        with ports.engine.begin() as connection:
            rows = connection.execute(DENIED, {"dataset": DATASET}).all()
        return [(row.actor, json.loads(row.body)["details"]) for row in rows]

    return read


def current(ports) -> int:
    return current_release(ports.engine, DATASET).number


def inputs(ports) -> list[int]:
    return [made.number for made, _ in _not_newer_than_current(ports, DATASET)]


def shown(ports) -> tuple[tuple[str, ...], str]:
    """Why there is work, and what ``commonweal status`` says comes next."""
    contracts = {DATASET: ports.contract(DATASET)}
    [found] = overview(ports.engine, contracts, end_offsets(ports.settings, contracts))
    return found.work.reasons, _next(found)


@pytest.mark.parametrize(
    ("role", "actor"), [("dept_justice", "dept_justice"), ("auditor", "auditor"), ("dept_nobody", "pipeline")]
)
@pytest.mark.parametrize("decision", ["rollback", "hold", "lift"])
def test_a_refused_decision_changes_nothing_and_is_recorded_once(ports, command, denied, decision, role, actor):
    before = denied()
    code, _ = command(decision, *(["1"] if decision == "rollback" else []), "--as", role)
    assert code == 13
    assert denied()[len(before) :] == [(actor, {"decision": decision, "role": role, "signed_in": role == actor})]
    assert (current(ports), hold_of(ports.engine, DATASET)) == (2, None)


def test_a_typed_role_that_is_no_name_is_not_kept(command, denied):
    assert command("hold", "--as", "99010119900307002X")[0] == 13
    assert denied()[-1] == ("pipeline", {"decision": "hold", "role": "not a name", "signed_in": False})


def test_no_refusal_is_said_that_can_not_be_recorded(stack, command):
    from commonweal.database import engine

    with engine(stack.settings, "commonweal").begin() as owner:
        owner.execute(text("revoke insert on evidence from pipeline"))
    try:
        code, said = command("hold", "--as", "dept_justice")
    finally:
        with engine(stack.settings, "commonweal").begin() as owner:
            owner.execute(text("grant insert on evidence to pipeline"))
    assert code == 13
    assert "lacks a right" in said


def test_what_was_rolled_back_is_not_released_again_after_the_lift(ports, command):
    assert command("rollback", "1")[0] == 0
    assert shown(ports) == ((), "held by a person; commonweal release lift")
    code, said = command("lift")
    assert (code, "is not released again as it was" in said) == (0, True)
    assert shown(ports) == ((), "rolled back; waits for a newer candidate")
    assert (run(ports), current(ports)) == ("nothing", 1)
    assert inputs(ports) == [1]


def test_what_is_newer_is_released_and_the_one_between_is_no_input(ports, command, capsys):
    publish(ports, range(20, 25))
    assert "landed < end" in shown(ports)[0]
    assert (run(ports), current(ports)) == ("done", 3)
    assert inputs(ports) == [3, 1]
    with pytest.raises(SystemExit) as ended:
        main(["query", DATASET, "--purpose", "service_improvement", "--release", "2"])
    assert ended.value.code == 10
    assert "no release 2 to read" in capsys.readouterr().err


def test_its_rows_in_other_files_are_not_newer(ports, command):
    assert compact(ports, [ports.contract(DATASET)], many=2)["tables"] > 0
    assert read_candidate(ports.engine, DATASET).snapshots != current_release(ports.engine, DATASET).snapshots
    assert command("rollback", "1")[0] == 0
    assert "is not released again as it was" in command("lift")[1]
    assert (run(ports), current(ports)) == ("nothing", 1)
    assert shown(ports) == ((), "rolled back; waits for a newer candidate")
    assert rolled_back_numbers(ports.engine, DATASET) == {2, 3}


def test_a_rebuild_is_newer(ports):
    for step in ("clean", "gate", "release"):
        run_with(ports, step, DATASET, rebuild=step == "clean")
    assert current(ports) == 4
    assert inputs(ports) == [4, 1]


def test_people_may_return_to_a_newer_release(ports, command):
    contract = ports.contract(DATASET)
    assert command("rollback", "1")[0] == 0
    assert command("rollback", "4")[0] == 0
    assert (current(ports), rolled_back_numbers(ports.engine, DATASET)) == (4, {2, 3})
    snapshots = current_release(ports.engine, DATASET).snapshots
    assert {name: head(ports.lake, table, MAIN) for name, table in released_tables(contract).items()} == snapshots
    assert hold_of(ports.engine, DATASET) == ("engineer", "a test")
    code, said = command("lift")
    assert (code, "the next run releases what passed the gate" in said) == (0, True)
    assert shown(ports) == ((), "up to date")
    assert inputs(ports) == [4, 1]


def test_a_release_that_was_let_go_is_no_place_to_return_to(ports, command):
    expire(ports, [ports.contract(DATASET)], now=datetime.now(UTC) + timedelta(days=4000))
    code, said = command("rollback", "2")
    assert code == 10
    assert "no longer kept" in said
    assert current(ports) == 4
