"""``commonweal contract``: what people and machines get."""

import json

import pytest
from typer.testing import CliRunner

from commonweal.cli.contract import app
from commonweal.cli.contract_pages import stale_pages, write_pages
from commonweal.contract.loader import load_contracts
from commonweal.errors import ContractError
from commonweal.render.targets import TARGETS

from .conftest import ASSISTANCE, HOTLINE


@pytest.fixture
def run(schemas, monkeypatch):
    monkeypatch.setenv("COMMONWEAL_SCHEMAS_DIR", str(schemas))
    monkeypatch.setenv("COLUMNS", "200")
    return lambda *arguments: CliRunner().invoke(app, list(arguments))


def test_lint(run):
    result = run("lint")
    assert result.exit_code == 0
    assert result.output.startswith("3 contracts, 9 departments,")


def test_lint_says_everything_that_is_wrong(run, edit):
    edit(HOTLINE, "property: freshness", "property: latency")
    edit(ASSISTANCE, "name: Assistance case", "name: Trust score")
    result = run("lint")
    assert isinstance(result.exception, ContractError)
    assert all(rule in str(result.exception) for rule in ("unknown_promise", "never_score"))
    machine = run("lint", "--json")
    assert machine.exit_code == ContractError.exit_code
    assert {item["rule"] for item in json.loads(machine.output)["findings"]} == {"unknown_promise", "never_score"}


def test_show(run):
    listed = run("show").output
    assert "hotline.service_request" in listed
    shown = run("show", "civil_affairs.assistance_case").output
    assert all(
        word in shown
        for word in ("person_key", "公民身份号码", "amount_plausible", "每个案件编号只出现一次", "benefit_integrity")
    )


def test_show_for_machines(run):
    assert [item["id"] for item in json.loads(run("show", "--json").output)] == [
        "civil_affairs.assistance_case", "hotline.service_request", "public_security.household_registration",
    ]  # fmt: skip
    assert json.loads(run("show", "hotline.service_request", "--json").output)["topic"] == "hotline.service_request.v1"


@pytest.mark.parametrize("target", TARGETS)
def test_show_a_target(run, target):
    result = run("show", "hotline.service_request", "--target", target)
    assert result.exit_code == 0
    assert target == "page" or json.loads(result.output)


def test_a_target_that_is_none(run):
    assert run("show", "hotline.service_request", "--target", "sql").exit_code == 2
    assert run("show", "--target", "topic").exit_code == 2


def test_a_contracts_texts_are_not_the_terminals_markup(run, edit):
    edit(HOTLINE, "name: Service request", "name: 'Service [bold red]request[/]'")
    assert "[bold red]request[/]" in run("show", "hotline.service_request").output


def test_pages(run, schemas, edit):
    assert isinstance(run("pages").exception, ContractError)
    assert run("pages", "--write").exit_code == 0
    assert run("pages").exit_code == 0
    assert (schemas.parent / "docs" / "datasets" / "hotline.service_request.md").is_file()
    edit(HOTLINE, "name: Service request", "name: Request")
    assert "hotline.service_request.md" in str(run("pages").exception)


def test_a_page_without_a_contract_goes(schemas, tmp_path):
    contracts = load_contracts(schemas)
    write_pages(contracts, tmp_path)
    (tmp_path / "hotline.gone.md").write_text("old")
    assert stale_pages(contracts, tmp_path) == ("hotline.gone.md",)
    assert write_pages(contracts, tmp_path) == 1
    assert not (tmp_path / "hotline.gone.md").exists()
