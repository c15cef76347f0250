"""Tables: a named, focusable scroll box; numbers right; units in the head; sort in the URL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import reflex as rx

from liftos_app.components.elements import Text, go, icon


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `cell` makes the content from a row var; `sort` is the name used in the URL."""

    title: Text
    cell: Callable[[Any], Any]
    right: bool = False
    sort: str = ""
    help_text: str = ""


def data_table(
    rows: rx.Var,
    columns: Sequence[Column],
    *,
    label: Text,
    empty: rx.Component | None = None,
    foot: Sequence[Any] | None = None,
    sort_by: rx.Var | None = None,
    sort_href: Any = None,
    row_key: Callable[[Any], Any] | None = None,
) -> rx.Component:
    """`sort_by` is the current "name" or "-name"; `sort_href(name)` gives the link that sorts."""

    def row(item: Any, index: Any) -> rx.Component:
        cells = [rx.el.td(c.cell(item), class_name="lo-right" if c.right else "") for c in columns]
        return rx.el.tr(*cells, key=row_key(item) if row_key else index)

    head = rx.el.thead(rx.el.tr(*(_head(c, sort_by, sort_href) for c in columns)))
    body = rx.el.tbody(rx.foreach(rows, row))
    tail = rx.fragment()
    if foot is not None:
        tail = rx.el.tfoot(
            rx.el.tr(
                *(
                    rx.el.td(value, class_name="lo-right" if c.right else "")
                    for c, value in zip(columns, foot, strict=True)
                )
            )
        )
    table = table_box(rx.el.table(head, body, tail, class_name="lo-table"), label=label)
    return table if empty is None else rx.cond(rows.length() > 0, table, empty)


def table_box(table: rx.Component, *, label: Text, tall: bool = False) -> rx.Component:
    """A scroll area of its own, reachable by keyboard and named for screen readers.

    `tall` keeps it as high as a chart, with its head in sight.
    """
    look = "lo-table-box lo-table-tall" if tall else "lo-table-box"
    return rx.el.div(table, class_name=look, role="region", aria_label=label, tab_index=0)


def _head(column: Column, sort_by: rx.Var | None, sort_href: Any) -> rx.Component:
    look = "lo-right" if column.right else ""
    if not column.sort or sort_by is None or sort_href is None:
        return rx.el.th(column.title, scope="col", class_name=look, title=column.help_text)
    name = column.sort
    mark = rx.match(
        sort_by,
        (name, icon("arrow-up", size=12)),
        ("-" + name, icon("arrow-down", size=12)),
        rx.fragment(),
    )
    return rx.el.th(
        go(
            column.title,
            mark,
            href=sort_href(name),
            class_name="lo-row-tight",
            style={"color": "inherit", "display": "inline-flex", "minHeight": "24px"},
        ),
        scope="col",
        class_name=look,
        title=column.help_text,
        aria_sort=rx.match(sort_by, (name, "ascending"), ("-" + name, "descending"), "none"),
    )
