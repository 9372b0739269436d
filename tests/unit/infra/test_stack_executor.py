"""What Airflow's scheduler loads before it forks its workers: everything that steps import, and nothing of the platform's own."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from commonweal.settings import ROOT

FOLDERS = ("bus", "contract", "decoding", "gate", "identity", "lake", "maintenance", "render", "steps")
MODULES = ("disclosure", "evidence", "folding", "ports", "settings", "settling", "store", "suppression")
LOADED = """
import sys, threading
from infra.stack.executor import load_packages
load_packages()
assert threading.active_count() == 1, "a thread would not be there in a fork"
print(*sys.modules, sep="\\n")
"""


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    run = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, cwd=ROOT, check=True)
    return set(run.stdout.split())


def imported(path: Path) -> Iterator[str]:
    """Names of modules that a file imports anywhere, also within functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def test_what_steps_and_contracts_import_is_loaded(loaded):
    folder = ROOT / "commonweal"
    files = [*(path for name in FOLDERS for path in (folder / name).rglob("*.py")), *(folder / f"{name}.py" for name in MODULES)]
    wanted = {name.split(".")[0] for path in files for name in imported(path)}
    wanted -= {*sys.stdlib_module_names, "commonweal", "jobs"}
    wanted -= {"datacontract"}  # compares two contracts, which no step does
    assert len(wanted) > 10
    assert wanted - {name.split(".")[0] for name in loaded} == set()
    assert "pyspark.sql.connect.session" in loaded


def test_nothing_of_the_platform_is_loaded(loaded):
    """A scheduler that held our code would run yesterday's after a change."""
    assert {name for name in loaded if name.split(".")[0] in ("commonweal", "jobs", "streams", "dags")} == set()
