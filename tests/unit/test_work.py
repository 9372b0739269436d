"""What is work, and what blocks it: a pure decision over a dataset's state."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from commonweal.contract.loader import load_contract
from commonweal.lake.candidates import Candidate, closed_through
from commonweal.lake.releases import Release
from commonweal.render.suite import suite
from commonweal.settings import ROOT
from commonweal.work import State, basis_of, find_work, is_gated

CODE = "code"
TODAY = date(2026, 11, 26)


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
    people = {"held": False, "rolled_back": False, "dismissals": 0, "losses": 0}
    return State(ends, candidate, gate, release, {}, **people, finished=4, last=None, code_version="v1")


def reasons(contract, state, ends) -> tuple[str, ...]:
    return find_work(contract, state, ends, CODE, today=TODAY).reasons


def test_nothing_to_do(contract, settled, ends):
    assert reasons(contract, settled, ends) == ()


def test_rotated_keys_are_work_for_a_source_until_it_is_cleaned(contract, settled, ends):
    rotated = replace(settled, key_epoch=2)
    assert reasons(contract, rotated, ends) == ("keys rotated",)
    assert basis_of(contract, rotated, ends, CODE, today=TODAY) != basis_of(contract, settled, ends, CODE, today=TODAY)
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


def test_what_was_rolled_back_is_no_work_until_something_newer_passes(contract, settled, ends):
    older = replace(settled.release, number=1, snapshots={"current": 8, "history": 9})
    lifted = replace(settled, release=older, rolled_back=True)
    assert reasons(contract, lifted, ends) == ()
    assert reasons(contract, replace(lifted, rolled_back=False), ends) == ("candidate not released",)
    grown = ends | {contract.topic: {0: 11, 1: 4}}
    assert reasons(contract, lifted, grown) == ("landed < end",)
    assert basis_of(contract, lifted, ends, CODE, today=TODAY) != basis_of(
        contract, replace(lifted, rolled_back=False), ends, CODE, today=TODAY
    )


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
    last = {
        "step": "gate",
        "outcome": "failed",
        "retryable": False,
        "error": error,
        "basis": basis_of(contract, state, {}, CODE, today=TODAY),
    }
    assert find_work(contract, replace(state, last=last), ends, CODE, today=TODAY).is_open is not blocks
    seen_otherwise = last | {"basis": "another"}
    assert find_work(contract, replace(state, last=seen_otherwise), ends, CODE, today=TODAY).is_open


def test_new_events_are_landed_whatever_a_later_step_said(contract, settled, ends):
    state = replace(settled, release=None)
    last = {
        "step": "gate",
        "outcome": "failed",
        "retryable": False,
        "error": "ContractError",
        "basis": basis_of(contract, state, {}, CODE, today=TODAY),
    }
    grown = ends | {contract.topic: {0: 11, 1: 4}}
    assert find_work(contract, replace(state, last=last), grown, CODE, today=TODAY).is_open


CLOSING = date(2026, 10, 31)
"""September is closed 31 days after its end."""


@pytest.fixture(scope="module")
def product():
    return load_contract(ROOT / "schemas", "data_bureau.community_issues")


@pytest.fixture
def joined(product, settled):
    """A product's candidate that was made on the day a period closed, passed and released."""
    inputs = {"hotline.service_request": 5}
    made = {"dataset": product.id, "snapshots": {"current": 7}, "rows": {}, "offsets": {}, "inputs": inputs}
    digest = f"{product.digest}:{CODE}"
    candidate = replace(settled.candidate, **made, contract_digest=digest, counts=closed_through(CLOSING))
    release = replace(settled.release, **made)
    gate = settled.gate | {"suite_digest": suite(product).digest}
    return replace(settled, landed={}, candidate=candidate, gate=gate, release=release, inputs=inputs)


def made_on(state, day):
    return replace(state, candidate=replace(state.candidate, counts=closed_through(day)))


def product_reasons(product, state, today) -> tuple[str, ...]:
    return find_work(product, state, {}, CODE, today=today).reasons


def test_a_period_that_was_closed_is_work_once(product, joined):
    the_day_before = made_on(joined, CLOSING - timedelta(days=1))
    assert product_reasons(product, the_day_before, CLOSING - timedelta(days=1)) == ()
    assert product_reasons(product, the_day_before, CLOSING) == ("period closed",)
    assert product_reasons(product, the_day_before, TODAY) == ("period closed",)
    for made in (CLOSING, TODAY):
        assert product_reasons(product, made_on(joined, made), TODAY) == ()
    next_closing = date(2026, 12, 1)
    assert product_reasons(product, made_on(joined, TODAY), next_closing) == ("period closed",)


def test_an_announced_revision_is_work_on_its_day(product, joined):
    day = TODAY - timedelta(days=3)
    announced = product.model_copy(update={"suppression": product.suppression.model_copy(update={"revisions": (day,)})})
    assert product_reasons(announced, joined, day - timedelta(days=1)) == ()
    assert product_reasons(announced, joined, day) == ("period closed",)
    assert product_reasons(announced, made_on(joined, day), TODAY) == ()


def test_a_candidate_that_does_not_say_when_it_was_closed_is_made_anew(product, joined):
    assert product_reasons(product, replace(joined, candidate=replace(joined.candidate, counts={})), TODAY) == ("period closed",)


def test_the_calendar_is_no_matter_to_others(product, joined, contract, settled, ends):
    shown = product.model_copy(update={"suppression": None})
    state = replace(joined, candidate=replace(joined.candidate, counts={}))
    assert product_reasons(shown, state, date(2031, 1, 1)) == ()
    assert reasons(contract, settled, ends) == ()


def test_the_basis_changes_when_a_period_is_closed_and_not_from_day_to_day(product, joined, contract, settled):
    def basis(day, of=product, state=joined):
        return basis_of(of, state, {}, CODE, today=day)

    assert basis(CLOSING) == basis(TODAY) == basis(date(2026, 11, 30))
    assert basis(CLOSING) != basis(CLOSING - timedelta(days=1))
    assert basis(CLOSING, contract, settled) == basis(date(2031, 1, 1), contract, settled)


def test_a_join_that_can_not_be_mended_by_itself_is_tried_once_a_period(product, joined):
    state = made_on(joined, CLOSING - timedelta(days=1))
    last = {"step": "join", "outcome": "failed", "retryable": False, "error": "ContractError"}
    failed = replace(state, last=last | {"basis": basis_of(product, state, {}, CODE, today=CLOSING)})
    for day in (CLOSING, TODAY):
        assert not find_work(product, failed, {}, CODE, today=day).is_open
    assert find_work(product, failed, {}, CODE, today=date(2026, 12, 1)).is_open


def test_the_day_is_remembered_by_the_candidate(joined):
    assert made_on(joined, TODAY).candidate.closed_through == TODAY
    assert replace(joined.candidate, counts={"keys": 3}).closed_through is None
