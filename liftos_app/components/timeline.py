"""What happened, newest first, with day headings: runs, settings, credentials, later audit."""

from __future__ import annotations

from typing import Any

import reflex as rx

from liftos_app.components.status_pill import status_icon


def timeline(events: rx.Var) -> rx.Component:
    """`events`: rows of `kind`, `text`, `more`, `time`, `exact`; `day` is "" unless one begins."""
    return rx.el.ol(rx.foreach(events, _event), class_name="lo-timeline")


def _event(event: Any) -> rx.Component:
    return rx.el.li(
        rx.cond(event.day != "", rx.el.p(event.day, class_name="lo-event-day")),
        rx.el.div(
            rx.el.span(status_icon(event.kind), class_name="lo-event-mark"),
            rx.el.p(event.text),
            rx.el.span(event.time, title=event.exact, class_name="lo-event-time"),
            rx.cond(event.more != "", rx.el.p(event.more, class_name="lo-event-more")),
            class_name="lo-event",
        ),
    )
