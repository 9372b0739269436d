"""What breaks a publisher or a reader, and what doesn't: changes of real files, compared as ``contract breaking`` does."""

import json
import shutil
import subprocess

import pytest
from typer.testing import CliRunner

from commonweal.cli.contract import app
from commonweal.contract.breaking import compare, contract_changes
from commonweal.contract.loader import load_contracts, read_files, read_schemas
from commonweal.contract.model import Input, Retention
from commonweal.contract.revision import schemas_at
from commonweal.errors import ContractError

from .conftest import ASSISTANCE, HOTLINE

SUSPENDED = "              - {value: suspended, title: {en: Suspended, zh: 暂停}, physical: [暂停]}\n"
ENDED_ON = "      - {name: ended_on, physicalName: 终止日期, logicalType: date}\n"
BREAKING = [
    (ASSISTANCE, "decimal(12,2)", "decimal(11,2)", "decimal-size-changed"),
    (ASSISTANCE, "decimal(12,2)", "decimal(12,1)", "decimal-size-changed"),
    (ASSISTANCE, SUSPENDED, "", "enum-constraint-changed"),
    (ASSISTANCE, "value: suspended", "value: paused", "enum-constraint-changed"),
    (ASSISTANCE, "{name: ended_on, physicalName", "{name: ended_on, required: true, physicalName", "required-changed"),
    (HOTLINE, "{maxLength: 200}", "{maxLength: 100}", "validation-constraint-changed"),
    (HOTLINE, "{maxLength: 200}", "{maxLength: 200, minLength: 2}", "validation-constraint-changed"),
    (HOTLINE, "{maxLength: 200}", "{maxLength: 200, pattern: '^x$'}", "validation-constraint-changed"),
    (HOTLINE, "value: [closed_on, opened_on]", "value: [opened_on]", "occurred-at-changed"),
    (HOTLINE, "      - {name: city, physicalName: city, logicalType: string, logicalTypeOptions: {maxLength: 100}}\n", "",
     "field-added-or-removed"),
    (HOTLINE, "sharingAttribute, value: unconditional}",
     "sharingAttribute, value: conditional}\n  - {property: sharingConditions, value: [audit_logged]}", "sharing-changed"),
    (HOTLINE, "code: open_data", "code: open_figures", "purpose-removed"),
    (HOTLINE, "logicalType: string, required: true, logicalTypeOptions: {minLength: 1, maxLength: 10}}",
     "logicalType: string, required: true, logicalTypeOptions: {minLength: 1, maxLength: 10}, primaryKey: true}", "key-changed"),
]  # fmt: skip
HARMLESS = [
    (HOTLINE, "{maxLength: 200}", "{maxLength: 300}", "validation-constraint-changed", "compatible"),
    (HOTLINE, "logicalType: date, required: true}", "logicalType: date}", "required-changed", "review"),
    (ASSISTANCE, SUSPENDED, SUSPENDED + SUSPENDED.replace("suspended", "paused").replace("[暂停]", "[停发]"),
     "enum-constraint-changed", "review"),
    (ASSISTANCE, "physical: [低保, 最低生活保障]", "physical: [低保]", "physical-code-removed", "review"),
    (ASSISTANCE, "physicalName: 状态", "physicalName: 案件状态", "physical-name-changed", "review"),
    (ASSISTANCE, ENDED_ON, ENDED_ON + ENDED_ON.replace("ended_on", "closed_on").replace("终止日期", "办结日期"),
     "field-added-or-removed", "compatible"),
]  # fmt: skip


def read(schemas):
    return read_schemas(read_files(schemas)).contracts


def only(comparisons):
    (comparison,) = comparisons
    return comparison


@pytest.mark.parametrize(("file", "old", "new", "rule"), BREAKING)
def test_breaking(schemas, edit, file, old, new, rule):
    before = read(schemas)
    edit(file, old, new)
    comparison = only(compare(before, read(schemas)))
    assert rule in {change.rule for change in comparison.changes if change.level == "breaking"}
    assert comparison.refused.startswith("raise version to 2.0.0")


@pytest.mark.parametrize("case", HARMLESS)
def test_not_breaking(schemas, edit, case):
    file, old, new, rule, level = case
    before = read(schemas)
    edit(file, old, new)
    edit(file, "version: 1.0.0", "version: 1.1.0")
    comparison = only(compare(before, read(schemas)))
    assert (rule, level) in {(change.rule, change.level) for change in comparison.changes}
    assert not comparison.is_breaking
    assert comparison.refused == ""


def test_a_wider_decimal_is_not_breaking(schemas, edit):
    before = read(schemas)
    edit("_fields.yaml", "precision: 12", "precision: 14")
    edit(ASSISTANCE, "decimal(12,2)", "decimal(14,2)")
    edit(ASSISTANCE, "version: 1.0.0", "version: 1.1.0")
    (change,) = only(compare(before, read(schemas))).changes
    assert (change.level, change.rule) == ("compatible", "decimal-size-changed")


def test_more_scale_at_the_cost_of_whole_digits_is(schemas, edit):
    before = read(schemas)
    edit("_fields.yaml", "scale: 2", "scale: 4")
    edit(ASSISTANCE, "decimal(12,2)", "decimal(12,4)")
    assert only(compare(before, read(schemas))).is_breaking


def test_a_new_required_field_breaks_publishers(schemas, edit):
    before = read(schemas)
    edit(
        ASSISTANCE,
        ENDED_ON,
        ENDED_ON + ENDED_ON.replace("ended_on,", "closed_on, required: true,").replace("终止日期", "办结日期"),
    )
    assert only(compare(before, read(schemas))).is_breaking


def test_another_pseudonym_column_in_the_dictionary_breaks_every_dataset_that_has_it(schemas, edit):
    before = read(schemas)
    edit("_fields.yaml", "column: person_key", "column: citizen_key")
    changed = {item.dataset: {change.rule for change in item.changes} for item in compare(before, read(schemas))}
    assert set(changed) == {"civil_affairs.assistance_case", "public_security.household_registration"}
    assert all("column-changed" in rules for rules in changed.values())


def test_a_new_major_version_may_break(schemas, edit):
    before = read(schemas)
    edit(ASSISTANCE, SUSPENDED, "")
    edit(ASSISTANCE, "version: 1.0.0", "version: 2.0.0")
    comparison = only(compare(before, read(schemas)))
    assert (comparison.is_breaking, comparison.refused) == (True, "")


def test_any_change_needs_a_newer_version(schemas, edit):
    before = read(schemas)
    edit(HOTLINE, "minRows: 1", "minRows: 2")
    assert only(compare(before, read(schemas))).refused.startswith("raise version")
    edit(HOTLINE, "version: 1.0.0", "version: 0.9.9")
    assert only(compare(before, read(schemas))).refused.startswith("raise version")


def test_nothing_changed(schemas):
    assert compare(read(schemas), read(schemas)) == ()


def test_a_new_dataset_breaks_nobody(schemas):
    after = read(schemas)
    assert compare({}, after) == ()


def test_a_dataset_goes_only_after_it_was_retired(schemas):
    before = read(schemas)
    after = {name: item for name, item in before.items() if name != "hotline.service_request"}
    assert "retire it first" in only(compare(before, after)).refused
    retired = before["hotline.service_request"].model_copy(update={"status": "retired"})
    assert only(compare(before | {retired.id: retired}, after)).refused == ""


def test_downstream_is_named(schemas):
    hotline = read(schemas)["hotline.service_request"]
    first = hotline.model_copy(update={"id": "data_bureau.first", "inputs": (Input(name="a", dataset=hotline.id),)})
    last = hotline.model_copy(update={"id": "data_bureau.last", "inputs": (Input(name="a", dataset=first.id),)})
    before = {item.id: item for item in (hotline, first, last)}
    changed = hotline.model_copy(update={"digest": "0" * 64})
    assert only(compare(before, before | {hotline.id: changed})).downstream == ("data_bureau.first", "data_bureau.last")


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"kind": "product"}, "kind-changed"),
        ({"sequence": "change_sequence"}, "sequence-changed"),
        ({"inputs": (Input(name="a", dataset="x.y"),)}, "inputs-changed"),
        ({"is_open": False}, "open-data-ended"),
        ({"retention": Retention(events_days=1)}, "retention-lowered"),
    ],
)
def test_what_only_government_fields_say(schemas, changes, rule):
    contract = load_contracts(schemas)["hotline.service_request"].model_copy(update={"is_open": True})
    assert rule in {change.rule for change in contract_changes(contract, contract.model_copy(update=changes))}


def test_to_keep_things_longer_is_no_change_to_look_at(schemas):
    contract = load_contracts(schemas)["hotline.service_request"]
    longer = {name: days + 1 for name, days in contract.retention.model_dump().items()}
    assert contract_changes(contract, contract.model_copy(update={"retention": Retention(**longer)})) == ()


def test_unit_and_protection(schemas):
    contract = load_contracts(schemas)["civil_affairs.assistance_case"]
    fields = tuple(
        item.model_copy(update={"unit": "USD", "treatment": "drop"}) if item.unit else item for item in contract.fields
    )
    rules = {change.rule for change in contract_changes(contract, contract.model_copy(update={"fields": fields}))}
    assert rules == {"unit-changed", "protection-changed"}


@pytest.fixture
def repository(schemas):
    def git(*arguments):
        identity = ["-c", "user.name=test", "-c", "user.email=test@example.invalid", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", "-C", str(schemas.parent), *identity, *arguments], check=True, capture_output=True)

    git("init", "-q")
    git("commit", "-q", "--allow-empty", "-m", "empty")
    git("add", "schemas")
    git("commit", "-q", "-m", "contracts")
    return schemas


def test_an_earlier_revision_is_read_by_the_same_code(repository, edit):
    before = load_contracts(repository)
    edit(HOTLINE, "minRows: 1", "minRows: 2")
    earlier = schemas_at(repository, "HEAD")
    assert earlier is not None
    assert earlier.contracts == before
    assert schemas_at(repository, "HEAD~1") is None


@pytest.mark.parametrize("revision", ["nothing", "--help", "-q", "HEAD:schemas", "$(true)"])
def test_no_such_revision(repository, revision):
    with pytest.raises(ContractError, match="name a revision"):
        schemas_at(repository, revision)


def test_the_command(repository, edit, monkeypatch):
    monkeypatch.setenv("COMMONWEAL_SCHEMAS_DIR", str(repository))
    run = CliRunner().invoke
    assert "no contract has changed" in run(app, ["breaking", "--against", "HEAD"]).output
    edit(ASSISTANCE, SUSPENDED, "")
    result = run(app, ["breaking", "--against", "HEAD", "--json"])
    (comparison,) = json.loads(result.output)
    assert isinstance(result.exception, ContractError)
    assert (comparison["dataset"], comparison["is_breaking"]) == ("civil_affairs.assistance_case", True)
    shown = run(app, ["breaking", "--against", "HEAD"])
    assert "raise version to 2.0.0" in shown.output
    assert run(app, ["breaking", "--against", "HEAD~1"]).exit_code == 0


def test_an_unreadable_earlier_contract_is_said(repository, edit):
    edit(HOTLINE, "status: active", "status: [active")
    git = ["git", "-C", str(repository), "-c", "user.name=t", "-c", "user.email=t@example.invalid", "-c", "commit.gpgsign=false"]
    subprocess.run([*git, "commit", "-qam", "broken"], check=True)
    earlier = schemas_at(repository, "HEAD")
    assert earlier is not None
    assert "yaml_syntax" in {finding.rule for finding in earlier.findings}


def test_git_is_there():
    assert shutil.which("git")
