"""Data explorer: which rows are stored, and what did the platform really send?"""

from __future__ import annotations

from typing import Any

import reflex as rx

from liftos_app.components.data_table import table_box
from liftos_app.components.dialog import drawer
from liftos_app.components.elements import button, button_link, card, icon_button
from liftos_app.components.page_header import page_header
from liftos_app.components.states import empty_state, error_state, fallback_banner, loading_rows
from liftos_app.components.status_pill import badge
from liftos_app.pages._page import page
from liftos_app.state.app import AppState
from liftos_app.state.explorer import ExplorerState as S


@page(
    "/explorer",
    title="Data explorer",
    icon="table-2",
    section="Data",
    order=2,
    allow="metrics.read",
    on_load=S.load,
)
def explorer() -> rx.Component:
    """Stored rows by connection, stream and account; each opens its source record."""
    return rx.fragment(
        page_header(
            "Data explorer",
            rx.el.p(
                S.view.line, class_name=rx.cond(S.stale, "lo-head-line lo-stale", "lo-head-line")
            ),
            beside=rx.fragment(
                rx.cond(
                    S.view.demo,
                    badge(
                        "Demo data", kind="warn", icon_tag="flask-conical",
                        title="These rows come from the sandbox.",
                    ),
                ),
                rx.cond(
                    S.view.fallbacks.length() > 0,
                    badge("Last good", kind="warn", title="The connection fails since then."),
                ),
            ),
        ),
        fallback_banner(S.view.fallbacks),
        rx.match(
            S.phase,
            ("loading", loading_rows()),
            ("none", card(empty_state(
                "No rows yet",
                "Connect a platform; its rows are listed here as they are stored.",
                rx.cond(
                    AppState.can_write,
                    button_link("Add connection", href="/connections/new", kind="solid"),
                ),
            ))),
            ("failed", rx.fragment(
                rx.cond(S.view.connection != "", _filters()),
                error_state(
                    S.trouble, "", S.trouble_fix, button_link("Start over", href="/explorer")
                ),
            )),
            _rows(),
        ),
        _source(),
    )


def _rows() -> rx.Component:
    return rx.fragment(
        _filters(),
        rx.el.div(
            _found(),
            class_name=rx.cond(S.stale, "lo-stack lo-stale", "lo-stack"),
            aria_busy=S.stale,
        ),
    )


def _found() -> rx.Component:
    return rx.fragment(
        rx.cond(S.view.about != "", rx.el.p(S.view.about, class_name="lo-help lo-measure")),
        rx.cond(
            S.view.rows.length() > 0,
            rx.el.section(
                table_box(
                    rx.el.table(
                        rx.el.thead(rx.el.tr(
                            rx.el.th(rx.el.span("Source", class_name="lo-sr"), scope="col"),
                            rx.foreach(S.view.heads, _head),
                        )),
                        rx.el.tbody(rx.foreach(S.view.rows, _line)),
                        class_name="lo-table",
                    ),
                    label="Stored rows",
                ),
                _pages(),
                class_name="lo-card lo-card-flush",
            ),
            card(rx.cond(S.view.search != "", _no_match(), _no_rows())),
        ),
        rx.el.p(S.view.source, class_name="lo-source"),
    )


def _no_match() -> rx.Component:
    return empty_state(
        "Nothing matches",
        "No row of these days has this name or id.",
        button("Show all rows", on_click=S.all_rows),
    )


def _no_rows() -> rx.Component:
    return empty_state(
        "No rows in these days",
        "Nothing is stored for this choice. The connection's page tells which days were "
        "read and found empty, and which were not read yet.",
        button_link("Open the connection", href="/connections/" + S.view.connection.to(str)),
    )


def _filters() -> rx.Component:
    return rx.el.div(
        _choice("Connection", "explorer-connection", S.view.connections, S.view.connection,
                "connection"),
        _choice("Stream", "explorer-stream", S.view.streams, S.view.stream, "stream"),
        _choice("Account", "explorer-account", S.view.accounts, S.view.account, "account"),
        rx.el.form(
            rx.cond(
                S.view.dated,
                rx.fragment(
                    rx.el.input(
                        type="date", name="start", default_value=S.view.start,
                        key="start-" + S.view.start,
                        class_name="lo-input", aria_label="First day",
                    ),
                    rx.el.span("to", class_name="lo-help"),
                    rx.el.input(
                        type="date", name="end", default_value=S.view.end,
                        key="end-" + S.view.end,
                        class_name="lo-input", aria_label="Last day",
                    ),
                ),
            ),
            rx.el.input(
                type="search", name="search", default_value=S.view.search, class_name="lo-input",
                key="search-" + S.view.search,
                placeholder="Name or id", aria_label="Search by name or id",
            ),
            button("Show", type="submit", small=True),
            on_submit=S.narrow,
            class_name="lo-row lo-custom-days",
            key=S.view.start.to(str) + S.view.end.to(str) + S.view.search.to(str)
            + S.view.stream.to(str),
        ),
        class_name="lo-filters",
        role="search",
        aria_label="Filters",
    )


def _choice(label: str, for_id: str, options: Any, value: Any, name: str) -> rx.Component:
    return rx.el.div(
        rx.el.select(
            rx.foreach(options, lambda o: rx.el.option(o[1], value=o[0])),
            id=for_id, value=value, class_name="lo-input", aria_label=label,
            on_change=lambda v: S.pick(name, v),
        ),
        class_name="lo-filter",
    )


def _head(head: Any) -> rx.Component:
    return rx.el.th(head.title, scope="col", class_name=rx.cond(head.right, "lo-right", ""))


def _line(line: Any) -> rx.Component:
    return rx.el.tr(
        rx.el.td(
            icon_button(
                "braces", "Show the source record",
                on_click=S.show_source(line.slot, line.ident),
            ),
        ),
        rx.foreach(
            line.cells,
            lambda cell, i: rx.el.td(
                rx.el.span(cell, class_name="lo-cut", title=cell),
                class_name=rx.cond(S.view.heads[i].right, "lo-right lo-num", "lo-cell-cut"),
            ),
        ),
    )


def _pages() -> rx.Component:
    return rx.cond(
        S.view.pages > 1,
        rx.el.nav(
            button(
                "Newer", small=True, disabled=S.view.page <= 1, on_click=S.turn(S.view.page - 1)
            ),
            rx.el.span("Page ", S.view.page, " of ", S.view.pages, class_name="lo-help lo-num"),
            button(
                "Older", small=True, disabled=S.view.page >= S.view.pages,
                on_click=S.turn(S.view.page + 1),
            ),
            class_name="lo-pages",
            aria_label="Pages",
        ),
    )


def _source() -> rx.Component:
    return drawer(
        None,
        rx.el.p(S.record_line, class_name="lo-quiet"),
        rx.cond(
            S.record_text != "",
            rx.el.pre(
                S.record_text, class_name="lo-record", tab_index=0, role="region",
                aria_label="Source record",
            ),
        ),
        title=S.record_title,
        is_open=S.record_open,
        on_open_change=S.set_record_open,
    )
