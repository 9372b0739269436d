"""Whatever stands in a contract file, the answer is a contract or findings, never another error."""

import copy
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from commonweal.contract.lint import lint
from commonweal.contract.loader import read_files, read_schemas
from commonweal.contract.strict_yaml import read_yaml
from commonweal.settings import ROOT

FILES = read_files(ROOT / "schemas")
NAMES = sorted(name for name in FILES)
TEXT = st.text(st.characters(max_codepoint=0xD7FF), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**17), 10**17) | st.floats(-1e6, 1e6).map(lambda n: round(n, 3)) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


def places(value, path=()):
    """Every path inside a document, its root included."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places(item, (*path, key))


def replaced(document, path, value):
    if not path:
        return value
    changed = copy.deepcopy(document)
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return changed


def findings(files):
    schemas = read_schemas(files)
    return [*schemas.findings, *lint(schemas.contracts, schemas.departments, schemas.fields)]


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_any_value_anywhere(name, data):
    document = read_yaml(FILES[name].decode())
    path = data.draw(st.sampled_from(list(places(document))))
    changed = replaced(document, path, data.draw(VALUES))
    for finding in findings({**FILES, name: json.dumps(changed).encode()}):
        assert finding.rule
        assert finding.cure


@pytest.mark.parametrize("value", [5, "case_no", None, [5], [["a"]], {}, [None, "case_no"], True])
@pytest.mark.parametrize("place", ["column", "column_list"])
def test_any_value_where_a_rule_names_columns(place, value):
    name = "hotline/service_request.yaml"
    kind = "expect_column_values_to_be_unique" if place == "column" else "expect_compound_columns_to_be_unique"
    document = read_yaml(FILES[name].decode())
    document["schema"][0]["quality"][0]["implementation"] = {"type": kind, "kwargs": {place: value}}
    found = {finding.rule for finding in findings({**FILES, name: json.dumps(document).encode()})}
    assert found & {"rule_column", "rule_argument"} or value == "case_no"


def test_the_files_as_they_are():
    assert findings(FILES) == []
