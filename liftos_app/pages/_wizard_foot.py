"""The lower end of every wizard step: leave, discard, go on."""

from __future__ import annotations

import reflex as rx

from liftos_app.components.dialog import close, dialog
from liftos_app.components.elements import (
    button,
    button_link,
)
from liftos_app.state.wizard import WizardState as S


def foot(*actions: rx.Component) -> rx.Component:
    return rx.el.div(
        rx.cond(
            S.view.connection_id != "",
            rx.el.div(
                button_link("Save and exit", href="/connections", kind="quiet"),
                rx.cond(~S.view.started, _discard()),
                class_name="lo-row",
            ),
            button_link("Back", href="/connections/new", kind="quiet"),
        ),
        rx.el.div(*actions, class_name="lo-row"),
        class_name="lo-between lo-wizard-foot",
    )


def _discard() -> rx.Component:
    return dialog(
        button("Discard draft", kind="quiet"),
        rx.el.div(
            close(button("Keep it")),
            button("Discard draft", kind="danger", on_click=S.discard),
            class_name="lo-row lo-row-end",
        ),
        title="Discard this draft?",
        describe="What was entered is deleted, credentials included. Nothing was synced yet.",
    )
