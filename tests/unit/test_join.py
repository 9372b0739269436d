"""Join and the decision about work agree: what is no work isn't joined, and what is work is."""

import ast
from datetime import date, timedelta
from types import SimpleNamespace

import pytest

from commonweal.contract.loader import load_contract
from commonweal.errors import ContractError
from commonweal.lake.candidates import Candidate, closed_through
from commonweal.lake.releases import Release
from commonweal.settings import ROOT
from commonweal.steps.join import SETTLING, _is_continued, _is_same, code_digest, made_by
from commonweal.work import is_period_closed

SOURCE = "hotline.service_request"
CLOSING = date(2026, 10, 31)
"""September is closed 31 days after its end."""


@pytest.fixture(scope="module")
def product():
    return load_contract(ROOT / "schemas", "data_bureau.community_issues")


def released(number: int) -> Release:
    texts = dict.fromkeys(("contract_version", "contract_digest", "suite_digest", "code_version", "quality_digest"), "")
    return Release(SOURCE, number, "c", "g", {}, {}, {}, {}, {}, **texts)


def candidate(product, counts: dict[str, int], digest: str | None = None) -> Candidate:
    made = {"snapshots": {"current": 7}, "rows": {}, "offsets": {}, "inputs": {SOURCE: 5}, "counts": counts}
    digest = digest or made_by(product)
    return Candidate(
        dataset=product.id, number=1, commit_id="a", landing_snapshot=None, contract_digest=digest, code_version="v", **made
    )


def is_same(product, made: Candidate, today: date, number: int = 5) -> bool:
    return _is_same(made, product, {SOURCE: released(number)}, today)


@pytest.mark.parametrize("made", [CLOSING - timedelta(days=1), CLOSING, CLOSING + timedelta(days=1)])
@pytest.mark.parametrize("today", [CLOSING - timedelta(days=1), CLOSING, CLOSING + timedelta(days=30), date(2026, 12, 1)])
def test_join_makes_a_period_that_was_closed_and_no_other(product, made, today):
    was = candidate(product, closed_through(made))
    assert is_same(product, was, today) is not is_period_closed(product, was, today)
    assert is_same(product, was, today) is (made >= today or (made >= CLOSING and today < date(2026, 12, 1)))


def test_other_inputs_or_code_are_joined_whatever_the_day(product):
    was = candidate(product, closed_through(CLOSING))
    assert is_same(product, was, CLOSING)
    assert not is_same(product, was, CLOSING, number=6)
    assert not is_same(product, candidate(product, closed_through(CLOSING), f"{product.digest}:other"), CLOSING)
    assert made_by(product) == f"{product.digest}:{code_digest(product)}"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "jobs/made_up/shared.py is missing; write its transform"),
        ("def transform(:", r"can't be imported \(SyntaxError\); mend it"),
        ("import nosuchlib", "imports nosuchlib, which isn't there; mend it"),
        ("raise ValueError('a value')", r"can't be imported \(ValueError\); mend it$"),
        ("x = 1", "has no function transform; write it"),
    ],
)
def test_a_transform_that_can_not_be_had_is_an_error_of_its_own_dataset(product, tmp_path, monkeypatch, text, words):
    import jobs

    name = f"shared_{abs(hash(text))}" if text else "shared"
    (tmp_path / "made_up").mkdir()
    if text:
        (tmp_path / "made_up" / f"{name}.py").write_text(text)
    monkeypatch.setattr(jobs, "__path__", [*jobs.__path__, str(tmp_path)])
    with pytest.raises(ContractError, match=words):
        code_digest(product.model_copy(update={"id": f"made_up.{name}"}))


def test_code_by_which_events_are_settled_counts_as_a_change_of_its_sources():
    """What these modules know of the contract, and what expires, is compared in other ways."""
    elsewhere = ("commonweal.contract.", "commonweal.render.", "commonweal.expiry")
    own = [ROOT / "commonweal" / name for name in SETTLING if "/" not in name]
    lines = [node for path in own for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))]
    used = {str(node.module) for node in lines if isinstance(node, ast.ImportFrom) and str(node.module).startswith("commonweal.")}
    settling = {module.removeprefix("commonweal.") + ".py" for module in used if not module.startswith(elsewhere)}
    assert {"states.py", "succession.py"} <= settling <= set(SETTLING)


@pytest.mark.parametrize(("digest", "code", "base"), [(None, "v", 7), ("other", "v", 7), (None, "other", 7), (None, "v", 8)])
def test_only_onto_rows_that_todays_contract_and_code_made_some_are_joined(product, digest, code, base):
    ports = SimpleNamespace(code_version=code)
    assert _is_continued(candidate(product, {}, digest), product, ports, base) is ((digest, code, base) == (None, "v", 7))
