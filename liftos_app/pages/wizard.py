"""The wizard: connect a platform in five steps, each an address of its own."""

from __future__ import annotations

from typing import Any

import reflex as rx

from liftos_app.components.code_field import code_field, secret_field
from liftos_app.components.dialog import close, dialog
from liftos_app.components.elements import (
    button,
    button_link,
    card,
    field,
    go,
    icon,
    outside,
    platform_mark,
    text_input,
)
from liftos_app.components.page_header import page_header
from liftos_app.components.states import empty_state, error_state, loading_rows
from liftos_app.components.status_pill import badge, status_icon, status_pill
from liftos_app.components.stepper import stepper
from liftos_app.components.sync_progress import sync_progress
from liftos_app.pages._page import page
from liftos_app.services.wizard import STEPS
from liftos_app.state.wizard import WizardState as S

SCHEDULES = (
    ("every 1 h", "Every hour"), ("every 6 h", "Every 6 hours"), ("every 12 h", "Every 12 hours"),
    ("0 6 * * *", "Daily at 06:00"), ("0 6 * * 1", "Mondays at 06:00"),
)


@page("/connections/new", title="Add connection", icon="plug", allow="connections.write",
      under="/connections", listed=False, on_load=[S.load, S.follow])
def new_connection() -> rx.Component:
    """The catalogue, or the steps of one platform."""
    return rx.cond(
        S.loaded,
        rx.cond(S.view.chosen, _steps(), _catalogue()),
        rx.fragment(page_header("Add connection"), loading_rows()),
    )


def _catalogue() -> rx.Component:
    return rx.fragment(
        page_header("Add connection", "Choose a platform. You need about 10 to 45 minutes, most of it "
                    "on the platform's side.", back=("Connections", "/connections")),
        rx.el.form(
            rx.el.input(name="search", type="search", default_value=S.search, class_name="lo-input",
                        placeholder="Search platforms", aria_label="Search platforms"),
            button("Search", type="submit"),
            on_submit=S.find, class_name="lo-row lo-narrow", role="search",
        ),
        rx.cond(
            S.cards.length() > 0,
            rx.el.ul(rx.foreach(S.cards, _card), class_name="lo-grid lo-grid-2"),
            card(empty_state("No platform matches", "Search for another word, or clear the search.")),
        ),
    )


def _card(one: Any) -> rx.Component:
    return rx.el.li(go(
        platform_mark(one.mark),
        rx.el.div(
            rx.el.div(
                rx.el.span(one.name, class_name="lo-h2"), badge(one.category),
                rx.cond(one.sandbox, badge("Sandbox", kind="warn", icon_tag="flask-conical")),
                rx.cond(one.have != "", badge(one.have, kind="ok")),
                class_name="lo-row",
            ),
            rx.el.p(one.summary), rx.el.p(one.facts, class_name="lo-help"),
            class_name="lo-stack-4 lo-grow",
        ),
        icon("chevron-right"),
        href="/connections/new?platform=" + one.id.to(str), class_name="lo-card lo-pick",
    ))


def _steps() -> rx.Component:
    def href(number: int) -> Any:
        return rx.cond(
            S.view.connection_id != "",
            "/connections/new?id=" + S.view.connection_id + f"&step={number}",
            "/connections/new?platform=" + S.view.platform,
        )

    return rx.fragment(
        page_header(
            rx.cond(S.view.connection_id != "", S.view.name, "Connect " + S.view.platform_name.to(str)),
            rx.el.p(S.view.summary, class_name="lo-head-line"),
            back=("Connections", "/connections"),
            beside=rx.cond(S.view.demo & (S.view.connection_id != ""),
                           badge("Demo data", kind="warn", icon_tag="flask-conical")),
        ),
        stepper(STEPS, current=S.view.step, reached=S.view.reached, href=href),
        rx.cond(S.problem.what != "", _problem()),
        rx.match(
            S.view.step,
            (1, _before()), (2, _sign_in()), (3, _accounts()), (4, _plan()), _start(),
        ),
    )


def _problem() -> rx.Component:
    start = "/connections/new?id=" + S.view.connection_id
    act = rx.match(
        S.problem.act,
        ("sign_in", button_link(S.problem.button, href=start + "&step=2", small=True)),
        ("enter", button_link(S.problem.button, href=start + "&step=2", small=True)),
        ("accounts", button_link(S.problem.button, href=start + "&step=3", small=True)),
        rx.fragment(),
    )
    return error_state(S.problem.what, S.problem.why, S.problem.fix, act)


def _foot(*actions: rx.Component) -> rx.Component:
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
        rx.el.div(close(button("Keep it")), button("Discard draft", kind="danger", on_click=S.discard),
                  class_name="lo-row lo-row-end"),
        title="Discard this draft?",
        describe="What was entered for it is deleted, credentials included. Nothing was synced yet.",
    )


def _before() -> rx.Component:
    return rx.el.form(
        rx.el.div(
            card(
                rx.el.ul(rx.foreach(S.view.needs, _need), class_name="lo-list"),
                rx.el.p("Hands-on time: about ", S.view.minutes, ". Role needed there: ",
                        S.view.role_needed, ".", class_name="lo-source"),
                title="Before you start",
                aside=outside("Platform documentation", href=S.view.docs_url, class_name="lo-link lo-help"),
            ),
            card(
                rx.el.h3("What we read", class_name="lo-h3"),
                rx.el.ul(rx.foreach(S.view.brings, lambda b: rx.el.li(b, class_name="lo-help"))),
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
                        _choice("mode", "demo", True, "Sandbox",
                                "An imitation inside LiftOS with an invented shop. Nothing leaves "
                                "this machine."),
                        _choice("mode", "live", False, "The real platform",
                                "Uses your own account and app there."),
                        class_name="lo-grid lo-grid-2",
                    ),
                    class_name="lo-stack-8 lo-gap",
                ),
            ),
            title="Sign-in",
        ),
        rx.cond(
            S.view.connection_id == "",
            _foot(button("Continue", kind="solid", type="submit")),
            _foot(button_link("Continue", kind="solid",
                              href="/connections/new?id=" + S.view.connection_id + "&step=2")),
        ),
        on_submit=S.begin, class_name="lo-stack",
    )


def _need(need: Any) -> rx.Component:
    return rx.el.li(
        rx.el.p(need.text),
        rx.el.p(need.who, rx.cond(need.wait != "", ", waiting time " + need.wait.to(str), ""),
                rx.cond(need.link != "", rx.fragment(" ", outside("Open", href=need.link))),
                class_name="lo-help"),
    )


def _method(method: Any) -> rx.Component:
    return rx.el.label(
        rx.el.input(type="radio", name="method", value=method.id, class_name="lo-check",
                    default_checked=method.id == S.view.method),
        rx.el.span(
            rx.el.span(method.title, class_name="lo-h3"), rx.el.br(),
            rx.el.span(method.summary, rx.cond(method.life != "", " Access: " + method.life.to(str), ""),
                       class_name="lo-help"),
        ),
        class_name="lo-choice",
    )


def _choice(name: str, value: str, chosen: bool, title: str, words: str) -> rx.Component:  # noqa: FBT001
    return rx.el.label(
        rx.el.input(type="radio", name=name, value=value, default_checked=chosen, class_name="lo-check"),
        rx.el.span(rx.el.span(title, class_name="lo-h3"), rx.el.br(),
                   rx.el.span(words, class_name="lo-help")),
        class_name="lo-choice",
    )


def _sign_in() -> rx.Component:
    consent = S.view.kind == "oauth2"
    return rx.el.form(
        rx.cond(
            S.view.methods.length() > 1,
            rx.el.div(
                rx.el.label("Way to sign in", html_for="method", class_name="lo-field-name"),
                rx.el.select(
                    rx.foreach(S.view.methods, lambda m: rx.el.option(m.title, value=m.id)),
                    id="method", value=S.view.method, on_change=S.pick_method,
                    disabled=S.view.started, class_name="lo-input",
                ),
                class_name="lo-field lo-narrow",
            ),
        ),
        rx.el.div(
            card(
                rx.cond(S.view.instructions.length() > 0, rx.el.ol(
                    rx.foreach(S.view.instructions, lambda t: rx.el.li(t)), class_name="lo-numbered")),
                rx.cond(
                    consent,
                    rx.el.div(
                        rx.el.p("Redirect URI", class_name="lo-field-name"),
                        code_field(S.view.redirect_uri, label="redirect URI"),
                        rx.el.p("Enter it in the platform's app exactly like this.", class_name="lo-help"),
                        class_name="lo-field",
                    ),
                ),
                rx.foreach(S.view.fields, _field),
                rx.cond(
                    S.view.demo_fields,
                    rx.el.div(
                        button("Fill in sandbox credentials", icon_tag="flask-conical", on_click=S.fill_in),
                        rx.el.p("They open nothing but the sandbox.", class_name="lo-help"),
                        class_name="lo-row",
                    ),
                ),
                title="Credentials", class_name="lo-stack-16",
            ),
            _permissions(),
            class_name="lo-grid lo-grid-2",
        ),
        rx.cond(
            consent,
            rx.el.p(
                icon("info", size=14),
                "You go to the platform's page and come back here. It uses the login your browser has "
                "there; sign out there first to use another one.",
                class_name="lo-help lo-row",
            ),
        ),
        _foot(
            rx.cond(S.view.signed_in & ~S.view.started, button_link(
                "Keep this sign-in", href="/connections/new?id=" + S.view.connection_id + "&step=3")),
            button(
                rx.cond(consent, "Continue to " + S.view.platform_name.to(str), "Check and continue"),
                kind="solid", type="submit", busy=S.busy == "sign_in",
            ),
        ),
        on_submit=S.sign_in, class_name="lo-stack", auto_complete="off",
        key=S.view.method.to(str) + S.filled.to(str),
    )


def _field(one: Any) -> rx.Component:
    return rx.cond(
        one.secret,
        secret_field(for_id=one.name, label=one.label, help_text=one.help, hint=one.hint,
                     wrong=one.wrong, placeholder=one.placeholder, default_value=one.value,
                     required=one.required),
        field(one.label, text_input(for_id=one.name, wrong=one.wrong, default_value=one.value,
                                    placeholder=one.placeholder, required=one.required),
              for_id=one.name, help_text=one.help, wrong=one.wrong),
    )


def _permissions() -> rx.Component:
    return card(
        rx.cond(
            S.view.scopes.length() > 0,
            rx.el.ul(rx.foreach(S.view.scopes, lambda s: rx.el.li(
                rx.el.div(rx.el.code(s.name), status_pill(s.kind, s.word), class_name="lo-between"),
                rx.el.p(s.reason, class_name="lo-help"),
                rx.cond(s.without != "", rx.el.p("Without it: ", s.without, class_name="lo-help")),
            )), class_name="lo-list"),
            rx.el.p("This way of signing in needs no further permissions.", class_name="lo-help"),
        ),
        title="Permissions we ask for",
    )


def _accounts() -> rx.Component:
    return rx.el.form(
        rx.el.section(
            rx.el.div(
                rx.el.div(rx.el.h2("Accounts", class_name="lo-h2"),
                          rx.el.p("Only the ticked ones are read.", class_name="lo-help")),
                rx.el.div(
                    button("Tick all", kind="quiet", small=True, on_click=S.select_all(True)),
                    button("Clear", kind="quiet", small=True, on_click=S.select_all(False)),
                    button("Read again", small=True, icon_tag="refresh-cw",
                           busy=S.busy == "accounts", on_click=S.reread_accounts),
                    class_name="lo-row",
                ),
                class_name="lo-card-head",
            ),
            rx.cond(
                S.view.accounts.length() > 0,
                rx.el.div(rx.foreach(S.view.accounts, _account), class_name="lo-stack-8"),
                empty_state("No account found", "This sign-in sees none. Use another login, or ask for "
                            "access to an account on the platform."),
            ),
            class_name="lo-card",
        ),
        _foot(
            button_link("Back", href="/connections/new?id=" + S.view.connection_id + "&step=2"),
            button("Continue", kind="solid", type="submit"),
        ),
        on_submit=S.choose_accounts, class_name="lo-stack",
    )


def _account(one: Any) -> rx.Component:
    return rx.el.label(
        rx.el.input(type="checkbox", name=one.id, default_checked=one.selected, disabled=~one.usable,
                    class_name="lo-check", key=one.id.to(str) + one.selected.to(str)),
        rx.el.span(
            rx.el.span(one.name, class_name="lo-h3"), " ", rx.el.code(one.external_id), rx.el.br(),
            rx.el.span(one.about, class_name="lo-help"),
            rx.cond(one.note != "", rx.el.span(rx.el.br(), one.note, class_name="lo-help lo-text-warn")),
            class_name="lo-grow",
        ),
        class_name="lo-choice",
    )


def _plan() -> rx.Component:
    return rx.el.form(
        rx.el.div(
            card(
                rx.el.div(rx.foreach(S.view.streams, _stream), class_name="lo-stack-8"),
                title="Streams",
            ),
            card(
                rx.el.fieldset(
                    rx.el.legend("How far back", class_name="lo-sr"),
                    rx.foreach(S.view.history, _history), class_name="lo-stack-8",
                ),
                rx.el.p("Newest days come first, so dashboards fill at once. Times are estimates.",
                        class_name="lo-source"),
                title="History",
            ),
            class_name="lo-grid lo-grid-2",
        ),
        _schedule(),
        _foot(
            button_link("Back", href="/connections/new?id=" + S.view.connection_id + "&step=3"),
            button("Continue", kind="solid", type="submit"),
        ),
        on_submit=S.save_plan, class_name="lo-stack",
    )


def _stream(one: Any) -> rx.Component:
    name = "stream-" + one.name.to(str)
    return rx.el.label(
        rx.el.input(type="checkbox", name=name, default_checked=one.chosen, class_name="lo-check"),
        rx.el.span(rx.el.span(one.title, class_name="lo-h3"), rx.el.br(),
                   rx.el.span(one.about, class_name="lo-help")),
        class_name="lo-choice",
    )


def _history(one: Any) -> rx.Component:
    return rx.el.label(
        rx.el.input(type="radio", name="history", value=one.days.to(str), default_checked=one.chosen,
                    class_name="lo-check"),
        rx.el.span(rx.el.span(one.title, class_name="lo-h3"), rx.el.br(),
                   rx.el.span(one.estimate, class_name="lo-help")),
        class_name="lo-choice",
    )


def _schedule() -> rx.Component:
    return card(
        rx.el.div(
            *(button(words, small=True, on_click=S.preview_schedule(text, S.view.zone),
                     aria_pressed=rx.cond(S.view.schedule == text, "true", "false"))
              for text, words in SCHEDULES),
            class_name="lo-row",
        ),
        rx.el.div(
            field("Schedule", text_input(
                for_id="schedule", default_value=S.view.schedule, key=S.view.schedule, max_length=80,
                required=True, on_blur=lambda v: S.preview_schedule(v, S.view.zone)),
                for_id="schedule", wrong=S.view.schedule_problem,
                help_text="every 6 h, every 30 min, or five cron fields"),
            field("Time zone", text_input(
                for_id="zone", default_value=S.view.zone, key=S.view.zone, max_length=64, required=True,
                on_blur=lambda v: S.preview_schedule(S.view.schedule, v)),
                for_id="zone", help_text="For example Europe/Berlin"),
            class_name="lo-grid lo-grid-2",
        ),
        rx.cond(
            S.view.next_runs.length() > 0,
            rx.el.p("Next runs: ", rx.foreach(S.view.next_runs, lambda t, i: rx.el.span(
                rx.cond(i > 0, ", ", ""), t)), class_name="lo-help lo-num", aria_live="polite"),
        ),
        title="Schedule", class_name="lo-stack-16",
    )


def _start() -> rx.Component:
    return rx.fragment(
        card(
            rx.el.dl(rx.foreach(S.view.sums, lambda p: rx.el.div(
                rx.el.dt(p[0]), rx.el.dd(p[1]))), class_name="lo-facts"),
            title="Summary",
        ),
        rx.cond(
            S.tests.length() > 0,
            card(
                rx.el.ul(rx.foreach(S.tests, lambda t: rx.el.li(rx.el.div(
                    rx.cond(t.ok, status_icon("ok"), status_icon("bad")),
                    rx.el.div(rx.el.p(t.account, class_name="lo-h3"), rx.el.p(t.text, class_name="lo-help"),
                              class_name="lo-grow"),
                    class_name="lo-todo"))), class_name="lo-list"),
                title="Live test",
            ),
        ),
        rx.cond(
            S.progress.run_id != "",
            card(sync_progress(S.progress, spoken=S.spoken),
                 title=rx.cond(S.progress.active, "First sync", "First sync, ended")),
        ),
        rx.cond(
            S.view.started,
            _foot(
                button_link("Open connection", href="/connections/" + S.view.connection_id.to(str)),
                button_link("Go to Overview", href="/", kind="solid"),
            ),
            _foot(
                button_link("Back", href="/connections/new?id=" + S.view.connection_id + "&step=4"),
                button("Test connection", on_click=S.test, busy=S.busy == "test"),
                button("Start first sync", kind="solid", on_click=S.start, busy=S.busy == "start"),
            ),
        ),
        rx.cond(S.progress.active, rx.el.p(
            "You can leave this page: the sync goes on, and this address brings you back.",
            class_name="lo-help")),
    )
