"""Each way in which a wrong candidate could look right: the verdict refuses it, and says by which check."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commonweal.contract.model import Limits, Rule
from commonweal.gate.flow_checks import accounting_checks
from commonweal.gate.model import Accounting, JoinCoverage, RuleResult, Since, Verdict
from commonweal.render.suite import suite


def refused_by(candidate):
    return {check.id for check in candidate.verdict().refusals}


def with_result(candidate, place, **changes):
    results = list(candidate.results)
    results[place] = replace(results[place], **changes)
    return replace(candidate, results=tuple(results))


def index(candidate, rule_id):
    return [result.rule.id for result in candidate.results].index(rule_id)


def test_candidate_in_order_passes(good, good_product):
    assert refused_by(good) == refused_by(good_product) == set()
    assert good.verdict().passed
    assert good_product.verdict().passed


def test_verdict_without_checks_refuses():
    assert not Verdict(()).passed


def test_no_results_at_all(good):
    assert "results_missing" in refused_by(replace(good, results=()))


def test_empty_suite(good):
    none = replace(good.suite, rules=())
    assert refused_by(replace(good, suite=none, results=())) == {"suite_planned", "suite_current"}


def test_suite_of_another_contract(good, good_product):
    assert "suite_current" in refused_by(replace(good, suite=replace(good.suite, dataset="hotline.other")))
    changed = good.contract.model_copy(update={"rules": good.contract.rules[:1]})
    assert "suite_current" in refused_by(replace(good, contract=changed))


def test_suite_with_a_rule_taken_out(good):
    fewer = replace(good.suite, rules=good.suite.rules[1:])
    assert "suite_current" in refused_by(replace(good, suite=fewer, results=good.results[1:]))


def test_one_result_missing(good):
    assert refused_by(replace(good, results=good.results[1:])) == {"results_missing"}


def test_result_of_no_planned_rule(good):
    stray = Rule(id="stray", expectation="x", kwargs={}, sentence=good.contract.title, severity="warn")
    extra = RuleResult(stray, success=True, evaluated=1000)
    assert refused_by(replace(good, results=(*good.results, extra))) == {"results_extra"}


def test_result_of_another_version_of_a_rule(good):
    other = good.results[0].rule.model_copy(update={"kwargs": {"column": "opened_on"}})
    assert refused_by(with_result(good, 0, rule=other)) == {"results_extra"}


def test_same_result_twice(good):
    assert refused_by(replace(good, results=(*good.results, good.results[0]))) == {"results_repeated"}


def test_rule_twice_in_the_suite(good):
    twice = replace(good.suite, rules=(*good.suite.rules, good.suite.rules[0]))
    assert "results_repeated" in refused_by(replace(good, suite=twice))


def test_rule_that_raised(good):
    place = index(good, "derived_key_unique")
    raised = with_result(good, place, success=False, evaluated=0, raised=True)
    assert refused_by(raised) == {"results_raised", "rule:derived_key_unique"}


def test_warning_rule_that_raised_refuses(good):
    assert refused_by(with_result(good, index(good, "fee_given"), success=False, evaluated=0, raised=True)) == {"results_raised"}


def test_rule_that_raised_and_says_success(good):
    assert "results_raised" in refused_by(with_result(good, 0, raised=True))


def test_broken_rule_refuses(good):
    broken = with_result(good, index(good, "derived_ticket_no_form"), success=False, unexpected=3)
    assert refused_by(broken) == {"rule:derived_ticket_no_form"}


def test_broken_warning_is_reported_only(good):
    verdict = with_result(good, index(good, "fee_given"), success=False, unexpected=3).verdict()
    assert verdict.passed
    assert [check.id for check in verdict.warnings] == ["rule:fee_given"]


def test_table_without_rows(good):
    nothing = replace(good, results=tuple(replace(result, evaluated=0) for result in good.results))
    nothing = replace(nothing, since=replace(good.since, rows_after=0), accounting=replace(good.accounting, live=0))
    assert {"rows_minimum", "results_empty"} <= refused_by(nothing)


def test_rule_that_looked_at_missing_values_only(good):
    place = index(good, "derived_ticket_no_form")
    assert refused_by(with_result(good, place, missing=1000)) == {"results_empty"}


def test_rule_that_may_be_empty_may(good):
    place = index(good, "derived_status_code_listed")
    assert good.results[place].rule.may_be_empty
    assert refused_by(with_result(good, place, missing=1000)) == set()


def test_uniqueness_judged_on_a_part(good):
    assert refused_by(with_result(good, index(good, "derived_key_unique"), evaluated=999)) == {"results_whole"}


def test_success_with_rows_that_break_the_rule(good):
    place = index(good, "derived_ticket_no_form")
    assert refused_by(with_result(good, place, unexpected=1)) == {"results_plausible"}


def test_success_within_a_stated_tolerance(good):
    assert refused_by(with_result(good, index(good, "status_mostly_given"), unexpected=150)) == set()


@pytest.mark.parametrize(
    "changes",
    [
        {"evaluated": -1},
        {"missing": -1},
        {"unexpected": -1},
        {"unexpected": math.nan},
        {"evaluated": math.nan},
        {"missing": 1001},
        {"missing": 500, "unexpected": 501, "success": False},
        {"evaluated": 1000.0},
        {"evaluated": True},
        {"success": 1},
        {"success": "False"},
    ],
)
def test_impossible_counts_of_a_rule(good, changes):
    assert "results_plausible" in refused_by(with_result(good, index(good, "fee_given"), **changes))


def test_too_few_rows(good):
    contract = good.contract.model_copy(update={"limits": Limits(min_rows=1001)})
    assert refused_by(replace(good, contract=contract)) == {"rows_minimum"}


@pytest.mark.parametrize("before", [660, 2001])
def test_rows_change_too_much(good, before):
    assert refused_by(replace(good, since=replace(good.since, rows_before=before))) == {"rows_change"}


@pytest.mark.parametrize("before", [700, 1999])
def test_rows_may_change_within_the_limit(good, before):
    assert refused_by(replace(good, since=replace(good.since, rows_before=before))) == set()


@pytest.mark.parametrize("before", [None, 0])
def test_first_rows_are_no_change(good, before):
    verdict = replace(good, since=replace(good.since, rows_before=before)).verdict()
    assert verdict.passed
    assert "rows_change" not in {check.id for check in verdict.checks}


@pytest.mark.parametrize(
    ("changes", "check"),
    [
        ({"withdrawn": 53}, "share_withdrawn"),
        ({"rejected_open": 5}, "share_rejected"),
        ({"set_aside": 5}, "share_set_aside"),
        ({"accepted": 0, "set_aside": 1, "rejected_open": 0}, "share_set_aside"),
        ({"accepted": 0, "set_aside": 0, "rejected_open": 1}, "share_rejected"),
    ],
)
def test_too_large_a_share(good, changes, check):
    assert refused_by(replace(good, since=replace(good.since, **changes))) == {check}


@pytest.mark.parametrize("name", ["rows_before", "rows_after", "withdrawn", "rejected_open", "set_aside", "accepted", "gaps"])
@pytest.mark.parametrize("wrong", [-1, math.nan, math.inf, 0.5])
def test_impossible_counts_since_the_last_release(good, name, wrong):
    assert "since_plausible" in refused_by(replace(good, since=replace(good.since, **{name: wrong})))


def test_source_without_accounting(good):
    assert refused_by(replace(good, accounting=None)) == {"accounting_given"}


@pytest.mark.parametrize(
    ("name", "checks"),
    [
        ("offsets", {"accounting_offsets"}),
        ("gaps", {"accounting_offsets"}),
        ("landed", {"accounting_offsets", "accounting_landed"}),
        ("accepted", {"accounting_landed", "accounting_accepted"}),
        ("rejected", {"accounting_landed", "accounting_rejected"}),
        ("live", {"accounting_accepted", "accounting_live"}),
        ("superseded", {"accounting_accepted"}),
        ("duplicate", {"accounting_accepted"}),
        ("conflict", {"accounting_accepted"}),
        ("pending", {"accounting_accepted"}),
        ("withdrawn", {"accounting_accepted"}),
        ("open", {"accounting_rejected"}),
        ("repaired", {"accounting_rejected"}),
        ("dismissed", {"accounting_rejected"}),
    ],
)
@pytest.mark.parametrize("by", [-1, 1])
def test_each_count_of_the_accounting_matters(good, name, checks, by):
    changed = replace(good.accounting, **{name: getattr(good.accounting, name) + by})
    assert refused_by(replace(good, accounting=changed)) == checks


def test_rows_that_are_not_the_live_events(good):
    assert refused_by(replace(good, since=replace(good.since, rows_after=999))) == {"accounting_live", "results_whole"}


@pytest.mark.parametrize("wrong", [-1, math.nan, 2.0])
def test_impossible_count_in_the_accounting(good, wrong):
    assert "accounting_plausible" in refused_by(replace(good, accounting=replace(good.accounting, pending=wrong)))


def test_join_that_covers_too_little(good_product):
    low = replace(good_product, coverage=(JoinCoverage("ticket", 949, 1000),))
    assert refused_by(low) == {"coverage:ticket"}


def test_join_that_looked_at_nothing(good_product):
    assert refused_by(replace(good_product, coverage=(JoinCoverage("ticket", 0, 0),))) == {"coverage:ticket"}


@pytest.mark.parametrize("coverage", [(), (JoinCoverage("ticket", 1, 1),) * 2, (JoinCoverage("person", 1, 1),)])
def test_joins_measured_are_those_declared(good_product, coverage):
    assert refused_by(replace(good_product, coverage=coverage)) == {"coverage_given"}


@pytest.mark.parametrize("counts", [(1001, 1000), (-1, 1000), (math.nan, 1000), (1, math.inf), (-1, -1)])
def test_impossible_coverage(good_product, counts):
    assert "coverage_plausible" in refused_by(replace(good_product, coverage=(JoinCoverage("ticket", *counts),)))


def test_product_that_may_be_empty(good_product, may_be_empty):
    rules = suite(may_be_empty)
    results = tuple(RuleResult(rule, success=True) for rule in rules.rules if rule.may_be_empty)
    empty = replace(good_product, contract=may_be_empty, suite=rules, results=results, since=Since(None, 0))
    own = {"results_missing"}  # the contract's own rules don't say that they may be empty
    assert refused_by(replace(empty, coverage=(JoinCoverage("ticket", 0, 0),))) == own


def test_every_refusal_says_what_to_do_in_both_languages(good):
    everything = replace(good, results=good.results[2:], accounting=None, since=Since(5000, 1, 90, 80, 70, 1))
    for check in everything.verdict().refusals:
        assert check.cure.en, check.id
        assert check.cure.zh, check.id


counts = st.integers(min_value=0, max_value=10**7)
accountings = st.builds(Accounting, *[counts] * 15)


@given(accountings, counts)
def test_random_counts_pass_only_when_each_equation_holds(accounting, rows):
    a = accounting
    holds = (
        a.offsets == a.landed + a.gaps + a.expired
        and a.landed == a.accepted + a.rejected
        and a.accepted == a.live + a.superseded + a.duplicate + a.conflict + a.pending + a.withdrawn
        and a.rejected == a.open + a.repaired + a.dismissed
        and a.live == rows
    )
    assert all(check.success for check in accounting_checks(a, Since(None, rows))) == holds


@given(st.lists(counts, min_size=11, max_size=11), st.integers(0, 14), st.integers(1, 5))
def test_books_in_order_pass_and_one_count_off_refuses(parts, place, by):
    gaps, expired, *fates = parts
    accepted, rejected = sum(fates[:6]), sum(fates[6:])
    landed = accepted + rejected
    books = [landed + gaps + expired, gaps, landed, accepted, rejected, *fates, expired]
    since = Since(None, fates[0])
    assert all(check.success for check in accounting_checks(Accounting(*books), since))
    books[place] += by
    assert not all(check.success for check in accounting_checks(Accounting(*books), since))
