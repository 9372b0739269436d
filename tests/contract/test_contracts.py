"""Every contract: loads, keeps the rules, and is rendered to every target."""

import json

import jsonschema_rs
import pytest
from datacontract.data_contract import DataContract

from commonweal.cli.contract_pages import stale_pages
from commonweal.contract.document import CONTRACT_PROPERTIES
from commonweal.contract.lint import lint
from commonweal.contract.loader import load_contracts, odcs_schema, read_files, read_schemas
from commonweal.contract.names import contract_file
from commonweal.contract.strict_yaml import read_yaml
from commonweal.render.targets import TARGETS, render
from commonweal.settings import ROOT

SCHEMAS = ROOT / "schemas"
CONTRACTS = load_contracts(SCHEMAS)
ALL = pytest.mark.parametrize("contract", CONTRACTS.values(), ids=list(CONTRACTS))


def document(contract):
    return read_yaml((SCHEMAS / contract_file(contract.id)).read_text("utf-8"))


def test_there_are_contracts():
    assert set(CONTRACTS) >= {
        "hotline.service_request", "public_security.household_registration", "civil_affairs.assistance_case",
        "data_bureau.community_issues", "data_bureau.benefit_integrity",
    }  # fmt: skip


def test_every_file_is_a_contract():
    assert {path.relative_to(SCHEMAS).as_posix() for path in SCHEMAS.glob("*/*")} == {contract_file(item) for item in CONTRACTS}


def test_the_linter_finds_nothing():
    schemas = read_schemas(read_files(SCHEMAS))
    assert schemas.contracts == CONTRACTS
    assert (schemas.findings, lint(schemas.contracts, schemas.departments, schemas.fields)) == ((), ())


@ALL
@pytest.mark.parametrize("target", TARGETS)
def test_renders_to_every_target(contract, target):
    found = render(target, contract, CONTRACTS)
    assert found or (target == "topic" and contract.kind == "product")
    json.dumps(found)
    assert render(target, contract, CONTRACTS) == found


@ALL
def test_follows_the_standard(contract):
    assert list(jsonschema_rs.Draft201909Validator(odcs_schema()).iter_errors(document(contract))) == []


@ALL
def test_the_standards_own_tool_reads_it(contract):
    run = DataContract(data_contract_file=str(SCHEMAS / contract_file(contract.id))).lint()
    assert [(check.name, check.result.value) for check in run.checks if check.result.value not in ("passed", "info")] == []


@ALL
def test_inputs_exist(contract):
    for item in contract.inputs:
        assert item.table in CONTRACTS[item.dataset].tables
    assert bool(contract.inputs) == (contract.kind == "product")


@ALL
def test_no_personal_column_without_treatment_and_purpose(contract):
    personal = [field for field in contract.fields if field.personal != "none"]
    assert all(field.treatment for field in personal)
    assert contract.purposes
    assert all(purpose.legal_basis for purpose in contract.purposes)
    assert not any(field.treatment == "keep" for field in personal if contract.is_open or field.personal == "identifier")


@ALL
def test_chinese_texts_are_there(contract):
    texts = [
        contract.title,
        contract.description,
        *(rule.sentence for rule in contract.rules),
        *(item.title for item in contract.purposes),
    ]
    texts += [
        text for field in contract.fields for text in (field.title, field.description, *(code.title for code in field.codes))
    ]
    assert all(any("\u4e00" <= letter <= "\u9fff" for letter in text.zh) for text in texts)


@ALL
def test_every_government_field_is_documented(contract):
    readme = (SCHEMAS / "README.md").read_text("utf-8")
    assert all(f"`{item['property']}`" in readme for item in document(contract)["customProperties"])


def test_the_readme_names_every_property():
    readme = (SCHEMAS / "README.md").read_text("utf-8")
    assert all(f"`{name}`" in readme for name in CONTRACT_PROPERTIES)


@ALL
def test_event_schema_is_one(contract):
    jsonschema_rs.meta.validate(render("event-schema", contract, CONTRACTS))


def test_pages_are_not_stale():
    assert stale_pages(CONTRACTS, ROOT / "docs" / "datasets") == ()


def test_the_shipped_standard_is_the_published_one():
    """The copy in the package is the file that datacontract-cli ships."""
    from importlib import resources

    published = resources.files("datacontract").joinpath("schemas/odcs-3.1.0.schema.json").read_text("utf-8")
    assert odcs_schema() == json.loads(published)
