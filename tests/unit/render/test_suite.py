"""The suite that follows from a contract: what is derived, what its digest depends on, and what it never asks for."""

import pytest

from commonweal.contract.expectations import ALLOWED
from commonweal.contract.loader import load_contracts
from commonweal.contract.model import Code, Contract, Field, Limits, Rule, Text
from commonweal.errors import ContractError
from commonweal.render.suite import Suite, suite
from commonweal.settings import ROOT

WORDS = Text(en="Words", zh="文字")


def field(name, kind="string", **more):
    named = {"name": name, "physical_name": name, "column": name, "title": WORDS, "description": WORDS}
    return Field.model_validate(named | {"type": kind} | more)


def contract(*fields, key=("case_no",), kind="source", **more):
    return Contract(
        id="hotline.ticket", version="1.0.0", kind=kind, status="active", title=WORDS, description=WORDS, digest="d",
        key=key, fields=(field("case_no", required=True), *fields), **more,
    )  # fmt: skip


def asked(made: Suite, table="current"):
    return {rule.id: (rule.expectation, rule.kwargs) for rule in made.rules if rule.table == table}


def test_required_field_gives_not_null():
    rules = asked(suite(contract(field("area_code", required=True))))
    assert rules["derived_area_code_given"] == ("expect_column_values_to_not_be_null", {"column": "area_code"})


def test_codes_give_a_set():
    codes = tuple(Code(value=value, title=WORDS) for value in ("open", "closed"))
    _, kwargs = asked(suite(contract(field("status_code", codes=codes))))["derived_status_code_listed"]
    assert kwargs == {"column": "status_code", "value_set": ["open", "closed"]}


def test_form_length_and_range():
    rules = asked(suite(contract(field("a", pattern="^x$", min_length=1, max_length=3), field("b", "integer", minimum=0))))
    assert rules["derived_a_form"][1] == {"column": "a", "regex": "^x$"}
    assert rules["derived_a_length"][1] == {"column": "a", "min_value": 1, "max_value": 3}
    assert rules["derived_b_range"][1] == {"column": "b", "min_value": 0}


def test_pseudonym_is_only_asked_to_be_there():
    """Form and length of an identifier are about the raw value; the column holds its pseudonym."""
    person = field("resident_id", column="person_key", identifier="resident_id", personal="identifier", required=True,
                   pattern="^[0-9]{17}", min_length=18, max_length=18)  # fmt: skip
    about = [rule.id for rule in suite(contract(person)).rules if rule.kwargs.get("column") == "person_key"]
    assert about == ["derived_person_key_given"]


def test_key_is_unique_on_one_column_or_on_all_together():
    assert asked(suite(contract()))["derived_key_unique"] == ("expect_column_values_to_be_unique", {"column": "case_no"})
    several = suite(contract(field("month", "date"), key=("case_no", "month"), kind="product"))
    expected = ("expect_compound_columns_to_be_unique", {"column_list": ["case_no", "month"]})
    assert asked(several)["derived_key_unique"] == expected


def test_history_is_asked_for_its_periods_only_where_there_is_one():
    rules = asked(suite(contract()), "history")
    assert rules["derived_history_period_order"][1]["or_equal"] is True
    assert "derived_history_valid_from_given" in rules
    assert asked(suite(contract(kind="product")), "history") == {}


def test_rule_stated_as_fail_is_not_derived_again():
    stated = Rule(id="given", expectation="expect_column_values_to_not_be_null", kwargs={"column": "case_no"}, sentence=WORDS)
    assert "derived_case_no_given" not in asked(suite(contract(rules=(stated,))))


def test_rule_stated_as_warn_does_not_weaken_the_derived_one():
    stated = Rule(id="given", expectation="expect_column_values_to_not_be_null", kwargs={"column": "case_no"}, sentence=WORDS,
                  severity="warn")  # fmt: skip
    derived = {rule.id: rule for rule in suite(contract(rules=(stated,))).rules}["derived_case_no_given"]
    assert derived.severity == "fail"


def test_rule_on_an_optional_field_may_look_at_nothing_one_on_a_required_field_may_not():
    made = {rule.id: rule for rule in suite(contract(field("a", pattern="x"), field("b", pattern="x", required=True))).rules}
    assert made["derived_a_form"].may_be_empty
    assert not made["derived_b_form"].may_be_empty
    assert not made["derived_b_given"].may_be_empty


def test_table_that_may_have_no_rows_leaves_every_derived_rule_without_any():
    empty = suite(contract(field("a", required=True), limits=Limits(min_rows=0)))
    assert all(rule.may_be_empty for rule in empty.rules)


def test_expectation_that_is_not_allowed_is_refused():
    code = Rule(id="x", expectation="expect_query_results_to_match_comparison", kwargs={}, sentence=WORDS)
    with pytest.raises(ContractError, match="hotline.ticket: rule x"):
        suite(contract(rules=(code,)))


def test_two_rules_of_one_id_are_refused():
    stated = Rule(id="derived_key_unique", expectation="expect_column_values_to_not_be_null", kwargs={"column": "case_no"},
                  sentence=WORDS)  # fmt: skip
    with pytest.raises(ContractError, match="derived_key_unique"):
        suite(contract(rules=(stated,)))


def test_whether_a_rule_is_about_single_rows_is_the_engines_matter_not_the_contracts():
    stated = Rule(id="u", expectation="expect_column_values_to_be_unique", kwargs={"column": "a"}, sentence=WORDS, per_row=True)
    assert not suite(contract(field("a"), rules=(stated,))).rules[0].per_row


@pytest.mark.parametrize(
    "changes",
    [
        {"kwargs": {"column": "case_no", "mostly": 0.5}},
        {"severity": "warn"},
        {"may_be_empty": True},
        {"table": "history"},
        {"id": "other"},
    ],
)
def test_digest_changes_with_each_part_of_a_rule(changes):
    stated = Rule(id="r", expectation="expect_column_values_to_be_in_set", kwargs={"column": "case_no"}, sentence=WORDS)
    changed = stated.model_copy(update=changes)
    assert suite(contract(rules=(stated,))).digest != suite(contract(rules=(changed,))).digest


def test_digest_does_not_depend_on_how_arguments_are_ordered():
    one = Rule(
        id="r", expectation="expect_column_values_to_be_in_set", kwargs={"column": "a", "value_set": ["x"]}, sentence=WORDS
    )
    other = one.model_copy(update={"kwargs": {"value_set": ["x"], "column": "a"}})
    assert suite(contract(rules=(one,))).digest == suite(contract(rules=(other,))).digest


def test_every_contract_has_a_suite_in_both_languages():
    contracts = load_contracts(ROOT / "schemas")
    assert contracts
    for each in contracts.values():
        rules = suite(each).rules
        assert rules
        assert all(rule.expectation in ALLOWED and rule.sentence.en and rule.sentence.zh for rule in rules), each.id
        columns = {item.column for item in each.fields} | {"_valid_from", "_valid_to"}
        named = {rule.kwargs[name] for rule in rules for name in ("column", "column_A", "column_B") if name in rule.kwargs}
        assert named <= columns, each.id
