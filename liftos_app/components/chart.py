"""One chart: a figure dict of services.figures on Plotly's basic build, coloured by the theme.

A thin wrapper of our own instead of `rx.plotly`, so that the server never imports Plotly.
"""

from __future__ import annotations

from typing import Any

import reflex as rx
from reflex_base.components.component import NoSSRComponent
from reflex_base.utils.imports import ImportDict, ImportVar
from reflex_base.vars import VarData

from liftos_app.components import theme

# Colours are put on here: `meta.color` is a series index (-1: other), `meta.role` "comparison"
# draws the dashed grey line of a comparison period, "band" a quiet area.
_PAINT = """
const loPaint = (figure, template) => {
  const series = template.layout.colorway.slice(0, -1);
  const other = template.layout.colorway.at(-1);
  const data = (figure?.data ?? []).map((trace) => {
    const role = trace.meta?.role;
    const index = trace.meta?.color;
    if (role === "comparison") {
      return {...trace, line: {...trace.line, color: other, dash: "dot", width: 1.5}};
    }
    if (index === undefined || index === null) return trace;
    const color = index < 0 ? other : series[index % series.length];
    return {...trace, line: {...trace.line, color}, marker: {...trace.marker, color}};
  });
  return {data, layout: {...(figure?.layout ?? {}), autosize: true, template}};
};
"""


class BasicPlot(NoSSRComponent):
    """Plotly's basic distribution (scatter and bars), fetched only by pages that draw."""

    library = "react-plotly.js@4.1.0"
    lib_dependencies: list[str] = ["plotly.js-basic-dist-min@3.7.0"]
    tag = "LoBasicPlot"

    config: rx.Var[dict[str, Any]]
    use_resize_handler: rx.Var[bool]

    def add_imports(self) -> ImportDict:
        """The factory, without the full Plotly."""
        return {
            "react-plotly.js": [
                ImportVar(tag="createPlotlyComponent", is_default=True, package_path="/factory")
            ]
        }

    def add_custom_code(self) -> list[str]:
        """The painter, once per module."""
        return [_PAINT]

    def _get_dynamic_imports(self) -> str:
        return (
            "const LoBasicPlot = ClientSide(() => import('plotly.js-basic-dist-min')"
            '.then((mod) => createPlotlyComponent(mod)), "LoBasicPlot")'
        )


class FetchAhead(rx.Fragment):
    """Starts fetching Plotly while the figures are on their way: put it on pages that draw."""

    def add_imports(self) -> ImportDict:
        """React's effect hook."""
        return {"react": [ImportVar(tag="useEffect")]}

    def add_hooks(self) -> list[str]:
        """The same chunk that BasicPlot asks for."""
        return ["useEffect(() => { import('plotly.js-basic-dist-min'); }, []);"]


def chart(figure: rx.Var, *, words: rx.Var | str, height: str = "") -> rx.Component:
    """Draw `figure` ({"data": [...], "layout": {...}}); `words` says it in one sentence."""
    template = rx.color_mode_cond(light=rx.Var.create(theme.LIGHT), dark=rx.Var.create(theme.DARK))
    painted = rx.Var(
        f"loPaint({figure!s}, {template!s})",
        _var_data=VarData.merge(figure._get_all_var_data(), template._get_all_var_data()),
    )
    return rx.el.div(
        BasicPlot.create(
            config=rx.Var.create({"displayModeBar": False, "responsive": True, "showTips": False}),
            use_resize_handler=True,
            special_props=[painted],
        ),
        role="img",
        aria_label=words,
        class_name="lo-chart",
        **({"style": {"height": height}} if height else {}),
    )
