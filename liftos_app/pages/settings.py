"""Settings: profile, organization, about this installation."""

from __future__ import annotations

import reflex as rx

from liftos_app.components.dialog import close, dialog
from liftos_app.components.elements import button, card, field, text_input
from liftos_app.components.page_header import page_header
from liftos_app.components.states import error_state, loading_rows
from liftos_app.pages._page import FOOT, page
from liftos_app.pages._settings_security import email, keys, security
from liftos_app.pages._settings_tabs import settings_tabs
from liftos_app.services.fallback import CHOICES
from liftos_app.services.organization import REVENUE_BASES, WEEK_STARTS, time_zones
from liftos_app.state.app import AppState
from liftos_app.state.settings import SettingsState as S


@page(
    "/settings",
    title="Settings",
    icon="settings",
    section=FOOT,
    allow="organization.read",
    on_load=S.load,
)
def settings() -> rx.Component:
    """Tabs, each an address."""
    return rx.fragment(
        page_header("Settings", rx.el.p(S.view.org_name, class_name="lo-head-line")),
        settings_tabs(S.tab),
        rx.cond(S.wrong != "", error_state(S.wrong)),
        rx.cond(
            S.loaded,
            rx.match(
                S.tab,
                ("organization", _organization()),
                ("about", _about()),
                ("security", security()),
                ("keys", keys()),
                _profile(),
            ),
            loading_rows(),
        ),
    )


def _profile() -> rx.Component:
    return rx.fragment(_name(), rx.cond(AppState.auth_off, rx.fragment(), email()))


def _name() -> rx.Component:
    return card(
        rx.el.form(
            field(
                "Name",
                text_input(
                    for_id="name",
                    default_value=S.view.name,
                    key=S.view.name,
                    max_length=120,
                    auto_complete="name",
                ),
                for_id="name",
            ),
            rx.el.p(
                "E-mail ", rx.el.b(S.view.email), ", role ", S.view.role, class_name="lo-help"
            ),
            rx.el.div(button("Save name", type="submit"), class_name="lo-row"),
            on_submit=S.rename,
            class_name="lo-stack-16",
        ),
        title="You",
    )


def _organization() -> rx.Component:
    off = ~S.view.may_change
    return rx.fragment(
        card(
            rx.el.form(
                field(
                    "Name",
                    text_input(
                        for_id="org_name",
                        default_value=S.view.org_name,
                        required=True,
                        key=S.view.org_name,
                        max_length=120,
                        disabled=off,
                    ),
                    for_id="org_name",
                ),
                rx.el.div(
                    field(
                        "Reporting currency",
                        text_input(
                            for_id="currency",
                            default_value=S.view.currency,
                            key=S.view.currency,
                            max_length=3,
                            required=True,
                            disabled=off,
                        ),
                        for_id="currency",
                        help_text="Three letters, such as USD or EUR. Amounts keep their own "
                        "currency and are converted at each day's rate.",
                    ),
                    field(
                        "Reporting time zone",
                        rx.fragment(
                            text_input(
                                for_id="time_zone",
                                default_value=S.view.time_zone,
                                required=True,
                                key=S.view.time_zone,
                                disabled=off,
                                list="zones",
                            ),
                            rx.el.datalist(
                                *(rx.el.option(value=z) for z in time_zones()), id="zones"
                            ),
                        ),
                        for_id="time_zone",
                        help_text="Decides when today begins. Daily rows stay in "
                        "each account's own days.",
                    ),
                    field(
                        "Week starts on",
                        _select(
                            "week_start",
                            S.view.week_start,
                            off,
                            [(str(i), day) for i, day in enumerate(WEEK_STARTS)],
                        ),
                        for_id="week_start",
                    ),
                    field(
                        "Revenue is",
                        _select(
                            "revenue_basis", S.view.revenue_basis, off, list(REVENUE_BASES.items())
                        ),
                        for_id="revenue_basis",
                        help_text="Drives ROAS, MER, AOV and CAC.",
                    ),
                    class_name="lo-grid lo-grid-2",
                ),
                rx.cond(
                    S.view.may_change,
                    rx.el.div(button("Save", kind="solid", type="submit"), class_name="lo-row"),
                    rx.el.p("Only an administrator can change these.", class_name="lo-help"),
                ),
                on_submit=S.save_organization,
                class_name="lo-stack-16",
            ),
            title="Organization",
        ),
        _fallback(),
        rx.cond(S.view.has_demo & AppState.can_write, _demo()),
    )


def _fallback() -> rx.Component:
    off = ~S.view.may_set_fallback
    return card(
        rx.el.form(
            field(
                "While a live connection fails, show",
                _select("fallback", S.view.fallback, off, list(CHOICES.items())),
                for_id="fallback",
                help_text="The pages name the cause and the time, and mark every figure. It ends "
                "by itself at the first good sync.",
            ),
            rx.cond(
                S.view.may_set_fallback,
                rx.el.div(button("Save fallback", type="submit"), class_name="lo-row"),
            ),
            on_submit=S.save_fallback,
            class_name="lo-stack-16",
        ),
        title="Fallback",
    )


def _select(name: str, value: rx.Var, off: rx.Var, options: list[tuple[str, str]]) -> rx.Component:
    return rx.el.select(
        *(rx.el.option(words, value=key) for key, words in options),
        id=name,
        name=name,
        default_value=value,
        key=value,
        disabled=off,
        class_name="lo-input",
    )


def _demo() -> rx.Component:
    return card(
        rx.el.p(
            "Demo connections and every row they brought can be removed at once. Live data is "
            "not touched.",
            class_name="lo-help",
        ),
        rx.el.div(
            dialog(
                button("Remove demo data", kind="danger", icon_tag="trash-2"),
                rx.el.div(
                    close(button("Keep it")),
                    close(button("Remove demo data", kind="danger", on_click=S.remove_demo)),
                    class_name="lo-row lo-row-end",
                ),
                title="Remove all demo data?",
                describe="All sandbox connections, their credentials and rows are deleted. You can "
                "look around again at any time.",
            ),
            class_name="lo-row lo-gap",
        ),
        title="Demo data",
    )


def _about() -> rx.Component:
    return card(
        rx.el.dl(
            rx.foreach(S.view.about, lambda p: rx.el.div(rx.el.dt(p[0]), rx.el.dd(p[1]))),
            class_name="lo-facts",
        ),
        title="This installation",
    )
