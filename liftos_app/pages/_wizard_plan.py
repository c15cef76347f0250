"""The last two wizard steps: streams, history and schedule; test and start."""

from __future__ import annotations

from typing import Any

import reflex as rx

from liftos_app.components.elements import (
    button,
    button_link,
    card,
    field,
    text_input,
)
from liftos_app.components.status_pill import status_icon
from liftos_app.components.sync_progress import sync_progress
from liftos_app.pages._stream_editor import editor
from liftos_app.pages._wizard_foot import foot
from liftos_app.state.stream_editor import StreamEditorState as E
from liftos_app.state.wizard import WizardState as S
from liftos_app.state.wizard_view import SCHEDULES


def plan() -> rx.Component:
    return rx.fragment(editor(), _plan())


def _plan() -> rx.Component:
    return rx.el.form(
        rx.el.div(
            card(
                rx.el.div(rx.foreach(S.view.streams, _stream), class_name="lo-stack-8"),
                rx.cond(S.view.defines, _own_streams()),
                title="Streams",
            ),
            card(
                rx.el.fieldset(
                    rx.el.legend("How far back", class_name="lo-sr"),
                    rx.foreach(S.view.history, _history),
                    class_name="lo-stack-8",
                ),
                rx.el.p(
                    "Newest days come first, so dashboards fill at once. Times are estimates.",
                    class_name="lo-source",
                ),
                title="History",
            ),
            class_name="lo-grid lo-grid-2",
        ),
        _schedule(),
        foot(
            button_link("Back", href="/connections/new?id=" + S.view.connection_id + "&step=3"),
            button("Continue", kind="solid", type="submit"),
        ),
        on_submit=S.save_plan,
        class_name="lo-stack",
    )


def _stream(one: Any) -> rx.Component:
    name = "stream-" + one.name.to(str)
    return rx.el.label(
        rx.el.input(type="checkbox", name=name, default_checked=one.chosen, class_name="lo-check"),
        rx.el.span(
            rx.el.span(one.title, class_name="lo-h3"),
            rx.el.br(),
            rx.el.span(one.about, class_name="lo-help"),
            class_name="lo-grow",
        ),
        rx.cond(
            one.defined,
            rx.el.span(
                button("Change", kind="quiet", small=True, on_click=E.edit(one.name)),
                button("Remove", kind="quiet", small=True, on_click=E.remove(one.name)),
                class_name="lo-row",
            ),
        ),
        class_name="lo-choice",
    )


def _own_streams() -> rx.Component:
    return rx.el.div(
        rx.cond(
            S.view.streams.length() == 0,
            rx.el.p(
                "None yet. Add one: choose a source and say which column is which field.",
                class_name="lo-help",
            ),
        ),
        rx.el.div(
            button("Add stream", icon_tag="plus", on_click=E.add, busy=E.working == "sources"),
            class_name="lo-row",
        ),
        class_name="lo-stack-8 lo-gap",
    )


def _history(one: Any) -> rx.Component:
    return rx.el.label(
        rx.el.input(
            type="radio",
            name="history",
            value=one.days.to(str),
            default_checked=one.chosen,
            class_name="lo-check",
        ),
        rx.el.span(
            rx.el.span(one.title, class_name="lo-h3"),
            rx.el.br(),
            rx.el.span(one.estimate, class_name="lo-help"),
        ),
        class_name="lo-choice",
    )


def _schedule() -> rx.Component:
    return card(
        rx.el.div(
            *(
                button(
                    words,
                    small=True,
                    on_click=S.preview_schedule(text, S.view.zone),
                    aria_pressed=rx.cond(S.view.schedule == text, "true", "false"),
                )
                for text, words in SCHEDULES.items()
            ),
            class_name="lo-row",
        ),
        rx.el.div(
            field(
                "Schedule",
                text_input(
                    for_id="schedule",
                    default_value=S.view.schedule,
                    key=S.view.schedule,
                    max_length=80,
                    required=True,
                    on_blur=lambda v: S.preview_schedule(v, S.view.zone),
                ),
                for_id="schedule",
                wrong=S.view.schedule_problem,
                help_text="every 6 h, every 30 min, or five cron fields",
            ),
            field(
                "Time zone",
                text_input(
                    for_id="zone",
                    default_value=S.view.zone,
                    key=S.view.zone,
                    max_length=64,
                    required=True,
                    on_blur=lambda v: S.preview_schedule(S.view.schedule, v),
                ),
                for_id="zone",
                help_text="For example Europe/Berlin",
            ),
            class_name="lo-grid lo-grid-2",
        ),
        rx.cond(
            S.view.next_runs.length() > 0,
            rx.el.p(
                "Next runs: ",
                rx.foreach(S.view.next_runs, lambda t, i: rx.el.span(rx.cond(i > 0, ", ", ""), t)),
                class_name="lo-help lo-num",
                aria_live="polite",
            ),
        ),
        title="Schedule",
        class_name="lo-stack-16",
    )


def start() -> rx.Component:
    return rx.fragment(
        card(
            rx.el.dl(
                rx.foreach(S.view.sums, lambda p: rx.el.div(rx.el.dt(p[0]), rx.el.dd(p[1]))),
                class_name="lo-facts",
            ),
            title="Summary",
        ),
        rx.cond(
            S.tests.length() > 0,
            card(
                rx.el.ul(
                    rx.foreach(
                        S.tests,
                        lambda t: rx.el.li(
                            rx.el.div(
                                rx.cond(t.ok, status_icon("ok"), status_icon("bad")),
                                rx.el.div(
                                    rx.el.p(t.account, class_name="lo-h3"),
                                    rx.el.p(t.text, class_name="lo-help"),
                                    class_name="lo-grow",
                                ),
                                class_name="lo-todo",
                            )
                        ),
                    ),
                    class_name="lo-list",
                ),
                title="Live test",
            ),
        ),
        rx.cond(
            S.progress.run_id != "",
            card(
                sync_progress(S.progress, spoken=S.spoken),
                title=rx.cond(S.progress.active, "First sync", "First sync, ended"),
            ),
        ),
        rx.cond(
            S.view.started,
            foot(
                button_link("Open connection", href="/connections/" + S.view.connection_id.to(str)),
                button_link("Go to Overview", href="/", kind="solid"),
            ),
            foot(
                button_link("Back", href="/connections/new?id=" + S.view.connection_id + "&step=4"),
                button("Test connection", on_click=S.test, busy=S.busy == "test"),
                button("Start first sync", kind="solid", on_click=S.start, busy=S.busy == "start"),
            ),
        ),
        rx.cond(
            S.progress.active,
            rx.el.p(
                "You can leave this page: the sync goes on, and this address brings you back.",
                class_name="lo-help",
            ),
        ),
    )
