"""The house rules that ``make check`` enforces."""

from pathlib import Path

import pytest

from infra.check import breaches_of

BODY = "\n".join(["    x = 1"] * 39)
DOCSTRING = '    """What.\n\n    More.\n    """'


def breaches(text, name="noun.py"):
    return list(breaches_of(Path(name), text))


@pytest.mark.parametrize(
    "text",
    [f"def f():\n{BODY}\n", f"def f():\n{DOCSTRING}\n{BODY}\n", "def f(a, b, c, *, d, e, g): ...\n", "x = 1\n" * 300],
    ids=["40 lines", "docstring does not count", "6 parameters", "300 lines"],
)
def test_at_the_roof_is_fine(text):
    assert breaches(text) == []


def test_self_is_no_parameter():
    assert breaches("class A:\n    def f(self, a, b, c, *, d, e, g): ...\n") == []


@pytest.mark.parametrize(
    ("text", "breach"),
    [
        (f"def f():\n{BODY}\n    y = 1\n", "noun.py:1 f has 41 lines without its docstring; the roof is 40"),
        ("\nasync def f(a, b, c, *, d, e, g, h): ...\n", "noun.py:2 f has 7 parameters; the roof is 6"),
        ("x = 1\n" * 301, "noun.py:1 has 301 lines; the roof is 300"),
    ],
)
def test_above_it_is_a_breach(text, breach):
    assert breaches(text) == [breach]


def test_a_name_that_says_nothing_is_a_breach():
    assert breaches("", "commonweal/utils.py") == ["commonweal/utils.py:1 is named after nothing; name what it holds"]
