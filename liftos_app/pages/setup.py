"""First run: create the first administrator. There is no default password."""

from __future__ import annotations

import reflex as rx

from liftos_app.components.elements import NativeForm, button, field, icon, text_input
from liftos_app.components.shell import gate
from liftos_app.state.gate import GateState


@rx.page(route="/setup", title="Set up · LiftOS", on_load=GateState.open_setup)
def setup() -> rx.Component:
    """Organization, e-mail, password; then on to the choice of data."""
    return gate(
        rx.el.div(
            rx.el.h1("Set up LiftOS"),
            rx.el.p(
                "You become the first administrator. Others can be invited later.",
                class_name="lo-quiet",
            ),
        ),
        rx.cond(
            GateState.trouble != "",
            rx.el.p(
                icon("circle-alert", size=16),
                GateState.trouble,
                class_name="lo-wrong",
                role="alert",
            ),
        ),
        NativeForm.create(
            field(
                "Organization",
                text_input(
                    for_id="organization",
                    required=True,
                    max_length=120,
                    auto_complete="organization",
                ),
                for_id="organization",
                help_text="The company or team whose data this will hold.",
            ),
            field(
                "Your name",
                text_input(for_id="name", max_length=120, auto_complete="name"),
                for_id="name",
                help_text="Optional; shown beside what you do.",
            ),
            field(
                "E-mail",
                text_input(
                    for_id="email",
                    type="email",
                    required=True,
                    max_length=254,
                    auto_complete="username",
                ),
                for_id="email",
            ),
            field(
                "Password",
                text_input(
                    for_id="password",
                    type="password",
                    required=True,
                    min_length=15,
                    max_length=128,
                    auto_complete="new-password",
                ),
                for_id="password",
                help_text="At least 15 characters. A few words in a row are easy to remember.",
            ),
            rx.cond(
                GateState.needs_token,
                field(
                    "Set-up token",
                    text_input(
                        for_id="setup_token",
                        required=True,
                        max_length=200,
                        auto_complete="off",
                        spell_check=False,
                    ),
                    for_id="setup_token",
                    help_text="Printed when the server started; it proves that you run it.",
                ),
            ),
            button("Create administrator", kind="solid", type="submit"),
            action="/auth/setup",
            method="post",
            class_name="lo-stack-16",
        ),
    )
