"""Each lint rule has a contract that breaks it, and only breaks it; the repository's contracts break none."""

import ast
from pathlib import Path

import pytest

import commonweal.contract.lint as lint_module
from commonweal.contract.lint import lint
from commonweal.contract.lint_fields import is_risky_pattern
from commonweal.contract.loader import read_files, read_schemas
from commonweal.contract.model import Code, Input, Limits, Purpose, Retention, Rule, Suppression, Text
from commonweal.settings import ROOT

ASSISTANCE, HOTLINE = "civil_affairs.assistance_case", "hotline.service_request"
GOOD = Text(en="x", zh="中")
UNIQUE = "expect_column_values_to_be_unique"
COMPOUND = "expect_compound_columns_to_be_unique"
PAIR = "expect_column_pair_values_a_to_be_greater_than_b"
AB = {"column_A": "changed_on", "column_B": "opened_on"}
IN_SET = "expect_column_values_to_be_in_set"


@pytest.fixture(scope="module")
def schemas():
    """The repository's own, all of them."""
    return read_schemas(read_files(ROOT / "schemas"))


def changed(**changes):
    return lambda contract: contract.model_copy(update=changes)


def field(name, **changes):
    def change(contract):
        fields = tuple(item.model_copy(update=changes) if item.name == name else item for item in contract.fields)
        return contract.model_copy(update={"fields": fields})

    return change


def rule(**changes):
    """One more rule, wrong only in what is given."""
    plain = {"id": "one_more", "expectation": UNIQUE, "kwargs": {"column": "case_no"}, "sentence": GOOD}
    return lambda contract: contract.model_copy(update={"rules": (*contract.rules, Rule(**(plain | changes)))})


def suppression(**changes):
    plain = {"dimensions": ("district_code",), "period": "opened_on", "count": "case_no", "measures": ("case_no",)}
    return changed(suppression=Suppression(**(plain | changes)))


PURPOSE = Purpose(code="a", title=GOOD, legal_basis="Decree 809")
CODES = (Code(value="a", title=GOOD), Code(value="a", title=GOOD))
CASES = [
    ("never_score", ASSISTANCE, changed(title=Text(en="Reliability score", zh="信用评分"))),
    ("name", ASSISTANCE, field("area_code", column="Area")),
    ("name", ASSISTANCE, field("area_code", physical_name=" 代码")),
    ("name", ASSISTANCE, rule(id="Bad Name")),
    ("name", ASSISTANCE, rule(id="derived_key_unique")),
    ("ending", ASSISTANCE, field("opened_on", type="timestamp")),
    ("ending", ASSISTANCE, field("area_code", type="boolean")),
    ("ending", ASSISTANCE, field("area_code", type="integer", min_length=None, max_length=None, pattern=None)),
    ("ending", ASSISTANCE, field("monthly_amount_cny", unit=None)),
    ("dictionary", ASSISTANCE, field("opened_on", type="timestamp")),
    ("dictionary", ASSISTANCE, field("monthly_amount_cny", precision=14)),
    ("dictionary", ASSISTANCE, field("monthly_amount_cny", scale=4)),
    ("dictionary", ASSISTANCE, field("area_code", personal="none")),
    ("dictionary", ASSISTANCE, field("resident_id", personal="sensitive")),
    ("option", ASSISTANCE, field("monthly_amount_cny", minimum=0)),
    ("option", ASSISTANCE, field("opened_on", pattern="^x$")),
    ("decimal_size", ASSISTANCE, field("monthly_amount_cny", precision=39)),
    ("decimal_size", ASSISTANCE, field("monthly_amount_cny", precision=1, scale=2)),
    ("pattern", ASSISTANCE, field("area_code", pattern="(a+)+$")),
    ("pattern", ASSISTANCE, rule(expectation="expect_column_values_to_match_regex", kwargs={"column": "case_no", "regex": "("})),
    ("codes", ASSISTANCE, field("status_code", codes=CODES)),
    ("codes", ASSISTANCE, field("status_code", codes=(Code(value=" ", title=GOOD),))),
    ("codes", ASSISTANCE, field("opened_on", codes=CODES[:1])),
    ("codes", ASSISTANCE, field("status_code", codes=(CODES[0], Code(value="b", title=GOOD, physical=("a",))))),
    ("treatment", ASSISTANCE, field("area_code", treatment=None)),
    ("treatment", ASSISTANCE, field("area_code", treatment="generalise(street)")),
    ("treatment", ASSISTANCE, field("resident_id", treatment="keep")),
    ("open_personal", ASSISTANCE, changed(is_open=True)),
    ("repeated_name", ASSISTANCE, field("ended_on", physical_name="变动日期")),
    ("repeated_name", ASSISTANCE, rule(id="case_no_unique")),
    ("repeated_name", ASSISTANCE, changed(purposes=(PURPOSE, PURPOSE))),
    ("key", ASSISTANCE, changed(key=())),
    ("key", ASSISTANCE, changed(key=("monthly_amount_cny",))),
    ("rule_table", "data_bureau.community_issues", rule(table="history", kwargs={"column": "month"})),
    ("expectation", ASSISTANCE, rule(expectation="expect_column_values_to_be_in_type_list")),
    ("expectation", ASSISTANCE, rule(expectation="unexpected_rows_expectation", kwargs={"unexpected_rows_query": "select 1"})),
    ("rule_column", ASSISTANCE, rule(kwargs={"column": "resident_id"})),
    ("rule_column", ASSISTANCE, rule(kwargs={"column": "_valid_from"})),
    ("rule_column", ASSISTANCE, rule(expectation=COMPOUND, kwargs={"column_list": ["case_no", "x"]})),
    ("rule_argument", ASSISTANCE, rule(kwargs={"column": "case_no", "row_condition": "1=1"})),
    ("rule_argument", ASSISTANCE, rule(kwargs={})),
    ("rule_argument", ASSISTANCE, rule(kwargs={"column": "case_no", "mostly": 0})),
    ("rule_argument", ASSISTANCE, rule(kwargs={"column": "case_no", "mostly": "all"})),
    ("rule_argument", ASSISTANCE, rule(expectation=IN_SET, kwargs={"column": "case_no", "value_set": []})),
    ("rule_argument", ASSISTANCE, rule(expectation=COMPOUND, kwargs={"column_list": 5})),
    ("rule_argument", ASSISTANCE, rule(expectation=PAIR, kwargs=AB | {"ignore_row_if": "1=1"})),
    ("rule_argument", ASSISTANCE, rule(expectation=PAIR, kwargs=AB | {"or_equal": "yes"})),
    ("no_fail_rule", HOTLINE, lambda item: item.model_copy(update={"rules": item.rules[5:]})),
    ("key_not_guarded", HOTLINE, lambda item: item.model_copy(update={"rules": item.rules[1:]})),
    ("key_not_guarded", HOTLINE, lambda item: rule(kwargs={"column": "case_no", "mostly": 0.9})(
        item.model_copy(update={"rules": item.rules[1:]}))),
    ("text", HOTLINE, changed(title=Text(en="Service request", zh="Service request"))),
    ("text", HOTLINE, changed(title=Text(en="服务诉求", zh="服务诉求"))),
    ("text", HOTLINE, rule(sentence=Text(en="x", zh="x"))),
    ("status", HOTLINE, changed(status="ready")),
    ("kind", HOTLINE, changed(inputs=(Input(name="a", dataset=ASSISTANCE),))),
    ("kind", HOTLINE, changed(kind="product")),
    ("kind", "data_bureau.community_issues", changed(occurred_at=("month",))),
    ("occurred_at", HOTLINE, changed(occurred_at=())),
    ("occurred_at", HOTLINE, changed(occurred_at=("category",))),
    ("occurred_at", HOTLINE, changed(occurred_at=("opened_on", "closed_on"))),
    ("occurred_at", HOTLINE, changed(occurred_at=("gone_on",))),
    ("sequence", HOTLINE, changed(sequence="category")),
    ("sequence", HOTLINE, changed(sequence="nothing")),
    ("sharing", HOTLINE, changed(sharing="conditional")),
    ("sharing", HOTLINE, changed(sharing="not_shared")),
    ("sharing", ASSISTANCE, changed(sharing_conditions=("if_we_like",))),
    ("sharing", HOTLINE, changed(is_open=True, classification="important")),
    ("purpose", HOTLINE, changed(purposes=())),
    ("purpose", HOTLINE, changed(purposes=(PURPOSE.model_copy(update={"legal_basis": " "}),))),
    ("suppression", "data_bureau.community_issues", changed(suppression=None)),
    ("suppression", HOTLINE, suppression(count="nothing")),
    ("suppression", HOTLINE, suppression(margins=(("category",),))),
    ("suppression", HOTLINE, suppression(measures=("category",))),
    ("suppression", HOTLINE, suppression(threshold=9)),
    ("suppression", HOTLINE, suppression(values={"category": ("a",)})),
    ("suppression", HOTLINE, suppression(settle_days=-1)),
    ("suppression", HOTLINE, suppression(numerators=("city", "borough"), measures=("case_no", "city", "borough"))),
    ("number", HOTLINE, changed(limits=Limits(min_rows=0))),
    ("number", HOTLINE, changed(limits=Limits(max_share_rejected=1.5))),
    ("number", HOTLINE, changed(limits=Limits(batch_records=0))),
    ("number", HOTLINE, changed(retention=Retention(topic_days=4000))),
    ("number", HOTLINE, changed(retention=Retention(daily_days=1))),
    ("number", HOTLINE, changed(retention=Retention(events_days=36_501))),
    ("number", HOTLINE, changed(retention=Retention(monthly_days=36_501))),
    ("number", HOTLINE, changed(limits=Limits(horizon_days=36_501))),
    ("number", HOTLINE, changed(partitions=0)),
    ("number", HOTLINE, changed(freshness_minutes=0)),
]  # fmt: skip


def found(schemas, contract):
    return {finding.rule for finding in lint({contract.id: contract}, schemas.departments, schemas.fields)}


def test_the_repository_breaks_none(schemas):
    assert schemas.contracts
    assert lint(schemas.contracts, schemas.departments, schemas.fields) == ()


@pytest.mark.parametrize(("name", "dataset", "change"), CASES)
def test_each_rule_is_broken_by_a_contract(schemas, name, dataset, change):
    assert name in found(schemas, change(schemas.contracts[dataset]))


ENTRY_CASES = [
    ("name", {"name": "Case"}),
    ("ending", {"name": "case_on"}),
    ("text", {"title": Text(en="x", zh="x")}),
    ("pseudonym_column", {"column": "person_key"}),
    ("pseudonym_column", {"personal": "identifier", "identifier": "resident_id", "column": "resident"}),
    ("identifier", {"personal": "identifier", "identifier": "passport", "column": "person_key"}),
    ("identifier", {"type": "integer", "personal": "none", "identifier": "credit_code"}),
    ("decimal_size", {"precision": 3, "scale": 1}),
]


@pytest.mark.parametrize(("name", "changes"), ENTRY_CASES)
def test_the_dictionary_is_linted_too(schemas, name, changes):
    entry = schemas.fields["case_no"].model_copy(update=changes)
    assert name in {finding.rule for finding in lint({}, {}, {entry.name: entry})}


@pytest.mark.parametrize("department", ["landing", "history", "Bad Name", "commonweal"])
def test_departments_are_linted_too(schemas, department):
    entry = schemas.departments["hotline"].model_copy(update={"id": department})
    assert [finding.rule for finding in lint({}, {department: entry}, {})] == ["name"]


def test_every_rule_of_the_linter_has_a_case():
    folder = Path(lint_module.__file__).parent
    tested = {name for name, *_ in (*CASES, *ENTRY_CASES)}
    assert tested == set().union(*(_rules_in(folder / file) for file in ("lint.py", "lint_fields.py", "lint_rules.py"))) | {
        "never_score"
    }


def _rules_in(file):
    """The rule's names: the last text but one of each tuple that the file yields."""
    nodes = list(ast.walk(ast.parse(file.read_text("utf-8"))))
    yielded = [node.value for node in nodes if isinstance(node, ast.Yield)]
    yielded += [node.elt for node in nodes if isinstance(node, ast.GeneratorExp)]
    names = [item.elts[-2] for item in yielded if isinstance(item, ast.Tuple)]
    found = {name.value for name in names if isinstance(name, ast.Constant)}
    assert found
    return found


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|b*)*", "(?=a)", r"(a)\1", "(", "a" * 201, "(x{2,}){3}"])
def test_a_pattern_that_may_run_for_ever(pattern):
    assert is_risky_pattern(pattern)


@pytest.mark.parametrize(
    "pattern", ["^NYCC(0[1-9]|[1-4][0-9]|5[01])$", "^[A-Z0-9-]+$", r"^(0|[1-9][0-9]{0,9})$", "(?i)^(unknown|n/?a)$"]
)
def test_a_plain_pattern(pattern):
    assert not is_risky_pattern(pattern)
