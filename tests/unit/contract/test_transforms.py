"""A product's transform is there, is pure and takes the contract's inputs; the linter says so in its own form."""

import json
import shutil

import pytest
from typer.testing import CliRunner

from commonweal.cli.contract import app
from commonweal.contract.loader import load_contracts
from commonweal.contract.transforms import read_transforms, transform_findings
from commonweal.errors import ContractError
from commonweal.settings import ROOT

CONTRACTS = load_contracts(ROOT / "schemas")
PRODUCT = "data_bureau.community_issues"
FILE = "jobs/data_bureau/community_issues.py"


@pytest.fixture
def jobs(tmp_path):
    shutil.copytree(ROOT / "jobs", tmp_path / "jobs")
    return tmp_path / "jobs"


def found(jobs) -> list[tuple[str, str]]:
    return [(item.file, item.rule) for item in transform_findings(CONTRACTS, read_transforms(CONTRACTS, jobs))]


def test_there_are_products():
    assert sum(contract.kind == "product" for contract in CONTRACTS.values()) > 1


def test_the_transforms_of_the_repository_are_in_order():
    assert found(ROOT / "jobs") == []


def test_a_missing_transform_is_the_contracts_problem(jobs):
    (jobs / "data_bureau" / "community_issues.py").unlink()
    assert found(jobs) == [("data_bureau/community_issues.yaml", "transform_missing")]


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("def transform(", "    def transform(", "transform_syntax"),
        ("def transform(", "x = chr(0)\x00\ndef transform(", "transform_syntax"),
        ("def transform(*, service_request: DataFrame)", "def transform(*, request: DataFrame)", "transform_arguments"),
        ("def transform(", "def convert(", "transform_impure"),
        ("from pyspark.sql import functions as F", "import os\nfrom pyspark.sql import functions as F", "transform_impure"),
    ],
)
def test_what_is_wrong_is_found_in_its_file(jobs, old, new, rule):
    path = jobs / "data_bureau" / "community_issues.py"
    source = path.read_text("utf-8")
    assert old in source
    path.write_text(source.replace(old, new, 1), "utf-8")
    assert (FILE, rule) in found(jobs)


def test_an_impure_call_is_named_with_its_line():
    source = "def transform(*, service_request):\n    return service_request.distinct()\n"
    (finding,) = transform_findings({PRODUCT: CONTRACTS[PRODUCT]}, {PRODUCT: source})
    assert str(finding).startswith(f"{FILE}: line 2: [transform_impure] hidden fault: distinct;")


def test_the_linter_looks_at_transforms(tmp_path, monkeypatch):
    schemas = tmp_path / "schemas"
    shutil.copytree(ROOT / "schemas", schemas)
    text = (schemas / "data_bureau" / "community_issues.yaml").read_text("utf-8")
    (schemas / "data_bureau" / "untold.yaml").write_text(text.replace("community_issues", "untold"), "utf-8")
    monkeypatch.setenv("COMMONWEAL_SCHEMAS_DIR", str(schemas))
    result = CliRunner().invoke(app, ["lint"])
    assert isinstance(result.exception, ContractError)
    assert "data_bureau/untold.yaml: inputs: [transform_missing]" in str(result.exception)
    machine = CliRunner().invoke(app, ["lint", "--json"])
    assert machine.exit_code == ContractError.exit_code
    assert [item["rule"] for item in json.loads(machine.output)["findings"]] == ["transform_missing"]
