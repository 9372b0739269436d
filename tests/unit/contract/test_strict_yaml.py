"""The strict YAML reader: one meaning, bounded, nothing implicit."""

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from commonweal.contract.strict_yaml import MAX_BYTES, MAX_DEPTH, MAX_INTEGER, MAX_NODES, StrictYamlError, read_yaml

BOMB = "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n"


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (BOMB, "yaml_alias"),
        ("a: &a 1", "yaml_alias"),
        ("a: *a", "yaml_alias"),
        ("a: 1\na: 2", "yaml_duplicate_key"),
        ("x: {a: 1, a: 1}", "yaml_duplicate_key"),
        ("a: !!python/object/apply:os.system ['true']", "yaml_tag"),
        ("a: !!str 1", "yaml_tag"),
        ("--- {a: 1}\n--- {b: 2}", "yaml_documents"),
        ("", "yaml_empty"),
        ("# nothing", "yaml_empty"),
        ("1: a", "yaml_key"),
        ("? [a]\n: b", "yaml_key"),
        ("a: 007", "yaml_number"),
        ("a: 0x1F", "yaml_number"),
        ("a: 0o17", "yaml_number"),
        ("a: 1_000", "yaml_number"),
        ("a: +1", "yaml_number"),
        ("a: .5", "yaml_number"),
        ("a: 1e3", "yaml_number"),
        (f"a: {MAX_INTEGER + 1}", "yaml_number"),
        (f"a: -{MAX_INTEGER + 1}", "yaml_number"),
        (f"a: {10**30}", "yaml_number"),
        ("a: .inf", "yaml_number"),
        ("a: -.NaN", "yaml_number"),
        ("a: [1, 2", "yaml_syntax"),
        ("a: \x00", "yaml_syntax"),
        ("\t- a", "yaml_syntax"),
        ("[" * (MAX_DEPTH + 2) + "]" * (MAX_DEPTH + 2), "yaml_size"),
        ("[" + "a," * MAX_NODES + "a]", "yaml_size"),
        ("a: " + "x" * MAX_BYTES, "yaml_size"),
    ],
)
def test_refused(text, rule):
    with pytest.raises(StrictYamlError) as caught:
        read_yaml(text)
    assert caught.value.rule == rule


@pytest.mark.parametrize(
    "word", ["NO", "no", "yes", "on", "off", "12:30", "2024-01-01", "1.2.3", "True", "NULL", "v3.1.0", "é", "="]
)
def test_a_word_is_a_text(word):
    assert read_yaml(f"a: {word}") == {"a": word}


def test_scalars():
    text = "{n: null, t: ~, y: true, f: false, i: -12, d: 1.50, s: '007', q: \"NO\", e: }"
    assert read_yaml(text) == {"n": None, "t": None, "y": True, "f": False, "i": -12, "d": 1.5, "s": "007", "q": "NO", "e": None}


def test_the_line_is_named():
    with pytest.raises(StrictYamlError) as caught:
        read_yaml("a: 1\nb: 2\na: 3")
    assert caught.value.line == 3


def test_the_libraries_own_reading_is_why():
    """What a plain safe_load makes of the same texts; were it different, this module could go."""
    assert yaml.safe_load("a: NO\nb: 12:30\na: 2") == {"a": 2, "b": 750}


# Beyond the basic plane JSON escapes in two halves, which YAML refuses.
TEXT = st.text(st.characters(max_codepoint=0xD7FF), max_size=20)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-MAX_INTEGER, MAX_INTEGER) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=15,
)


@given(VALUES)
def test_json_reads_as_json(value):
    assert read_yaml(json.dumps(value, ensure_ascii=True)) == value


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text):
    try:
        read_yaml(text)
    except StrictYamlError as error:
        assert error.line >= 1
