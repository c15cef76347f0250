"""Sandbox trouble (demo mode): what is planted in the demo data, and trouble on demand."""

from __future__ import annotations

from typing import Any

import reflex as rx

from liftos_app.components.data_table import Column, data_table
from liftos_app.components.elements import button, card, field
from liftos_app.components.page_header import page_header
from liftos_app.components.states import empty_state, error_state, loading_rows
from liftos_app.components.status_pill import badge
from liftos_app.pages._page import page
from liftos_app.state.app import AppState
from liftos_app.state.sandbox import SandboxState as S


@page(
    "/sandbox-trouble",
    title="Sandbox trouble",
    icon="flask-conical",
    section="Demo",
    order=1,
    allow="sandbox.control",
    on_load=S.load,
    only=AppState.can_trouble,
)
def sandbox_trouble() -> rx.Component:
    """Planted trouble, faults in force, trouble on demand."""
    return rx.fragment(
        page_header(
            "Sandbox trouble",
            "Make the imitated platforms misbehave, and watch what LiftOS makes of it.",
        ),
        rx.cond(
            S.loaded,
            rx.cond(S.off != "", error_state(S.off, kind="info"), _page()),
            loading_rows(),
        ),
    )


def _page() -> rx.Component:
    return rx.fragment(
        rx.el.div(_planted(), _cause(), class_name="lo-grid lo-grid-2"),
        _faults(),
        _truth(),
    )


def _truth() -> rx.Component:
    columns = [
        Column("Channel", lambda t: t.channel),
        Column("Spend, USD", lambda t: t.spend, right=True),
        Column("Orders caused", lambda t: t.orders, right=True),
        Column("Revenue caused, USD", lambda t: t.revenue, right=True),
        Column("True incremental ROAS", lambda t: t.ratio, right=True),
    ]
    return rx.el.section(
        rx.el.div(
            rx.el.div(
                rx.el.h2("The simulator's truth", class_name="lo-h2"),
                rx.el.p(
                    "What the channels really caused in the last 28 days. No platform and no "
                    "part of LiftOS sees this; it exists so that estimates can be checked.",
                    class_name="lo-help lo-measure",
                ),
            ),
            button("Show the truth", small=True, busy=S.busy, on_click=S.show_truth),
            class_name="lo-card-head",
        ),
        rx.cond(
            S.truth.length() > 0,
            data_table(
                S.truth, columns, label="The simulator's truth", row_key=lambda t: t.channel
            ),
        ),
        class_name="lo-card lo-card-flush",
    )


def _planted() -> rx.Component:
    return card(
        rx.el.ul(rx.foreach(S.view.planted, _plant), class_name="lo-list"),
        title="Planted in the demo data",
    )


def _plant(one: Any) -> rx.Component:
    return rx.el.li(
        rx.el.div(
            badge(one.platform),
            rx.cond(one.day != "", rx.el.span(one.day, class_name="lo-help lo-num")),
            class_name="lo-row",
        ),
        rx.el.p(one.words),
        rx.cond(
            one.trigger,
            rx.el.div(
                button("Expire tokens", small=True, on_click=S.set_off("expire", one.slug)),
                button("Revoke access", small=True, on_click=S.set_off("revoke", one.slug)),
                button("Restore", small=True, on_click=S.set_off("restore", one.slug)),
                class_name="lo-row lo-gap",
            ),
        ),
        class_name="lo-stack-4",
    )


def _cause() -> rx.Component:
    return card(
        rx.el.form(
            field(
                "What happens",
                rx.el.select(
                    rx.foreach(S.view.kinds, lambda k: rx.el.option(k[1], value=k[0])),
                    id="kind",
                    name="kind",
                    class_name="lo-input",
                ),
                for_id="kind",
            ),
            field(
                "Where",
                rx.el.select(
                    rx.foreach(S.view.platforms, lambda p: rx.el.option(p[1], value=p[0])),
                    id="platform",
                    name="platform",
                    class_name="lo-input",
                ),
                for_id="platform",
            ),
            field(
                "How often",
                rx.el.select(
                    *(
                        rx.el.option(words, value=value)
                        for value, words in (
                            ("1", "Next answer"),
                            ("3", "Next 3 answers"),
                            ("10", "Next 10 answers"),
                            ("always", "Until cleared"),
                        )
                    ),
                    id="count",
                    name="count",
                    class_name="lo-input",
                ),
                for_id="count",
            ),
            field(
                "Wait the platform asks for",
                rx.el.select(
                    *(
                        rx.el.option(words, value=value)
                        for value, words in (
                            ("0", "None named"),
                            ("3", "3 s"),
                            ("60", "1 min"),
                            ("900", "15 min"),
                        )
                    ),
                    id="retry_after",
                    name="retry_after",
                    class_name="lo-input",
                ),
                for_id="retry_after",
                help_text="For rate limits and quotas",
            ),
            rx.el.div(button("Cause trouble", kind="solid", type="submit"), class_name="lo-row"),
            on_submit=S.cause,
            class_name="lo-stack-16",
        ),
        title="Trouble on demand",
    )


def _faults() -> rx.Component:
    columns = [
        Column("What", lambda f: f.words),
        Column("Where", lambda f: f.platform),
        Column("How long", lambda f: f.left),
        Column(
            rx.el.span("Actions", class_name="lo-sr"),
            lambda f: rx.cond(
                f.planted, badge("Planted"), button("End", small=True, on_click=S.clear(f.id))
            ),
            right=True,
        ),
    ]
    return rx.el.section(
        rx.el.div(
            rx.el.h2("In force now", class_name="lo-h2"),
            button("End all but planted", small=True, on_click=S.clear("")),
            class_name="lo-card-head",
        ),
        data_table(
            S.view.faults,
            columns,
            label="Faults in force",
            row_key=lambda f: f.id,
            empty=empty_state("No fault in force", "Every imitation behaves."),
        ),
        class_name="lo-card lo-card-flush",
    )
