"""The trend of the last runs as an SVG: rows to be released above, shares of rejected and set-aside events below.

Its colours are markers that the page's style sheet replaces, so that one picture fits light, dark and print. Its words are the
page's too; the picture holds numbers and dates only.
"""

import re
from collections.abc import Sequence
from typing import Any

from commonweal.gate.model import PastRun

INK, GRID, PASSED, REFUSED, REJECTED, ASIDE = "#010101", "#020202", "#030303", "#040404", "#050505", "#060606"
FONT = "system-ui, sans-serif"
NAMESPACE = re.compile(r'\s+xmlns(:\w+)?="[^"]*"')


def trend_svg(runs: Sequence[PastRun], *, width: int) -> str:
    """The chart as an inline SVG element without any address in it.

    Args:
        runs: Oldest first; at least one.
        width: Width in pixels at which its letters have their own size.
    """
    import altair as alt
    import vl_convert

    data = alt.InlineData(values=[_point(number, run) for number, run in enumerate(runs)])
    x = alt.X("run:O", axis=_dates(runs, width), title=None)
    chart = alt.vconcat(_rows(data, x, width), _shares(data, x, width), spacing=14).configure_view(stroke=None)
    chart = chart.configure_axis(labelColor=INK, gridColor=GRID, domainColor=GRID, labelFont=FONT, labelFontSize=11)
    svg = vl_convert.vegalite_to_svg(
        chart.to_dict() | {"background": "transparent", "padding": {"left": 2, "top": 4, "right": 28, "bottom": 2}}
    )
    return NAMESPACE.sub("", svg)


def _point(number: int, run: PastRun) -> dict[str, Any]:
    return {"run": number, "rows": run.rows, "passed": run.passed, "rejected": run.share_rejected, "aside": run.share_set_aside}


def _dates(runs: Sequence[PastRun], width: int) -> Any:  # noqa: ANN401 - Altair's own types change with its version
    import altair as alt

    # Room for one date each 80 pixels; the newest run always has its own.
    step = max(1, -(-len(runs) * 80 // width))
    shown = [number for number in range(len(runs)) if (len(runs) - 1 - number) % step == 0]
    labels = {number: f"{runs[number].at:%m-%d %H:%M}" for number in shown}
    names = " : ".join(f"datum.value == {number} ? '{label}'" for number, label in labels.items())
    return alt.Axis(values=shown, labelExpr=f"{names} : ''", labelAngle=0, grid=False, ticks=False, labelPadding=6)


def _rows(data: Any, x: Any, width: int) -> Any:  # noqa: ANN401 - see above
    import altair as alt

    y = alt.Y(
        "rows:Q",
        axis=alt.Axis(format="~s", tickCount=4, ticks=False, domain=False),
        scale=alt.Scale(zero=True, nice=True),
        title=None,
    )
    base = alt.Chart(data, width=width - 70, height=120).encode(x=x.copy(), y=y)
    shape = alt.condition("datum.passed", alt.value("circle"), alt.value("cross"))
    color = alt.condition("datum.passed", alt.value(PASSED), alt.value(REFUSED))
    line = base.mark_line(color=INK, strokeWidth=1, opacity=0.45)
    return line + base.mark_point(filled=True, size=70, opacity=1).encode(shape=shape, color=color)


def _shares(data: Any, x: Any, width: int) -> Any:  # noqa: ANN401 - see above
    import altair as alt

    axis = alt.Axis(format="~%", tickCount=3, ticks=False, domain=False)
    base = alt.Chart(data, width=width - 70, height=80)

    def series(field: str, color: str, dash: list[int]) -> Any:  # noqa: ANN401 - see above
        encoded = base.encode(x=x.copy(), y=alt.Y(f"{field}:Q", axis=axis, scale=alt.Scale(zero=True, nice=True), title=None))
        return encoded.mark_line(color=color, strokeWidth=2, strokeDash=dash) + encoded.mark_point(
            filled=True, size=30, color=color, opacity=1
        )

    return series("rejected", REJECTED, [1, 0]) + series("aside", ASIDE, [5, 3])
