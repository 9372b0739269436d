"""One protection removed: the change of one file, and the tests that must turn red by it.

Tests run in a copy of the repository, in a process of its own that imports from there, so that neither the checkout nor the
process that asks is ever changed.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from commonweal.settings import ROOT

FOLDER = Path(__file__).parent
COPIED = (
    *("commonweal", "dags", "infra", "jobs", "schemas", "streams", "tests"),
    *("pyproject.toml", "requirements.in", "requirements.lock"),
)
# What pytest says when what a test expected did not hold (or the platform refused what it should do), and what it says of a
# mutation that is no program any more.
ASSERTED = re.compile(r"AssertionError|assert |Failed: DID NOT RAISE|commonweal\.errors\.")
MISTAKEN = re.compile(r"(Name|UnboundLocal|Attribute|Type|Import|ModuleNotFound|Syntax|Indentation)Error\b")
# Loading a plugin for every installed package that brings one takes longer than most of these tests.
PLUGINS = ("pytest_timeout", "_hypothesis_pytestplugin")
SECONDS = 300


@dataclass(frozen=True)
class Mutation:
    """A property without its protection.

    Attributes:
        name: Name of its file.
        why: What is no longer done, in one sentence.
        held_by: The row of SECURITY.md, by its column "held by".
        file: The file that is changed.
        old: Text that stands in the file once.
        new: What stands there instead.
        tests: Tests that the row names; each must turn red, ``path::function``.
    """

    name: str
    why: str
    held_by: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    @property
    def needs_stack(self) -> bool:
        """Whether a test asks the running services."""
        return any(map(needs_stack, self.tests))


@dataclass(frozen=True)
class Outcome:
    """What became of one case of a test: ``passed``, ``failure``, ``error`` or ``skipped``, and the first line of why."""

    test: str
    kind: str
    message: str

    @property
    def is_red(self) -> bool:
        """Whether something that the test expects did not hold."""
        return self.kind == "failure" and ASSERTED.match(self.message) is not None

    @property
    def is_mistaken(self) -> bool:
        """Whether the test could not be run, or met a program that is none."""
        return self.kind in ("error", "skipped") or (self.kind == "failure" and MISTAKEN.match(self.message) is not None)


def needs_stack(test: str) -> bool:
    """Whether a test, ``path::function``, asks the running services."""
    return test.startswith(("tests/integration/", "tests/e2e/", "tests/faults/"))


def mutations() -> tuple[Mutation, ...]:
    """Every mutation of this folder, by name."""
    return tuple(_read(path) for path in sorted(FOLDER.glob("*.toml")))


def copied(folder: Path, mutation: Mutation | None) -> Path:
    """A copy of the repository, with the protection removed; as it is, without a mutation."""
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(ROOT / name, folder / name)
    if mutation:
        path = folder / mutation.file
        path.write_text(_changed(mutation, path.read_text(encoding="utf-8")), encoding="utf-8")
    return folder


class Forks:
    """Runs tests of copies, each run a fork of one process that has loaded other people's packages, see ``forks.py``."""

    def __init__(self, folder: Path) -> None:
        """Start that process; its socket stands in the folder, whose path is short."""
        self._socket = folder / "forks"
        command = (sys.executable, str(Path(__file__).with_name("forks.py")), str(self._socket))
        own = os.environ | {"GX_ANALYTICS_ENABLED": "false"}
        # Nobody has to read what its packages log while they load.
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        self._process = subprocess.Popen(command, cwd=folder, env=own, start_new_session=True, **pipes)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"ready\n", "the process to fork from did not start"

    def close(self) -> None:
        """End that process, and a fork that hangs."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate()

    def outcomes(self, folder: Path, tests: Iterable[str], run_dir: Path | None = None) -> list[Outcome]:
        """What became of the tests in that copy.

        Args:
            folder: The copy.
            tests: ``path::function``, all cases of each.
            run_dir: Run folder of the stack that they may use; none may start one.
        """
        report, said = folder / "outcomes.xml", folder / "said"
        plugins = [word for name in ("no:cacheprovider", *PLUGINS) for word in ("-p", name)]
        plugins.append("--hypothesis-profile=unshrunk")
        options = (
            "-q",
            "--no-header",
            "--tb=line",
            f"--timeout={SECONDS}",
            *plugins,
            f"--basetemp={folder / 'tmp'}",
            f"--junitxml={report}",
        )
        asked = {
            "folder": str(folder),
            "environment": _environment(folder, run_dir),
            "arguments": [*options, *sorted(set(tests))],
            "out": str(said),
        }
        code = self._asked(asked)
        assert code in ("0", "1"), f"pytest ended with {code or 'nothing'}:\n{said.read_text()[-4000:]}"
        return [_outcome(case) for case in ElementTree.parse(report).iter("testcase")]

    def _asked(self, asked: dict[str, Any]) -> str:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(SECONDS * 2)
            connection.connect(str(self._socket))
            connection.sendall(json.dumps(asked).encode() + b"\n")
            return connection.makefile().readline().strip()


def _environment(folder: Path, run_dir: Path | None) -> dict[str, str]:
    """This process's, with imports from the copy (before the checkout, which is installed), and nothing written beside them."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    own = {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return kept | own | ({"COMMONWEAL_TEST_STACK": str(run_dir)} if run_dir else {})


def _read(path: Path) -> Mutation:
    written = tomllib.loads(path.read_text(encoding="utf-8"))
    return Mutation(name=path.stem, tests=tuple(written.pop("tests")), **written)


def _changed(mutation: Mutation, text: str) -> str:
    found = text.count(mutation.old)
    assert found == 1, f"{mutation.name} is stale: its old text stands {found} times in {mutation.file}; write it anew"
    return text.replace(mutation.old, mutation.new)


def _outcome(case: ElementTree.Element) -> Outcome:
    test = f"{case.attrib['classname'].replace('.', '/')}.py::{case.attrib['name'].partition('[')[0]}"
    for child in case:
        if child.tag in ("failure", "error", "skipped"):
            return Outcome(test, child.tag, child.attrib.get("message", "").partition("\n")[0])
    return Outcome(test, "passed", "")
