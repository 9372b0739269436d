"""Results as a page for people, ``docs/benchmarks.md``: only what was measured, and where."""

from collections import Counter
from collections.abc import Iterable
from statistics import median
from typing import Any

from benchmarks.measure import Measured
from benchmarks.results import Result

HEAD = """# Benchmarks · 性能

<!-- Made by `make bench`; run it instead of editing. -->

What the platform's work costs, measured beside a peer that did the same on the same bytes in the same run, in turn. Times are
medians, with the fastest and the slowest run in brackets. CPU seconds and memory are those of the whole process tree and, where a
row says so, of the servers that work for it. Nothing on this page is an estimate, and no test asserts any of it.

在同一次运行、同一批数据上与对照工具轮流测得；数字为中位数（括号内为最快与最慢），均为实测。

![Wall time of each row, ours and the peers': shorter is better](benchmarks.svg)
"""


def page(found: Iterable[tuple[dict[str, Any], Result]]) -> str:
    """The page of all results.

    Args:
        found: Each result with where it was measured.
    """
    return "\n".join([HEAD, *(_row(where, result) for where, result in found)])


def _row(where: dict[str, Any], result: Result) -> str:
    lines = [f"## {result.row}: {result.work}", ""]
    if result.peers:
        programs = [("commonweal", *_runs(result.ours), "1.00")]
        programs += [(peer, *_runs(runs), f"{result.speed(peer):.2f}") for peer, runs in result.peers.items()]
        lines += _table(("", "wall, s", "CPU, s", "peak memory, MiB", "our speed as a share of its"), programs)
        equal = "the same result" if result.is_equal else "**not the same result**"
        lines += ["", f"{result.size:,} {result.unit}, {len(result.ours)} runs each; {equal}.", "", *_spent(result)]
    if result.figures:
        lines += [*_table(("figure", ""), ((name, _number(value)) for name, value in result.figures.items())), ""]
    verdict = {True: "Reached.", False: "**Not reached.**", None: ""}[result.is_reached]
    return "\n".join([*lines, f"Aim: {result.reach}. {verdict}", "", _place(where), ""])


def _place(where: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in where["versions"].items())
    machine = f"{where['cores']} cores ({where['processor']}), Python {where['python']}"
    return f"{where['day']}, code `{where['code']}`, {machine}, {versions}."


def _number(value: float) -> str:
    return f"{value:,.2f}" if value < 100 else f"{value:,.0f}"


def _runs(runs: tuple[Measured, ...]) -> tuple[str, str, str]:
    seconds = sorted(run.seconds for run in runs)
    wall = f"{median(seconds):.1f} ({seconds[0]:.1f} to {seconds[-1]:.1f})"
    return wall, f"{median(run.cpu_seconds for run in runs):.1f}", f"{max(run.peak_mib for run in runs):.0f}"


def _spent(result: Result) -> list[str]:
    """Which process spent the CPU seconds, ours and the peers': medians, the largest of ours first."""
    programs = {"commonweal": result.ours, **result.peers}
    known = {name: [Counter(run.cpu_by) for run in runs] for name, runs in programs.items()}
    whats = {what for counters in known.values() for counter in counters for what in counter}
    by_program = {what: [median(counter[what] for counter in counters) for counters in known.values()] for what in whats}
    rows = sorted(by_program.items(), key=lambda row: (-row[1][0], row[0]))
    shown = [(what, *(f"{spent:.1f}" for spent in row)) for what, row in rows if max(row) >= 0.05]
    return [*_table(("CPU, s, of", *programs), shown), ""] if shown else []


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    return [f"| {' | '.join(line)} |" for line in (head, tuple("---" for _ in head), *rows)]
