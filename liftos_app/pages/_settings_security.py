"""Settings, Security and API keys: password, e-mail, second factor, browsers, keys.

What is secret is typed into native forms and shown on pages of the server; nothing of it is state.
"""

from __future__ import annotations

import reflex as rx

from liftos_app.components.data_table import Column, data_table
from liftos_app.components.elements import (
    NativeForm,
    PlainLink,
    button,
    card,
    field,
    select,
    text_input,
    tick,
)
from liftos_app.components.states import empty_state
from liftos_app.components.status_pill import badge
from liftos_app.services import access
from liftos_app.state.app import AppState
from liftos_app.state.settings import SettingsState as S

_DAYS = (("30", "30 days"), ("90", "90 days"), ("180", "180 days"), ("365", "a year"))


def security() -> rx.Component:
    """Password and second factor side by side, then the signed-in browsers."""
    return rx.fragment(
        rx.cond(
            AppState.auth_off,
            rx.el.p("Sign-in is off: there are no passwords or sessions.", class_name="lo-help"),
            rx.el.div(_password(), _factor(), class_name="lo-grid lo-grid-2"),
        ),
        rx.cond(S.view.sessions.length() > 0, _browsers()),
    )


def _password() -> rx.Component:
    def typed(name: str, label: str, kind: str, help_text: str = "") -> rx.Component:
        return field(
            label,
            text_input(
                for_id=name, type="password", required=True, auto_complete=kind, max_length=128
            ),
            for_id=name,
            help_text=help_text,
        )

    return card(
        NativeForm.create(
            typed("current", "Current password", "current-password"),
            typed("new", "New password", "new-password", "At least 15 characters"),
            typed("again", "New password again", "new-password"),
            rx.el.div(button("Change password", type="submit"), class_name="lo-row"),
            action="/auth/password",
            method="post",
            class_name="lo-stack-16",
        ),
        title="Password",
    )


def email() -> rx.Component:
    """Another e-mail address: asked for here, confirmed by a link mailed to it."""
    return card(
        rx.cond(
            S.view.mail_on,
            NativeForm.create(
                field(
                    "New e-mail",
                    text_input(for_id="email", type="email", required=True, auto_complete="email",
                               max_length=254),
                    for_id="email",
                    help_text="A link goes there. Until you open it, nothing changes.",
                ),
                field(
                    "Current password",
                    text_input(for_id="current", type="password", required=True, max_length=128,
                               auto_complete="current-password"),
                    for_id="current",
                ),
                rx.cond(
                    S.view.factor,
                    field(
                        "Code of your second factor",
                        text_input(for_id="code", required=True, max_length=40,
                                   auto_complete="one-time-code"),
                        for_id="code",
                    ),
                ),
                rx.el.div(button("Send link", type="submit"), class_name="lo-row"),
                action="/auth/email",
                method="post",
                class_name="lo-stack-16",
            ),
            rx.el.p(
                "This installation sends no mail, so nobody could confirm a new address. Whoever "
                "runs the server changes it: ",
                rx.el.code("liftos admin change-email <old> <new>"),
                class_name="lo-help",
            ),
        ),
        title="E-mail address",
    )


def _factor() -> rx.Component:
    def send(label: str, action: str, kind: str = "plain") -> rx.Component:
        return NativeForm.create(button(label, kind=kind, type="submit"), action=action,
                                 method="post")

    return card(
        rx.cond(
            S.view.factor,
            rx.el.div(
                rx.el.p(
                    "Each sign-in asks for a code of your authenticator app. ",
                    rx.el.b(S.view.codes_left),
                    " recovery codes are left.",
                    class_name="lo-help",
                ),
                rx.el.div(
                    send("New recovery codes", "/auth/second-factor/codes"),
                    send("Remove", "/auth/second-factor/remove", "danger"),
                    class_name="lo-row",
                ),
                class_name="lo-stack-16",
            ),
            rx.el.div(
                rx.el.p(
                    rx.cond(
                        S.view.factor_needed,
                        "Your account needs one: from the next sign-in on you cannot go without.",
                        "Your password alone signs you in. With a second factor, a stolen password "
                        "opens nothing.",
                    ),
                    class_name="lo-help",
                ),
                rx.el.div(
                    PlainLink.create(
                        "Set up a second factor", href="/auth/second-factor", class_name="lo-btn"
                    ),
                    class_name="lo-row",
                ),
                class_name="lo-stack-16",
            ),
        ),
        title="Second factor",
        aside=rx.cond(
            S.view.factor, badge("On", kind="ok", icon_tag="shield-check"), badge("Off")
        ),
    )


def _browsers() -> rx.Component:
    columns = [
        Column(
            "Browser",
            lambda s: rx.el.span(s.what, " ", rx.cond(s.here, badge("This one", kind="info"))),
        ),
        Column("Address", lambda s: s.where),
        Column("Last seen", lambda s: s.seen),
        Column(
            rx.el.span("Actions", class_name="lo-sr"),
            lambda s: rx.cond(
                s.here, rx.fragment(), button("End", small=True, on_click=S.end_session(s.id))
            ),
            right=True,
        ),
    ]
    return rx.el.section(
        rx.el.div(
            rx.el.div(
                rx.el.h2("Signed-in browsers", class_name="lo-h2"),
                rx.el.p("A session ends after an hour without use.", class_name="lo-help"),
            ),
            NativeForm.create(
                button("Sign out everywhere", small=True, type="submit"),
                action="/auth/everywhere",
                method="post",
            ),
            class_name="lo-card-head",
        ),
        data_table(S.view.sessions, columns, label="Signed-in browsers", row_key=lambda s: s.id),
        class_name="lo-card lo-card-flush",
    )


def keys() -> rx.Component:
    """One's own keys in this organization, and the form for a new one."""
    columns = [
        Column("Name", lambda k: rx.el.span(k.name, rx.el.br(), rx.el.code(k.prefix))),
        Column("May", lambda k: k.scopes),
        Column("Last used", lambda k: k.used),
        Column(
            "Ends",
            lambda k: rx.cond(k.live, rx.el.span(k.ends, class_name="lo-whole"), badge(k.ends)),
        ),
        Column(
            rx.el.span("Actions", class_name="lo-sr"),
            lambda k: rx.cond(
                k.live, button("Revoke", small=True, on_click=S.revoke_key(k.id)), rx.fragment()
            ),
            right=True,
        ),
    ]
    return rx.fragment(
        rx.el.section(
            rx.el.div(
                rx.el.div(
                    rx.el.h2("Your API keys", class_name="lo-h2"),
                    rx.el.p(
                        "For scripts that act for you in this organization. A key never does more "
                        "than your role allows.",
                        class_name="lo-help",
                    ),
                ),
                class_name="lo-card-head",
            ),
            data_table(
                S.view.key_rows, columns, label="Your API keys", row_key=lambda k: k.id,
                empty=empty_state("No keys yet", "Make one below and send it as a bearer token."),
            ),
            class_name="lo-card lo-card-flush",
        ),
        card(
            NativeForm.create(
                rx.el.div(
                    field(
                        "Name",
                        text_input(for_id="name", required=True, max_length=80),
                        for_id="name",
                        help_text="What uses it, such as nightly report.",
                    ),
                    field(
                        "Lives for",
                        select(
                            _DAYS, label="Lives for", for_id="days", name="days",
                            default_value="90",
                        ),
                        for_id="days",
                    ),
                    class_name="lo-grid lo-grid-2",
                ),
                rx.el.fieldset(
                    rx.el.legend("It may", class_name="lo-label"),
                    *(
                        tick(words, for_id=f"scope_{scope}", name=f"scope_{scope}", value="yes",
                             default_checked=scope == "read")
                        for scope, (words, _) in access.SCOPES.items()
                    ),
                    class_name="lo-stack-8",
                ),
                rx.el.div(button("Make key", kind="solid", type="submit"), class_name="lo-row"),
                action="/auth/keys",
                method="post",
                class_name="lo-stack-16",
            ),
            title="New key",
        ),
    )
