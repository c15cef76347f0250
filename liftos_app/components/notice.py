"""Outcomes of the person's own actions, in a polite live region at the top.

Fed by a state var: under our script policy a toast returned by the server would be dropped
silently. Good news leaves after 6 s (in CSS), trouble stays until it is closed.
"""

from __future__ import annotations

from typing import Any

import reflex as rx

from liftos_app.components.elements import icon, icon_button


def notice_region(notices: rx.Var, on_close: Any) -> rx.Component:
    """`notices`: rows with `id`, `kind` (ok, info, warn, bad), `what`, `more`, `reference`."""
    return rx.el.div(
        rx.foreach(notices, lambda n: _notice(n, on_close)),
        class_name="lo-notices",
        role="region",
        aria_label="Messages",
        aria_live="polite",
    )


def _notice(note: Any, on_close: Any) -> rx.Component:
    return rx.el.div(
        rx.match(
            note.kind,
            ("ok", icon("circle-check", size=18, class_name="lo-mark-ok")),
            ("bad", icon("circle-alert", size=18, class_name="lo-mark-bad")),
            ("warn", icon("triangle-alert", size=18, class_name="lo-mark-warn")),
            icon("info", size=18, class_name="lo-mark-info"),
        ),
        rx.el.div(
            rx.el.p(note.what, class_name="lo-h3"),
            rx.cond(note.more != "", rx.el.p(note.more, class_name="lo-quiet")),
            rx.cond(
                note.reference != "",
                rx.el.p("Reference ", rx.el.code(note.reference), class_name="lo-help"),
            ),
            class_name="lo-grow lo-stack-4",
        ),
        icon_button("x", "Close message", on_click=on_close(note.id), class_name="lo-btn-small"),
        class_name="lo-notice lo-notice-" + note.kind.to(str),
        key=note.id,
    )
