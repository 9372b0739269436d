"""The page of figures of a long random run, ``docs/faults.md``: only what was measured, and how long a run it was."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from statistics import median

from tests.faults.random_run import Outcome

HEAD = """# Faults · 故障

<!-- Made by `make faults`; run it instead of editing. -->

What people read after, and while, processes were killed and stopped at random, compared with a ledger that the producer
kept. Each event has a number; the comparison is of sets, not of counts. Nothing on this page is an estimate.

在随机杀死或暂停各进程的同时及之后，将读者所读数据与报送方台账逐条（按集合）比对的结果。本页数字均为实测。
"""
MISSING = """
## What this run did not do
A full disk, a slow and lossy line, wrong clocks, answers that were lost after the server had acted, and steps killed at named
points have tests of their own in `tests/faults/`, which are part of every `make test`.
"""


@dataclass(frozen=True)
class Machine:
    """Where and of what code it was measured."""

    day: date
    code: str
    cores: int


def page(outcome: Outcome, asked: int, machine: Machine) -> str:
    """The page of one run.

    Args:
        outcome: What it showed.
        asked: How many faults were planned; fewer happen when the time is over.
        machine: Where it was measured.
    """
    parts = (HEAD, _run(outcome, asked, machine), _findings(outcome), _faults(outcome), _endings(outcome), MISSING)
    return "\n".join(part.strip("\n") + "\n" for part in parts)


def _run(outcome: Outcome, asked: int, machine: Machine) -> str:
    rows = [
        ("day, code", f"{machine.day.isoformat()}, `{machine.code}`"),
        ("machine", f"{machine.cores} cores, everything on it"),
        ("seed", outcome.seed),
        ("length", f"{outcome.seconds / 60:.1f} minutes"),
        ("events acknowledged", f"{outcome.acknowledged:,}"),
        ("events whose answer was lost and that were never sent again", f"{outcome.unknown:,}"),
        ("faults", f"{len(outcome.inflicted)} of {asked} planned"),
        ("releases that the reader saw, and how often it read one", f"{len(outcome.seen.releases)}, {outcome.seen.reads:,}"),
        ("reads that failed while something was away", outcome.seen.failures),
    ]
    return "## The run\n" + _table(("what", "figure"), rows)


def _findings(outcome: Outcome) -> str:
    wrong = outcome.differences
    rows = [
        ("lost: acknowledged, and not released", len(wrong.lost)),
        ("doubled: released more than once", len(wrong.doubled)),
        ("invented: released, and never sent", len(wrong.invented)),
        ("ungated: read, and no gate had passed it", len(set(outcome.seen.ungated))),
        ("torn: tables of two releases read as one", len(set(outcome.seen.torn)) + bool(wrong.torn)),
        ("shrunk: a release without what an earlier one held", len(set(outcome.seen.shrunk))),
        ("steps that named a wrong cause, or hung", len(outcome.wrong)),
        ("evidence", "unbroken" if outcome.evidence_break is None else f"broken at entry {outcome.evidence_break}"),
    ]
    return "## What went wrong\n" + _table(("what", "figure"), rows)


def _faults(outcome: Outcome) -> str:
    """By victim: kills, stops, and the seconds from a fault's end until the victim answered again."""
    rows = []
    for victim in sorted({item.fault.victim for item in outcome.inflicted}):
        own = [item for item in outcome.inflicted if item.fault.victim == victim]
        kinds = Counter(item.fault.kind for item in own)
        waits = [item.recovered for item in own if item.recovered is not None]
        shown = (f"{median(waits):.1f}", f"{max(waits):.1f}") if waits else ("", "")
        rows.append((victim, kinds["killed"], kinds["stopped"], *shown))
    every = [item.recovered for item in outcome.inflicted if item.recovered is not None]
    kinds = Counter(item.fault.kind for item in outcome.inflicted)
    if every:
        rows.append(("all", kinds["killed"], kinds["stopped"], f"{median(every):.1f}", f"{max(every):.1f}"))
    head = ("victim", "killed", "stopped and let go on", "seconds to recover, p50", "max")
    return "## Faults by kind\nA step has no recovery of its own: another run takes its lease.\n\n" + _table(head, rows)


def _endings(outcome: Outcome) -> str:
    rows = [(step, _ending(code), count) for (step, code), count in sorted(outcome.endings.items())]
    return "## How steps ended\n" + _table(("step", "ended with", "how often"), rows)


def _ending(code: int) -> str:
    return {0: "success", -9: "no end: killed"}.get(code, f"exit code {code}, see [errors](errors.md)")


def _table(head: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(str(cell) for cell in line)} |\n" for line in lines)
