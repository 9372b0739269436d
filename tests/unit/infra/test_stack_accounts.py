"""PostgreSQL's user passes through root's closed folders, and has nothing else of root's."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.stack.accounts import closed_folders

SCRIPT = """
import os, sys
from infra.stack.accounts import drop_to
drop_to("nobody", passing=sys.argv[2] == "passing")
os.execv("/bin/ls", ["ls", sys.argv[1]])
"""


def test_closed_folders_are_named(tmp_path: Path) -> None:
    inner = tmp_path / "closed" / "inner"
    inner.mkdir(parents=True)
    inner.chmod(0o755)
    inner.parent.chmod(0o700)
    assert inner.parent in closed_folders(inner)
    assert inner not in closed_folders(inner)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
@pytest.mark.parametrize(("way", "code"), [("passing", 0), ("plain", 2)])
def test_only_who_is_let_through_passes_also_after_exec(tmp_path: Path, way: str, code: int) -> None:
    inner = tmp_path / "closed" / "inner"
    inner.mkdir(parents=True)
    inner.parent.chmod(0o700)
    done = subprocess.run([sys.executable, "-c", SCRIPT, str(inner), way], capture_output=True, check=False)
    assert done.returncode == code
