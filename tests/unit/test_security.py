"""SECURITY.md and the mutations: each property has one that turns its tests red, each mutation is about a property."""

import re
from dataclasses import dataclass

import pytest

from commonweal.settings import ROOT
from tests.mutations.mutation import Mutation, mutations, needs_stack

SECURITY = ROOT / "SECURITY.md"
HEAD = "| what holds | held by | pinned by | mutation |"
PINNED = re.compile(r"`(tests/[\w/]+\.py::\w+)`")


@dataclass(frozen=True)
class Row:
    """One property: what holds, where, which tests pin it, and what is changed to see them red."""

    what: str
    held_by: str
    pinned_by: frozenset[str]
    mutation: str

    def is_of(self, mutation: Mutation) -> bool:
        """Whether the mutation takes this property's protection away."""
        return mutation.held_by == self.held_by and set(mutation.tests) <= self.pinned_by


def rows() -> list[Row]:
    """The rows of both tables; ``the same`` is what holds the property above."""
    found: list[Row] = []
    for table in SECURITY.read_text(encoding="utf-8").split(HEAD)[1:]:
        for line in table.partition("\n\n")[0].splitlines()[2:]:
            what, held_by, pinned_by, mutation = (cell.strip() for cell in line.strip("|").split(" | "))
            place = found[-1].held_by if held_by == "the same" else held_by.strip("`")
            found.append(Row(what, place, frozenset(PINNED.findall(pinned_by)), mutation))
    return found


ROWS, MUTATIONS = rows(), mutations()


def test_both_tables_are_read() -> None:
    assert SECURITY.read_text(encoding="utf-8").count(HEAD) == 2
    assert len(ROWS) > 25
    assert len(MUTATIONS) > 25


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.what[:60])
def test_a_property_has_tests_and_a_mutation(row: Row) -> None:
    assert row.pinned_by
    assert row.mutation
    assert [mutation.name for mutation in MUTATIONS if row.is_of(mutation)], (
        f"no mutation takes it away; write tests/mutations/<name>.toml with held_by = {row.held_by!r} and tests of this row"
    )


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.what[:60])
def test_a_test_that_needs_no_server_is_seen_red(row: Row) -> None:
    """Tests on the stack may be left out: most of what they pin runs in servers, where no mutation reaches."""
    red = {test for mutation in MUTATIONS if row.is_of(mutation) for test in mutation.tests}
    assert sorted(test for test in row.pinned_by - red if not needs_stack(test)) == []


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_a_mutation_is_of_one_property_and_changes_what_is_there(mutation: Mutation) -> None:
    assert len([row for row in ROWS if row.is_of(mutation)]) == 1, "held_by and tests are those of one row of SECURITY.md"
    assert mutation.tests
    assert mutation.old != mutation.new
    assert (ROOT / mutation.file).read_text(encoding="utf-8").count(mutation.old) == 1, f"it is stale: look at {mutation.file}"
