"""Protection: open incidents first, then what guards the installation."""

from __future__ import annotations

import reflex as rx

from liftos_app.components.data_table import Column, data_table
from liftos_app.components.elements import button
from liftos_app.components.page_header import page_header
from liftos_app.components.states import empty_state, loading_rows
from liftos_app.components.status_pill import badge
from liftos_app.pages._page import FOOT, page
from liftos_app.pages._settings_tabs import settings_tabs
from liftos_app.state.protection import ProtectionState as S


@page(
    "/settings/protection",
    title="Protection",
    icon="shield",
    section=FOOT,
    allow="audit.read",
    on_load=S.load,
    under="/settings",
    listed=False,
)
def protection() -> rx.Component:
    """Incidents, then facts."""
    return rx.fragment(
        page_header(
            "Protection",
            rx.el.p("What the rules found, and how well this installation is guarded.",
                    class_name="lo-head-line"),
        ),
        settings_tabs("protection"),
        rx.cond(S.protection_loaded, rx.fragment(_incidents(), _facts()), loading_rows()),
    )


def _incidents() -> rx.Component:
    columns = [
        Column("Level", lambda i: rx.match(
            i.kind, ("bad", badge(i.level, kind="bad")), badge(i.level, kind="warn")
        )),
        Column(
            "What was found",
            lambda i: rx.el.div(
                rx.el.span(i.words),
                rx.el.span("Rule ", i.rule, rx.cond(i.count != "", ", " + i.count.to(str), ""),
                           class_name="lo-help"),
                class_name="lo-stack-4",
            ),
        ),
        Column("Since", lambda i: rx.el.span(i.opened, class_name="lo-whole")),
        Column(
            rx.el.span("Actions", class_name="lo-sr"),
            lambda i: button("Acknowledge", small=True, on_click=S.acknowledge(i.id)),
            right=True,
        ),
    ]
    return rx.el.section(
        rx.el.div(rx.el.h2("Open incidents", class_name="lo-h2"), class_name="lo-card-head"),
        data_table(
            S.protection.incidents, columns, label="Open incidents", row_key=lambda i: i.id,
            empty=empty_state("No open incidents", "The rules are asked every minute."),
        ),
        class_name="lo-card lo-card-flush",
    )


def _facts() -> rx.Component:
    columns = [
        Column("What", lambda f: f[0]),
        Column("How it stands", lambda f: f[1]),
        Column("Mark", lambda f: rx.match(
            f[2],
            ("ok", badge("Good", kind="ok")), ("bad", badge("Act now", kind="bad")),
            ("warn", badge("Look at it", kind="warn")), rx.fragment(),
        ), right=True),
    ]
    return rx.el.section(
        rx.el.div(rx.el.h2("How it stands", class_name="lo-h2"), class_name="lo-card-head"),
        data_table(S.protection.facts, columns, label="How protection stands"),
        class_name="lo-card lo-card-flush",
    )
