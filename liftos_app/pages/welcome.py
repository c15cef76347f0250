"""First steps: look around with demo data, or connect a platform of one's own."""

from __future__ import annotations

from typing import Any

import reflex as rx

from liftos_app.components.elements import button, button_link, card, go
from liftos_app.components.page_header import page_header
from liftos_app.components.status_pill import status_pill
from liftos_app.components.sync_progress import run_rows
from liftos_app.pages._page import page
from liftos_app.state.app import AppState
from liftos_app.state.welcome import WelcomeState as S


@page(
    "/welcome",
    title="Welcome",
    icon="sparkles",
    allow="connections.read",
    under="/",
    listed=False,
    on_load=[S.load, S.follow],
)
def welcome() -> rx.Component:
    """Two ways to begin; the chosen one happens before the person's eyes."""
    return rx.fragment(
        page_header("Welcome to LiftOS", "Choose how to begin. You can do both, in any order."),
        rx.el.div(
            rx.cond(S.allowed, _look_around()),
            card(
                rx.el.p(
                    "Connect an advertising account, a shop or a mail platform. The newest days "
                    "arrive first, usually within minutes.",
                    class_name="lo-measure",
                ),
                rx.el.div(
                    rx.cond(
                        AppState.can_write,
                        button_link(
                            "Connect your own platform", href="/connections/new", kind="plain"
                        ),
                        rx.el.p(
                            "This takes the role manager. Ask an administrator.",
                            class_name="lo-help",
                        ),
                    ),
                    class_name="lo-row lo-gap",
                ),
                title="Connect your own",
            ),
            class_name="lo-grid lo-grid-2",
        ),
        rx.cond(
            S.steps.length() > 0,
            card(
                rx.el.ul(rx.foreach(S.steps, _step), class_name="lo-list lo-list-2"),
                title="Connecting the sandbox",
            ),
        ),
        rx.cond(
            S.runs.length() > 0,
            card(
                run_rows(S.runs),
                rx.cond(
                    S.finished,
                    rx.el.div(
                        button_link("Open Overview", href="/", kind="solid"),
                        class_name="lo-row lo-gap",
                    ),
                ),
                title="First syncs",
                aside=rx.el.span(S.total, class_name="lo-help lo-num"),
            ),
        ),
        rx.el.p(
            "Figures are reported in ",
            S.reported,
            ". ",
            go(
                "Change currency or time zone",
                href="/settings?tab=organization",
                class_name="lo-link",
            ),
            class_name="lo-help",
        ),
        rx.el.p(S.spoken, class_name="lo-sr", aria_live="polite"),
    )


def _look_button(kind: str) -> rx.Component:
    return button(
        rx.cond(S.runs.length() > 0, "Connect what is missing", "Look around"),
        kind=kind,
        icon_tag="flask-conical",
        on_click=S.look_around,
        busy=S.connecting,
    )


def _look_around() -> rx.Component:
    return card(
        rx.el.p(
            "LiftOS connects to imitations of all its platforms, which describe one invented "
            "shop: real sign-ins, real syncs, invented numbers with planted trouble. It takes two "
            "to three minutes. Every figure is marked as demo, and one click removes all of it.",
            class_name="lo-measure",
        ),
        rx.el.div(
            rx.cond(S.finished, _look_button("plain"), _look_button("solid")),
            class_name="lo-row lo-gap",
        ),
        title="Look around with demo data",
    )


def _step(step: Any) -> rx.Component:
    return rx.el.li(
        rx.el.div(
            rx.el.span(step.name, class_name="lo-h3"),
            status_pill(step.kind, step.word),
            class_name="lo-between",
        ),
        rx.cond(step.note != "", rx.el.p(step.note, class_name="lo-help")),
    )
