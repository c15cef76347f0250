"""The editor of a defined stream: source, mapping, preview of real rows."""

from __future__ import annotations

from typing import Any

import reflex as rx

from liftos_app.components.data_table import Column, data_table, table_box
from liftos_app.components.elements import button, field, icon, text_input
from liftos_app.components.states import error_state
from liftos_app.components.status_pill import status_pill
from liftos_app.state.stream_editor import StreamEditorState as E

_DECIMALS = ((".", "1234.56"), (",", "1234,56"))
_CURSORS = (
    ("time", "The time of the last change"),
    ("number", "A number that grows with every new or changed row"),
)
_UNITS = (("whole", "Whole units"), ("cents", "Cents"), ("micros", "Micros"))


def editor() -> rx.Component:
    """Shown while a stream is being added or changed."""
    return rx.cond(
        E.editor.open,
        rx.el.section(
            rx.el.div(
                rx.el.h2(
                    rx.cond(E.editor.existing, "Change stream", "Add stream"), class_name="lo-h2"
                ),
                button("Close", kind="quiet", small=True, icon_tag="x", on_click=E.shut),
                class_name="lo-card-head",
            ),
            rx.cond(E.editor.wrong != "", error_state(E.editor.wrong)),
            rx.el.div(_landing(), class_name="lo-narrow"),
            rx.cond(E.editor.listed, _sources()),
            rx.el.form(
                rx.cond(E.editor.settings.length() > 0, _settings()),
                rx.cond(E.editor.seen, _mapping()),
                rx.cond(
                    E.editor.seen | (E.editor.settings.length() > 0),
                    rx.el.div(
                        button(
                            rx.cond(E.editor.seen, "Preview again", "Read a sample"),
                            type="submit", busy=E.working == "preview",
                        ),
                        button(
                            "Save stream", kind="solid", on_click=E.keep,
                            disabled=~E.editor.seen | (E.editor.problem != "")
                            | (E.working != ""),
                        ),
                        class_name="lo-row",
                    ),
                ),
                on_submit=E.check,
                class_name="lo-stack",
                key=E.editor.version.to(str),
            ),
            rx.cond(E.editor.seen, _preview()),
            class_name="lo-card lo-stack",
        ),
    )


def _landing() -> rx.Component:
    return field(
        "What its rows are",
        rx.el.select(
            rx.foreach(E.editor.landings, lambda p: rx.el.option(p[1], value=p[0])),
            id="landing", value=E.editor.landing, on_change=E.land, class_name="lo-input",
            disabled=E.editor.existing,
        ),
        for_id="landing",
    )


def _sources() -> rx.Component:
    return rx.el.div(
        rx.el.div(
            button("All sources", kind="quiet", small=True, on_click=E.browse("", "")),
            rx.foreach(
                E.editor.folder,
                lambda p: rx.fragment(
                    icon("chevron-right", size=14),
                    button(p[1], kind="quiet", small=True, on_click=E.browse(p[0], p[1])),
                ),
            ),
            rx.cond(E.working == "sources", icon("loader-circle", class_name="lo-spin")),
            class_name="lo-row",
            aria_label="Where you are",
        ),
        rx.el.ul(rx.foreach(E.editor.sources, _source), class_name="lo-list"),
        class_name="lo-stack-8",
    )


def _source(one: Any) -> rx.Component:
    return rx.el.li(
        rx.el.div(
            rx.cond(
                one.folder,
                button(
                    one.name, kind="quiet", small=True, icon_tag="folder",
                    on_click=E.browse(one.id, one.name),
                ),
                button(
                    one.name, kind="quiet", small=True, icon_tag="table",
                    on_click=E.choose(one.id, one.name),
                    aria_pressed=rx.cond(E.editor.object == one.id, "true", "false"),
                ),
            ),
            rx.el.span(one.about, class_name="lo-help"),
            class_name="lo-between",
        )
    )


def _settings() -> rx.Component:
    return rx.el.div(rx.foreach(E.editor.settings, _setting), class_name="lo-grid lo-grid-2")


def _setting(one: Any) -> rx.Component:
    name = "source-" + one.name.to(str)
    return field(
        one.label,
        rx.cond(
            one.choices.length() > 0,
            rx.el.select(
                rx.foreach(one.choices, lambda c: rx.el.option(c[1], value=c[0])),
                id=name, name=name, default_value=one.value, class_name="lo-input",
            ),
            text_input(
                for_id=name, default_value=one.value, placeholder=one.placeholder,
                required=one.required, max_length=2_000,
            ),
        ),
        for_id=name,
        help_text=one.help,
    )


def _mapping() -> rx.Component:
    return rx.fragment(
        rx.el.div(
            field(
                "Title", text_input(for_id="title", default_value=E.editor.title, max_length=80,
                                    required=True), for_id="title",
            ),
            field(
                "Name",
                text_input(for_id="name", default_value=E.editor.name, max_length=40,
                           required=True, read_only=E.editor.existing),
                for_id="name",
                help_text="Small letters, digits and underscores; fixed once saved",
            ),
            class_name="lo-grid lo-grid-2",
        ),
        table_box(
            rx.el.table(
                rx.el.thead(rx.el.tr(
                    rx.el.th("LiftOS field", scope="col"), rx.el.th("Column", scope="col"),
                    rx.el.th("Or always", scope="col"), rx.el.th("Unit", scope="col"),
                )),
                rx.el.tbody(rx.foreach(E.editor.fields, _field)),
                class_name="lo-table lo-mapping",
            ),
            label="Mapping of columns to fields",
        ),
        rx.cond(
            E.editor.personal.length() > 0,
            rx.el.div(
                status_pill("warn", "Personal data"),
                rx.el.ul(
                    rx.foreach(E.editor.personal, lambda t: rx.el.li(t, class_name="lo-help"))
                ),
                class_name="lo-stack-8",
            ),
        ),
        _reading(),
    )


def _field(one: Any) -> rx.Component:
    column = "column-" + one.name.to(str)
    constant = "constant-" + one.name.to(str)
    unit = "unit-" + one.name.to(str)
    return rx.el.tr(
        rx.el.td(
            rx.el.label(one.title, html_for=column),
            rx.cond(one.about != "", rx.el.p(one.about, class_name="lo-help")),
        ),
        rx.el.td(_columns(column, one.column)),
        rx.el.td(rx.cond(
            one.fixed,
            rx.el.input(
                name=constant, default_value=one.constant, max_length=200, class_name="lo-input",
                aria_label="Constant for " + one.title.to(str),
            ),
        )),
        rx.el.td(rx.cond(
            one.money,
            rx.el.select(
                *(rx.el.option(label, value=value) for value, label in _UNITS),
                name=unit, default_value=one.unit, class_name="lo-input",
                aria_label="Unit of " + one.title.to(str),
            ),
        )),
    )


def _columns(name: Any, chosen: Any) -> rx.Component:
    return rx.el.select(
        rx.el.option("not mapped", value=""),
        rx.foreach(E.editor.columns, lambda c: rx.el.option(c.label, value=c.name)),
        id=name, name=name, default_value=chosen, class_name="lo-input",
    )


def _reading() -> rx.Component:
    return rx.el.div(
        field(
            "Currency of its amounts",
            text_input(for_id="currencies", default_value=E.editor.currencies, max_length=80),
            for_id="currencies",
            help_text="EUR; or EUR, USD with a currency column",
        ),
        field(
            "Time zone of its days",
            text_input(for_id="time_zone", default_value=E.editor.time_zone, max_length=64),
            for_id="time_zone",
            help_text="For example Europe/Berlin",
        ),
        field(
            "Times without a zone are in",
            text_input(for_id="naive_zone", default_value=E.editor.naive_zone, max_length=64),
            for_id="naive_zone",
        ),
        field(
            "Date format",
            text_input(for_id="date_format", default_value=E.editor.date_format, max_length=60,
                       placeholder="ISO"),
            for_id="date_format",
            help_text="Only for text: %d.%m.%Y, epoch_s, epoch_ms",
        ),
        field(
            "Decimal sign",
            rx.el.select(
                *(rx.el.option(label, value=value) for value, label in _DECIMALS),
                id="decimal", name="decimal", default_value=E.editor.decimal,
                class_name="lo-input",
            ),
            for_id="decimal",
        ),
        field(
            "Thousands sign",
            text_input(for_id="thousands", default_value=E.editor.thousands, max_length=1),
            for_id="thousands",
        ),
        field(
            "Days re-read each sync",
            text_input(for_id="reread_days", default_value=E.editor.reread_days, max_length=3),
            for_id="reread_days",
        ),
        rx.cond(
            E.editor.daily,
            _tick("sums", "Add up rows of one campaign and day", E.editor.sums),
            rx.fragment(
                field(
                    "Cursor column", _columns("cursor", E.editor.cursor), for_id="cursor",
                    help_text="With it, only changes are read after the first load",
                ),
                field(
                    "The cursor column holds",
                    rx.el.select(
                        *(rx.el.option(label, value=value) for value, label in _CURSORS),
                        id="cursor_kind", name="cursor_kind", default_value=E.editor.cursor_kind,
                        class_name="lo-input",
                    ),
                    for_id="cursor_kind",
                    help_text="Whole numbers of any size, also negative; no texts, no decimals. "
                    "An id finds new rows only: changed ones within the days that are re-read",
                ),
                field(
                    "Numbers re-read each sync",
                    text_input(for_id="overlap_numbers", max_length=13,
                               default_value=E.editor.overlap_numbers),
                    for_id="overlap_numbers",
                    help_text="For rows stored after others with a higher number. 0: equal ones",
                ),
                _tick("whole", "Read it whole each time", E.editor.whole),
            ),
        ),
        class_name="lo-grid lo-grid-2",
    )


def _tick(name: str, label: str, chosen: Any) -> rx.Component:
    return rx.el.label(
        rx.el.input(type="checkbox", name=name, default_checked=chosen, class_name="lo-check"),
        label,
        class_name="lo-tick",
    )


def _preview() -> rx.Component:
    columns = [
        Column("Source row", lambda r: rx.el.code(r.source)),
        Column(
            "Becomes",
            lambda r: rx.cond(
                r.reason != "",
                rx.el.span(status_pill("bad", "Rejected"), " ", r.reason),
                rx.el.code(r.row),
            ),
        ),
    ]
    return rx.el.div(
        rx.cond(
            E.editor.problem != "",
            rx.el.p(icon("triangle-alert", size=14), E.editor.problem,
                    class_name="lo-row lo-text-warn", role="status"),
        ),
        rx.foreach(E.editor.notes, lambda t: rx.el.p(t, class_name="lo-help")),
        rx.cond(
            E.editor.rows.length() > 0,
            rx.el.div(
                data_table(E.editor.rows, columns, label="Preview of real rows"),
                class_name="lo-preview",
            ),
            rx.el.p("The source has no rows.", class_name="lo-help"),
        ),
        class_name="lo-stack-8",
    )
