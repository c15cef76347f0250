"""One cell per day. Height and gaps tell the state without colour; a sentence tells readers."""

from __future__ import annotations

from typing import Any

import reflex as rx

from liftos_app.components.elements import Text

WORDS = (
    ("ok", "Complete"),
    ("empty", "Confirmed empty"),
    ("partial", "Partial"),
    ("failed", "Failed"),
    ("missing", "Missing"),
    ("none", "Not asked for yet"),
)


def coverage_strip(cells: rx.Var, *, words: Text) -> rx.Component:
    """`cells`: list of {"state": one of WORDS, "title": "21 Nov: 4,210 rows"}, oldest first."""
    return rx.el.div(rx.foreach(cells, _cell), class_name="lo-strip", role="img", aria_label=words)


def coverage_legend(*states: str) -> rx.Component:
    """What the cells mean."""
    chosen = [(s, w) for s, w in WORDS if not states or s in states]
    return rx.el.div(
        *(
            rx.el.span(rx.el.i(class_name=f"lo-cell lo-cell-{state}", aria_hidden="true"), word)
            for state, word in chosen
        ),
        class_name="lo-legend",
    )


def _cell(cell: Any) -> rx.Component:
    return rx.el.i(class_name="lo-cell lo-cell-" + cell.state.to(str), title=cell.title)
