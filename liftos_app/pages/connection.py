"""Connection detail: state and cause first, then streams, runs, log and settings."""

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
    menu,
    menu_item,
)
from liftos_app.components.page_header import page_header
from liftos_app.components.states import empty_state, error_state, fallback_banner, loading_rows
from liftos_app.components.status_pill import badge, status_pill
from liftos_app.components.sync_progress import sync_progress
from liftos_app.components.timeline import timeline
from liftos_app.pages._connection_changes import changes as changes_tab
from liftos_app.pages._connection_changes import schema as schema_tab
from liftos_app.pages._connection_settings import settings as settings_tab
from liftos_app.pages._page import page
from liftos_app.state.app import AppState
from liftos_app.state.connection import ConnectionState as S
from liftos_app.state.connection_sync import ConnectionSyncState
from liftos_app.state.connection_view import KINDS

TABS = (
    ("streams", "Streams"), ("runs", "Runs"), ("changes", "Changes"), ("schema", "Schema"),
    ("log", "Log"), ("settings", "Settings"),
)


@page(
    "/connections/[connection_id]",
    title="Connection",
    icon="plug",
    allow="connections.read",
    under="/connections",
    on_load=[S.load, ConnectionSyncState.load, S.follow],
)
def connection() -> rx.Component:
    """One connection."""
    return rx.cond(
        S.loaded,
        rx.cond(S.gone != "", _gone(), _page()),
        rx.fragment(
            page_header("Connection", back=("Connections", "/connections")), loading_rows()
        ),
    )


def _gone() -> rx.Component:
    return rx.fragment(
        page_header("Connection", back=("Connections", "/connections")),
        error_state(
            S.gone, "", "", button_link("All connections", href="/connections"), kind="warn"
        ),
    )


def _page() -> rx.Component:
    return rx.fragment(
        page_header(
            S.view.name,
            rx.el.p(S.view.platform_name, ". ", S.view.accounts, class_name="lo-head-line"),
            rx.cond(AppState.can_sync, _run_or_stop()),
            _menu(),
            back=("Connections", "/connections"),
            beside=rx.fragment(
                status_pill(S.view.kind, S.view.word),
                rx.cond(
                    S.view.demo != "", badge(S.view.demo, kind="warn", icon_tag="flask-conical")
                ),
            ),
        ),
        rx.cond(S.view.cause.what != "", _cause()),
        fallback_banner(S.view.fallbacks),
        rx.cond(S.progress.active, card(sync_progress(S.progress), title="Sync under way")),
        card(
            rx.el.dl(
                rx.foreach(S.view.facts, lambda f: rx.el.div(rx.el.dt(f[0]), rx.el.dd(f[1]))),
                rx.foreach(
                    ConnectionSyncState.view.waits,
                    lambda f: rx.el.div(rx.el.dt(f[0]), rx.el.dd(f[1])),
                ),
                class_name="lo-facts",
            ),
            rx.el.div(
                rx.el.p("90 days", class_name="lo-label"),
                coverage_strip(S.view.strip, words=S.view.strip_words),
                coverage_legend(),
                class_name="lo-stack-8 lo-gap",
            ),
        ),
        rx.el.nav(
            *(
                go(
                    words,
                    href="/connections/" + S.view.id + f"?tab={name}",
                    class_name="lo-tab",
                    aria_current=rx.cond(S.tab == name, "true", "false"),
                )
                for name, words in TABS
            ),
            class_name="lo-tabs",
            aria_label="Parts of this connection",
        ),
        rx.match(
            S.tab,
            ("runs", _runs()),
            ("changes", changes_tab()),
            ("schema", schema_tab()),
            ("log", _log()),
            ("settings", settings_tab()),
            _streams(),
        ),
    )


def _run_or_stop() -> rx.Component:
    return rx.cond(
        S.view.active_run != "",
        button("Stop sync", icon_tag="square", on_click=S.cancel),
        rx.cond(
            S.view.signed_out,
            button(
                "Run sync now",
                icon_tag="refresh-cw",
                disabled=True,
                title="Sign in again first. Missed days are then read by themselves.",
            ),
            rx.cond(
                S.view.cause.action == "reauthorise",
                button("Run sync now", icon_tag="refresh-cw", on_click=S.run_now),
                button("Run sync now", kind="solid", icon_tag="refresh-cw", on_click=S.run_now),
            ),
        ),
    )


def _menu() -> rx.Component:
    setup = "/connections/new?id=" + S.view.id.to(str)
    return menu(
        button("More", icon_tag="ellipsis"),
        rx.cond(
            AppState.can_write,
            rx.fragment(
                rx.cond(
                    S.view.paused,
                    menu_item("Resume", menu_id="more", icon_tag="play", on_click=S.pause),
                    menu_item("Pause", menu_id="more", icon_tag="pause", on_click=S.pause),
                ),
                go(
                    icon("key-round"),
                    "Sign in again",
                    href=setup + "&step=2",
                    class_name="lo-menu-item",
                ),
                go(
                    icon("list-checks"),
                    "Choose accounts",
                    href=setup + "&step=3",
                    class_name="lo-menu-item",
                ),
                go(
                    icon("layers"),
                    "Streams and schedule",
                    href=setup + "&step=4",
                    class_name="lo-menu-item",
                ),
            ),
        ),
        go(
            icon("settings"),
            "Settings",
            href="/connections/" + S.view.id + "?tab=settings",
            class_name="lo-menu-item",
        ),
        menu_id="more",
        label="More actions",
    )


def _cause() -> rx.Component:
    cause = S.view.cause
    setup = "/connections/new?id=" + S.view.id.to(str)
    return error_state(
        cause.what,
        cause.why,
        cause.fix,
        rx.match(
            cause.action,
            (
                "reauthorise",
                rx.cond(
                    AppState.can_write,
                    button_link("Sign in again", href=setup + "&step=2", kind="solid", small=True),
                ),
            ),
            (
                "settings",
                rx.cond(
                    AppState.can_write,
                    button_link("Change sign-in", href=setup + "&step=2", small=True),
                ),
            ),
            (
                "accounts",
                rx.cond(
                    AppState.can_write,
                    button_link("Choose accounts", href=setup + "&step=3", small=True),
                ),
            ),
            (
                "definition",
                rx.cond(
                    AppState.can_write,
                    button_link(
                        "Open definition", href=setup + "&step=4&stream=" + cause.stream, small=True
                    ),
                ),
            ),
            (
                "schema",
                button_link(
                    "Open schema", href="/connections/" + S.view.id + "?tab=schema", small=True
                ),
            ),
            (
                "retry",
                rx.cond(AppState.can_sync, button("Retry now", small=True, on_click=S.run_now)),
            ),
            (
                "log",
                button_link("Open log", href="/connections/" + S.view.id + "?tab=log", small=True),
            ),
            rx.fragment(),
        ),
        facts=rx.el.p(
            cause.kind,
            ". ",
            cause.owner,
            ". ",
            cause.meanwhile,
            " ",
            cause.since,
            rx.cond(cause.streams != "", ". Streams: " + cause.streams.to(str), ""),
            rx.cond(cause.request_id != "", ". Platform request " + cause.request_id.to(str), ""),
            class_name="lo-help",
        ),
    )


def _streams() -> rx.Component:
    columns = [
        Column(
            "Stream",
            lambda r: rx.el.div(
                rx.el.span(r.stream, class_name="lo-h3"),
                rx.el.br(),
                rx.el.span(r.account, ", ", r.grain, class_name="lo-help"),
                class_name="lo-name",
            ),
        ),
        Column(
            "State",
            lambda r: rx.el.div(
                status_pill(r.kind, r.word),
                rx.cond(r.note != "", rx.el.p(r.note, class_name="lo-help lo-reason")),
            ),
        ),
        Column("Newest day", lambda r: rx.el.span(r.newest, class_name="lo-nowrap")),
        Column("Read", lambda r: rx.el.span(r.read, class_name="lo-nowrap")),
        Column("Rows, last run", lambda r: r.counts),
        Column("Rejected", lambda r: r.rejected, right=True),
        Column("Length", lambda r: rx.el.span(r.took, class_name="lo-nowrap"), right=True),
        Column(
            "60 days",
            lambda r: rx.cond(
                r.strip.length() > 0,
                coverage_strip(r.strip, words=r.strip_words),
                rx.el.span(r.strip_words, class_name="lo-help"),
            ),
        ),
    ]
    return rx.el.section(
        data_table(
            S.view.streams,
            columns,
            label="Streams",
            row_key=lambda r: r.key,
            empty=empty_state("Nothing read yet", "The first sync fills this table."),
        ),
        class_name="lo-card lo-card-flush",
    )


def _runs() -> rx.Component:
    columns = [
        Column(
            "Started",
            lambda r: go(
                r.when,
                href="/connections/" + S.view.id + "?tab=runs&run=" + r.id,
                title=r.exact,
                class_name="lo-link lo-nowrap",
            ),
        ),
        Column("Why", lambda r: r.trigger),
        Column(
            "Result",
            lambda r: rx.el.div(
                status_pill(r.kind, r.word),
                rx.cond(r.note != "", rx.el.p(r.note, class_name="lo-help lo-reason")),
            ),
        ),
        Column("Length", lambda r: rx.el.span(r.took, class_name="lo-nowrap"), right=True),
        Column("Rows stored", lambda r: r.rows, right=True),
        Column("Rejected", lambda r: r.rejected, right=True),
        Column("Requests", lambda r: r.requests, right=True),
    ]
    return rx.fragment(
        rx.cond(
            (S.view.opened_run != "") & ~S.progress.active & (S.progress.run_id != ""),
            card(sync_progress(S.progress), title="This run"),
        ),
        rx.el.section(
            data_table(
                S.view.runs,
                columns,
                label="Runs",
                row_key=lambda r: r.id,
                empty=empty_state("No run yet", "Start one with Run sync now."),
            ),
            class_name="lo-card lo-card-flush",
        ),
    )


def _log() -> rx.Component:
    base = "/connections/" + S.view.id.to(str) + "?tab=log"
    return card(
        rx.el.nav(
            _kind("", "All", base),
            *(_kind(k, k.capitalize(), base) for k in KINDS),
            class_name="lo-row",
            aria_label="Kind of line",
        ),
        rx.cond(
            S.view.events.length() > 0,
            timeline(S.view.events),
            empty_state("Nothing logged", "No line of this kind yet."),
        ),
        rx.cond(S.view.older != "", button_link("Older lines", href=S.view.older, small=True)),
        title="Log",
    )


def _kind(kind: str, words: str, base: Any) -> rx.Component:
    return go(
        words,
        href=base + (f"&kind={kind}" if kind else ""),
        class_name="lo-btn lo-btn-small",
        aria_current=rx.cond(S.kind == kind, "true", "false"),
    )
