"""One broken contract takes itself out, and what is made from it, and never looks like one that was removed."""

import shutil

import pytest

from commonweal.contract.loader import load_contract, load_contracts, load_datasets
from commonweal.errors import ContractError
from commonweal.settings import ROOT

from .conftest import ASSISTANCE, HOTLINE

ALL = load_contracts(ROOT / "schemas")
CASES, ISSUES, INTEGRITY = "civil_affairs.assistance_case", "data_bureau.community_issues", "data_bureau.benefit_integrity"
REQUESTS, PERSONS = "hotline.service_request", "public_security.household_registration"


@pytest.fixture
def schemas(tmp_path):
    """All of the repository's contracts, products too."""
    shutil.copytree(ROOT / "schemas", tmp_path / "schemas")
    return tmp_path / "schemas"


def test_nothing_is_broken(schemas):
    found = load_datasets(schemas)
    assert (dict(found.contracts), found.broken, found.stray) == (ALL, {}, ())


@pytest.mark.parametrize(
    "harm",
    [
        lambda path: path.write_text("id: ["),
        lambda path: path.write_text(path.read_text().replace("name: Service request", "name: Trust score")),
        lambda path: path.write_bytes("服务".encode("gb18030")),
        lambda path: path.write_bytes(b""),
        lambda path: path.rename(path.with_name("elsewhere")) and path.symlink_to(path.with_name("elsewhere")),
        lambda path: path.unlink() or path.mkdir(),
    ],
    ids=["syntax", "lint", "encoding", "empty", "link", "folder"],
)
def test_a_broken_contract_takes_out_itself_and_what_is_made_from_it(schemas, harm):
    harm(schemas / HOTLINE)
    found = load_datasets(schemas)
    assert set(found.broken) == {REQUESTS, ISSUES}
    assert set(found.contracts) == {CASES, INTEGRITY, PERSONS}
    assert {finding.rule for finding in found.broken[ISSUES]} == {"broken_input"}
    with pytest.raises(ContractError, match=r"hotline/service_request\.yaml"):
        found.contract(REQUESTS)
    with pytest.raises(ContractError, match=r"made from hotline\.service_request, whose contract is wrong"):
        found.contract(ISSUES)
    assert found.contract(CASES) == ALL[CASES]


def test_whoever_takes_something_away_is_still_refused(schemas):
    (schemas / HOTLINE).write_text("id: [")
    with pytest.raises(ContractError, match="yaml_syntax"):
        load_contracts(schemas)


def test_one_contract_is_read_whatever_is_wrong_with_another(schemas):
    (schemas / HOTLINE).write_text("id: [")
    assert load_contract(schemas, CASES) == ALL[CASES]
    with pytest.raises(ContractError, match="yaml_syntax"):
        load_contract(schemas, REQUESTS)
    with pytest.raises(ContractError, match="broken_input"):
        load_contract(schemas, ISSUES)


def test_a_contract_that_is_gone_is_not_broken(schemas):
    (schemas / ASSISTANCE).unlink()
    found = load_datasets(schemas)
    assert CASES not in found.broken
    assert {finding.rule for finding in found.broken[INTEGRITY]} == {"unknown_input"}
    with pytest.raises(ContractError, match="no such contract"):
        found.contract(CASES)


def test_what_follows_through_others_is_out_too(schemas):
    text = (schemas / "data_bureau" / "benefit_integrity.yaml").read_text().replace("benefit_integrity", "integrity_again")
    assert f"dataset: {CASES}" in text
    (schemas / "data_bureau" / "integrity_again.yaml").write_text(text.replace(f"dataset: {CASES}", f"dataset: {INTEGRITY}"))
    (schemas / ASSISTANCE).write_text("id: [")
    assert {CASES, INTEGRITY, "data_bureau.integrity_again"} == set(load_datasets(schemas).broken)


@pytest.mark.parametrize("file", ["_fields.yaml", "_departments.yaml"])
def test_a_broken_register_stops_all(schemas, file):
    (schemas / file).write_text("fields: [")
    with pytest.raises(ContractError, match=file):
        load_datasets(schemas)


def test_a_folder_behind_a_link_is_not_a_folder_without_contracts(schemas):
    (schemas / "hotline").rename(schemas.parent / "hotline")
    (schemas / "hotline").symlink_to(schemas.parent / "hotline")
    for load in (load_datasets, load_contracts):
        with pytest.raises(ContractError, match=r"hotline: \[folder_unreadable\]"):
            load(schemas)


@pytest.mark.parametrize("name", ["hotline/Bad.yaml", "hotline/deep/x.yaml", "hotline/x.yml", "hotline.service_request.yaml"])
def test_a_file_out_of_place_takes_out_nothing(schemas, name):
    (schemas / name).parent.mkdir(exist_ok=True)
    (schemas / name).write_bytes((schemas / HOTLINE).read_bytes())
    found = load_datasets(schemas)
    assert (set(found.contracts), set(found.broken)) == (set(ALL), set())
    assert {finding.file for finding in found.stray} == {name}
