"""Sign-in: a native form, so that the cookie is set by a full page load before the socket opens."""

from __future__ import annotations

import reflex as rx

from liftos_app.components.elements import NativeForm, PlainLink, button, field, icon, text_input
from liftos_app.components.shell import gate
from liftos_app.state.gate import GateState

# The tab's last visit may have left a path or a trouble; they count once this address was read.
_fresh = GateState.is_hydrated
_next_path = rx.cond(_fresh, GateState.next_path, "")


@rx.page(route="/login", title="Sign in · LiftOS", on_load=GateState.open_login)
def login() -> rx.Component:
    """E-mail, password, and a sentence when they did not fit."""
    return gate(
        rx.el.h1("Sign in"),
        rx.cond(
            _fresh & (GateState.trouble != ""),
            rx.el.p(
                icon("circle-alert", size=16),
                GateState.trouble,
                class_name="lo-wrong",
                role="alert",
                id="trouble",
            ),
        ),
        rx.cond(
            _fresh & (GateState.said != ""),
            rx.el.p(icon("check", size=16), GateState.said, class_name="lo-help", role="status"),
        ),
        NativeForm.create(
            rx.el.input(type="hidden", name="next", value=_next_path),
            field(
                "E-mail",
                text_input(
                    for_id="email",
                    type="email",
                    auto_complete="username",
                    required=True,
                    max_length=254,
                ),
                for_id="email",
            ),
            field(
                "Password",
                text_input(
                    for_id="password",
                    type="password",
                    required=True,
                    auto_complete="current-password",
                    max_length=128,
                ),
                for_id="password",
            ),
            button("Sign in", kind="solid", type="submit"),
            action="/auth/login",
            method="post",
            class_name="lo-stack-16",
        ),
        rx.cond(
            GateState.provider,
            PlainLink.create(
                icon("key-round"),
                "Sign in with your organization",
                href="/auth/provider?next=" + _next_path.to(str),
                class_name="lo-btn",
            ),
        ),
        rx.el.p(
            PlainLink.create("Forgot your password?", href="/auth/forgot", class_name="lo-link"),
            class_name="lo-help",
        ),
    )
