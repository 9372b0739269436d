"""What is work, and what blocks it: a pure decision over a dataset's state."""

from dataclasses import replace

import pytest

from commonweal.contract.loader import load_contract
from commonweal.lake.candidates import Candidate
from commonweal.lake.releases import Release
from commonweal.render.suite import suite
from commonweal.settings import ROOT
from commonweal.work import State, basis_of, find_work, is_gated

CODE = "code"


@pytest.fixture(scope="module")
def contract():
    return load_contract(ROOT / "schemas", "hotline.service_request")


@pytest.fixture
def ends(contract):
    return {contract.topic: {0: 10, 1: 4}, contract.repair_topic: {0: 0}}


@pytest.fixture
def settled(contract, ends):
    """Everything landed, cleaned, passed and released."""
    offsets = {topic: {str(part): end for part, end in parts.items()} for topic, parts in ends.items()}
    made = {
        "dataset": contract.id,
        "snapshots": {"current": 1, "history": 2},
        "rows": {"current": 9},
        "offsets": offsets,
        "inputs": {},
    }
    digest = f"{contract.digest}:{CODE}"
    candidate = Candidate(
        number=3, commit_id="a", landing_snapshot=5, counts={}, contract_digest=digest, code_version="v1", **made
    )
    texts = dict.fromkeys(("commit_id", "gate_id", "contract_version", "contract_digest", "suite_digest", "code_version"), "")
    release = Release(number=1, counts={}, quality_digest="", **texts, **made)
    gate = {
        "id": "g",
        "candidate_number": 3,
        "passed": True,
        "suite_digest": suite(contract).digest,
        "dismissals": 0,
        "code_version": "v1",
    }
    return State(ends, candidate, gate, release, {}, held=False, dismissals=0, losses=0, finished=4, last=None, code_version="v1")


def reasons(contract, state, ends) -> tuple[str, ...]:
    return find_work(contract, state, ends, CODE).reasons


def test_nothing_to_do(contract, settled, ends):
    assert reasons(contract, settled, ends) == ()


def test_rotated_keys_are_work_for_a_source_until_it_is_cleaned(contract, settled, ends):
    rotated = replace(settled, key_epoch=2)
    assert reasons(contract, rotated, ends) == ("keys rotated",)
    assert basis_of(contract, rotated, ends, CODE) != basis_of(contract, settled, ends, CODE)
    assert reasons(contract, replace(rotated, candidate=replace(settled.candidate, key_epoch=2)), ends) == ()
    assert rotated.has_todays_keys(contract.model_copy(update={"kind": "product"}))


def test_each_step_that_lags_is_work(contract, settled, ends):
    grown = ends | {contract.topic: {0: 11, 1: 4}}
    assert reasons(contract, settled, grown) == ("landed < end",)
    assert reasons(contract, replace(settled, landed=grown), grown) == ("cleaned < landed",)
    newer = replace(settled.candidate, number=4)
    assert reasons(contract, replace(settled, candidate=newer), ends) == ("candidate not gated",)
    assert reasons(contract, replace(settled, release=None), ends) == ("candidate not released",)
    assert reasons(contract, replace(settled, release=None, held=True), ends) == ()


def test_another_contract_or_code_is_work(contract, settled, ends):
    other = replace(settled.candidate, contract_digest="other")
    assert reasons(contract, replace(settled, candidate=other), ends) == ("contract or code changed",)


def test_a_refusal_is_final_until_something_changes(contract, settled, ends):
    refused = replace(settled, gate=settled.gate | {"passed": False}, release=None)
    assert is_gated(contract, refused)
    assert reasons(contract, refused, ends) == ()
    for change in ({"dismissals": 1}, {"code_version": "v2"}):
        assert reasons(contract, replace(refused, **change), ends) == ("candidate not gated",)


@pytest.mark.parametrize(
    ("error", "blocks"), [("ContractError", True), ("DataLossError", True), ("ConfigError", False), ("FencedError", False)]
)
def test_only_errors_whose_cause_was_seen_block(contract, settled, ends, error, blocks):
    state = replace(settled, release=None)
    last = {"step": "gate", "outcome": "failed", "retryable": False, "error": error, "basis": basis_of(contract, state, {}, CODE)}
    assert find_work(contract, replace(state, last=last), ends, CODE).is_open is not blocks
    seen_otherwise = last | {"basis": "another"}
    assert find_work(contract, replace(state, last=seen_otherwise), ends, CODE).is_open


def test_new_events_are_landed_whatever_a_later_step_said(contract, settled, ends):
    state = replace(settled, release=None)
    last = {
        "step": "gate",
        "outcome": "failed",
        "retryable": False,
        "error": "ContractError",
        "basis": basis_of(contract, state, {}, CODE),
    }
    grown = ends | {contract.topic: {0: 11, 1: 4}}
    assert find_work(contract, replace(state, last=last), grown, CODE).is_open
