"""Contract -> the gate's suite: the contract's own rules and those that follow from its fields, each in a plain sentence.

The suite is a value and knows no engine. Its digest changes when any rule does, and with it what was passed must be gated anew.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import rfc8785

from commonweal.contract.expectations import ALLOWED
from commonweal.contract.model import Contract, Field, Rule, TableName, Text
from commonweal.errors import ContractError

__all__ = ["ALLOWED", "Suite", "suite"]

_PREFIX = "derived_"


@dataclass(frozen=True)
class Suite:
    """All rules of one dataset.

    Attributes:
        dataset: The contract's id.
        rules: The contract's rules in its order, then the derived ones; ids are unique.
        digest: SHA-256 of the canonical JSON (RFC 8785) of dataset and rules.
    """

    dataset: str
    rules: tuple[Rule, ...]
    digest: str


def suite(contract: Contract) -> Suite:
    """The suite of one contract.

    Args:
        contract: The dataset.

    Raises:
        ContractError: A rule asks for an expectation that is not allowed, or two rules have one id.
    """
    own = contract.rules
    stated = {_asked(rule) for rule in own if rule.severity == "fail"}
    rules = (*own, *(rule for rule in _derived(contract) if _asked(rule) not in stated))
    for rule in rules:
        if rule.expectation not in ALLOWED:
            raise ContractError(f"{contract.id}: rule {rule.id} asks for an expectation that is not allowed; choose another")
    repeated = sorted({rule.id for rule in rules if sum(other.id == rule.id for other in rules) > 1})
    if repeated:
        raise ContractError(f"{contract.id}: several rules are called {', '.join(repeated)}; rename them")
    rules = tuple(rule.model_copy(update={"per_row": ALLOWED[rule.expectation].per_row}) for rule in rules)
    return Suite(contract.id, rules, _digest(contract.id, rules))


def _digest(dataset: str, rules: tuple[Rule, ...]) -> str:
    document: dict[str, Any] = {"dataset": dataset, "rules": [rule.model_dump(mode="json") for rule in rules]}
    return hashlib.sha256(rfc8785.dumps(document)).hexdigest()


def _asked(rule: Rule) -> tuple[str, str, bytes]:
    return rule.table, rule.expectation, rfc8785.dumps(rule.model_dump(mode="json")["kwargs"])


def _derived(contract: Contract) -> Iterator[Rule]:
    if contract.key:
        yield _key(contract)
    for field in contract.fields:
        # What the contract says about an identifier's form is about the raw value; its column holds a pseudonym.
        for rule in (_required(field), *(() if field.is_pseudonymised else _values(field))):
            if rule is not None:
                yield rule.model_copy(update={"may_be_empty": _may_be_empty(contract, field, rule)})
    if "history" in contract.tables:
        yield from _history(contract)


def _may_be_empty(contract: Contract, field: Field, rule: Rule) -> bool:
    """A table that may have no rows leaves every rule without any; a field that may be missing, the rules on its values."""
    return contract.limits.min_rows == 0 or (not field.required and rule.expectation != "expect_column_values_to_not_be_null")


def _key(contract: Contract) -> Rule:
    columns = list(contract.key_columns)
    names = ", ".join(columns)
    several = len(columns) > 1
    return Rule(
        id=f"{_PREFIX}key_unique",
        expectation="expect_compound_columns_to_be_unique" if several else "expect_column_values_to_be_unique",
        kwargs={"column_list": columns} if several else {"column": columns[0]},
        sentence=Text(en=f"No two rows have the same business key ({names}).", zh=f"任何两行的业务主键（{names}）都不相同。"),
        may_be_empty=contract.limits.min_rows == 0,
        per_row=False,
    )


def _required(field: Field) -> Rule | None:
    if not field.required:
        return None
    return _rule(
        f"{field.column}_given", "expect_column_values_to_not_be_null", {"column": field.column},
        Text(
            en=f"{field.title.en} ({field.column}) is given in every row.",
            zh=f"每行都填写了{field.title.zh}（{field.column}）。",
        ),
    )  # fmt: skip


def _values(field: Field) -> Iterator[Rule | None]:
    yield _codes(field)
    yield _pattern(field)
    yield _length(field)
    yield _range(field)


def _codes(field: Field) -> Rule | None:
    if not field.codes:
        return None
    values, en, zh = [code.value for code in field.codes], field.title.en, field.title.zh
    return _rule(
        f"{field.column}_listed", "expect_column_values_to_be_in_set", {"column": field.column, "value_set": values},
        Text(
            en=f"{en} ({field.column}) is one of the {len(values)} codes of its list.",
            zh=f"{zh}（{field.column}）取自代码表中的{len(values)}个代码。",
        ),
    )  # fmt: skip


def _pattern(field: Field) -> Rule | None:
    if field.pattern is None:
        return None
    return _rule(
        f"{field.column}_form", "expect_column_values_to_match_regex", {"column": field.column, "regex": field.pattern},
        Text(
            en=f"{field.title.en} ({field.column}) is written in the form that the contract gives.",
            zh=f"{field.title.zh}（{field.column}）符合契约规定的格式。",
        ),
    )  # fmt: skip


def _length(field: Field) -> Rule | None:
    bounds = _bounds(field.min_length, field.max_length)
    if field.type != "string" or not bounds:
        return None
    en, zh = _bounds_in_words(field.min_length, field.max_length)
    return _rule(
        f"{field.column}_length", "expect_column_value_lengths_to_be_between", {"column": field.column, **bounds},
        Text(
            en=f"{field.title.en} ({field.column}) is {en} characters long.",
            zh=f"{field.title.zh}（{field.column}）的长度{zh}个字符。",
        ),
    )  # fmt: skip


def _range(field: Field) -> Rule | None:
    bounds = _bounds(field.minimum, field.maximum)
    if field.type not in {"integer", "decimal"} or not bounds:
        return None
    en, zh = _bounds_in_words(field.minimum, field.maximum)
    return _rule(
        f"{field.column}_range", "expect_column_values_to_be_between", {"column": field.column, **bounds},
        Text(en=f"{field.title.en} ({field.column}) is {en}.", zh=f"{field.title.zh}（{field.column}）{zh}。"),
    )  # fmt: skip


def _history(contract: Contract) -> Iterator[Rule]:
    empty = contract.limits.min_rows == 0
    for column in (*contract.key_columns, "_valid_from"):
        yield _rule(
            f"history_{column.strip('_')}_given", "expect_column_values_to_not_be_null", {"column": column},
            Text(en=f"Every state in the history has {column}.", zh=f"历史表中的每个状态都有{column}。"), "history", empty,
        )  # fmt: skip
    yield _rule(
        "history_event_unique", "expect_compound_columns_to_be_unique",
        {"column_list": [*contract.key_columns, "_source", "_event_id"]},
        Text(en="No event stands twice in the history of its key.", zh="同一事件在历史表中不会出现两次。"), "history", empty,
    )  # fmt: skip
    ends = {"column_A": "_valid_to", "column_B": "_valid_from", "or_equal": True, "ignore_row_if": "either_value_is_missing"}
    yield _rule(
        "history_period_order", "expect_column_pair_values_a_to_be_greater_than_b", ends,
        Text(en="No state in the history ends before it began.", zh="历史表中没有状态在开始之前结束。"), "history", True,
    )  # fmt: skip


def _rule(
    name: str, expectation: str, kwargs: dict[str, Any], sentence: Text, table: TableName = "current", empty: bool = False
) -> Rule:
    return Rule(id=f"{_PREFIX}{name}", expectation=expectation, kwargs=kwargs, sentence=sentence, table=table, may_be_empty=empty)


def _bounds(least: float | None, most: float | None) -> dict[str, float]:
    pairs = {"min_value": least, "max_value": most}
    return {name: value for name, value in pairs.items() if value is not None}


def _bounds_in_words(least: float | None, most: float | None) -> tuple[str, str]:
    if least is not None and most is not None:
        return (f"{least:,g}", f"为{least:,g}") if least == most else (f"{least:,g} to {most:,g}", f"为{least:,g}至{most:,g}")
    return (f"at least {least:,g}", f"不少于{least:,g}") if least is not None else (f"at most {most:,g}", f"不超过{most:,g}")
