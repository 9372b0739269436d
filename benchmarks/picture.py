"""Results as one picture, ``docs/benchmarks.svg``: for each row with a peer, how long each of us took."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from benchmarks.measure import Measured
from benchmarks.results import TIMES, Result, seconds

Runs = Mapping[str, Sequence[Measured]]
"""By program, its runs; ours first."""

OURS, PEER, INK, PAPER = "#0b63ce", "#9aa5b1", "#1f2933", "#ffffff"
WIDTH, BAR, NAMES = 300, 22, 300
FONT = "system-ui, sans-serif"


def picture(found: Iterable[Result]) -> str:
    """The picture as SVG; empty when no row has a peer. What was run on ten times as much stands at the right.

    Args:
        found: Results in their order.
    """
    import altair as alt
    import vl_convert

    charts = [_chart(result) for result in found if result.peers]
    if not charts:
        return ""
    chart = alt.vconcat(*charts, spacing=18).configure_view(stroke=None).configure(font=FONT, background=PAPER, padding=12)
    chart = chart.configure_axis(
        labelColor=INK, labelFontSize=12, labelLimit=NAMES, domain=False, ticks=False, gridColor="#e4e7eb"
    )
    return vl_convert.vegalite_to_svg(chart.configure_title(anchor="start", color=INK, fontSize=13).to_dict()) + "\n"


def _chart(result: Result) -> Any:  # noqa: ANN401 - Altair's own types change with its version
    import altair as alt

    once = _bars({"commonweal": result.ours, **result.peers})
    what = f"{result.row} · {result.work.partition(':')[0].partition(', ')[0]} · {result.size:,} {result.unit}"
    chart = once.properties(title=what)
    if not result.tenfold:
        return chart
    large = _bars({name: [run] for name, run in result.tenfold.items()}, names=False)
    return alt.hconcat(chart, large.properties(title=f"{result.size * TIMES:,} {result.unit}"), spacing=24)


def _bars(programs: Runs, *, names: bool = True) -> Any:  # noqa: ANN401 - as above
    """How long each program took, with its fastest and its slowest run."""
    import altair as alt

    bars = [_bar(name, runs, PEER if index else OURS) for index, (name, runs) in enumerate(programs.items())]
    base = alt.Chart(alt.InlineData(values=bars), width=WIDTH, height=BAR * len(bars))
    y = alt.Y("who:N", sort=None, title=None, axis=alt.Axis(minExtent=NAMES, maxExtent=NAMES) if names else None)
    x = alt.X("seconds:Q", title=None, axis=alt.Axis(tickCount=5, format="~s", labelExpr="datum.label + ' s'"))
    shown = base.mark_bar(height=BAR - 8).encode(y=y, x=x, color=alt.Color("color:N", scale=None))
    return shown + base.mark_rule(color=INK).encode(y=y, x=alt.X("fastest:Q"), x2="slowest:Q")


def _bar(who: str, runs: Sequence[Measured], color: str) -> dict[str, str | float]:
    times = [run.seconds for run in runs]
    return {"who": who, "seconds": seconds(runs), "fastest": min(times), "slowest": max(times), "color": color}
