"""``commonweal keys rotate`` isn't there yet: it must say so, with an exit code, and leave the keys as they are."""

import pytest

from commonweal.cli import main
from commonweal.identity import ensure_keys


def test_rotation_fails_and_changes_no_key(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("COMMONWEAL_KEYS_DIR", str(tmp_path))
    ensure_keys(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(SystemExit) as ended:
        main(["keys", "rotate"])
    assert ended.value.code == 10
    assert "keys-rotated.md" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
