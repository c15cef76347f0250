"""Answers as pictures without colours: figure dicts for the chart part, paths for sparklines.

A figure is {"data": [...], "layout": {...}} as Plotly reads it. The page's theme adds colours:
`meta.color` is a series index, `meta.role` "comparison" the quiet dashed line.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

Number = Decimal | int | None
SPARK_WIDTH, SPARK_HEIGHT, _SPARK_EDGE = 100, 32, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One series over days. `color` None marks the comparison period, drawn quiet and dashed.

    `unsure` marks days whose value is not whole: they are drawn dotted, never like the others.
    """

    name: str
    values: Sequence[Number]
    color: int | None
    unsure: Sequence[bool] = ()


def lines(days: Sequence[dt.date], series: Sequence[Line], *, prefix: str = "") -> dict[str, Any]:
    """A line per series over the same days. Unknown days leave a gap, never a zero."""
    axis = [d.isoformat() for d in days]
    data: list[dict[str, Any]] = []
    for line in series:
        unsure = list(line.unsure) or [False] * len(line.values)
        whole = [None if bad else v for v, bad in zip(line.values, unsure, strict=True)]
        data.append(_trace(axis, line, whole, prefix))
        if any(unsure):
            near = [
                v if bad or any(unsure[max(0, i - 1) : i + 2]) else None
                for i, (v, bad) in enumerate(zip(line.values, unsure, strict=True))
            ]
            rest = _trace(axis, line, near, prefix)
            rest |= {
                "name": f"{line.name}, not whole",
                "showlegend": False,
                "line": {"width": 2, "dash": "dot"},
            }
            rest["hoverinfo"] = "skip"
            del rest["hovertemplate"]
            data.append(rest)
    layout = {
        "showlegend": len(series) > 1,
        "xaxis": {"type": "date", "tickformat": "%-d %b", "hoverformat": "%a %-d %b %Y"},
        "yaxis": {"rangemode": "tozero", "tickprefix": prefix},
    }
    return {"data": data, "layout": layout}


def _trace(
    axis: Sequence[str], line: Line, values: Sequence[Number], prefix: str
) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": line.name,
        "x": list(axis),
        "y": [None if v is None else float(v) for v in values],
        "line": {"width": 2},
        "connectgaps": False,
        "meta": {"role": "comparison"} if line.color is None else {"color": line.color},
        "hovertemplate": f"{prefix}%{{y:,.0f}}",
    }


def spark(values: Sequence[Number]) -> str:
    """An SVG path in a 100 x 32 box; unknown values break the line. Under two values: empty."""
    known = [v for v in values if v is not None]
    if len(known) < 2:
        return ""
    low, high = min(known), max(known)
    span = float(high - low) or 1.0
    step = SPARK_WIDTH / (len(values) - 1)
    room = SPARK_HEIGHT - 2 * _SPARK_EDGE
    path, pen_down = [], False
    for index, value in enumerate(values):
        if value is None:
            pen_down = False
            continue
        y = (
            SPARK_HEIGHT / 2
            if low == high
            else SPARK_HEIGHT - _SPARK_EDGE - float(value - low) / span * room
        )
        path.append(f"{'L' if pen_down else 'M'}{index * step:.1f} {y:.1f}")
        pen_down = True
    return "".join(path)
