"""The top of every page: one h1, one line of scope or answer, up to two actions."""

from __future__ import annotations

import reflex as rx

from liftos_app.components.elements import Text, go, icon


def page_header(
    title: Text,
    line: Text | rx.Component = "",
    *actions: rx.Component,
    back: tuple[str, str] | None = None,
    beside: rx.Component | None = None,
) -> rx.Component:
    """`back` is (label, href) of the page above; `beside` stands next to the title (a pill)."""
    crumb = rx.fragment()
    if back:
        crumb = go(icon("chevron-left", size=14), back[0], href=back[1], class_name="lo-crumb")
    below = line if isinstance(line, rx.Component) else rx.el.p(line, class_name="lo-head-line")
    return rx.el.header(
        rx.el.div(
            crumb,
            rx.el.div(rx.el.h1(title), beside or rx.fragment(), class_name="lo-row"),
            below if not (isinstance(line, str) and not line) else rx.fragment(),
            class_name="lo-head-words",
        ),
        rx.el.div(*actions, class_name="lo-row") if actions else rx.fragment(),
        class_name="lo-head",
    )
