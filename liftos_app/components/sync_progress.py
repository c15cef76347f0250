"""A sync as it happens: one bar, time left, a line per account and stream, quota waits in words."""

from __future__ import annotations

import reflex as rx

from liftos_app.components.data_table import Column, data_table
from liftos_app.components.elements import Text
from liftos_app.components.progress import progress
from liftos_app.components.states import error_state
from liftos_app.components.status_pill import status_pill


def sync_progress(run: rx.Var, *, spoken: Text = "") -> rx.Component:
    """`run` is a state.progress.Progress. `spoken` is read aloud when it changes (keep it rare)."""
    columns = [
        Column("Account", lambda r: r.account),
        Column("Stream", lambda r: r.stream),
        Column(
            "State",
            lambda r: rx.el.div(
                status_pill(r.kind, r.word),
                rx.cond(r.note != "", rx.el.p(r.note, class_name="lo-help")),
            ),
        ),
        Column("Days", lambda r: r.days, right=True),
        Column("Reading", lambda r: rx.el.span(r.current, class_name="lo-nowrap")),
        Column("Rows", lambda r: r.rows, right=True),
    ]
    return rx.el.div(
        rx.el.div(
            rx.el.div(
                status_pill(run.kind, run.word),
                rx.el.span(run.text, class_name="lo-num"),
                class_name="lo-row",
            ),
            rx.el.span(
                run.rows,
                rx.cond(run.left != "", ", " + run.left.to(str), ""),
                class_name="lo-help lo-num",
            ),
            class_name="lo-between",
        ),
        progress(run.percent, label="Sync progress"),
        rx.cond(run.waiting != "", rx.el.p(run.waiting, class_name="lo-help")),
        rx.cond(run.cause_what != "", error_state(run.cause_what, run.cause_why, run.cause_fix)),
        rx.el.p(spoken, class_name="lo-sr", aria_live="polite"),
        rx.cond(
            run.lines.length() > 0,
            data_table(
                run.lines, columns, label="Progress by account and stream", row_key=lambda r: r.key
            ),
        ),
        class_name="lo-stack",
    )


def run_rows(rows: rx.Var) -> rx.Component:
    """Several runs at once: name, bar, words. `rows`: state.progress.Progress."""
    return rx.el.ul(
        rx.foreach(
            rows,
            lambda r: rx.el.li(
                rx.el.div(
                    rx.el.span(r.name, class_name="lo-h3"),
                    rx.el.div(status_pill(r.kind, r.word), class_name="lo-row"),
                    class_name="lo-between",
                ),
                progress(r.percent, label=r.name),
                rx.el.p(
                    r.text,
                    ", ",
                    r.rows,
                    rx.cond(r.left != "", ", " + r.left.to(str), ""),
                    class_name="lo-help lo-num",
                ),
                rx.cond(r.waiting != "", rx.el.p(r.waiting, class_name="lo-help")),
                class_name="lo-stack-4",
            ),
        ),
        class_name="lo-list lo-list-2",
    )
