"""What ``stack status`` says of the disk that the services write to."""

import shutil
from types import SimpleNamespace

import pytest

from commonweal.cli import main
from infra.stack import status


@pytest.fixture
def run_dir(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    monkeypatch.setenv("COMMONWEAL_RUN_DIR", str(tmp_path))
    return tmp_path


def said(capsys, *options: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main(["stack", "status", *options])
    assert not ended.value.code
    return capsys.readouterr().err


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_full_disk_is_named_with_its_cure(run_dir, monkeypatch, capsys, options):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=status.ROOM - 1))
    assert f"The disk is full: 255 MiB free in {run_dir / 'data'}" in (text := said(capsys, *options))
    assert "make room" in text


def test_nothing_is_said_of_a_disk_with_room(run_dir, monkeypatch, capsys):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=status.ROOM))
    assert not said(capsys)


def test_a_stack_that_never_ran_has_no_disk_to_speak_of(tmp_path):
    assert not status.shortage(tmp_path / "nothing")
