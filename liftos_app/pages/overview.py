"""Overview: how are we doing, and what needs me?"""

from __future__ import annotations

from typing import Any

import reflex as rx

from liftos_app.components.chart import FetchAhead
from liftos_app.components.chart_card import chart_card
from liftos_app.components.data_table import Column, data_table
from liftos_app.components.elements import button, button_link, card, go, icon
from liftos_app.components.filter_bar import filter_bar
from liftos_app.components.kpi_tile import day_mark, kpi_tile
from liftos_app.components.page_header import page_header
from liftos_app.components.states import (
    empty_state,
    error_state,
    fallback_banner,
    loading_cards,
    skeleton,
    still_waiting,
)
from liftos_app.components.status_pill import badge, status_pill
from liftos_app.pages._page import page
from liftos_app.state.app import AppState
from liftos_app.state.filters import COMPARISONS, MODES, PERIODS
from liftos_app.state.overview import OverviewState as S


def waiting() -> rx.Component:
    """The page before anything is known, in its final sizes."""
    return rx.fragment(FetchAhead.create(), page_header("Overview"), _loading())


@page(
    "/",
    title="Overview",
    icon="layout-dashboard",
    allow="metrics.read",
    order=1,
    on_load=S.load,
    waiting=waiting,
)
def overview() -> rx.Component:
    """Key figures, what needs attention, claims, days and channels."""
    return rx.fragment(
        page_header(
            "Overview",
            rx.el.p(
                S.view.scope, class_name=rx.cond(S.stale, "lo-head-line lo-stale", "lo-head-line")
            ),
            rx.cond(
                AppState.can_write,
                button_link(
                    "Add connection", href="/connections/new", kind="solid", icon_tag="plus"
                ),
            ),
            beside=rx.fragment(
                rx.cond(
                    (S.view.fresh_word != "") & ~S.stale,
                    status_pill(S.view.fresh_kind, S.view.fresh_word, title=S.view.fresh_title),
                ),
                rx.cond(
                    S.view.provenance != "",
                    badge(
                        "Demo data",
                        kind="warn",
                        icon_tag="flask-conical",
                        title="Every figure here comes from the sandbox.",
                    ),
                ),
            ),
        ),
        rx.cond(
            S.phase != "first_use",
            filter_bar(periods=PERIODS, comparisons=COMPARISONS, modes=MODES, state=S),
        ),
        rx.cond(
            S.trouble != "",
            error_state(S.trouble, "", S.trouble_fix, button("Reset filters", on_click=S.clear)),
        ),
        rx.match(
            S.phase,
            ("loading", _loading()),
            ("first_use", _first_use()),
            ("other_data", _other_data()),
            ("failed", rx.fragment()),
            rx.el.div(
                _figures(),
                class_name=rx.cond(S.stale, "lo-stack lo-stale", "lo-stack"),
                aria_busy=S.stale & (S.trouble == ""),
            ),
        ),
    )


def _figures() -> rx.Component:
    return rx.fragment(
        fallback_banner(S.view.fallbacks),
        rx.cond(S.view.gaps.length() > 0, _partial()),
        rx.el.div(rx.foreach(S.view.tiles, _tile), class_name="lo-grid lo-grid-4 lo-grid-kpi"),
        rx.el.section(
            rx.el.h2("More figures", class_name="lo-sr"),
            rx.el.dl(rx.foreach(S.view.more, _small), class_name="lo-facts"),
            class_name="lo-card",
        ),
        rx.el.div(_attention(), _claims(), class_name="lo-grid lo-grid-2"),
        rx.cond(
            S.view.drawn,
            chart_card(
                title="Spend and revenue by day",
                unit=S.view.unit,
                figure=S.view.figure,
                words=S.view.figure_words,
                source=S.view.source,
                fresh_kind=S.view.fresh_kind,
                fresh_word=S.view.fresh_word,
                fresh_title=S.view.fresh_title,
                table_head=S.view.table_head,
                table_rows=S.view.table_rows,
                as_table=S.as_table,
                on_toggle=S.toggle_table,
            ),
            card(
                empty_state(
                    "No spend or revenue in these days",
                    "Nothing that brings them is connected, or these days are not loaded yet.",
                ),
                title="Spend and revenue by day",
            ),
        ),
        _channels(),
    )


def _tile(tile: Any) -> rx.Component:
    return kpi_tile(
        label=tile.label,
        value=tile.value,
        delta=tile.delta,
        direction=tile.direction,
        verdict=tile.verdict,
        comparison=tile.comparison,
        spark=tile.spark,
        spark_words=tile.label.to(str) + " by day",
        help_text=tile.help_text,
        provenance=tile.provenance,
        beside=tile.beside,
        not_over=tile.not_over,
    )


def _small(tile: Any) -> rx.Component:
    return rx.el.div(
        rx.el.dt(tile.label, title=tile.help_text),
        rx.el.dd(
            tile.value,
            " ",
            rx.cond(
                tile.provenance != "", badge(tile.provenance, kind="warn", title=tile.beside)
            ),
            rx.el.span(
                tile.delta,
                title=tile.comparison,
                class_name=rx.match(
                    tile.verdict,
                    ("good", "lo-help lo-text-ok"),
                    ("worse", "lo-help lo-text-bad"),
                    "lo-help",
                ),
            ),
            day_mark(tile.not_over),
        ),
    )


def _partial() -> rx.Component:
    return error_state(
        "Some days are missing or not whole.",
        "",
        "",
        kind="warn",
        facts=rx.el.details(
            rx.el.summary("Which days"),
            rx.el.ul(rx.foreach(S.view.gaps, lambda g: rx.el.li(g, class_name="lo-help"))),
            class_name="lo-details",
        ),
    )


def _attention() -> rx.Component:
    return card(
        rx.cond(
            S.view.todos.length() > 0,
            rx.el.ul(rx.foreach(S.view.todos, _todo), class_name="lo-list"),
            rx.el.p(
                icon("circle-check", class_name="lo-mark-ok"),
                "Nothing needs you right now.",
                class_name="lo-row lo-quiet",
            ),
        ),
        title="Needs attention",
        aside=rx.cond(
            S.view.todos.length() > 0,
            rx.el.span(S.view.todos.length(), class_name="lo-label lo-num"),
        ),
    )


def _todo(todo: Any) -> rx.Component:
    return rx.el.li(
        rx.el.div(
            rx.match(
                todo.kind,
                ("bad", icon("circle-x", class_name="lo-mark-bad")),
                ("warn", icon("clock-alert", class_name="lo-mark-warn")),
                icon("circle-dashed", class_name="lo-mark-mute"),
            ),
            rx.el.div(
                rx.el.p(todo.what, class_name="lo-h3"),
                rx.cond(todo.why != "", rx.el.p(todo.why, class_name="lo-help")),
                class_name="lo-grow",
            ),
            rx.cond(
                AppState.can_write | (todo.label == "Look"),
                button_link(todo.label, href=todo.href, small=True),
            ),
            class_name="lo-todo",
        ),
    )


def _claims() -> rx.Component:
    return card(
        rx.el.ul(rx.foreach(S.view.bars, _bar), class_name="lo-stack-8"),
        rx.el.p(S.view.claims_words, class_name="lo-source"),
        title="Platform claims and store revenue",
    )


def _bar(bar: Any) -> rx.Component:
    return rx.el.li(
        rx.el.div(
            rx.el.span(bar.name, class_name="lo-cut", title=bar.name),
            rx.el.span(
                bar.value,
                " ",
                rx.el.span(bar.note, class_name="lo-help"),
                class_name="lo-num lo-nowrap",
            ),
            class_name="lo-between lo-one-line",
        ),
        rx.el.div(
            rx.el.div(class_name="lo-bar " + bar.hue.to(str), style={"width": bar.width}),
            class_name="lo-bar-box",
            aria_hidden="true",
        ),
    )


def _channels() -> rx.Component:
    columns = [
        Column(
            "Channel",
            lambda r: go(
                rx.el.i(class_name=r.dot, aria_hidden="true"),
                rx.el.span(r.name, class_name="lo-two", title=r.name),
                rx.cond(
                    r.provenance != "",
                    badge(r.provenance, kind="warn", title="Fallback, in no total"),
                ),
                href="/connections/" + r.id.to(str),
                class_name="lo-link",
            ),
        ),
        Column("Spend", lambda r: r.spend, right=True),
        Column(
            "Change", lambda r: r.delta, right=True, help_text="Spend against the comparison period"
        ),
        Column("Share of spend", lambda r: r.share, right=True),
        Column(
            "Claimed revenue",
            lambda r: r.claimed,
            right=True,
            help_text="What the platform attributes to itself; claims overlap",
        ),
        Column("ROAS, platform", lambda r: r.roas, right=True),
        Column("Attribution", lambda r: rx.el.span(r.setting, class_name="lo-nowrap")),
    ]
    return rx.el.section(
        rx.el.div(
            rx.el.div(
                rx.el.h2("By channel", class_name="lo-h2"),
                rx.el.p(
                    "Reported by the platforms themselves; not incremental.", class_name="lo-help"
                ),
            ),
            class_name="lo-card-head",
        ),
        data_table(
            S.view.channels,
            columns,
            label="By channel",
            row_key=lambda r: r.id,
            foot=[S.view.channel_foot[i] for i in range(7)],
        ),
        class_name="lo-card lo-card-flush",
    )


def _other_data() -> rx.Component:
    return card(
        empty_state(
            "No connection brings this kind of data",
            rx.cond(
                S.mode == "live",
                "The filter above asks for live data alone, and nothing live is connected.",
                "The filter above asks for demo data alone, and no demo is connected.",
            ),
            rx.fragment(
                button("Show what is there", on_click=S.clear),
                rx.cond(
                    AppState.can_write,
                    button_link("Add connection", href="/connections/new"),
                ),
            ),
        )
    )


def _first_use() -> rx.Component:
    return rx.fragment(
        card(
            empty_state(
                "No figures yet",
                "Connect a platform to see spend and results. The first figures "
                "appear within minutes, newest days first.",
                rx.cond(
                    AppState.can_write,
                    rx.fragment(
                        button_link("Add connection", href="/connections/new", kind="solid"),
                        rx.cond(
                            AppState.demo,
                            button_link("Look around with demo data", href="/welcome"),
                        ),
                    ),
                ),
            )
        ),
        rx.cond(S.view.todos.length() > 0, _attention()),
    )


def _loading() -> rx.Component:
    return rx.el.div(
        still_waiting(),
        loading_cards(),
        skeleton(height=72),
        rx.el.div(skeleton(height=220), skeleton(height=220), class_name="lo-grid lo-grid-2"),
        skeleton(height=380),
        class_name="lo-stack",
    )
