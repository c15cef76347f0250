"""The first three wizard steps: what is needed, sign-in, accounts."""

from __future__ import annotations

from typing import Any

import reflex as rx

from liftos_app.components.code_field import code_field, secret_field
from liftos_app.components.elements import (
    button,
    button_link,
    card,
    field,
    icon,
    outside,
    text_input,
)
from liftos_app.components.states import empty_state
from liftos_app.components.status_pill import status_pill
from liftos_app.pages._wizard_foot import foot
from liftos_app.state.wizard import WizardState as S


def before() -> rx.Component:
    return rx.el.form(
        rx.el.div(
            card(
                rx.el.ul(rx.foreach(S.view.needs, _need), class_name="lo-list"),
                rx.el.p(
                    "Hands-on time: about ",
                    S.view.minutes,
                    ". Role needed there: ",
                    S.view.role_needed,
                    ".",
                    class_name="lo-source",
                ),
                title="Before you start",
                aside=outside(
                    "Platform documentation", href=S.view.docs_url, class_name="lo-link lo-help"
                ),
            ),
            card(
                rx.el.h3("What we read", class_name="lo-h3"),
                rx.cond(
                    S.view.brings.length() > 0,
                    rx.el.ul(
                        rx.foreach(S.view.brings, lambda b: rx.el.li(b, class_name="lo-help"))
                    ),
                    rx.el.p(
                        "The streams that you define in step 4, and nothing else.",
                        class_name="lo-help",
                    ),
                ),
                rx.el.h3("What we never do", class_name="lo-h3 lo-gap"),
                rx.el.ul(rx.foreach(S.view.never, lambda n: rx.el.li(n, class_name="lo-help"))),
                title="What this connection does",
            ),
            class_name="lo-grid lo-grid-2",
        ),
        card(
            rx.el.fieldset(
                rx.el.legend("Way to sign in", class_name="lo-field-name"),
                rx.el.div(rx.foreach(S.view.methods, _method), class_name="lo-grid lo-grid-2"),
                class_name="lo-stack-8",
            ),
            rx.cond(
                S.view.demo_possible & (S.view.connection_id == ""),
                rx.el.fieldset(
                    rx.el.legend("Which platform to talk to", class_name="lo-field-name"),
                    rx.el.div(
                        _choice(
                            "mode",
                            "demo",
                            "Sandbox",
                            "An imitation inside LiftOS with an invented shop. Nothing leaves "
                            "this machine.",
                            chosen=True,
                        ),
                        _choice(
                            "mode",
                            "live",
                            "The real platform",
                            "Uses your own account and app there.",
                            chosen=False,
                        ),
                        class_name="lo-grid lo-grid-2",
                    ),
                    class_name="lo-stack-8 lo-gap",
                ),
            ),
            title="Sign-in",
        ),
        rx.cond(
            S.view.connection_id == "",
            foot(button("Continue", kind="solid", type="submit")),
            foot(
                button_link(
                    "Continue",
                    kind="solid",
                    href="/connections/new?id=" + S.view.connection_id + "&step=2",
                )
            ),
        ),
        on_submit=S.begin,
        class_name="lo-stack",
    )


def _need(need: Any) -> rx.Component:
    return rx.el.li(
        rx.el.p(need.text),
        rx.el.p(
            need.who,
            rx.cond(need.wait != "", ", waiting time " + need.wait.to(str), ""),
            rx.cond(need.link != "", rx.fragment(" ", outside("Open", href=need.link))),
            class_name="lo-help",
        ),
    )


def _method(method: Any) -> rx.Component:
    return rx.el.label(
        rx.el.input(
            type="radio",
            name="method",
            value=method.id,
            class_name="lo-check",
            default_checked=method.id == S.view.method,
        ),
        rx.el.span(
            rx.el.span(method.title, class_name="lo-h3"),
            rx.el.br(),
            rx.el.span(
                method.summary,
                rx.cond(method.life != "", " Access: " + method.life.to(str), ""),
                class_name="lo-help",
            ),
        ),
        class_name="lo-choice",
    )


def _choice(name: str, value: str, title: str, words: str, *, chosen: bool) -> rx.Component:
    return rx.el.label(
        rx.el.input(
            type="radio", name=name, value=value, default_checked=chosen, class_name="lo-check"
        ),
        rx.el.span(
            rx.el.span(title, class_name="lo-h3"),
            rx.el.br(),
            rx.el.span(words, class_name="lo-help"),
        ),
        class_name="lo-choice",
    )


def sign_in() -> rx.Component:
    consent = S.view.redirect_uri != ""  # only a consent page returns to us
    return rx.el.form(
        rx.cond(
            S.view.methods.length() > 1,
            rx.el.div(
                rx.el.label("Way to sign in", html_for="method", class_name="lo-field-name"),
                rx.el.select(
                    rx.foreach(S.view.methods, lambda m: rx.el.option(m.title, value=m.id)),
                    id="method",
                    value=S.view.method,
                    on_change=S.pick_method,
                    disabled=S.view.started,
                    class_name="lo-input",
                ),
                class_name="lo-field lo-narrow",
            ),
        ),
        rx.el.div(
            card(
                rx.cond(
                    S.view.instructions.length() > 0,
                    rx.el.ol(
                        rx.foreach(S.view.instructions, rx.el.li),
                        class_name="lo-numbered",
                    ),
                ),
                rx.cond(
                    consent,
                    rx.el.div(
                        rx.el.p("Redirect URI", class_name="lo-field-name"),
                        code_field(S.view.redirect_uri, label="redirect URI"),
                        rx.el.p(
                            "Enter it in the platform's app exactly like this.",
                            class_name="lo-help",
                        ),
                        class_name="lo-field",
                    ),
                ),
                rx.foreach(S.view.fields, _field),
                rx.cond(
                    S.view.demo_fields,
                    rx.el.div(
                        button(
                            "Fill in sandbox credentials",
                            icon_tag="flask-conical",
                            on_click=S.fill_in,
                        ),
                        rx.el.p("They open nothing but the sandbox.", class_name="lo-help"),
                        class_name="lo-row",
                    ),
                ),
                title="Credentials",
                class_name="lo-stack-16",
            ),
            _permissions(),
            class_name="lo-grid lo-grid-2",
        ),
        rx.cond(
            consent,
            rx.el.p(
                icon("info", size=14),
                "You go to the platform's page and come back here. It uses the login your browser "
                "has there; sign out there first to use another one.",
                class_name="lo-help lo-note",
            ),
        ),
        foot(
            rx.cond(
                S.view.signed_in & ~S.view.started,
                button_link(
                    "Keep this sign-in",
                    href="/connections/new?id=" + S.view.connection_id + "&step=3",
                ),
            ),
            button(
                rx.cond(
                    consent, "Continue to " + S.view.platform_name.to(str), "Check and continue"
                ),
                kind="solid",
                type="submit",
                busy=S.busy == "sign_in",
            ),
        ),
        on_submit=S.sign_in,
        class_name="lo-stack",
        auto_complete="off",
        key=S.view.method.to(str) + S.filled.to(str),
    )


def _field(one: Any) -> rx.Component:
    return rx.cond(
        one.secret,
        secret_field(
            for_id=one.name,
            label=one.label,
            help_text=one.help,
            hint=one.hint,
            wrong=one.wrong,
            placeholder=one.placeholder,
            default_value=one.value,
            required=one.required,
            multiline=one.multiline,
        ),
        field(
            one.label,
            rx.cond(
                one.choices.length() > 0,
                rx.el.select(
                    rx.foreach(one.choices, lambda c: rx.el.option(c[1], value=c[0])),
                    id=one.name,
                    name=one.name,
                    default_value=one.value,
                    class_name="lo-input",
                ),
                text_input(
                    for_id=one.name,
                    wrong=one.wrong,
                    default_value=one.value,
                    placeholder=one.placeholder,
                    required=one.required,
                ),
            ),
            for_id=one.name,
            help_text=one.help,
            wrong=one.wrong,
        ),
    )


def _permissions() -> rx.Component:
    return card(
        rx.cond(
            S.view.scopes.length() > 0,
            rx.el.ul(
                rx.foreach(
                    S.view.scopes,
                    lambda s: rx.el.li(
                        rx.el.div(
                            rx.el.code(s.name), status_pill(s.kind, s.word), class_name="lo-between"
                        ),
                        rx.el.p(s.reason, class_name="lo-help"),
                        rx.cond(
                            s.without != "",
                            rx.el.p("Without it: ", s.without, class_name="lo-help"),
                        ),
                    ),
                ),
                class_name="lo-list",
            ),
            rx.el.p("This way of signing in needs no further permissions.", class_name="lo-help"),
        ),
        title="Permissions we ask for",
    )


def accounts() -> rx.Component:
    return rx.el.form(
        rx.el.section(
            rx.el.div(
                rx.el.div(
                    rx.el.h2("Accounts", class_name="lo-h2"),
                    rx.el.p(
                        "Only the ticked ones are read.",
                        rx.cond(
                            S.view.any_elsewhere,
                            " Tick all leaves out those that another connection reads already; "
                            "tick one by hand if it should be read twice.",
                            "",
                        ),
                        class_name="lo-help lo-measure",
                    ),
                ),
                rx.el.div(
                    button("Tick all", kind="quiet", small=True, on_click=S.select_all(True)),
                    button("Clear", kind="quiet", small=True, on_click=S.select_all(False)),
                    button(
                        "Read again",
                        small=True,
                        icon_tag="refresh-cw",
                        busy=S.busy == "accounts",
                        on_click=S.reread_accounts,
                    ),
                    class_name="lo-row",
                ),
                class_name="lo-card-head",
            ),
            rx.cond(
                S.view.accounts.length() > 0,
                rx.el.div(rx.foreach(S.view.accounts, _account), class_name="lo-stack-8"),
                empty_state(
                    "No account found",
                    "This sign-in sees none. Use another login, or ask for "
                    "access to an account on the platform.",
                ),
            ),
            class_name="lo-card",
        ),
        foot(
            button_link("Back", href="/connections/new?id=" + S.view.connection_id + "&step=2"),
            button("Continue", kind="solid", type="submit"),
        ),
        on_submit=S.choose_accounts,
        class_name="lo-stack",
    )


def _account(one: Any) -> rx.Component:
    return rx.el.label(
        rx.el.input(
            type="checkbox",
            name=one.id,
            default_checked=one.selected,
            disabled=~one.usable,
            class_name="lo-check",
            key=one.id.to(str) + one.selected.to(str) + S.view.ticks.to(str),
        ),
        rx.el.span(
            rx.el.span(one.name, class_name="lo-h3"),
            " ",
            rx.el.code(one.external_id),
            rx.el.br(),
            rx.el.span(one.about, class_name="lo-help"),
            rx.cond(
                one.note != "", rx.el.span(rx.el.br(), one.note, class_name="lo-help lo-text-warn")
            ),
            class_name="lo-grow",
        ),
        class_name="lo-choice",
    )
