"""How datasets hang together."""

import pytest

from commonweal.contract.inputs import downstream, input_findings, upstream
from commonweal.contract.loader import load_contract
from commonweal.contract.model import Coverage, Input, Suppression
from commonweal.contract.names import contract_file


def network(base, **inputs):
    """Contracts named after the keywords; each value lists the datasets it is made from."""
    made = {}
    for name, sources in inputs.items():
        kind = "product" if sources else "source"
        items = tuple(Input(name=f"in_{place}", dataset=f"hotline.{source}") for place, source in enumerate(sources))
        made[f"hotline.{name}"] = base.model_copy(update={"id": f"hotline.{name}", "kind": kind, "inputs": items})
    return made


@pytest.fixture
def base(schemas):
    return load_contract(schemas, "hotline.service_request")


def found(contracts):
    return [(item.file, item.rule) for item in input_findings(contracts, set(contracts), contract_file)]


def test_both_directions(base):
    contracts = network(base, a=[], b=["a"], c=["b"], d=["a", "c"])
    assert downstream(contracts, "hotline.a") == ("hotline.b", "hotline.c", "hotline.d")
    assert upstream(contracts, "hotline.d") == ("hotline.a", "hotline.b", "hotline.c")
    assert found(contracts) == []


def test_a_circle_ends_and_is_found(base):
    contracts = network(base, a=["c"], b=["a"], c=["b"], d=["a"])
    assert found(contracts) == [(f"hotline/{name}.yaml", "input_circle") for name in "abc"]


def test_itself(base):
    assert found(network(base, a=["a"])) == [("hotline/a.yaml", "input_circle")]


def test_unknown_input(base):
    assert found(network(base, a=["nowhere"])) == [("hotline/a.yaml", "unknown_input")]


def test_a_table_that_a_product_does_not_have(base):
    contracts = network(base, a=[], b=["a"], c=["b"])
    broken = contracts["hotline.c"].model_copy(update={"inputs": (Input(name="b", dataset="hotline.b", table="history"),)})
    assert found(contracts | {"hotline.c": broken}) == [("hotline/c.yaml", "unknown_input")]


def test_two_inputs_of_one_name(base):
    contracts = network(base, a=[], b=["a"])
    twice = (Input(name="x", dataset="hotline.a"), Input(name="x", dataset="hotline.a", table="history"))
    broken = contracts["hotline.b"].model_copy(update={"inputs": twice})
    assert set(found(contracts | {"hotline.b": broken})) == {("hotline/b.yaml", "repeated_name")}


@pytest.mark.parametrize(
    ("coverage", "rule"),
    [
        (Coverage(input="in_0", column="case_no", within="in_1"), None),
        (Coverage(input="in_0", column="case_no", within="in_2"), "unknown_input"),
        (Coverage(input="in_0", column="person_key", within="in_1"), "unknown_column"),
    ],
)
def test_a_join_that_must_find_partners(base, coverage, rule):
    contracts = network(base, a=[], b=[], c=["a", "b"])
    product = contracts["hotline.c"].model_copy(update={"coverage": (coverage,)})
    rules = {name for _, name in found(contracts | {"hotline.c": product})}
    assert rules == ({rule} if rule else set())


def grouped(base, column="case_no", **changes):
    contracts = network(base, a=[], b=["a"])
    changed = contracts["hotline.b"].model_copy(update={"grouped_by": column, **changes})
    problems = input_findings(contracts | {"hotline.b": changed}, set(contracts), contract_file)
    return [(problem.rule, problem.cure) for problem in problems]


def test_what_a_product_is_grouped_by_it_and_its_inputs_have(base):
    assert grouped(base) == []
    (own, _), (of_input, cure) = grouped(base, "person_key")
    assert own == of_input == "unknown_column"
    assert "hotline.a has no column 'person_key'" in cure


def test_a_column_that_may_be_missing_makes_no_groups(base):
    column = next(field.column for field in base.fields if not field.required)
    assert [rule for rule, _ in grouped(base, column)] == ["unknown_column"]


def test_only_a_product_without_suppression_is_grouped(base):
    hidden = Suppression(dimensions=("borough",), period="opened_on", count="requests_count")
    assert [rule for rule, _ in grouped(base, suppression=hidden)] == ["grouped"]
    assert [rule for rule, _ in grouped(base, kind="source", inputs=())] == ["grouped"]
