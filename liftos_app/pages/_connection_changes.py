"""The tabs Changes and Schema of a connection: re-syncs, restated numbers, source columns."""

from __future__ import annotations

from typing import Any

import reflex as rx

from liftos_app.components.data_table import Column, data_table
from liftos_app.components.elements import button, button_link, card, field, text_input
from liftos_app.components.states import empty_state, error_state
from liftos_app.components.status_pill import badge, status_pill
from liftos_app.state.app import AppState
from liftos_app.state.connection import ConnectionState as Connection
from liftos_app.state.connection_sync import ConnectionSyncState as S
from liftos_app.state.connection_sync_view import POLICIES


def changes() -> rx.Component:
    """Read days again, what came of it, and what the platform changed by itself."""
    return rx.fragment(
        rx.cond(S.wrong != "", error_state(S.wrong)),
        rx.cond(AppState.can_sync, _reread()),
        rx.cond(S.view.resyncs.length() > 0, _resyncs()),
        _cells(),
    )


def schema() -> rx.Component:
    """Columns of each stream's source; changed ones with what to do about them."""
    columns = [
        Column(
            "Stream",
            lambda r: rx.el.div(
                rx.el.span(r.title, class_name="lo-h3"),
                rx.el.br(),
                rx.el.span(r.account, class_name="lo-help"),
            ),
        ),
        Column("Changed", _changed),
        Column("Columns", lambda r: rx.el.span(r.known, class_name="lo-help lo-measure")),
        Column("Since", lambda r: rx.el.span(r.since, class_name="lo-nowrap")),
    ]
    return rx.el.section(
        rx.el.div(
            rx.el.h2("Source columns", class_name="lo-h2"),
            rx.el.span(
                "When they change: ",
                rx.el.b(rx.match(S.view.policy, *POLICIES, S.view.policy)),
                class_name="lo-help",
            ),
            class_name="lo-card-head",
        ),
        data_table(
            S.view.columns,
            columns,
            label="Source columns",
            row_key=lambda r: r.key,
            empty=empty_state("No columns yet", "They are known after the first sync."),
        ),
        class_name="lo-card lo-card-flush",
    )


def _changed(row: Any) -> rx.Component:
    return rx.cond(
        (row.fresh != "") | (row.gone != "") | (row.wrong != ""),
        rx.el.div(
            rx.cond(row.wrong != "", rx.el.p(row.wrong, class_name="lo-help lo-reason")),
            rx.cond(row.fresh != "", badge(row.fresh, kind="warn")),
            rx.cond(row.gone != "", badge(row.gone, kind="warn")),
            rx.el.div(
                rx.cond(
                    AppState.can_sync & (row.fresh != ""),
                    button("Back-fill", small=True, on_click=S.back_fill(row.stream)),
                ),
                rx.cond(
                    AppState.can_write & row.defined & (row.wrong != ""),
                    button_link(
                        "Open definition",
                        href="/connections/new?id=" + Connection.view.id + "&step=4&stream="
                        + row.stream,
                        small=True,
                    ),
                ),
                rx.cond(
                    AppState.can_write & ((row.fresh != "") | (row.gone != "")),
                    button("Accept", small=True, kind="quiet", on_click=S.accept(row.stream)),
                ),
                class_name="lo-row",
            ),
            class_name="lo-stack-8",
        ),
        rx.el.span("none", class_name="lo-help"),
    )


def _reread() -> rx.Component:
    return card(
        rx.el.p(
            "Days are read beside what is stored and swapped in at once. It can be taken back for "
            "seven days.",
            class_name="lo-help lo-measure",
        ),
        rx.el.form(
            rx.el.div(
                field(
                    "First day",
                    text_input(
                        for_id="start", type="date", required=True,
                        default_value=S.view.first_day, key="start-" + S.view.first_day,
                    ),
                    for_id="start",
                ),
                field(
                    "Last day",
                    text_input(
                        for_id="end", type="date", required=True,
                        default_value=S.view.last_day, key="end-" + S.view.last_day,
                    ),
                    for_id="end",
                ),
                _choices("Streams", "stream-", S.view.streams),
                _choices("Accounts", "account-", S.view.accounts),
                class_name="lo-grid lo-grid-2",
            ),
            rx.el.p("Nothing ticked means all of them.", class_name="lo-help"),
            rx.el.div(button("Preview", type="submit"), class_name="lo-row"),
            on_submit=S.look_first,
            class_name="lo-stack-16 lo-gap",
        ),
        rx.cond(S.estimate.ready, _estimate()),
        title="Read days again",
    )


def _choices(title: str, prefix: str, items: rx.Var) -> rx.Component:
    return rx.el.fieldset(
        rx.el.legend(title, class_name="lo-label"),
        rx.foreach(
            items,
            lambda one: rx.el.label(
                rx.el.input(type="checkbox", name=prefix + one[0].to(str), class_name="lo-check"),
                one[1],
                class_name="lo-tick",
            ),
        ),
        class_name="lo-stack-8",
    )


def _estimate() -> rx.Component:
    return rx.el.div(
        rx.el.h3("What it takes", class_name="lo-h3"),
        rx.el.dl(
            rx.foreach(S.estimate.facts, lambda f: rx.el.div(rx.el.dt(f[0]), rx.el.dd(f[1]))),
            class_name="lo-facts",
        ),
        rx.el.p("An estimate, from earlier syncs where there are some.", class_name="lo-help"),
        rx.el.div(
            button("Read again", kind="solid", icon_tag="refresh-cw", on_click=S.read_again),
            class_name="lo-row",
        ),
        class_name="lo-stack-16 lo-gap",
        role="status",
    )


def _resyncs() -> rx.Component:
    columns = [
        Column("Asked", lambda r: rx.el.span(r.when, class_name="lo-nowrap")),
        Column("Days", lambda r: rx.el.span(r.days, class_name="lo-nowrap")),
        Column(
            "Result",
            lambda r: rx.el.div(
                status_pill(r.kind, r.word),
                rx.cond(r.note != "", rx.el.p(r.note, class_name="lo-help lo-reason")),
            ),
        ),
        Column("Changed", lambda r: r.changed),
        Column(
            rx.el.span("Actions", class_name="lo-sr"),
            lambda r: rx.cond(
                AppState.can_write & r.undoable,
                button("Take back", small=True, on_click=S.take_back(r.id)),
            ),
            right=True,
        ),
    ]
    return rx.el.section(
        rx.el.div(rx.el.h2("Re-syncs", class_name="lo-h2"), class_name="lo-card-head"),
        data_table(S.view.resyncs, columns, label="Re-syncs", row_key=lambda r: r.id),
        class_name="lo-card lo-card-flush",
    )


def _cells() -> rx.Component:
    columns = [
        Column("Day", lambda r: rx.el.span(r.day, class_name="lo-nowrap")),
        Column(
            "Number",
            lambda r: rx.el.div(
                rx.el.span(r.what, class_name="lo-h3"),
                rx.el.br(),
                rx.el.span(r.entity, ", ", r.account, class_name="lo-help"),
                rx.cond(
                    r.undone,
                    rx.el.div(
                        status_pill("mute", "Taken back"),
                        rx.el.span(" The number is as before.", class_name="lo-help"),
                    ),
                ),
            ),
        ),
        Column("Before", lambda r: rx.el.span(r.before, class_name="lo-nowrap"), right=True),
        Column("After", lambda r: rx.el.span(r.after, class_name="lo-nowrap"), right=True),
        Column("Seen", lambda r: rx.el.span(r.when, class_name="lo-nowrap"), right=True),
    ]
    return rx.el.section(
        rx.el.div(
            rx.el.h2("Numbers the platform changed", class_name="lo-h2"), class_name="lo-card-head"
        ),
        data_table(
            S.view.cells,
            columns,
            label="Restated numbers",
            row_key=lambda r: r.key,
            empty=empty_state(
                "Nothing restated",
                "Numbers of past days that change later are listed here with both values.",
            ),
        ),
        rx.cond(
            S.view.older != "",
            rx.el.div(
                button_link("Older changes", href=S.view.older, small=True),
                class_name="lo-card-foot",
            ),
        ),
        class_name="lo-card lo-card-flush",
    )
