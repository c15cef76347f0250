"""Data quality: can these numbers be trusted, and where are points lost?"""

from __future__ import annotations

from typing import Any

import reflex as rx

from liftos_app.components.data_table import Column, data_table
from liftos_app.components.elements import button, button_link, card, go
from liftos_app.components.kpi_tile import sparkline
from liftos_app.components.page_header import page_header
from liftos_app.components.states import empty_state, fallback_banner, loading_cards, loading_rows
from liftos_app.components.status_pill import badge, status_pill
from liftos_app.pages._page import page
from liftos_app.state.app import AppState
from liftos_app.state.quality import QualityState as S


@page(
    "/quality",
    title="Data quality",
    icon="shield-check",
    section="Data",
    order=3,
    allow="quality.read",
    on_load=S.load,
)
def quality() -> rx.Component:
    """Score, dimensions against targets, connections, findings, checks."""
    return rx.fragment(
        page_header(
            "Data quality",
            rx.el.p(S.view.line, class_name="lo-head-line"),
            rx.cond(
                AppState.can_check,
                button(
                    "Run checks",
                    kind="solid",
                    icon_tag="refresh-cw",
                    busy=S.running,
                    on_click=S.run_checks,
                ),
            ),
            beside=rx.cond(
                S.phase == "ready",
                rx.fragment(
                    status_pill(S.view.kind, S.view.word),
                    rx.cond(
                        S.view.provenance != "",
                        badge(
                            "Demo data",
                            kind="warn",
                            icon_tag="flask-conical",
                            title="These scores are about rows from the sandbox.",
                        ),
                    ),
                ),
            ),
        ),
        rx.match(
            S.phase,
            ("loading", rx.el.div(loading_cards(count=6), loading_rows(), class_name="lo-stack")),
            (
                "none",
                card(
                    empty_state(
                        "Not measured yet",
                        "Checks run after every sync. Connect a platform, or run them now.",
                        button_link("Open connections", href="/connections"),
                    )
                ),
            ),
            _report(),
        ),
    )


def _report() -> rx.Component:
    return rx.fragment(
        fallback_banner(S.view.fallbacks),
        rx.el.div(
            rx.el.article(
                rx.el.h2(
                    "Score",
                    class_name="lo-label",
                    title="Weighted over the measured dimensions; never an average of percentages",
                ),
                rx.el.p(S.view.overall, class_name="lo-kpi-value"),
                rx.el.p(
                    "Completeness 30, accuracy 30, timeliness 20, consistency 20; what is not "
                    "measured drops out.",
                    class_name="lo-help",
                ),
                sparkline(S.view.spark, words=S.view.spark_words),
                class_name="lo-card lo-kpi",
            ),
            rx.foreach(S.view.scores, _score),
            class_name="lo-grid lo-grid-4 lo-grid-kpi",
        ),
        _table_card(
            "By connection",
            "Settled days of the last 30, pooled over accounts and streams.",
            _places(),
        ),
        _table_card(
            "Where points are lost",
            "Worst first. A day that was not read is missing, not zero.",
            _losses(),
        ),
        _table_card("Checks", "Every rule in words, with how often it held.", _rules()),
    )


def _score(item: Any) -> rx.Component:
    return rx.el.article(
        rx.el.div(
            rx.el.h2(item.title, class_name="lo-label", title=item.about),
            status_pill(item.kind, item.word),
            class_name="lo-between",
        ),
        rx.cond(
            item.target == "",
            rx.el.p(
                item.value,
                class_name=rx.cond(item.kind == "mute", "lo-h3 lo-quiet", "lo-kpi-value"),
            ),
            rx.el.p(item.value, class_name="lo-kpi-value"),
        ),
        rx.cond(item.target != "", rx.el.p(item.target, class_name="lo-help lo-num")),
        rx.el.p(item.about, class_name="lo-help"),
        rx.cond(item.note != "", rx.el.p(item.note, class_name="lo-help")),
        class_name="lo-card lo-kpi",
    )


def _table_card(title: str, line: str, table: rx.Component) -> rx.Component:
    return rx.el.section(
        rx.el.div(
            rx.el.div(rx.el.h2(title, class_name="lo-h2"), rx.el.p(line, class_name="lo-help")),
            class_name="lo-card-head",
        ),
        table,
        class_name="lo-card lo-card-flush",
    )


def _places() -> rx.Component:
    return data_table(
        S.view.places,
        [
            Column(
                "Connection",
                lambda r: rx.el.div(
                    go(
                        rx.el.span(r.name, class_name="lo-two", title=r.name),
                        href="/connections/" + r.id.to(str),
                        class_name="lo-link",
                    ),
                    rx.el.div(r.platform, class_name="lo-help"),
                    class_name="lo-name",
                ),
            ),
            Column("State", lambda r: status_pill(r.kind, r.word)),
            Column("Completeness", lambda r: r.completeness, right=True),
            Column("Timeliness", lambda r: r.timeliness, right=True),
            Column("Validity", lambda r: r.validity, right=True),
            Column("Uniqueness", lambda r: r.uniqueness, right=True),
        ],
        label="Scores by connection",
        row_key=lambda r: r.id,
    )


def _losses() -> rx.Component:
    return data_table(
        S.view.losses,
        [
            Column(
                "What",
                lambda r: rx.el.div(
                    rx.el.div(r.title), rx.el.div(r.why, class_name="lo-help lo-measure")
                ),
            ),
            Column("Result", lambda r: status_pill(r.kind, r.word)),
            Column(
                "Where",
                lambda r: rx.el.div(
                    go(r.where, href=r.href, class_name="lo-link"),
                    rx.el.div(r.stream, class_name="lo-help"),
                ),
            ),
            Column("Held", lambda r: rx.el.span(r.held, class_name="lo-nowrap"), right=True),
        ],
        label="Findings",
        row_key=lambda r: r.id,
        empty=empty_state("Nothing is lost", "Every check held wherever it was asked."),
    )


def _rules() -> rx.Component:
    return data_table(
        S.view.rules,
        [
            Column(
                "Check",
                lambda r: rx.el.div(
                    rx.el.div(r.title), rx.el.div(r.rule, class_name="lo-help lo-measure"),
                    class_name="lo-words",
                ),
            ),
            Column("Dimension", lambda r: r.dimension),
            Column("Worst result", lambda r: status_pill(r.kind, r.word)),
            Column("Held", lambda r: rx.el.span(r.held, class_name="lo-nowrap"), right=True),
        ],
        label="Checks",
        row_key=lambda r: r.name,
    )
