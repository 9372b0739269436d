"""The translations hold the same entries and placeholders, and shares read as what they are."""

import math
from string import Formatter

import pytest

from commonweal.gate.wording import percent, translations


def placeholders(text):
    return sorted({name for _, name, _, _ in Formatter().parse(text) if name})


def test_both_languages_say_the_same_things():
    english, chinese = translations("en"), translations("zh")
    assert {key: sorted(entry) for key, entry in english.items()} == {key: sorted(entry) for key, entry in chinese.items()}
    assert len(english) > 20


def test_both_languages_have_the_same_placeholders():
    for key, entry in translations("en").items():
        for part, words in entry.items():
            assert placeholders(words) == placeholders(translations("zh")[key][part]), f"{key}.{part}"


@pytest.mark.parametrize(
    ("share", "read"),
    [
        (0, "0%"),
        (1e-9, "<0.01%"),
        (0.0123, "1.23%"),
        (0.5, "50%"),
        (0.999999, ">99.99%"),
        (1, "100%"),
        (2.5, "250%"),
        (math.nan, "–"),
        (math.inf, "–"),
    ],
)
def test_a_share_as_people_read_it(share, read):
    assert percent(share) == read
