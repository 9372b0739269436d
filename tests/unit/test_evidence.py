"""The chain of the evidence log: canonical, and broken by any change."""

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commonweal.errors import ConfigError
from commonweal.evidence import GENESIS, Entry, Link, digest, first_break, linked

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def chain(entries: list[Entry]) -> list[Link]:
    links, before = [], GENESIS
    for seq, entry in enumerate(entries, start=1):
        links.append(linked(seq, before, entry, now=NOW))
        before = links[-1].hash
    return links


entries = st.lists(
    st.builds(
        Entry,
        actor=st.text(max_size=9),
        action=st.sampled_from(["landed", "passed", "released"]),
        dataset=st.none() | st.just("d.a"),
        details=st.dictionaries(st.text(max_size=5), st.integers(-(2**70), 2**70) | st.text(max_size=5), max_size=3),
    ),
    min_size=1,
    max_size=6,
)


@given(entries)
def test_a_chain_holds_and_can_be_checked_with_sha256_alone(made):
    links = chain(made)
    assert first_break(links) is None
    for link in links:
        assert hashlib.sha256(link.prev_hash + link.body.encode()).digest() == link.hash
        assert json.loads(link.body)["seq"] == link.seq


@given(entries, st.data())
def test_any_change_of_any_entry_is_found_at_its_place(made, data):
    links = chain(made)
    place = data.draw(st.integers(0, len(links) - 1))
    links[place] = replace(links[place], body=links[place].body.replace('"at"', '"At"'))
    assert first_break(links) == place + 1


@pytest.mark.parametrize("cut", [0, 1])
def test_a_removed_entry_is_found(cut):
    links = chain([Entry("a", "landed", None, {"n": number}) for number in range(4)])
    del links[cut]
    assert first_break(links) == cut + 1


def test_snapshot_ids_beyond_what_json_numbers_hold_are_text():
    link = linked(1, GENESIS, Entry("a", "released", "d.a", {"snapshot": 2**60, "rows": 5}), now=NOW)
    assert json.loads(link.body)["details"] == {"snapshot": str(2**60), "rows": 5}


def test_a_digest_knows_no_order_of_keys():
    assert digest({"a": 1, "b": [2**60]}) == digest({"b": [2**60], "a": 1}) != digest({"a": 1, "b": [1]})


def test_a_column_that_lies_about_the_entry_before_is_found():
    links = chain([Entry("a", "landed", None, {"n": number}) for number in range(3)])
    links[1] = replace(links[1], prev_hash=GENESIS)
    assert first_break(links) == 2


def test_a_column_that_lies_about_the_position_is_found():
    links = chain([Entry("a", "landed", None, {"n": number}) for number in range(3)])
    links[1] = replace(links[1], seq=7)
    assert first_break(links) == 2


def test_moved_and_inserted_entries_are_found():
    links = chain([Entry("a", "landed", None, {"n": number}) for number in range(4)])
    assert first_break([links[0], links[2], links[1], links[3]]) == 2
    assert first_break([links[0], linked(2, GENESIS, Entry("b", "landed", None, {}), now=NOW), *links[1:]]) == 2


@pytest.mark.parametrize("write", [str, lambda text: "".join(chr(ord(sign) + 0xFEE0) for sign in text)])
def test_a_reason_that_names_a_person_is_refused_without_repeating_it(write):
    typed = write("990101199003070023")
    with pytest.raises(ConfigError) as refused:
        Entry("engineer", "repaired", "d.a", {"reason": f"asked for by {typed}, twice"})
    assert "resident id" in str(refused.value)
    assert typed not in str(refused.value)


@pytest.mark.parametrize("typed", ["", " \n"])
def test_a_decision_without_a_reason_is_refused(typed):
    with pytest.raises(ConfigError, match="say why"):
        Entry("engineer", "held", "d.a", {"reason": typed})


def test_a_reason_may_hold_any_other_number():
    Entry("engineer", "held", "d.a", {"reason": "ticket 990101199003070021, 123456789012345678"})
