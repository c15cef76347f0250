"""What a block shows when it has nothing to show: loading, empty, failed, forbidden."""

from __future__ import annotations

from typing import Any

import reflex as rx

from liftos_app.components.elements import Text, card, go, icon

_SIGNS = {"bad": "circle-alert", "warn": "triangle-alert", "info": "info"}


def skeleton(*, height: int, width: str = "100%") -> rx.Component:
    """A grey block of the final size; appears after 300 ms so that quick answers never flash."""
    return rx.el.div(
        class_name="lo-skel lo-skel-wave",
        aria_hidden="true",
        style={"height": f"{height}px", "width": width},
    )


def still_waiting() -> rx.Component:
    """A line that appears by itself after five seconds: what is being waited for."""
    return rx.el.p(
        "Still waiting for LiftOS to answer. Nothing to do.", class_name="lo-help lo-late"
    )


def loading_cards(
    *, count: int = 4, height: int = 154, look: str = "lo-grid lo-grid-4 lo-grid-kpi"
) -> rx.Component:
    """A row of skeleton tiles, announced once as loading."""
    return rx.el.div(
        rx.el.span("Loading", class_name="lo-sr", role="status"),
        rx.el.div(*(skeleton(height=height) for _ in range(count)), class_name=look),
    )


def loading_rows(*, rows: int = 5) -> rx.Component:
    """Skeleton of a table."""
    return card(
        rx.el.span("Loading", class_name="lo-sr", role="status"),
        still_waiting(),
        rx.el.div(*(skeleton(height=20) for _ in range(rows)), class_name="lo-stack-16"),
    )


def empty_state(title: Text, why: Text, *actions: rx.Component) -> rx.Component:
    """Title, one sentence why, one action. First use, no results and cleared differ in words."""
    return rx.el.div(
        rx.el.p(title, class_name="lo-empty-title"),
        rx.el.p(why, class_name="lo-quiet lo-measure"),
        rx.el.div(*actions, class_name="lo-row") if actions else rx.fragment(),
        class_name="lo-empty",
    )


def error_state(
    what: Text,
    why: Text = "",
    fix: Text = "",
    *actions: rx.Component,
    reference: Text = "",
    kind: str = "bad",
    facts: Any = None,
) -> rx.Component:
    """What happened, why, what to do. `reference` is what an administrator searches the log for."""
    return rx.el.div(
        icon(_SIGNS[kind], size=18, class_name=f"lo-mark-{kind}"),
        rx.el.div(
            rx.el.p(what, class_name="lo-h3"),
            _if(why, rx.el.p(why, class_name="lo-quiet lo-measure")),
            _if(fix, rx.el.p(fix, class_name="lo-measure")),
            rx.el.div(*actions, class_name="lo-row") if actions else rx.fragment(),
            _if(reference, rx.el.p("Reference ", rx.el.code(reference), class_name="lo-help")),
            facts if facts is not None else rx.fragment(),
            class_name="lo-stack-8 lo-grow",
        ),
        class_name=f"lo-error lo-error-{kind}",
        role="alert" if kind == "bad" else "status",
    )


def fallback_banner(rows: Any) -> rx.Component:
    """`rows`: connections that fail, each with `what`, `why` and `href`; nothing without any."""
    return rx.fragment(rx.foreach(rows, lambda r: error_state(
        r.what, r.why, "",
        rx.cond(r.href != "", go("Open the connection", href=r.href, class_name="lo-link")),
        kind="warn",
    )))


def _if(words: Text, shown: rx.Component) -> rx.Component:
    if isinstance(words, str):
        return shown if words else rx.fragment()
    return rx.cond(words != "", shown, rx.fragment())
