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
Part = dict[str, Any]
NAMESPACE = re.compile(r'\s+xmlns(:\w+)?="[^"]*"')


def trend_svg(runs: Sequence[PastRun], *, width: int) -> str:
    """The chart as an inline SVG element without any address in it.

    Args:
        runs: Oldest first; at least one.
        width: Width in pixels at which its letters have their own size.
    """
    import vl_convert

    # Vega-Lite itself: making it by Altair's classes takes ten times as long as drawing it.
    x = {"field": "run", "type": "ordinal", "title": None, "axis": _dates(runs, width)}
    axis = {"labelColor": INK, "gridColor": GRID, "domainColor": GRID, "labelFont": FONT, "labelFontSize": 11}
    chart = {
        "data": {"values": [_point(number, run) for number, run in enumerate(runs)]},
        "vconcat": [
            {"layer": _rows(x), "width": width - 70, "height": 120},
            {"layer": _shares(x), "width": width - 70, "height": 80},
        ],
        "spacing": 14,
        "config": {"view": {"stroke": None}, "axis": axis},
        "background": "transparent",
        "padding": {"left": 2, "top": 4, "right": 28, "bottom": 2},
    }
    return NAMESPACE.sub("", vl_convert.vegalite_to_svg(chart))


def _point(number: int, run: PastRun) -> Part:
    return {"run": number, "rows": run.rows, "passed": run.passed, "rejected": run.share_rejected, "aside": run.share_set_aside}


def _dates(runs: Sequence[PastRun], width: int) -> Part:
    # Room for one date each 80 pixels; the newest run always has its own.
    step = max(1, -(-len(runs) * 80 // width))
    shown = [number for number in range(len(runs)) if (len(runs) - 1 - number) % step == 0]
    labels = {number: f"{runs[number].at:%m-%d %H:%M}" for number in shown}
    names = " : ".join(f"datum.value == {number} ? '{label}'" for number, label in labels.items())
    return {"values": shown, "labelExpr": f"{names} : ''", "labelAngle": 0, "grid": False, "ticks": False, "labelPadding": 6}


def _rows(x: Part) -> list[Part]:
    y = _numbers("rows", {"format": "~s", "tickCount": 4})
    look = {
        "shape": {"condition": {"test": "datum.passed", "value": "circle"}, "value": "cross"},
        "color": {"condition": {"test": "datum.passed", "value": PASSED}, "value": REFUSED},
    }
    return [
        {"mark": {"type": "line", "color": INK, "strokeWidth": 1, "opacity": 0.45}, "encoding": {"x": x, "y": y}},
        {"mark": {"type": "point", "filled": True, "size": 70, "opacity": 1}, "encoding": {"x": x, "y": y, **look}},
    ]


def _shares(x: Part) -> list[Part]:
    return [_share("rejected", REJECTED, [1, 0], x), _share("aside", ASIDE, [5, 3], x)]


def _share(field: str, color: str, dash: list[int], x: Part) -> Part:
    encoding = {"x": x, "y": _numbers(field, {"format": "~%", "tickCount": 3})}
    line = {"type": "line", "color": color, "strokeWidth": 2, "strokeDash": dash}
    point = {"type": "point", "filled": True, "size": 30, "color": color, "opacity": 1}
    return {"layer": [{"mark": mark, "encoding": encoding} for mark in (line, point)]}


def _numbers(field: str, axis: Part) -> Part:
    scale, shown = {"zero": True, "nice": True}, axis | {"ticks": False, "domain": False}
    return {"field": field, "type": "quantitative", "title": None, "scale": scale, "axis": shown}
