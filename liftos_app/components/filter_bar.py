"""Dates, comparison and data mode. Every choice is in the address; the bar shows and changes it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import reflex as rx

from liftos_app.components.elements import button, select, tick


def filter_bar(
    *,
    periods: Sequence[tuple[str, str]],
    comparisons: Sequence[tuple[str, str]],
    modes: Sequence[tuple[str, str]],
    state: Any,
    extra: rx.Component | None = None,
) -> rx.Component:
    """`state` is a FilterState class: its vars are shown, its events are caused."""
    return rx.el.div(
        _choice(
            select(
                periods,
                label="Days",
                for_id="filter-range",
                value=state.range,
                on_change=lambda v: state.pick("range", v),
            )
        ),
        rx.cond(state.choosing_days, _custom_days(state)),
        _choice(
            select(
                comparisons,
                label="Compare with",
                for_id="filter-compare",
                value=state.compare,
                on_change=lambda v: state.pick("compare", v),
            )
        ),
        _choice(
            select(
                modes,
                label="Data",
                for_id="filter-mode",
                value=state.mode,
                on_change=lambda v: state.pick("mode", v),
            )
        ),
        tick(
            "Include today",
            for_id="filter-today",
            checked=state.with_today,
            on_change=lambda v: state.pick("today", rx.cond(v, "1", "")),
        ),
        extra or rx.fragment(),
        rx.cond(state.filtered, button("Reset", kind="quiet", small=True, on_click=state.clear)),
        class_name="lo-filters",
        role="search",
        aria_label="Filters",
    )


def _choice(control: rx.Component) -> rx.Component:
    return rx.el.div(control, class_name="lo-filter")


def _custom_days(state: Any) -> rx.Component:
    return rx.el.form(
        rx.el.input(
            type="date",
            name="start",
            default_value=state.start,
            required=True,
            class_name="lo-input",
            aria_label="First day",
        ),
        rx.el.span("to", class_name="lo-help"),
        rx.el.input(
            type="date",
            name="end",
            default_value=state.end,
            required=True,
            class_name="lo-input",
            aria_label="Last day",
        ),
        button("Show", type="submit", small=True),
        on_submit=state.pick_days,
        class_name="lo-row lo-custom-days",
        key=state.start.to(str) + state.end.to(str),
    )
