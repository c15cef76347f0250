"""The settings tab of a connection: name and schedule, re-reading days, credentials, deletion."""

from __future__ import annotations

import reflex as rx

from liftos_app.components.data_table import Column, data_table
from liftos_app.components.dialog import close, dialog
from liftos_app.components.elements import (
    button,
    button_link,
    card,
    field,
    select,
    text_input,
)
from liftos_app.components.states import error_state
from liftos_app.state.app import AppState
from liftos_app.state.connection import ConnectionState as S
from liftos_app.state.connection_sync import ConnectionSyncState as X
from liftos_app.state.connection_sync_view import POLICIES


def settings() -> rx.Component:
    return rx.fragment(
        rx.cond(S.wrong != "", error_state(S.wrong)),
        rx.el.div(
            card(
                rx.el.form(
                    field(
                        "Name",
                        text_input(
                            for_id="name",
                            default_value=S.view.name,
                            key=S.view.name,
                            max_length=120,
                            required=True,
                        ),
                        for_id="name",
                    ),
                    field(
                        "Schedule",
                        text_input(
                            for_id="schedule",
                            default_value=S.view.schedule,
                            key=S.view.schedule,
                            max_length=80,
                            required=True,
                        ),
                        for_id="schedule",
                        help_text="every 6 h, every 30 min, or five cron fields",
                    ),
                    field(
                        "Time zone",
                        text_input(
                            for_id="zone",
                            default_value=S.view.schedule_zone,
                            key=S.view.schedule_zone,
                            max_length=64,
                            required=True,
                        ),
                        for_id="zone",
                        help_text="For example Europe/Berlin",
                    ),
                    rx.cond(
                        AppState.can_write,
                        rx.el.div(button("Save", kind="solid", type="submit"), class_name="lo-row"),
                    ),
                    on_submit=S.save,
                    class_name="lo-stack-16",
                ),
                title="General",
            ),
            rx.el.div(
                rx.cond(S.view.defines & AppState.can_write, _streams()),
                rx.cond(S.view.publishes & AppState.can_write, _publish()),
                rx.cond(AppState.can_write, _syncs()),
                _credentials(),
                class_name="lo-stack",
            ),
            class_name="lo-grid lo-grid-2 lo-grid-top",
        ),
        rx.cond(AppState.can_write, _danger()),
    )


def _streams() -> rx.Component:
    return card(
        rx.el.p(
            "Choose tables, map their columns, and look at real rows before anything is read.",
            class_name="lo-help",
        ),
        rx.el.div(
            button_link(
                "Define streams",
                href="/connections/new?id=" + S.view.id.to(str) + "&step=4",
                icon_tag="table",
            ),
            class_name="lo-row lo-gap",
        ),
        title="Streams",
    )


def _publish() -> rx.Component:
    return card(
        rx.el.form(
            rx.el.p(
                "Writes daily facts, orders, payments and CRM records into a schema of our own. "
                "Only what changed is sent; doing it twice changes nothing.",
                class_name="lo-help",
            ),
            field(
                "Database or catalog",
                text_input(
                    for_id="place",
                    default_value=S.view.publish_to,
                    key=S.view.publish_to,
                    max_length=255,
                    required=True,
                ),
                for_id="place",
                help_text="As the warehouse stores its name, mostly in capitals on Snowflake",
            ),
            rx.el.div(
                button("Publish tables", type="submit", busy=S.busy == "publish"),
                button_link(
                    "See progress",
                    href="/connections/" + S.view.id.to(str) + "?tab=log&kind=publish",
                ),
                class_name="lo-row",
            ),
            on_submit=S.publish,
            class_name="lo-stack-16",
        ),
        title="Publish to this warehouse",
    )


def _syncs() -> rx.Component:
    return card(
        rx.cond(X.wrong != "", error_state(X.wrong)),
        rx.el.form(
            field(
                "Hours of scheduled syncs",
                text_input(
                    for_id="hours",
                    default_value=X.view.sync_window,
                    key="hours-" + X.view.sync_window,
                    max_length=20,
                    placeholder="06:00-22:00",
                ),
                for_id="hours",
                help_text="In the schedule's time zone; empty means any time",
            ),
            field(
                "When several wait",
                select(
                    [("first", "First"), ("usual", "In turn"), ("last", "Last")],
                    label="When several wait",
                    for_id="priority",
                    name="priority",
                    default_value=X.view.priority,
                    key="priority-" + X.view.priority,
                ),
                for_id="priority",
            ),
            field(
                "When the platform's columns change",
                select(
                    list(POLICIES),
                    label="When the platform's columns change",
                    for_id="policy",
                    name="policy",
                    default_value=X.view.policy,
                    key="policy-" + X.view.policy,
                ),
                for_id="policy",
            ),
            rx.el.div(button("Save", type="submit"), class_name="lo-row"),
            on_submit=X.save,
            class_name="lo-stack-16",
        ),
        title="How it is synced",
    )


def _credentials() -> rx.Component:
    columns = [
        Column("Value", lambda r: r[0]),
        Column("Shown as", lambda r: rx.el.code(r[1])),
        Column("Ends", lambda r: r[2]),
        Column("Stored", lambda r: r[3]),
    ]
    return rx.el.section(
        rx.el.div(rx.el.h2("Credentials", class_name="lo-h2"), class_name="lo-card-head"),
        data_table(S.view.credentials, columns, label="Credentials"),
        rx.el.div(
            rx.el.p(X.view.renewal, class_name="lo-help"),
            rx.foreach(
                X.view.warnings,
                lambda n: rx.el.p(
                    "Warning ", n[0], " before: ", n[1], ", ", n[2], class_name="lo-help"
                ),
            ),
            class_name="lo-card-foot",
        ),
        class_name="lo-card lo-card-flush",
    )


def _danger() -> rx.Component:
    return card(
        rx.el.p("Its rows go too. Its name and dates stay in the audit log.", class_name="lo-help"),
        rx.el.div(
            dialog(
                button("Delete connection", kind="danger", icon_tag="trash-2"),
                rx.el.form(
                    field(
                        rx.fragment("Type the name to confirm: ", rx.el.b(S.view.name)),
                        text_input(for_id="confirm", required=True, auto_complete="off"),
                        for_id="confirm",
                        wrong=S.wrong,
                    ),
                    rx.el.div(
                        close(button("Keep it")),
                        button("Delete", kind="danger", type="submit", busy=S.busy == "delete"),
                        class_name="lo-row lo-row-end",
                    ),
                    on_submit=S.delete,
                    class_name="lo-stack-16",
                ),
                title="Delete this connection?",
                describe="The credential is destroyed and all rows it brought are deleted. "
                "This cannot be undone.",
            ),
            _clear(),
            class_name="lo-row lo-gap",
        ),
        title="Delete or clear",
    )


def _clear() -> rx.Component:
    return dialog(
        button("Clear a stream", icon_tag="eraser"),
        rx.el.form(
            field(
                "Stream",
                rx.el.select(
                    rx.foreach(X.view.streams, lambda s: rx.el.option(s[1], value=s[0])),
                    id="cleared",
                    name="cleared",
                    class_name="lo-input",
                ),
                for_id="cleared",
            ),
            field(
                rx.fragment("Type the name to confirm: ", rx.el.b(S.view.name)),
                text_input(for_id="confirm-clear", required=True, auto_complete="off"),
                for_id="confirm-clear",
                wrong=X.clear_wrong,
            ),
            rx.el.div(
                close(button("Keep it")),
                button("Clear", kind="danger", type="submit"),
                class_name="lo-row lo-row-end",
            ),
            on_submit=X.clear,
            class_name="lo-stack-16",
        ),
        title="Clear a stream?",
        describe="Its stored rows and its position are deleted. The connection stays, and the next "
        "sync loads the stream anew.",
    )
