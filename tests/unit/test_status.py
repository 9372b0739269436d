"""What ``commonweal status`` says comes next."""

from dataclasses import replace

import pytest

from commonweal.cli.status import _next
from commonweal.work import Work
from tests.unit.statuses import FRESH


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({}, "waits for its first events"),
        ({"lag": None}, "waits for its inputs' first releases"),
        ({"gate": "passed", "release": 1}, "up to date"),
        ({"gate": "refused"}, "refused; commonweal report"),
        ({"work": Work("d.a", ("landed < end", "cleaned < landed"), "", 0, None)}, "landed < end, cleaned < landed"),
        ({"work": Work("d.a", ("not joined",), "", 0, "join: ContractError")}, "blocked: join: ContractError"),
        ({"gate": "passed", "rolled_back": True}, "rolled back; waits for a newer candidate"),
        ({"held": True, "work": Work("d.a", ("not joined",), "", 0, "x")}, "held by a person; commonweal release lift"),
    ],
)
def test_the_most_pressing_thing_is_said(changes, says):
    assert _next(replace(FRESH, **changes)) == says
