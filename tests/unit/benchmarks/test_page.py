"""The page shows what was measured, says where it falls short, and a result comes back as it was kept."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from benchmarks import results
from benchmarks.flight import Flight
from benchmarks.measure import Measured, measure, spent_since, thread_times
from benchmarks.page import page, profile
from benchmarks.results import Result
from benchmarks.sampling import Samples

WHERE = {"day": "2026-11-26", "code": "abc", "cores": 2, "processor": "one", "python": "3.11", "versions": {"pyspark": "4"}}
RUNS = (Measured(2.0, 1.5, 100.0), Measured(4.0, 3.0, 120.0), Measured(3.0, 2.0, 110.0))
PEERS = tuple(replace(run, seconds=run.seconds / 2) for run in RUNS)
RESULT = Result("P1", "publish", 1000, "events", RUNS, {"another": PEERS}, True, {"events a second": 333.3}, "0.8 of it", False)


def test_medians_ranges_and_the_ratio_are_shown():
    text = page([(WHERE, RESULT)])
    for line in (
        "| commonweal | 3.0 (2.0 to 4.0) | 2.0 | 120 | 1.00 |",
        "| another | 1.5 (1.0 to 2.0) | 2.0 | 120 | 0.50 |",
        "1,000 events, 3 runs each; the same result.",
        "| events a second | 333 |",
        "Aim: 0.8 of it. **Not reached**.",
    ):
        assert line in text


def test_ten_times_as_much_shows_how_time_grows():
    tenfold = {"commonweal": replace(RUNS[0], seconds=30.0), "another": replace(RUNS[0], seconds=150.0)}
    text = page([(WHERE, replace(RESULT, tenfold=tenfold))])
    assert "| 10,000 events | wall, s | CPU, s | peak memory, MiB | our speed as a share of its | growth |" in text
    assert "| commonweal | 30.0 | 1.5 | 100 | 1.00 | 1.00 |" in text
    assert "| another | 150.0 | 1.5 | 100 | 5.00 | 2.00 |" in text
    assert results.largest({"commonweal": RUNS}, {}) == {"commonweal": 3.0}
    assert results.largest({"commonweal": RUNS}, tenfold) == {"commonweal": 30.0, "another": 150.0}


def test_a_row_that_falls_short_says_why(tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.page.PROFILES", tmp_path)
    assert "profile" not in page([(WHERE, RESULT)])
    (tmp_path / "P1.md").write_text("the profile")
    (tmp_path / "reasons").mkdir()
    (tmp_path / "reasons" / "P1.md").write_text("Most of it waits.\n")
    told = "**Not reached**.\n\nMost of it waits.\n\nIts [profile](../benchmarks/profiles/P1.md).\n"
    assert told in page([(WHERE, RESULT)])
    assert "Most of it waits" not in page([(WHERE, replace(RESULT, is_reached=True))])


def test_all_rows_stand_at_the_top_with_what_was_measured():
    lengths = {"commonweal": 30.0, "another": 15.0}
    tenfold = replace(RESULT, row="P2", is_reached=True, tenfold={who: replace(RUNS[0], seconds=s) for who, s in lengths.items()})
    single = Result("P7", "freshness", 10, "events", figures={"p50, s": 9.5, "other": 1.0}, reach="p50, s at most 10")
    slower = replace(RESULT, peers={"another": tuple(replace(run, seconds=run.seconds / 4) for run in RUNS)})
    lines = page([(WHERE, slower), (WHERE, tenfold), (WHERE, single)]).splitlines()
    for line in (
        "| P1 | publish | 0.8 of it | 0.25 of the speed of another | **Not reached** |",
        "| P2 | publish | 0.8 of it | 0.50 of the speed of another | Reached |",
        "| P7 | freshness | p50, s at most 10 | p50, s: 9.50 | Not judged |",
    ):
        assert line in lines


def test_a_different_result_can_not_be_overlooked():
    assert "**not the same result**" in page([(WHERE, replace(RESULT, is_equal=False))])


def test_what_spent_the_time_is_shown_beside_each_other():
    ours = tuple(replace(run, cpu_by={"step": 0.5, "spark": 2.0, "minio": 0.01}) for run in RUNS)
    peers = tuple(replace(run, cpu_by={"spark": 1.0}) for run in PEERS)
    text = page([(WHERE, replace(RESULT, ours=ours, peers={"another": peers}))])
    shown = ["| CPU, s, of | commonweal | another |", "| --- | --- | --- |", "| spark | 2.0 | 1.0 |", "| step | 0.5 | 0.0 |", ""]
    assert "\n".join(shown) in text
    assert "minio" not in text


def test_a_profile_says_what_spent_the_time_and_what_java_did():
    flight = Flight(1234, 0.25, 1.5, {"org.apache.iceberg.parquet": 0.5, "rare": 0.001}, {"ColumnWriter.write": 0.25})
    ours = tuple(replace(run, cpu_by={"spark": 2.0}) for run in RUNS)
    samples = Samples(4321, {"great_expectations.validator": 0.75}, {"json.encoder.JSONEncoder.encode": 0.3})
    text = profile(WHERE, replace(RESULT, ours=ours), {"ours": flight}, {"gate": samples})
    for line in (
        "| spark | 2.0 | 0.0 |",
        "## Spark's Java: ours",
        "1,234 samples; collecting memory 0.2 s, compiling 1.5 s.",
        "| `org.apache.iceberg.parquet` | 50% |",
        "| `ColumnWriter.write` | 25% |",
        "## Python: gate",
        "4,321 samples.",
        "| `great_expectations.validator` | 75% |",
        "| `json.encoder.JSONEncoder.encode` | 30% |",
    ):
        assert line in text
    assert "rare" not in text


def test_two_runs_of_the_same_code_stand_beside_each_other():
    slower = tuple(replace(run, seconds=run.seconds + 2.5) for run in RUNS)
    single = Result("P7", "freshness", 10, "events", figures={"p50, s": 9.5, "other": 1.0}, reach="p50, s at most 10")
    ours, another = ({name: replace(RUNS[0], seconds=length)} for name, length in (("commonweal", 30.0), ("another", 15.0)))
    now = [(WHERE, replace(RESULT, tenfold=ours | another)), (WHERE, single)]
    faster = {"commonweal": replace(RUNS[0], seconds=25.0)} | another
    then = [(WHERE, replace(RESULT, ours=slower, tenfold=faster)), (WHERE, replace(single, figures={"p50, s": 9.0}))]
    text = page(now, then)
    for line in (
        "| P1 | commonweal, s | 3.0 (2.0 to 4.0) | 5.5 (4.5 to 6.5) | apart |",
        "| P1 | another, s | 1.5 (1.0 to 2.0) | 1.5 (1.0 to 2.0) | they meet |",
        "| P1 | our share of the speed of another | 0.50 (0.50 to 0.50) | 0.27 (0.22 to 0.31) | apart |",
        "| P1 | commonweal, 10 times as much, s | 30.0 | 25.0 | 20% |",
        "| P1 | our share of the speed of another, 10 times as much | 0.50 | 0.60 | 20% |",
        "| P7 | p50, s | 9.50 | 9.00 | 6% |",
    ):
        assert line in text
    for others in ([], [(WHERE | {"code": "other"}, RESULT)], [(WHERE, replace(RESULT, size=1))]):
        assert "Two runs" not in page(now, others)


def test_a_servers_time_stands_under_its_name(tmp_path):
    """The server's child is another program, as Spark's Python workers are."""
    child = f"{sys.executable} -c 'while True: pass'"
    with subprocess.Popen(["/bin/sh", "-c", f"{child} & wait"]) as server:
        try:
            found = measure(["/bin/sleep", "3"], {}, tmp_path / "log", servers={"spark": server.pid})
        finally:
            for process in (*psutil.Process(server.pid).children(), server):
                process.kill()
    assert found.cpu_by[f"spark: {Path(sys.executable).name}"] > found.cpu_by["spark"]
    assert found.cpu_seconds == pytest.approx(sum(found.cpu_by.values()))


def test_threads_are_told_by_their_names():
    own = Path("/proc/self/comm").read_text().strip()
    before = thread_times(os.getpid(), (own[:3],), "own")
    sum(range(20_000_000))
    assert spent_since(before, thread_times(os.getpid(), (own[:3],), "own"))["own"] > 0.05
    assert thread_times(os.getpid(), ("no such name",), "none") == {}


def test_a_result_comes_back_as_it_was_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    kept = replace(RESULT, tenfold={"commonweal": RUNS[0]})
    results.write(kept, kept.size)
    [(where, found)] = results.read()
    assert found == kept
    assert where["cores"] >= 1
    assert results.read_before() == []
    results.write(replace(kept, is_equal=False), kept.size)
    assert [result.is_equal for _, result in results.read()] == [False]
    assert [result for _, result in results.read_before()] == [kept]


def test_a_result_of_another_size_replaces_none_of_the_rows_own(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    for size in (RESULT.size, 20_000, 9_000, 9_000):
        results.write(replace(RESULT, size=size), RESULT.size)
    assert [result.size for _, result in results.read()] == [RESULT.size]
    assert results.read_before() == []
    assert [result.size for _, result in results.read_other()] == [9_000, 20_000]
    text = page(results.read(), [], results.read_other())
    assert text.index("## P1: publish") < text.index("## Other sizes") < text.index("### P1, 9,000 events: publish")
    assert "## Other sizes" not in page(results.read())


def test_only_what_is_measured_makes_results_old(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "ROOT", tmp_path)
    assert results.code() == "unknown"
    git("init", "-q", folder=tmp_path)
    seen = []
    for path in ("commonweal/a.py", "docs/benchmarks.md", "benchmarks/results/P1.json", "benchmarks/rows/a.py"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(path)
        changed = results.code().endswith("+changed")
        git("add", ".", folder=tmp_path)
        git("-c", "user.name=a", "-c", "user.email=a@b.invalid", "commit", "-q", "-m", path, folder=tmp_path)
        seen.append((changed, results.code()))
    assert [changed for changed, _ in seen] == [True, False, False, True]
    assert seen[0][1] == seen[1][1] == seen[2][1] != seen[3][1]


def git(*words: str, folder: Path) -> None:
    subprocess.run(["git", "-C", str(folder), *words], check=True)


def test_what_nobody_waited_for_is_measured_too(tmp_path):
    """A forkserver's children are waited for by the forkserver, and that by nobody; this one works for about a second."""
    outer = "import multiprocessing as m; p = m.get_context('forkserver').Process(target=sum, args=(range(100_000_000),)); "
    found = measure(["python3", "-c", f"{outer} p.start(); p.join()"], {"PATH": "/usr/bin:/bin:/usr/local/bin"}, tmp_path / "log")
    assert found.cpu_seconds > 0.5


def test_a_program_is_measured_with_all_that_it_starts(tmp_path):
    inner = "sum(range(20_000_000))"
    outer = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}], check=True)"
    found = measure(["python3", "-c", outer], {"PATH": "/usr/bin:/bin:/usr/local/bin"}, tmp_path / "log")
    assert found.seconds > 0
    assert found.cpu_seconds > 0
    with pytest.raises(RuntimeError, match="ended with 3"):
        measure(["python3", "-c", "raise SystemExit(3)"], {"PATH": "/usr/bin:/bin:/usr/local/bin"}, tmp_path / "log")
