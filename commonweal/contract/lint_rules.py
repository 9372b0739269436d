"""Lint rules about quality rules: only allowed expectations, only columns that exist, and a gate that can close at all."""

from collections import Counter
from collections.abc import Callable, Iterator

from commonweal.contract.expectations import ALLOWED, Expectation
from commonweal.contract.lint_fields import Problem, is_risky_pattern
from commonweal.contract.model import Contract, Rule
from commonweal.contract.names import NAME

DERIVED = "derived_"
_IGNORE = ("either_value_is_missing", "both_values_are_missing", "any_value_is_missing", "all_values_are_missing", "never")
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
        known = ", ".join(sorted({*columns, *allowed.options}))
        yield "rule_argument", f"{name[:60]!r} is no argument of this expectation; use {known}"
    for name in sorted(columns - set(rule.kwargs)):
        yield "rule_argument", f"{name} is missing; write it"
    for name, value in rule.kwargs.items():
        if name in _MEANING and not _MEANING[name][0](value):
            yield "rule_argument", f"{name} is {_MEANING[name][1]}; correct it"
    if "regex" in rule.kwargs and is_risky_pattern(str(rule.kwargs["regex"])):
        yield "pattern", "not a regular expression, too long, or one that may run for ever; write it plainly"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_list_of(value: object, *kinds: type) -> bool:
    return isinstance(value, list) and bool(value) and all(type(item) in kinds for item in value)


_BOUND = (lambda value: _is_number(value) or isinstance(value, str), "a number, or a date in quotes")
_SWITCH = (lambda value: isinstance(value, bool), "true or false")
_COLUMN = (lambda value: isinstance(value, str), "one column")
_MEANING: dict[str, tuple[Callable[[object], bool], str]] = {
    "column": _COLUMN,
    "column_A": _COLUMN,
    "column_B": _COLUMN,
    "column_list": (lambda value: _is_list_of(value, str), "a list of columns"),
    "mostly": (lambda value: _is_number(value) and 0 < value <= 1, "a share above 0, at most 1"),  # type: ignore[operator]
    "value_set": (lambda value: _is_list_of(value, str, int, float, bool), "a list of values, not empty"),
    "regex": (lambda value: isinstance(value, str), "a regular expression"),
    "value": (_is_number, "a number"),
    "min_value": _BOUND,
    "max_value": _BOUND,
    "strict_min": _SWITCH,
    "strict_max": _SWITCH,
    "or_equal": _SWITCH,
    "ignore_row_if": (lambda value: value in _IGNORE, f"one of {', '.join(_IGNORE)}"),
}


def _columns(rule: Rule, allowed: Expectation) -> Iterator[object]:
    """Every column that the rule names; what isn't a text or a list is the arguments' problem."""
    for name in (*allowed.columns, *allowed.column_lists):
        value = rule.kwargs.get(name)
        yield from (item for item in (value if isinstance(value, list) else [value]) if isinstance(item, str))


def _known_columns(rule: Rule, contract: Contract) -> set[object]:
    own: set[object] = {field.column for field in contract.fields}
    return own | set(HISTORY_COLUMNS) if rule.table == "history" else own


def _guards_key(rule: Rule, contract: Contract) -> bool:
    if rule.severity != "fail" or rule.table != "current" or rule.kwargs.get("mostly", 1) != 1:
        return False
    kinds = ("expect_column_values_to_be_unique", "expect_compound_columns_to_be_unique")
    allowed = ALLOWED.get(rule.expectation)
    return rule.expectation in kinds and allowed is not None and set(_columns(rule, allowed)) == set(contract.key_columns)
