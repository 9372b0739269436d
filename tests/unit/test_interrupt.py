"""How a command ends after Ctrl-C: broken off, or, where that is how it is ended, well."""

import types

import pytest
import typer

from commonweal import cli


@pytest.fixture
def ended(monkeypatch, capsys):
    """Run a command whose body is given; returns its exit code and what it said to the terminal's errors."""

    def run(body) -> tuple[int, str]:
        app = typer.Typer(add_completion=False)
        app.command()(body)
        monkeypatch.setattr(cli.importlib, "import_module", lambda _: types.SimpleNamespace(app=app))
        with pytest.raises(SystemExit) as found:
            cli.main(["status"])
        return int(found.value.code or 0), capsys.readouterr().err

    return run


def interrupted() -> None:
    raise KeyboardInterrupt


def ends_well() -> None:
    try:
        raise KeyboardInterrupt
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


def fails() -> None:
    raise typer.Exit(3)


def test_a_command_that_is_broken_off_says_how_to_go_on(ended):
    code, said = ended(interrupted)
    assert code == cli.INTERRUPTED
    assert "run the command again" in said


@pytest.mark.parametrize(("body", "expected"), [(ends_well, 0), (fails, 3)])
def test_other_ends_stay_what_they_are(ended, body, expected):
    code, said = ended(body)
    assert (code, said) == (expected, "")
