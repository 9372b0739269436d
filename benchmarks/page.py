"""Results as a page for people, ``docs/benchmarks.md``: only what was measured, and where."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.flight import Flight
from benchmarks.measure import Measured
from benchmarks.results import OURS, TIMES, Kept, Result, seconds
from benchmarks.sampling import Samples

HEAD = """# Benchmarks · 性能

<!-- Made by `make bench`; run it instead of editing. -->

What the platform's work costs, measured beside a peer that did the same on the same bytes in the same run, in turn. Times are
medians, with the fastest and the slowest run in brackets. CPU seconds and memory are those of the whole process tree and, where a
row says so, of the servers that work for it. Where ten times as much was run too, growth is the power of the size by which time
grows: 1 where it takes ten times as long. Nothing on this page is an estimate, and no test asserts any of it.

在同一次运行、同一批数据上与对照工具轮流测得；数字为中位数（括号内为最快与最慢），均为实测。
“growth”为耗时随数据量增长的幂次：1 表示十倍数据耗时十倍。

![Wall time of each row, ours and the peers': shorter is better](benchmarks.svg)
"""

PROFILE = """# {row}: where its time goes

<!-- Made by `make bench ARGS="{row} --profile"`; run it instead of editing. -->

{work}: {size}, one run each, while Java's flight recorder watched Spark, and py-spy the programs with all that they start; that
makes them slower. A sample counts for the package of the first frame that is not Java's, Scala's or Python's own; what Java's
libraries do in C, as packing does, is in none. The runs of a program are numbered in their order, warming up included.
"""
TWICE = """## Two runs of the same code

Rows that were measured twice, each time on new servers. Where there were several runs, the last column says whether the ranges of
both meet; where there was one, by how much the larger figure exceeds the smaller. The machine itself is faster on some days: a
share of a peer's speed, measured in turn with it, says more than a time.
"""
OTHER = """## Other sizes

Rows that were measured once more at another size than their own, apart from the others.
"""
TENFOLD = f", {TIMES} times as much"
Series = dict[str, list[float]]
"""By name, the numbers of all runs, in their order."""
PROFILES = Path(__file__).parent / "profiles"
VERDICTS = {True: "Reached", False: "**Not reached**", None: "Not judged"}
SHOWN = 15


def page(found: Iterable[Kept], before: Iterable[Kept] = (), other: Iterable[Kept] = ()) -> str:
    """The page of all results.

    Args:
        found: Each result with where it was measured.
        before: The results that they replaced; those of the same code and size are set beside them.
        other: Results of other sizes.
    """
    found, same = list(found), {(result.row, where["code"], result.size): result for where, result in before}
    pairs = [(result, same.get((result.row, where["code"], result.size))) for where, result in found]
    twice = [line for result, other in pairs if other for line in _twice(result, other)]
    head = ("row", "what", "this run", "the run before", "ranges")
    sizes = [_other(where, result) for where, result in other]
    lines = [HEAD, *_overview(result for _, result in found), *(_row(where, result) for where, result in found)]
    lines += [OTHER, *sizes] if sizes else []
    return "\n".join([*lines, *([TWICE, *table(head, twice), ""] if twice else [])])


def _overview(found: Iterable[Result]) -> list[str]:
    """All rows with what they aim at, what was measured of that, and whether they reach it."""
    rows = ((result.row, result.work, result.reach, _found(result), VERDICTS[result.is_reached]) for result in found)
    return [*table(("row", "work", "aim", "measured", ""), rows), ""]


def _found(result: Result) -> str:
    """What the largest run says of a row's aim, in a line: our share of each peer's speed, and the figures that the aim names."""
    shares = {name: numbers for name, numbers in _shares_of_speed(result).items() if not result.tenfold or TENFOLD in name}
    said = [f"{median(numbers):.2f} of the speed of {name.removesuffix(TENFOLD)}" for name, numbers in shares.items()]
    return "; ".join([*said, *(f"{name}: {_number(numbers[0])}" for name, numbers in _aims(result).items())])


def _twice(now: Result, then: Result) -> Iterator[tuple[str, ...]]:
    """Times of each program in two runs of a row, and our shares of the peers' speed; of a row that compares nobody, its aims."""
    for name, ours, others in _both(_times(now), _times(then)):
        yield now.row, f"{name}, s", _range(ours, "{:,.1f}"), _range(others, "{:,.1f}"), _agree(ours, others)
    for name, ours, others in _both(_shares_of_speed(now), _shares_of_speed(then)):
        yield now.row, f"our share of the speed of {name}", _range(ours, "{:.2f}"), _range(others, "{:.2f}"), _agree(ours, others)
    for name, ours, others in _both(_aims(now), _aims(then)):
        yield now.row, name, _number(ours[0]), _number(others[0]), _agree(ours, others)


def _both(now: Series, then: Series) -> Iterator[tuple[str, Sequence[float], Sequence[float]]]:
    """What two runs of a row both have: name, numbers of the one, numbers of the other."""
    return ((name, numbers, then[name]) for name, numbers in now.items() if name in then)


def _times(result: Result) -> Series:
    """By program, its wall times at the row's size, and at ten times that."""
    times = {name: [run.seconds for run in runs] for name, runs in _programs(result)}
    return times | {name + TENFOLD: [run.seconds] for name, run in result.tenfold.items()}


def _shares_of_speed(result: Result) -> Series:
    """By peer, our speed as a share of its: run by run, since they took turns."""
    times = _times(result)
    pairs = dict.fromkeys(result.peers, times.get(OURS, []))
    pairs |= {name + TENFOLD: times[OURS + TENFOLD] for name in result.peers if name in result.tenfold}
    return {name: [theirs / mine for theirs, mine in zip(times[name], ours, strict=False)] for name, ours in pairs.items()}


def _aims(result: Result) -> Series:
    """The figures that the row's aim names."""
    return {name: [value] for name, value in result.figures.items() if name in result.reach}


def _range(numbers: Sequence[float], form: str) -> str:
    low, high = (form.format(number) for number in (min(numbers), max(numbers)))
    return form.format(median(numbers)) + (f" ({low} to {high})" if len(numbers) > 1 else "")


def _agree(numbers: Sequence[float], others: Sequence[float]) -> str:
    """Whether the ranges of two rows of numbers meet; of single numbers, how far apart they are."""
    if len(numbers) > 1 and len(others) > 1:
        return "they meet" if min(numbers) <= max(others) and min(others) <= max(numbers) else "apart"
    small, large = sorted((median(numbers), median(others)))
    return f"{large / small - 1:.0%}" if small > 0 else ""


def profile(where: dict[str, Any], result: Result, flights: Mapping[str, Flight], samples: Mapping[str, Samples]) -> str:
    """The page of one row's profile: which process spent the time of one run, and what Spark's Java did.

    Args:
        where: Where it was measured.
        result: The row, run once.
        flights: What was recorded of Spark, by program.
        samples: What was seen of the programs themselves.
    """
    lines = [PROFILE.format(row=result.row, work=result.work, size=f"{result.size:,} {result.unit}"), _place(where), ""]
    if result.peers:
        lines += [*table(("program", "wall, s"), [(name, f"{seconds(runs):.1f}") for name, runs in _programs(result)]), ""]
    lines += [*_spent(result), *_figures(result)]
    for name, seen in samples.items():
        lines += [f"## Python: {name}", "", f"{seen.count:,} samples.", ""]
        lines += [*_shares("package that is at work", seen.packages), *_shares("function", seen.functions)]
    for name, flight in flights.items():
        known = f"{flight.samples:,} samples; collecting memory {flight.pauses:.1f} s, compiling {flight.compiling:.1f} s."
        lines += [f"## Spark's Java: {name}", "", known, ""]
        lines += [*_shares("package that is at work", flight.packages), *_shares("method", flight.methods)]
    return "\n".join(lines)


def _shares(head: str, shares: Mapping[str, float]) -> list[str]:
    shown = [(f"`{what}`", f"{share:.0%}") for what, share in list(shares.items())[:SHOWN] if share >= 0.01]
    return [*table((head, "share"), shown), ""]


def _figures(result: Result) -> list[str]:
    if not result.figures:
        return []
    return [*table(("figure", ""), ((name, _number(value)) for name, value in result.figures.items())), ""]


def _programs(result: Result) -> list[tuple[str, tuple[Measured, ...]]]:
    return [(name, runs) for name, runs in ((OURS, result.ours), *result.peers.items()) if runs]


def _row(where: dict[str, Any], result: Result) -> str:
    why = _reason(result.row) if result.is_reached is False else []
    return "\n".join([f"## {result.row}: {result.work}", "", *_measured(result), *why, _place(where), ""])


def _other(where: dict[str, Any], result: Result) -> str:
    head = f"### {result.row}, {result.size:,} {result.unit}: {result.work}"
    return "\n".join([head, "", *_measured(result), _place(where), ""])


def _measured(result: Result) -> list[str]:
    """What a row showed, and whether that is what it aims at."""
    lines: list[str] = []
    if result.peers:
        programs = [(OURS, *_runs(result.ours), "1.00")]
        programs += [(peer, *_runs(runs), f"{result.speed(peer):.2f}") for peer, runs in result.peers.items()]
        lines += table(("", "wall, s", "CPU, s", "peak memory, MiB", "our speed as a share of its"), programs)
        equal = "the same result" if result.is_equal else "**not the same result**"
        lines += [
            "",
            f"{result.size:,} {result.unit}, {len(result.ours)} runs each; {equal}.",
            "",
            *_spent(result),
            *_tenfold(result),
        ]
    return [*lines, *_figures(result), f"Aim: {result.reach}. {VERDICTS[result.is_reached]}.", ""]


def _reason(row: str) -> list[str]:
    """Why a row falls short, as people who read its profile wrote it, and where that is."""
    reason, profile = PROFILES / "reasons" / f"{row}.md", PROFILES / f"{row}.md"
    said = [reason.read_text(encoding="utf-8").strip(), ""] if reason.exists() else []
    return [*said, *([f"Its [profile](../benchmarks/profiles/{row}.md).", ""] if profile.exists() else [])]


def _tenfold(result: Result) -> list[str]:
    if not result.tenfold:
        return []
    ours, rows = result.tenfold[OURS], []
    for program, run in result.tenfold.items():
        share, growth = f"{run.seconds / ours.seconds:.2f}", f"{result.growth(program):.2f}"
        rows.append((program, *_runs((run,)), share, growth))
    head = (
        f"{result.size * TIMES:,} {result.unit}",
        "wall, s",
        "CPU, s",
        "peak memory, MiB",
        "our speed as a share of its",
        "growth",
    )
    return [*table(head, rows), ""]


def _place(where: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in where["versions"].items())
    machine = f"{where['cores']} cores ({where['processor']}), Python {where['python']}"
    return f"{where['day']}, code `{where['code']}`, {machine}, {versions}."


def _number(value: float) -> str:
    return f"{value:,.2f}" if value < 100 else f"{value:,.0f}"


def _runs(runs: tuple[Measured, ...]) -> tuple[str, str, str]:
    seconds = sorted(run.seconds for run in runs)
    wall = f"{median(seconds):.1f}" + (f" ({seconds[0]:.1f} to {seconds[-1]:.1f})" if len(runs) > 1 else "")
    return wall, f"{median(run.cpu_seconds for run in runs):.1f}", f"{max(run.peak_mib for run in runs):.0f}"


def _spent(result: Result) -> list[str]:
    """Which process spent the CPU seconds, ours and the peers': medians, the largest of ours first."""
    known = {name: [Counter(run.cpu_by) for run in runs] for name, runs in _programs(result)}
    whats = {what for counters in known.values() for counter in counters for what in counter}
    by_program = {what: [median(counter[what] for counter in counters) for counters in known.values()] for what in whats}
    rows = sorted(by_program.items(), key=lambda row: (-row[1][0], row[0]))
    shown = [(what, *(f"{spent:.1f}" for spent in row)) for what, row in rows if max(row) >= 0.05]
    return [*table(("CPU, s, of", *known), shown), ""] if shown else []


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    """Lines of a table in Markdown."""
    return [f"| {' | '.join(line)} |" for line in (head, tuple("---" for _ in head), *rows)]
