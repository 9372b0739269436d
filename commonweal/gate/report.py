"""The gate's report: one HTML file that needs nothing but a browser, and the same content as JSON. Counts only."""

import json
import math
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from commonweal.contract.model import Text
from commonweal.gate.chart import Chart, trend
from commonweal.gate.flow import LINES, differences, rows, zoom
from commonweal.gate.model import Accounting, Check, Report, RuleResult
from commonweal.gate.wording import percent, worded_page

WIDE, NARROW = 800, 300
ROOTS = "offsets"


def render_html(report: Report, lang: str = "en") -> str:
    """The report as one self-contained page, in English and Chinese.

    Args:
        report: The run.
        lang: What is shown first: ``en``, ``zh`` or ``both``; the reader can switch.
    """
    checks = report.verdict.checks
    view = {
        "report": report,
        "lang": lang,
        "refusing": [check for check in checks if check.severity == "fail"],
        "run_checks": [check for check in checks if not check.id.startswith("rule:")],
        "results": sorted(report.results, key=_urgency),
        "broken": {f"rule:{result.rule.id}": result for result in report.results if not result.success},
        "kept": sum(standing(result) == "kept" for result in report.results),
        "flow": rows(report.accounting) if report.accounting else (),
        "zoom": zoom(report.accounting) if report.accounting else None,
        "accounts": list(_account_lines(report.accounting)) if report.accounting else [],
        "charts": _charts(report),
    }
    return str(_page().render(view))


def render_json(report: Report) -> str:
    """The same content for machines; snapshot ids are strings, since they don't fit a JavaScript number."""
    document = {
        "dataset": report.dataset,
        "title": report.title.model_dump(),
        "run_id": report.run_id,
        "attempt": report.attempt,
        "passed": report.verdict.passed,
        "checks": [_check(check) for check in report.verdict.checks],
        "results": [_result(result) for result in report.results],
        "accounting": vars(report.accounting) if report.accounting else None,
        "coverage": [vars(join) for join in report.coverage],
        "since": vars(report.since) if report.since else None,
        "snapshots": {table: str(snapshot) for table, snapshot in report.snapshots.items()},
        "rows": dict(report.rows),
        "contract": {"version": report.contract_version, "digest": report.contract_digest},
        "suite": {"digest": report.suite_digest},
        "code_commit": report.code_commit,
        "started_at": _iso(report.started_at),
        "finished_at": _iso(report.finished_at),
        "trend": [vars(run) | {"at": _iso(run.at)} for run in report.trend],
        "release": report.release,
    }
    return json.dumps(_finite(document), ensure_ascii=False, indent=1, allow_nan=False)


def standing(result: RuleResult) -> str:
    """In one word what became of a rule: ``kept``, ``broken_fail``, ``broken_warn`` or ``not_run``."""
    if result.raised:
        return "not_run"
    return "kept" if result.success else f"broken_{result.rule.severity}"


def _urgency(result: RuleResult) -> int:
    return ("not_run", "broken_fail", "broken_warn", "kept").index(standing(result))


def _by_cure(checks: Iterable[Check]) -> list[tuple[Text, list[Check]]]:
    """What one thing cures stands together."""
    groups: dict[tuple[str, str], list[Check]] = {}
    for check in checks:
        groups.setdefault((check.cure.en, check.cure.zh), []).append(check)
    return [(found[0].cure, found) for found in groups.values()]


def _account_lines(accounting: Accounting) -> Iterator[tuple[str, int, float, int]]:
    """Rows of the accounting's table: name, count, share of all offsets, depth; a difference has a row of its own."""
    missing = differences(accounting)
    yield from _account_line(accounting, missing, ROOTS, 0)


def _account_line(
    accounting: Accounting, missing: dict[str, int], name: str, depth: int
) -> Iterator[tuple[str, int, float, int]]:
    offsets = accounting.offsets or 1
    count = getattr(accounting, name)
    yield name, count, count / offsets, depth
    for line in LINES:
        if line.whole == name:
            for part in line.parts:
                yield from _account_line(accounting, missing, part, depth + 1)
            if missing[name]:
                yield "unaccounted", -missing[name], abs(missing[name]) / offsets, depth + 1


def _charts(report: Report) -> dict[str, Chart]:
    """One chart for wide screens and print, one for phones; none for a first run."""
    widths = {"wide": WIDE, "narrow": NARROW} if len(report.trend) > 1 else {}
    return {name: trend(report.trend, width=width) for name, width in widths.items()}


@cache
def _page() -> Template:
    environment = Environment(
        loader=PackageLoader("commonweal.gate"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.lstrip_blocks = True
    environment.filters |= {
        "percent": percent,
        "number": "{:,}".format,
        "instant": _instant,
        "minute": _minute,
        "standing": standing,
        "by_cure": _by_cure,
    }
    environment.globals |= {"t": _both, "text": _spans}
    return environment.get_template("report.html.j2")


def _both(key: str, **values: str | int | Text) -> Markup:
    return _spans(worded_page(key, **values))


def _spans(text: Text) -> Markup:
    return Markup('<span lang="en">{}</span> <span lang="zh-Hans">{}</span>').format(text.en, text.zh)


def _instant(value: datetime) -> str:
    return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _minute(value: datetime) -> tuple[str, str]:
    """Date and time of day, which a narrow page may set one below the other."""
    at = value.astimezone(UTC)
    return f"{at:%Y-%m-%d}", f"{at:%H:%M}"


def _iso(value: datetime) -> str:
    return value.astimezone(UTC).isoformat()


def _check(check: Check) -> dict[str, object]:
    return vars(check) | {"sentence": check.sentence.model_dump(), "cure": check.cure.model_dump()}


def _result(result: RuleResult) -> dict[str, object]:
    rule = result.rule
    named = {"rule": rule.id, "table": rule.table, "severity": rule.severity, "sentence": rule.sentence.model_dump()}
    counted = {name: value for name, value in vars(result).items() if name != "rule"}
    return named | counted | {"share": result.share_failed, "standing": standing(result)}


def _finite(value: object) -> object:
    """The value with each number that is none replaced by null: JSON has no NaN."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
