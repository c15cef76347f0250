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
    """One series over days. `color` None marks the comparison period, drawn quiet and dashed."""

    name: str
    values: Sequence[Number]
    color: int | None


def lines(days: Sequence[dt.date], series: Sequence[Line], *, prefix: str = "") -> dict[str, Any]:
    """A line per series over the same days. Unknown days leave a gap, never a zero."""
    data = [
        {
            "type": "scatter", "mode": "lines", "name": line.name,
            "x": [d.isoformat() for d in days],
            "y": [None if v is None else float(v) for v in line.values],
            "line": {"width": 2}, "connectgaps": False,
            "meta": {"role": "comparison"} if line.color is None else {"color": line.color},
            "hovertemplate": f"{prefix}%{{y:,.0f}}",
        }
        for line in series
    ]
    layout = {
        "showlegend": len(series) > 1,
        "xaxis": {"type": "date", "hoverformat": "%a %-d %b %Y"},
        "yaxis": {"rangemode": "tozero", "tickprefix": prefix},
    }
    return {"data": data, "layout": layout}


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
        y = SPARK_HEIGHT / 2 if low == high else SPARK_HEIGHT - _SPARK_EDGE - float(value - low) / span * room
        path.append(f"{'L' if pen_down else 'M'}{index * step:.1f} {y:.1f}")
        pen_down = True
    return "".join(path)
