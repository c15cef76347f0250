"""The page for addresses that lead nowhere."""

from __future__ import annotations

import reflex as rx

from liftos_app.components.elements import button_link
from liftos_app.components.shell import gate


@rx.page(route="404", title="Not found · LiftOS")
def not_found() -> rx.Component:
    """Says so, and offers the way home."""
    return gate(
        rx.el.h1("There is no page here"),
        rx.el.p(
            "The address is mistyped, or what it pointed to was deleted.", class_name="lo-quiet"
        ),
        rx.el.div(button_link("Go to Overview", href="/", kind="solid"), class_name="lo-row"),
    )
