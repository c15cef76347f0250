"""A chart with its passport: title, unit, freshness, a table of the same numbers, source line."""

from __future__ import annotations

from typing import Any

import reflex as rx

from liftos_app.components.chart import chart
from liftos_app.components.data_table import table_box
from liftos_app.components.elements import Text, button
from liftos_app.components.status_pill import status_pill


def chart_card(
    *,
    title: Text,
    unit: Text,
    figure: rx.Var,
    words: rx.Var,
    source: Text,
    fresh_kind: rx.Var,
    fresh_word: rx.Var,
    fresh_title: Text = "",
    table_head: rx.Var,
    table_rows: rx.Var,
    as_table: rx.Var,
    on_toggle: Any,
) -> rx.Component:
    """`table_rows`: list of lists of formatted texts under `table_head`; first column is the label.

    `as_table` and `on_toggle` belong to the page's state, so that the choice lives in the URL.
    """
    table = table_box(
        rx.el.table(
            rx.el.thead(
                rx.el.tr(
                    rx.foreach(
                        table_head,
                        lambda name, i: rx.el.th(
                            name, scope="col", class_name=rx.cond(i > 0, "lo-right", "")
                        ),
                    )
                )
            ),
            rx.el.tbody(rx.foreach(table_rows, _table_row)),
            class_name="lo-table",
        ),
        label=title,
        tall=True,
    )
    return rx.el.section(
        rx.el.div(
            rx.el.div(rx.el.h2(title, class_name="lo-h2"), rx.el.p(unit, class_name="lo-help")),
            rx.el.div(
                rx.cond(fresh_word != "", status_pill(fresh_kind, fresh_word, title=fresh_title)),
                button(
                    rx.cond(as_table, "View as chart", "View as table"),
                    kind="quiet",
                    small=True,
                    on_click=on_toggle,
                    aria_pressed=rx.cond(as_table, "true", "false"),
                ),
                class_name="lo-row",
            ),
            class_name="lo-card-head",
        ),
        rx.cond(
            as_table,
            table,
            chart(figure, words=words),
        ),
        rx.el.p(source, class_name="lo-source"),
        class_name="lo-card",
    )


def _table_row(row: rx.Var) -> rx.Component:
    return rx.el.tr(
        rx.foreach(
            row.to(list[str]),
            lambda cell, i: rx.el.td(cell, class_name=rx.cond(i > 0, "lo-right", "lo-nowrap")),
        )
    )
