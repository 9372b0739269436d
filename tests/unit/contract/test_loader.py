"""The loader: the path is the id, all problems at once, nothing silently ignored."""

import os
import subprocess
import sys
import time

import pytest

from commonweal.contract.loader import load_contract, load_contracts, load_departments, read_files, read_schemas
from commonweal.contract.strict_yaml import MAX_BYTES
from commonweal.errors import ContractError
from commonweal.settings import ROOT

from .conftest import ASSISTANCE, HOTLINE


def rules(schemas) -> set[str]:
    return {finding.rule for finding in read_schemas(read_files(schemas)).findings}


def test_sorted_by_id(schemas):
    contracts = load_contracts(schemas)
    assert list(contracts) == [
        "civil_affairs.assistance_case",
        "hotline.service_request",
        "public_security.household_registration",
    ]


def test_what_a_contract_says(schemas):
    contract = load_contract(schemas, "civil_affairs.assistance_case")
    person = contract.field("resident_id")
    assert (contract.key, contract.occurred_at, contract.major) == (("case_no",), ("changed_on",), 1)
    assert (person.column, person.identifier, person.physical_name, person.is_pseudonymised) == (
        "person_key", "resident_id", "公民身份号码", True,
    )  # fmt: skip
    amount = contract.field("monthly_amount_cny")
    assert (amount.type, amount.precision, amount.scale, amount.unit) == ("decimal", 12, 2, "CNY")
    assert contract.field("status_code").codes[0].physical == ("在享",)
    assert contract.retention.topic_days == 30
    assert [purpose.code for purpose in contract.purposes] == ["benefit_integrity", "social_assistance"]


@pytest.mark.parametrize(
    ("file", "old", "new", "rule"),
    [
        (HOTLINE, "id: hotline.service_request", "id: hotline.other", "path_is_id"),
        (HOTLINE, "domain: hotline", "domain: justice", "path_is_id"),
        (HOTLINE, "apiVersion: v3.1.0", "apiVersion: v3.0.2", "path_is_id"),
        (HOTLINE, "version: 1.0.0", "version: '1.0'", "version_shape"),
        (HOTLINE, "version: 1.0.0", "version: 1.0", "odcs_type"),
        (HOTLINE, "status: active", "status: active\nowner: me", "odcs_additionalProperties"),
        (HOTLINE, "logicalType: date", "logicalType: datum", "odcs_enum"),
        (HOTLINE, "property: occurredAt", "property: occuredAt", "unknown_property"),
        (HOTLINE, "{property: partitions, value: 2}", "{property: partitions, value: '2'}", "model_int_type"),
        (HOTLINE, "{property: partitions, value: 2}", "{property: sharingAttribute, value: conditional}", "repeated_property"),
        (
            HOTLINE,
            "{property: classification, value: general}",
            "{property: classification, value: secret}",
            "model_literal_error",
        ),
        (HOTLINE, "minRows: 1", "minRow: 1", "model_extra_forbidden"),
        (HOTLINE, "property: freshness", "property: latency", "unknown_promise"),
        (HOTLINE, "name: city, physicalName", "name: town, physicalName", "not_in_dictionary"),
        (HOTLINE, "{maxLength: 200}", "{maxLenght: 200}", "unknown_option"),
        (HOTLINE, "engine: greatExpectations", "engine: soda", "rule_engine"),
        (HOTLINE, "engine: greatExpectations", "query: select 1", "odcs_required"),
        (
            HOTLINE,
            "type: custom\n        engine: greatExpectations",
            "type: sql\n        query: select 1\n        mustBe: 0",
            "rule_engine",
        ),
        (HOTLINE, "severity: fail", "severity: error", "model_literal_error"),
        (
            HOTLINE,
            "{type: expect_column_values_to_be_unique,",
            "{code: x, type: expect_column_values_to_be_unique,",
            "unknown_property",
        ),
        (HOTLINE, "name: Service request", "name: 5", "odcs_type"),
        (HOTLINE, "  - name: service_request", "  - {name: other}\n  - name: service_request", "one_schema"),
        (HOTLINE, "tags: [hotline, grid]", "tags: &t [hotline]", "yaml_alias"),
        (ASSISTANCE, "physicalType: decimal(12,2)", "physicalType: double", "decimal_size"),
        ("_fields.yaml", "type: string", "type: text", "model_literal_error"),
        ("_fields.yaml", "name: case_no", "name: registration_no", "repeated_name"),
        ("_fields.yaml", "fields:", "fields: []\nother:", "model_extra_forbidden"),
        ("_departments.yaml", "id: justice", "id: hotline", "repeated_name"),
        ("_departments.yaml", "id: hotline", "id: hot_line", "unknown_department"),
    ],
)
def test_a_slip_is_found(schemas, edit, file, old, new, rule):
    edit(file, old, new)
    assert rule in rules(schemas)


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("landing/x.yaml", "reserved_department"),
        ("history/x.yaml", "reserved_department"),
        ("hotline/snapshots.yaml", "reserved_dataset"),
        ("hotline/metadata_log_entries.yaml", "reserved_dataset"),
        ("hotline/branch_office.yaml", "reserved_dataset"),
        ("hotline/tag_register.yaml", "reserved_dataset"),
        ("hotline/at_timestamp_1.yaml", "reserved_dataset"),
        ("hotline/changes.yaml", "reserved_dataset"),
        ("nobody/x.yaml", "unknown_department"),
        ("hotline/Bad-Name.yaml", "path_is_id"),
        ("hotline/deep/x.yaml", "path_is_id"),
        ("hotline/x.yml", "path_is_id"),
        ("x.yaml", "path_is_id"),
    ],
)
def test_a_file_out_of_place(schemas, name, rule):
    path = schemas / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((schemas / HOTLINE).read_bytes())
    assert rule in rules(schemas)


def test_all_problems_of_all_files_at_once(schemas, edit):
    edit(HOTLINE, "property: occurredAt", "property: occuredAt")
    edit(HOTLINE, "property: freshness", "property: latency")
    edit(ASSISTANCE, "decimal(12,2)", "money")
    with pytest.raises(ContractError) as caught:
        load_contracts(schemas)
    message = str(caught.value)
    assert all(rule in message for rule in ("unknown_property", "unknown_promise", "decimal_size"))
    assert message.startswith("3 problem(s) in 2 contract file(s)")
    assert "schema.0.properties.7.physicalType" in message


def test_a_score_is_not_even_loaded(schemas, edit):
    edit(ASSISTANCE, "name: Assistance case", "name: Assistance ranking")
    with pytest.raises(ContractError, match="never_score"):
        load_contracts(schemas)


@pytest.mark.parametrize(
    "dataset", ["", "hotline", "../etc.passwd", "hotline/service_request", "hotline.service_request.x", "A.b", "a.b\n"]
)
def test_an_id_is_no_path(schemas, dataset):
    with pytest.raises(ContractError, match="a dataset id is"):
        load_contract(schemas, dataset)


def test_an_unknown_dataset(schemas):
    with pytest.raises(ContractError, match=r"hotline\.nothing: no such contract; known are civil_affairs"):
        load_contract(schemas, "hotline.nothing")


def test_links_out_of_the_folder_are_not_followed(schemas, tmp_path):
    outside = tmp_path / "outside.yaml"
    outside.write_text("id: x")
    (schemas / "hotline" / "linked.yaml").symlink_to(outside)
    assert read_files(schemas)["hotline/linked.yaml"] is None
    assert rules(schemas) == {"file_missing"}


def test_an_editors_lock_is_no_contract(schemas):
    (schemas / "hotline" / ".#service_request.yaml").symlink_to("somebody@somewhere")
    assert rules(schemas) == set()


def test_a_giant_is_not_read_to_its_end(schemas):
    with (schemas / "hotline" / "giant.yaml").open("wb") as stream:
        os.truncate(stream.fileno(), 10**9)
    assert len(read_files(schemas)["hotline/giant.yaml"]) == MAX_BYTES + 1
    assert "yaml_size" in rules(schemas)


def test_not_utf_8(schemas):
    (schemas / HOTLINE).write_bytes("服务".encode("gb18030"))
    assert "yaml_encoding" in rules(schemas)


def test_no_contract_is_an_error(tmp_path, schemas):
    with pytest.raises(ContractError, match="file_missing"):
        load_contracts(tmp_path / "nothing")
    for file in schemas.glob("*/*.yaml"):
        file.unlink()
    with pytest.raises(ContractError, match="no contract in"):
        load_contracts(schemas)


def test_a_join_that_must_find_partners(schemas, edit):
    edit(
        HOTLINE,
        "  - {property: partitions, value: 2}",
        "  - {property: coverage, value: [{input: a, column: case_no, within: b}]}",
    )
    assert rules(schemas) == {"unknown_input"}


def test_departments(schemas):
    departments = load_departments(schemas)
    assert departments["data_bureau"].role == "coordinator"
    assert set(departments) >= {"hotline", "civil_affairs", "public_security", "justice"}


def test_digest_follows_content_not_layout(schemas, edit):
    before = load_contract(schemas, "hotline.service_request").digest
    edit(HOTLINE, "status: active", "# a comment\nstatus:   'active'")
    assert load_contract(schemas, "hotline.service_request").digest == before
    edit(HOTLINE, "minRows: 1", "minRows: 2")
    assert load_contract(schemas, "hotline.service_request").digest != before


def test_digest_follows_the_dictionary_it_uses(schemas, edit):
    before = load_contracts(schemas)
    edit("_fields.yaml", "Number under which the department keeps the case.", "Number of the case.")
    after = load_contracts(schemas)
    changed = {item for item in before if before[item].digest != after[item].digest}
    assert changed == {"civil_affairs.assistance_case", "hotline.service_request"}


def test_heavy_libraries_stay_out():
    """The loader is in every start of the command line and in every parse of a DAG file."""
    code = "import sys, commonweal.contract.loader; print({'datacontract', 'pandas', 'pyarrow'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "set()"


def test_an_alias_bomb_costs_nothing(schemas):
    lines = ["a0: &a0 [x]"] + [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 60)]
    (schemas / HOTLINE).write_text("\n".join(lines))
    started = time.monotonic()
    assert "yaml_alias" in rules(schemas)
    assert time.monotonic() - started < 5
