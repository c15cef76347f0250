"""The settings tab of a connection: name and schedule, re-reading days, credentials, deletion."""

from __future__ import annotations

import reflex as rx

from liftos_app.components.data_table import Column, data_table
from liftos_app.components.dialog import close, dialog
from liftos_app.components.elements import button, button_link, card, field, text_input
from liftos_app.components.states import error_state
from liftos_app.state.app import AppState
from liftos_app.state.connection import ConnectionState as S


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
                rx.cond(AppState.can_sync, _reread()),
                _credentials(),
                class_name="lo-stack",
            ),
            class_name="lo-grid lo-grid-2",
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


def _reread() -> rx.Component:
    return card(
        rx.el.form(
            rx.el.p(
                "Rows are read anew and replaced together; old ones stay readable until then.",
                class_name="lo-help",
            ),
            rx.el.div(
                field(
                    "First day",
                    text_input(for_id="start", type="date", required=True),
                    for_id="start",
                ),
                field(
                    "Last day", text_input(for_id="end", type="date", required=True), for_id="end"
                ),
                class_name="lo-grid lo-grid-2",
            ),
            field(
                "Stream",
                rx.el.select(
                    rx.el.option("All streams", value=""),
                    rx.foreach(S.view.stream_names, lambda s: rx.el.option(s[1], value=s[0])),
                    id="stream",
                    name="stream",
                    class_name="lo-input",
                ),
                for_id="stream",
            ),
            rx.el.div(button("Re-read days", type="submit"), class_name="lo-row"),
            on_submit=S.reread,
            class_name="lo-stack-16",
        ),
        title="Read days again",
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
            class_name="lo-row lo-gap",
        ),
        title="Delete",
    )
