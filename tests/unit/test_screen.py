"""What is said beside a table."""

from commonweal.cli.screen import warn_of_broken
from commonweal.ports import Ports
from commonweal.settings import Settings


def test_datasets_that_stand_still_are_named_beside_the_output(capsys):
    warn_of_broken(Ports(Settings(), {}, "", broken={"d.a": (), "d.b": ()}))
    said = capsys.readouterr()
    assert said.out == ""
    assert "d.a, d.b" in said.err and "contract lint" in said.err


def test_nothing_is_said_where_nothing_is_broken(capsys):
    warn_of_broken(Ports(Settings(), {}, ""))
    assert capsys.readouterr().err == ""
