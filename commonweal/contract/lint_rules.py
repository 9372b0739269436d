"""Lint rules about quality rules: only allowed expectations, only columns that exist, and a gate that can close at all."""

from collections import Counter
from collections.abc import Iterator

from commonweal.contract.expectations import ALLOWED, Expectation
from commonweal.contract.lint_fields import Problem, is_risky_pattern
from commonweal.contract.model import Contract, Rule
from commonweal.contract.names import NAME

DERIVED = "derived_"
HISTORY_COLUMNS = ("_valid_from", "_valid_to")


def rule_problems(contract: Contract) -> Iterator[Problem]:
    """Every problem of a contract's quality rules: place, rule, cure."""
    for place, rule in enumerate(contract.rules):
        for name, cure in _one(rule, contract):
            yield f"schema.0.quality.{place}", name, cure
    if any(count > 1 for count in Counter(rule.id for rule in contract.rules).values()):
        yield "schema.0.quality", "repeated_name", "two rules have the same id; rename one"
    if not any(rule.severity == "fail" for rule in contract.rules):
        yield "schema.0.quality", "no_fail_rule", "no rule can refuse a release; give at least one severity: fail"
    if contract.key and not any(_guards_key(rule, contract) for rule in contract.rules):
        yield "schema.0.quality", "key_not_guarded", "no fail rule on current says that the business key is unique; add one"


def _one(rule: Rule, contract: Contract) -> Iterator[tuple[str, str]]:
    if not NAME.fullmatch(rule.id) or rule.id.startswith(DERIVED):
        yield "name", f"a rule's id is [a-z][a-z0-9_]* and does not begin with {DERIVED}; rename it"
    if rule.table not in contract.tables:
        yield "rule_table", f"the dataset has no table {rule.table}; use {' or '.join(contract.tables)}"
    allowed = ALLOWED.get(rule.expectation)
    if allowed is None:
        yield "expectation", "not on the list of commonweal/contract/expectations.py; choose one from there"
        return
    yield from _arguments(rule, allowed)
    for column in _columns(rule, allowed):
        if column not in _known_columns(rule, contract):
            yield "rule_column", "a column that the table does not have; name a column of the lake"


def _arguments(rule: Rule, allowed: Expectation) -> Iterator[tuple[str, str]]:
    columns = {*allowed.columns, *allowed.column_lists}
    for name in sorted(set(rule.kwargs) - columns - set(allowed.options)):
        yield (
            "rule_argument",
            f"{name[:60]!r} is no argument of this expectation; use {', '.join(sorted({*columns, *allowed.options}))}",
        )
    for name in sorted(columns - set(rule.kwargs)):
        yield "rule_argument", f"{name} is missing; write it"
    mostly = rule.kwargs.get("mostly", 1)
    if not isinstance(mostly, int | float) or not 0 < mostly <= 1:
        yield "rule_argument", "mostly is a share above 0, at most 1"
    if not rule.kwargs.get("value_set", [""]):
        yield "rule_argument", "value_set is empty; write the values"
    if "regex" in rule.kwargs and is_risky_pattern(str(rule.kwargs["regex"])):
        yield "pattern", "not a regular expression, too long, or one that may run for ever; write it plainly"


def _columns(rule: Rule, allowed: Expectation) -> Iterator[object]:
    yield from (rule.kwargs[name] for name in allowed.columns if name in rule.kwargs)
    for name in allowed.column_lists:
        yield from rule.kwargs.get(name, ())


def _known_columns(rule: Rule, contract: Contract) -> set[object]:
    own: set[object] = {field.column for field in contract.fields}
    return own | set(HISTORY_COLUMNS) if rule.table == "history" else own


def _guards_key(rule: Rule, contract: Contract) -> bool:
    if rule.severity != "fail" or rule.table != "current" or rule.kwargs.get("mostly", 1) != 1:
        return False
    single = rule.expectation == "expect_column_values_to_be_unique" and [rule.kwargs.get("column")]
    several = rule.expectation == "expect_compound_columns_to_be_unique" and rule.kwargs.get("column_list")
    return sorted(single or several or ()) == sorted(contract.key_columns)
