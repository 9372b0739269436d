"""The invented town: the same every time, nobody real, and its exports publishable as they are."""

from pathlib import Path

import orjson
import pytest

from commonweal.contract.loader import load_contract
from commonweal.decoding import Decoder
from commonweal.identity import check
from commonweal.settings import ROOT, Settings
from infra.demo.cases import Finding
from infra.demo.town import CASES, DIRECT_EVENTS, REGISTER, WRONG_EVENTS, Ledger, build
from streams.publish import Request, publish


@pytest.fixture(scope="module")
def town(tmp_path_factory) -> Ledger:
    return build(tmp_path_factory.mktemp("town"), residents=1500)


def test_the_same_seed_writes_the_same_bytes(tmp_path, town):
    again = build(tmp_path / "again", residents=1500)
    assert [export.path.read_bytes() for export in again.exports] == [export.path.read_bytes() for export in town.exports]
    assert (again.direct, again.findings, again.dead) == (town.direct, town.findings, town.dead)
    assert build(tmp_path / "other", residents=1500, seed=1).direct != town.direct


def test_publishing_counts_what_the_ledger_says(tmp_path, town):
    run = tmp_path / "run"
    settings = Settings(run_dir=run, secrets_dir=run / "secrets", keys_dir=run / "keys", schemas_dir=ROOT / "schemas")
    assert [export.dataset for export in town.exports] == [REGISTER, CASES, CASES]
    for export in town.exports:
        request = Request(file=str(export.path), dataset=export.dataset, dry_run=True, rejects=tmp_path / "rejects.csv")
        outcome = publish(request, settings)
        assert (outcome.rows, outcome.bad) == (export.rows, export.bad_rows), outcome.reasons


def test_the_direct_events_are_wrong_where_the_ledger_says_and_right_when_repaired(town):
    decoder = Decoder(load_contract(ROOT / "schemas", CASES))
    assert (len(town.direct), len(town.wrong)) == (DIRECT_EVENTS, WRONG_EVENTS)
    reasons = set()
    for event in town.direct:
        problems = decoder.problems(orjson.loads(event.value))
        assert bool(problems) == event.is_wrong
        assert not decoder.problems(dict(event.right))
        reasons |= set(problems)
    assert reasons == {"checksum:resident_id", "enum:programme_code"}


def test_there_are_findings_of_both_rules_and_a_correction_takes_some_away(town):
    first, second = town.findings
    assert second < first
    assert {finding.rule for finding in second} == {"payment_after_death", "overlapping_assistance"}
    assert all(isinstance(finding, Finding) for finding in first)


def test_no_number_can_be_anyones(town):
    for event in town.direct:
        assert event.right["resident_id"].startswith("99") and check("resident_id", event.right["resident_id"]) is None


def test_the_full_town_has_the_size_that_is_promised(tmp_path: Path):
    ledger = build(tmp_path)
    assert ledger.keys(REGISTER) >= 20_000
    assert ledger.keys(CASES) > 1_300 and ledger.dead > 150
    assert len(ledger.findings[1]) >= 30
