"""How far something is, when that is known."""

from __future__ import annotations

from typing import Any

import reflex as rx

from liftos_app.components.elements import Text


def progress(percent: Any, *, label: Text) -> rx.Component:
    """`percent` 0 to 100, whole. The words beside it belong to the caller."""
    return rx.el.div(
        rx.el.span(
            style={"width": percent.to(str) + "%" if isinstance(percent, rx.Var) else f"{percent}%"}
        ),
        class_name="lo-progress",
        role="progressbar",
        aria_valuemin="0",
        aria_valuemax="100",
        aria_valuenow=percent,
        aria_label=label,
    )
