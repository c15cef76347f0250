"""A key figure: label, value, change in words, small line of its days."""

from __future__ import annotations

import reflex as rx

from liftos_app.components.elements import Text, icon
from liftos_app.components.status_pill import badge


def sparkline(path: Text, *, words: Text) -> rx.Component:
    """An SVG path in a 100 x 32 box, drawn as wide as its tile. Empty path: nothing."""
    return rx.cond(
        path != "",
        rx.el.svg(
            rx.el.path(d=path),
            class_name="lo-spark",
            view_box="0 0 100 32",
            custom_attrs={"preserveAspectRatio": "none"},
            role="img",
            aria_label=words,
        ),
        rx.el.div(class_name="lo-spark", aria_hidden="true"),
    )


def day_mark(words: rx.Var) -> rx.Component:
    """A small clock with a sentence on hover: a day that is not over counts. Empty: nothing."""
    return rx.cond(
        words != "",
        rx.el.span(
            icon("clock", size=13), title=words, role="img", aria_label=words,
            class_name="lo-day-mark",
        ),
        rx.fragment(),
    )


def kpi_tile(
    *,
    label: Text,
    value: Text,
    delta: rx.Var,
    direction: rx.Var,
    verdict: rx.Var,
    comparison: Text,
    spark: rx.Var,
    spark_words: Text,
    help_text: Text = "",
    provenance: rx.Var | None = None,
    beside: rx.Var | None = None,
    not_over: rx.Var | None = None,
) -> rx.Component:
    """`direction`: up, down, flat, none. `verdict`: good, worse, or "" (neutral metrics stay grey).

    All texts arrive formatted (services.format). `delta` empty: the comparison words say why.
    `beside`: figures that are not in the value, with their badge `provenance`. `not_over`: that the
    last day still runs, shown as a mark beside the label.
    """
    arrow = rx.match(
        direction,
        ("up", icon("arrow-up-right", size=14)),
        ("down", icon("arrow-down-right", size=14)),
        ("flat", icon("arrow-right", size=14)),
        rx.fragment(),
    )
    return rx.el.article(
        rx.el.div(
            rx.el.h2(label, class_name="lo-label", title=help_text),
            rx.cond(provenance != "", badge(provenance, kind="warn"), rx.fragment())
            if provenance is not None
            else rx.fragment(),
            day_mark(not_over) if not_over is not None else rx.fragment(),
            class_name="lo-between",
        ),
        rx.el.p(value, class_name="lo-kpi-value"),
        rx.el.p(
            arrow,
            rx.el.b(delta),
            rx.el.span(comparison),
            class_name=rx.match(
                verdict,
                ("good", "lo-kpi-delta lo-good"),
                ("worse", "lo-kpi-delta lo-worse"),
                "lo-kpi-delta",
            ),
        ),
        rx.cond(beside != "", rx.el.p(beside, class_name="lo-help"), rx.fragment())
        if beside is not None
        else rx.fragment(),
        sparkline(spark, words=spark_words),
        class_name="lo-card lo-kpi",
    )
