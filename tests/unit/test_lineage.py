"""Which releases may be joined: those that agree on every source they were made from."""

from dataclasses import fields

import pytest

from commonweal.lake.releases import Release
from commonweal.lineage import agreeing, transitive


def release(dataset: str, number: int, key_epoch: int | None = None, **inputs: int) -> Release:
    """A manifest with what lineage looks at; the rest is empty."""
    empty = dict.fromkeys((field.name for field in fields(Release)), "")
    known = {
        "dataset": dataset,
        "number": number,
        "key_epoch": key_epoch,
        "inputs": {f"d.{name}": n for name, n in inputs.items()},
    }
    return Release(**empty | known)


def numbers(chosen) -> dict[str, int] | None:
    return chosen and {dataset: made.number for dataset, made in chosen.items()}


def test_without_common_sources_the_newest_of_each():
    kept = {"d.a": [release("d.a", 3), release("d.a", 2)], "d.b": [release("d.b", 7)]}
    assert numbers(agreeing(kept)) == {"d.a": 3, "d.b": 7}


def test_a_source_reached_along_two_ways_must_be_in_one_state():
    """S directly, and S through Q, which is not rebuilt on S 2 yet."""
    kept = {"d.s": [release("d.s", 2), release("d.s", 1)], "d.q": [release("d.q", 5, s=1)]}
    assert numbers(agreeing(kept)) == {"d.s": 1, "d.q": 5}


def test_no_join_across_key_epochs():
    """A has been released under the new key, B not yet; C has no pseudonyms."""
    kept = {"d.a": [release("d.a", 4, 2), release("d.a", 3, 1)], "d.b": [release("d.b", 7, 1)], "d.c": [release("d.c", 9)]}
    assert numbers(agreeing(kept)) == {"d.a": 3, "d.b": 7, "d.c": 9}
    assert agreeing({"d.a": [release("d.a", 4, 2)], "d.b": [release("d.b", 7, 1)]}) is None


def test_it_waits_when_nothing_agrees():
    assert agreeing({"d.s": [release("d.s", 2)], "d.q": [release("d.q", 5, s=1)]}) is None
    assert agreeing({"d.s": []}) is None


@pytest.mark.parametrize("newest", [4, 5])
def test_two_products_of_one_source_take_their_newest_common_state(newest):
    kept = {
        "d.p": [release("d.p", number, s=number) for number in range(newest, 0, -1)],
        "d.q": [release("d.q", number, s=number) for number in (3, 2, 1)],
    }
    assert numbers(agreeing(kept)) == {"d.p": 3, "d.q": 3}


def test_inputs_are_told_transitively():
    chosen = {"d.q": release("d.q", 5, s=1, t=4), "d.u": release("d.u", 2)}
    assert transitive(chosen) == {"d.q": 5, "d.s": 1, "d.t": 4, "d.u": 2}
