"""Chart colours: the two Plotly templates and the series order. Plotly itself stays unimported.

Figures carry no colour themselves; `chart.Chart` lays one of these under them by colour mode.
A channel keeps its colour on every page through its connection's `color_index`.
"""

from __future__ import annotations

from typing import Any

LIGHT_SERIES = ("#3e63dd", "#ab410d", "#026c52", "#823071", "#af843f", "#289bc9")
DARK_SERIES = ("#8da2fb", "#c54a1f", "#069463", "#ee63b5", "#dcb76a", "#59d6f5")
LIGHT_OTHER, DARK_OTHER = "#8b8d98", "#777b84"


def _template(
    *,
    colours: tuple[str, ...],
    other: str,
    ink: str,
    quiet: str,
    grid: str,
    axis: str,
    panel: str,
    sequential: list[str],
    diverging: list[str],
) -> dict[str, Any]:
    def scale(stops: list[str]) -> list[list[Any]]:
        return [[i / (len(stops) - 1), c] for i, c in enumerate(stops)]

    return {
        "layout": {
            "colorway": [*colours, other],
            "font": {"family": "Geist, system-ui, sans-serif", "size": 12, "color": quiet},
            "colorscale": {
                "sequential": scale(sequential),
                "sequentialminus": scale(sequential[::-1]),
                "diverging": scale(diverging),
            },
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            # Wide enough for `-$999.5k` and a day: measuring labels costs a third of the drawing.
            "margin": {"l": 48, "r": 16, "t": 36, "b": 28},
            "hovermode": "x unified",
            "hoverlabel": {
                "bgcolor": panel,
                "bordercolor": axis,
                "font": {"color": ink, "size": 12},
            },
            "xaxis": {
                "showgrid": False,
                "zeroline": False,
                "linecolor": axis,
                "ticks": "outside",
                "ticklen": 4,
                "tickcolor": axis,
                "nticks": 8,
                "fixedrange": True,
            },
            "yaxis": {
                "gridcolor": grid,
                "zeroline": True,
                "zerolinecolor": axis,
                "zerolinewidth": 1,
                "showline": False,
                "nticks": 5,
                "tickformat": "~s",
                "fixedrange": True,
            },
            "legend": {
                "orientation": "h",
                "x": 0,
                "xanchor": "left",
                "y": 1.02,
                "yanchor": "bottom",
                "font": {"color": ink},
            },
            "bargap": 0.3,
            "barcornerradius": 2,
            "separators": ".,",
        }
    }


LIGHT = _template(
    colours=LIGHT_SERIES,
    other=LIGHT_OTHER,
    ink="#1c2024",
    quiet="#60646c",
    grid="#e8e8ec",
    axis="#cdced6",
    panel="#ffffff",
    sequential=["#edf2fe", "#8da4ef", "#1f2d5c"],
    diverging=["#ab410d", "#e8e8ec", "#3e63dd"],
)
DARK = _template(
    colours=DARK_SERIES,
    other=DARK_OTHER,
    ink="#edeef0",
    quiet="#b0b4ba",
    grid="#2e3135",
    axis="#43484e",
    panel="#212225",
    sequential=["#182449", "#3e63dd", "#d6e1ff"],
    diverging=["#c54a1f", "#2e3135", "#8da2fb"],
)
