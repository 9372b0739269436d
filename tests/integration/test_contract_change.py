"""A contract that changes while its dataset runs: what a minor version adds, and what would break whom."""

import json
import secrets
import shutil
import subprocess
from datetime import UTC, datetime

import orjson
import pytest
from typer.testing import CliRunner

from commonweal import bus
from commonweal.apply import apply
from commonweal.cli.contract import app
from commonweal.errors import ContractError
from commonweal.lake.names import all_tables, released_tables
from commonweal.lake.releases import current_release, numbered_release
from commonweal.lake.spark import at
from commonweal.ports import open_ports
from commonweal.steps.run import run_with, steps_of
from tests.integration.histories import Sent

NAME = f"change_{secrets.token_hex(4)}"
SOURCE, PRODUCT = f"hotline.{NAME}", f"data_bureau.{NAME}"
GAINED = "      - {name: ended_on, physicalName: ended, logicalType: date}\n"
AFTER = "    quality:\n"


@pytest.fixture(scope="module")
def schemas(stack, tmp_path_factory):
    """A git repository with a copy of the hotline's contract, and of the product that is made from it."""
    folder = tmp_path_factory.mktemp("repository") / "schemas"
    shutil.copytree(stack.settings.schemas_dir, folder)
    source = (folder / "hotline" / "service_request.yaml").read_text("utf-8").replace("service_request", NAME)
    (folder / "hotline" / f"{NAME}.yaml").write_text(source.replace("maxRowsChange: 0.5", "maxRowsChange: 9"), "utf-8")
    product = (folder / "data_bureau" / "community_issues.yaml").read_text("utf-8").replace("community_issues", NAME)
    (folder / "data_bureau" / f"{NAME}.yaml").write_text(product.replace("hotline.service_request", SOURCE), "utf-8")
    git(folder, "init", "--quiet")
    committed(folder, "first")
    return folder


@pytest.fixture(scope="module")
def settings(stack, schemas):
    return stack.settings.model_copy(update={"schemas_dir": schemas})


@pytest.fixture(scope="module")
def released(settings):
    """The dataset with a release of two events, made under the contract of the first version."""
    apply(settings)
    ran(settings, [event(1, "1.0.0"), event(2, "1.0.0")])


def git(folder, *arguments: str) -> None:
    named = ("-c", "user.name=test", "-c", "user.email=test@localhost")
    subprocess.run(["git", "-C", str(folder.parent), *named, *arguments], check=True, capture_output=True)


def committed(folder, what: str) -> None:
    git(folder, "add", "-A")
    git(folder, "commit", "--quiet", "-m", what)


def edit(schemas, *changes: tuple[str, str]) -> None:
    path = schemas / "hotline" / f"{NAME}.yaml"
    words = path.read_text("utf-8")
    for old, new in changes:
        assert words.count(old) == 1
        words = words.replace(old, new)
    path.write_text(words, "utf-8")


def event(number: int, version: str, **more: str) -> tuple[str, Sent]:
    document = {"case_no": f"NYCC{number:08d}", "office_code": "NYCC01", "category": "Water", "opened_on": "2024-01-05"} | more
    return version, Sent(f"event-{number}", "recorded", None, datetime(2024, 2, 1, tzinfo=UTC), document)


def ran(settings, events: list[tuple[str, Sent]]) -> None:
    """Send events under the version that their producer knows, and run every step."""
    ports = open_ports(settings)
    contract = ports.contract(SOURCE)
    with bus.producer(settings, "dept-hotline") as producer:
        for version, sent in events:
            headers = sent.headers(contract.model_copy(update={"version": version}))
            producer.send(contract.topic, key=b"k", value=orjson.dumps(sent.document), headers=headers)
        producer.flush()
    for step in steps_of(contract):
        run_with(ports, step, SOURCE)
    ports.close()


def breaking(schemas, monkeypatch) -> tuple[int, dict]:
    """What ``contract breaking`` says of the one dataset that changed since the last commit."""
    monkeypatch.setenv("COMMONWEAL_SCHEMAS_DIR", str(schemas))
    result = CliRunner().invoke(app, ["breaking", "--against", "HEAD", "--json"])
    found, _ = json.JSONDecoder().raw_decode(result.stdout)
    assert [item["dataset"] for item in found] == [SOURCE]
    refused = isinstance(result.exception, ContractError)
    return (ContractError.exit_code if refused else result.exit_code), found[0]


@pytest.mark.usefixtures("released")
def test_an_optional_column_is_no_breaking_change(schemas, monkeypatch):
    edit(schemas, ("version: 1.0.0", "version: 1.1.0"), (AFTER, GAINED + AFTER))
    code, found = breaking(schemas, monkeypatch)
    assert (code, found["is_breaking"], found["refused"], found["downstream"]) == (0, False, "", [PRODUCT])
    assert any(change["path"].startswith("ended_on") for change in found["changes"])


def test_apply_adds_it_to_every_table_and_then_has_nothing_to_do(settings):
    ports = open_ports(settings)
    wanted = {table.sql for table in all_tables([ports.contract(SOURCE)])}
    planned = [change for change in apply(settings, plan=True) if change.name in wanted]
    assert {(change.name, change.action, change.detail) for change in planned} == {
        (name, "change", "add ended_on") for name in wanted
    }
    assert len(wanted) == 3
    apply(settings)
    assert [change for change in apply(settings, plan=True) if change.name in wanted] == []
    ports.close()


def test_old_and_new_events_are_landed_cleaned_gated_and_released(settings):
    ran(settings, [event(3, "1.0.0"), event(4, "1.1.0", ended_on="2024-03-01")])
    ports = open_ports(settings)
    contract, made = ports.contract(SOURCE), current_release(ports.engine, SOURCE)
    assert (made.number, made.contract_version) == (2, "1.1.0")
    rows = at(ports.spark, released_tables(contract)["current"], made.snapshots["current"]).where("_state = 'live'")
    found = {row["case_no"][-1]: row["ended_on"] and row["ended_on"].isoformat() for row in rows.collect()}
    assert found == {"1": None, "2": None, "3": None, "4": "2024-03-01"}
    assert (made.counts["accepted"], made.counts["rejected"]) == (4, 0)
    ports.close()


def test_the_release_before_is_read_as_it_was(settings):
    ports = open_ports(settings)
    first = numbered_release(ports.engine, SOURCE, 1)
    rows = at(ports.spark, released_tables(ports.contract(SOURCE))["current"], first.snapshots["current"])
    assert "ended_on" not in rows.columns
    assert rows.count() == 2
    ports.close()


def test_a_breaking_change_is_refused_and_names_who_is_downstream(schemas, monkeypatch):
    committed(schemas, "second")
    edit(schemas, ("version: 1.1.0", "version: 1.2.0"), (GAINED, ""))
    code, found = breaking(schemas, monkeypatch)
    assert (code, found["is_breaking"], found["downstream"]) == (ContractError.exit_code, True, [PRODUCT])
    assert "2.0.0" in found["refused"]
    edit(schemas, ("version: 1.2.0", "version: 2.0.0"))
    code, found = breaking(schemas, monkeypatch)
    assert (code, found["is_breaking"], found["refused"]) == (0, True, "")
