"""The content-addressed cache: its address, its completeness, one build at a time."""

import subprocess
import threading
import time

import pytest

from infra.install.cache import Artefact, cache_folder, digest


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("COMMONWEAL_CACHE", str(tmp_path))


def test_the_address_changes_when_one_byte_of_an_input_changes():
    inputs = {"a": b"one", "b": b"two"}
    assert digest(inputs) == digest(dict(reversed(inputs.items())))
    assert digest(inputs) != digest(inputs | {"b": b"twp"})
    assert digest({"a": b"", "b": b"x"}) != digest({"a": b"x", "b": b""})
    assert Artefact("a", inputs, print).folder != Artefact("a", inputs | {"b": b"twp"}, print).folder


def test_the_cache_moves_where_the_setting_says(tmp_path, monkeypatch):
    assert cache_folder() == tmp_path
    monkeypatch.delenv("COMMONWEAL_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "commonweal"


def test_what_failed_to_build_leaves_nothing_behind():
    def build(folder):
        (folder / "half").write_text("half")
        raise OSError("no network")

    artefact = Artefact("broken", {"input": b"1"}, build)
    with pytest.raises(OSError, match="no network"):
        artefact.provide()
    assert not artefact.folder.exists()
    assert [path.name for path in artefact.folder.parent.iterdir()] == [".broken.lock"]


def test_what_a_killed_build_left_behind_goes_at_the_next():
    artefact = Artefact("thing", {"input": b"1"}, lambda folder: (folder / "done").touch())
    stale = artefact.folder.parent / ".thing.building.killed"
    stale.mkdir(parents=True)
    assert (artefact.provide() / "done").exists()
    assert not stale.exists()


def test_two_installs_at_once_build_once():
    builds = []

    def build(folder):
        builds.append(folder)
        time.sleep(0.2)
        (folder / "done").touch()

    artefact = Artefact("slow", {"input": b"1"}, build)
    threads = [threading.Thread(target=artefact.provide) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(builds) == 1
    assert (artefact.folder / "done").exists()


def test_the_first_step_needs_only_the_standard_library():
    """A bare Python, without site-packages, can import what ``make install`` runs."""
    bare = ["python3.11", "-S", "-I", "-c", "import sys; sys.path.insert(0, '.'); import infra.install.environment"]
    done = subprocess.run(bare, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
