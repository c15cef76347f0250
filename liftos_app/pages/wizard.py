"""The wizard: connect a platform in five steps, each an address of its own."""

from __future__ import annotations

from typing import Any

import reflex as rx

from liftos_app.components.elements import (
    button,
    button_link,
    card,
    go,
    icon,
    platform_mark,
)
from liftos_app.components.page_header import page_header
from liftos_app.components.states import empty_state, error_state, loading_rows
from liftos_app.components.status_pill import badge
from liftos_app.components.stepper import stepper
from liftos_app.pages import _wizard_plan as late
from liftos_app.pages import _wizard_sign_in as early
from liftos_app.pages._page import page
from liftos_app.services.catalogue import CATEGORIES
from liftos_app.services.wizard import STEPS
from liftos_app.state.wizard import WizardState as S


@page(
    "/connections/new",
    title="Add connection",
    icon="plug",
    allow="connections.write",
    under="/connections",
    listed=False,
    on_load=S.load,
)
def new_connection() -> rx.Component:
    """The catalogue, or the steps of one platform."""
    return rx.cond(
        S.loaded,
        rx.cond(S.view.chosen, _steps(), _catalogue()),
        rx.fragment(page_header("Add connection"), loading_rows()),
    )


def _catalogue() -> rx.Component:
    return rx.fragment(
        page_header(
            "Add connection",
            "Choose a platform. You need about 10 to 45 minutes, most of it "
            "on the platform's side.",
            back=("Connections", "/connections"),
        ),
        rx.cond(S.problem.what != "", _problem()),
        rx.el.form(
            _narrowing(
                rx.el.input(
                    name="search",
                    type="search",
                    default_value=S.search,
                    class_name="lo-input",
                    placeholder="Search platforms",
                    aria_label="Search platforms",
                )
            ),
            _narrowing(
                rx.el.select(
                    rx.el.option("All kinds", value=""),
                    *(rx.el.option(kind, value=kind) for kind in CATEGORIES),
                    name="category",
                    default_value=S.category,
                    class_name="lo-input",
                    aria_label="Kind of platform",
                )
            ),
            button("Search", type="submit"),
            on_submit=S.find,
            class_name="lo-filters",
            role="search",
            key=S.search.to(str) + S.category.to(str),
        ),
        rx.cond(
            S.cards.length() > 0,
            rx.el.ul(rx.foreach(S.cards, _card), class_name="lo-grid lo-grid-2"),
            card(
                empty_state("No platform matches", "Search for another word, or clear the search.")
            ),
        ),
    )


def _narrowing(part: rx.Component) -> rx.Component:
    return rx.el.div(part, class_name="lo-filter")


def _card(one: Any) -> rx.Component:
    return rx.el.li(
        go(
            platform_mark(one.mark),
            rx.el.div(
                rx.el.div(
                    rx.el.span(one.name, class_name="lo-h2"),
                    badge(one.category),
                    rx.cond(one.sandbox, badge("Sandbox", kind="warn", icon_tag="flask-conical")),
                    rx.cond(one.have != "", badge(one.have, kind="ok")),
                    class_name="lo-row",
                ),
                rx.el.p(one.summary),
                rx.el.p(one.facts, class_name="lo-help"),
                class_name="lo-stack-4 lo-grow",
            ),
            icon("chevron-right"),
            href="/connections/new?platform=" + one.id.to(str),
            class_name="lo-card lo-pick",
        )
    )


def _steps() -> rx.Component:
    def href(number: int) -> Any:
        return rx.cond(
            S.view.connection_id != "",
            "/connections/new?id=" + S.view.connection_id + f"&step={number}",
            "/connections/new?platform=" + S.view.platform,
        )

    return rx.fragment(
        page_header(
            rx.cond(
                S.view.connection_id != "", S.view.name, "Connect " + S.view.platform_name.to(str)
            ),
            rx.el.p(S.view.summary, class_name="lo-head-line"),
            back=("Connections", "/connections"),
            beside=rx.cond(
                S.view.demo & (S.view.connection_id != ""),
                badge("Demo data", kind="warn", icon_tag="flask-conical"),
            ),
        ),
        stepper(STEPS, current=S.view.step, reached=S.view.reached, done=S.view.done, href=href),
        rx.cond(S.problem.what != "", _problem()),
        rx.match(
            S.view.step,
            (1, early.before()),
            (2, early.sign_in()),
            (3, early.accounts()),
            (4, late.plan()),
            late.start(),
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
