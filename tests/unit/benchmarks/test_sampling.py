"""A Python program and what it starts are seen at work, and by whose doing."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.measure import FLIGHTS, measure
from benchmarks.sampling import _package, attached, read

WORK = "import json, time; end = time.monotonic() + 2\nwhile time.monotonic() < end: json.dumps([1] * 1000)"
BOTH = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {WORK!r}])"


@pytest.fixture(scope="module", autouse=True)
def may_look() -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        time.sleep(0.5)
        spy = Path(sys.executable).with_name("py-spy")
        done = subprocess.run([spy, "dump", "--pid", str(process.pid)], capture_output=True, text=True, check=False)
        process.kill()
    if "ermission" in done.stderr:
        pytest.skip("this machine lets no process look into another (ptrace), which py-spy does")
    assert done.returncode == 0, done.stderr


def test_a_program_is_seen_with_what_it_starts(tmp_path, monkeypatch):
    monkeypatch.setenv(FLIGHTS, str(tmp_path))
    measure([sys.executable, "-c", BOTH], {}, tmp_path / "some.log")
    found = read(tmp_path / "some-1.txt")
    assert found.count > 50
    assert sum(found.packages.values()) == pytest.approx(1)
    assert sum(share for name, share in found.functions.items() if name.startswith("json.encoder")) > 0.5


def test_a_program_that_runs_is_seen(tmp_path):
    with subprocess.Popen([sys.executable, "-c", WORK]) as process:
        with attached(process.pid, tmp_path / "some.txt"):
            time.sleep(1.5)
        process.kill()
    assert read(tmp_path / "some.txt").count > 20


def test_a_process_that_is_gone_is_said(tmp_path):
    with pytest.raises(RuntimeError, match="py-spy ended with"), attached(2**22 - 1, tmp_path / "none.txt"):
        time.sleep(1)


@pytest.mark.parametrize(
    ("files", "package"),
    [
        (["commonweal/gate/audit.py", "pyspark/sql/connect/dataframe.py", "threading.py"], "pyspark.sql"),
        (["<frozen runpy>", "json/encoder.py"], "json.encoder"),
        (["commonweal/work.py", "<frozen importlib._bootstrap>"], "commonweal.work"),
    ],
)
def test_a_sample_counts_for_who_had_python_work(files, package):
    assert _package(files) == package
