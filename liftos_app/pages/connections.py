"""Connections: is every source flowing?"""

from __future__ import annotations

from typing import Any

import reflex as rx

from liftos_app.components.coverage_strip import coverage_legend, coverage_strip
from liftos_app.components.data_table import Column, data_table
from liftos_app.components.elements import (
    button,
    button_link,
    card,
    go,
    icon,
    icon_button,
    menu,
    menu_item,
    platform_mark,
    select,
)
from liftos_app.components.page_header import page_header
from liftos_app.components.states import empty_state, loading_rows
from liftos_app.components.status_pill import badge, status_pill
from liftos_app.pages._page import page
from liftos_app.state.app import AppState
from liftos_app.state.connections import GROUPS
from liftos_app.state.connections import ConnectionsState as S


@page(
    "/connections",
    title="Connections",
    icon="plug",
    section="Data",
    order=1,
    allow="connections.read",
    on_load=S.load,
    count=AppState.attention,
)
def connections() -> rx.Component:
    """The list with the cause beside each state, and what to do."""
    return rx.fragment(
        page_header(
            "Connections",
            rx.el.p(S.view.summary, class_name="lo-head-line"),
            rx.cond(
                AppState.can_write,
                button_link(
                    "Add connection", href="/connections/new", kind="solid", icon_tag="plus"
                ),
            ),
        ),
        rx.cond(
            S.loaded,
            rx.cond(S.view.total > 0, rx.fragment(_filters(), _table()), _first_use()),
            loading_rows(rows=6),
        ),
    )


def _filters() -> rx.Component:
    return rx.el.div(
        rx.el.form(
            rx.el.input(
                name="search",
                type="search",
                default_value=S.search,
                key=S.search,
                placeholder="Search by name",
                aria_label="Search connections",
                class_name="lo-input",
            ),
            on_submit=S.find,
            class_name="lo-filter",
        ),
        rx.el.div(
            select(
                list(GROUPS),
                label="State",
                for_id="filter-state",
                value=S.group,
                on_change=S.pick_group,
            ),
            class_name="lo-filter",
        ),
        rx.cond(S.narrowed, button("Reset", kind="quiet", small=True, on_click=S.clear)),
        class_name="lo-filters",
        role="search",
        aria_label="Filters",
    )


def _table() -> rx.Component:
    def sort_href(name: str) -> Any:
        turned = rx.cond(S.sort == name, "-" + name, name)
        return "/connections?state=" + S.group + "&search=" + S.search + "&sort=" + turned.to(str)

    columns = [
        Column("Connection", _name, sort="name"),
        Column("Status", _status, sort="status"),
        Column(
            "Last success",
            lambda r: rx.el.span(r.success, title=r.success_exact, class_name="lo-nowrap"),
            sort="success",
        ),
        Column(
            "Data through", lambda r: rx.el.span(r.through, class_name="lo-nowrap"), sort="through"
        ),
        Column("Rows, 24 h", lambda r: r.rows, right=True, sort="rows"),
        Column(
            "Next run",
            lambda r: rx.el.span(r.next, title=r.next_exact, class_name="lo-nowrap"),
            sort="next",
        ),
        Column("60 days", lambda r: coverage_strip(r.strip, words=r.strip_words)),
        Column(rx.el.span("Actions", class_name="lo-sr"), _actions, right=True),
    ]
    return rx.el.section(
        data_table(
            S.view.rows,
            columns,
            label="Connections",
            sort_by=S.sort,
            sort_href=sort_href,
            row_key=lambda r: r.id,
            empty=empty_state(
                "No connection matches",
                "Nothing has this name and state.",
                button("Show all", on_click=S.clear),
            ),
        ),
        rx.el.div(coverage_legend(), class_name="lo-card-foot"),
        class_name="lo-card lo-card-flush",
    )


def _name(row: Any) -> rx.Component:
    return rx.el.div(
        platform_mark(row.mark),
        rx.el.div(
            rx.el.div(
                go(
                    rx.el.span(row.name, class_name="lo-two", title=row.name),
                    href=row.href,
                    class_name="lo-link",
                ),
                rx.cond(row.demo != "", badge(row.demo, kind="warn")),
                class_name="lo-row-tight",
            ),
            rx.el.span(row.platform, ", ", row.accounts, class_name="lo-help"),
        ),
        class_name="lo-named",
    )


def _status(row: Any) -> rx.Component:
    setup = "/connections/new?id=" + row.id.to(str)
    return rx.el.div(
        status_pill(row.kind, row.word),
        rx.cond(row.reason != "", rx.el.p(row.reason, class_name="lo-help lo-reason")),
        rx.cond(
            AppState.can_write,
            rx.match(
                row.action,
                ("reauthorise", go("Sign in again", href=setup + "&step=2", class_name="lo-link")),
                ("finish", go("Finish set-up", href=setup, class_name="lo-link")),
                rx.fragment(),
            ),
        ),
        rx.cond(row.expires != "", rx.el.p("Sign-in ends ", row.expires, class_name="lo-help")),
    )


def _actions(row: Any) -> rx.Component:
    name = "menu-" + row.id.to(str)
    return rx.el.div(
        rx.cond(
            row.action != "finish",
            menu(
                icon_button("ellipsis", "Actions for this connection"),
                _run_or_sign_in(row, name),
                rx.cond(AppState.can_write, _pause_or_resume(row, name)),
                go("Open", href=row.href, class_name="lo-menu-item"),
                menu_id=name,
                label="Actions",
            ),
        ),
        class_name="lo-row-tight lo-row-end",
    )


def _run_or_sign_in(row: Any, name: Any) -> rx.Component:
    return rx.cond(
        row.action == "reauthorise",
        rx.cond(
            AppState.can_write,
            go(
                icon("key-round"),
                "Sign in again",
                href="/connections/new?id=" + row.id.to(str) + "&step=2",
                class_name="lo-menu-item",
            ),
        ),
        rx.cond(
            AppState.can_sync,
            menu_item(
                "Run sync now",
                menu_id=name,
                icon_tag="refresh-cw",
                on_click=S.run_now(row.id),
            ),
        ),
    )


def _pause_or_resume(row: Any, name: Any) -> rx.Component:
    return rx.cond(
        row.word == "Paused",
        menu_item("Resume", menu_id=name, icon_tag="play", on_click=S.pause(row.id, True)),
        menu_item("Pause", menu_id=name, icon_tag="pause", on_click=S.pause(row.id, False)),
    )


def _first_use() -> rx.Component:
    return card(
        empty_state(
            "No connections yet",
            "Connect a platform to see spend and results.",
            rx.cond(
                AppState.can_write,
                rx.fragment(
                    button_link("Add connection", href="/connections/new", kind="solid"),
                    rx.cond(
                        AppState.demo, button_link("Look around with demo data", href="/welcome")
                    ),
                ),
            ),
        )
    )
