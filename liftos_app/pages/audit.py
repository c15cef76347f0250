"""Audit log: who did what, filtered by the address, with what changed, and an export."""

from __future__ import annotations

from typing import Any

import reflex as rx

from liftos_app.components.data_table import Column, data_table
from liftos_app.components.elements import (
    NativeForm,
    button,
    button_link,
    card,
    field,
    text_input,
)
from liftos_app.components.page_header import page_header
from liftos_app.components.states import empty_state, loading_rows
from liftos_app.components.status_pill import badge
from liftos_app.pages._page import FOOT, page
from liftos_app.pages._settings_tabs import settings_tabs
from liftos_app.state.audit import FILTERS
from liftos_app.state.audit import AuditState as S


@page(
    "/settings/audit",
    title="Audit log",
    icon="scroll-text",
    section=FOOT,
    allow="audit.read",
    on_load=S.load,
    under="/settings",
    listed=False,
)
def audit() -> rx.Component:
    """Filters, entries, export."""
    return rx.fragment(
        page_header(
            "Audit log",
            rx.el.p("Every act, chained and signed. Nothing in it can be changed unnoticed.",
                    class_name="lo-head-line"),
        ),
        settings_tabs("audit"),
        rx.cond(S.audit_loaded, rx.fragment(_filters(), _entries(), _export()), loading_rows()),
    )


def _filters() -> rx.Component:
    def typed(name: str, label: str, help_text: str = "", **props: Any) -> rx.Component:
        value = S.audit_asked[name]
        return field(
            label,
            text_input(for_id=name, default_value=value, key=name + value, max_length=254, **props),
            for_id=name, help_text=help_text,
        )

    return card(
        rx.el.form(
            rx.el.div(
                typed("actor", "Who", "Name, e-mail or id"),
                rx.fragment(
                    typed("action", "Act", "Whole, or its beginning: auth", list="acts"),
                    rx.el.datalist(
                        rx.foreach(S.audit.actions, lambda a: rx.el.option(value=a)), id="acts"
                    ),
                ),
                typed("target", "Object", "Type, id, or type:id"),
                typed("start", "From (UTC)", type="date"),
                typed("end", "To (UTC)", type="date"),
                class_name="lo-grid lo-grid-3",
            ),
            rx.el.div(
                button("Show", kind="solid", type="submit"),
                rx.cond(S.audit.filtered, button_link("Show all", href="/settings/audit")),
                class_name="lo-row",
            ),
            on_submit=S.find,
            class_name="lo-stack-16",
        ),
        title="Find",
    )


def _entries() -> rx.Component:
    columns = [
        Column("When", lambda e: rx.el.span(e.at, class_name="lo-whole")),
        Column("Who", lambda e: e.actor),
        Column(
            "Act",
            lambda e: rx.el.div(
                rx.el.span(rx.el.code(e.action), " ",
                           rx.cond(e.result != "ok", badge(e.result, kind="warn"))),
                rx.cond(e.reason != "", rx.el.span(e.reason, class_name="lo-help")),
                class_name="lo-stack-4",
            ),
        ),
        Column("Object", lambda e: rx.el.span(e.target, class_name="lo-break")),
        Column("What changed", _details),
    ]
    return rx.el.section(
        rx.el.div(rx.el.h2("Entries", class_name="lo-h2"), class_name="lo-card-head"),
        data_table(
            S.audit.rows, columns, label="Entries of the audit log", row_key=lambda e: e.seq,
            empty=empty_state("No entries", "Nothing fits these filters."),
        ),
        rx.cond(
            S.audit.older != "",
            rx.el.div(button_link("Older entries", href=S.audit.older),
                      class_name="lo-pages"),
        ),
        class_name="lo-card lo-card-flush",
    )


def _details(entry: Any) -> rx.Component:
    return rx.el.details(
        rx.el.summary("Row ", entry.seq),
        rx.el.dl(
            rx.foreach(
                entry.details,
                lambda d: rx.el.div(rx.el.dt(d[0]), rx.el.dd(d[1], class_name="lo-break")),
            ),
            class_name="lo-facts",
        ),
    )


def _export() -> rx.Component:
    def send(label: str, form: str) -> rx.Component:
        return NativeForm.create(
            *(rx.el.input(type="hidden", name=name, value=S.audit_asked[name])
              for name in FILTERS),
            rx.el.input(type="hidden", name="form", value=form),
            button(label, type="submit", icon_tag="download"),
            action="/auth/audit", method="post",
        )

    return card(
        rx.el.div(
            rx.el.p("What the filters show, the newest 50,000 entries. The export is recorded.",
                    class_name="lo-help"),
            rx.el.div(send("CSV", "csv"), send("JSON", "json"), class_name="lo-row"),
            class_name="lo-between",
        ),
        title="Export",
    )
