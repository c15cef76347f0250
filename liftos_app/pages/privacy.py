"""Privacy & retention: what is kept for how long, what goes next, copies and erasure."""

from __future__ import annotations

import reflex as rx

from liftos_app.components.data_table import Column, data_table
from liftos_app.components.elements import NativeForm, button, card, field, text_input
from liftos_app.components.page_header import page_header
from liftos_app.components.states import loading_rows
from liftos_app.components.status_pill import badge
from liftos_app.pages._page import FOOT, page
from liftos_app.pages._settings_tabs import settings_tabs
from liftos_app.services.retention import PERMANENT
from liftos_app.state.privacy import PrivacyState as S


@page(
    "/settings/privacy",
    title="Privacy & retention",
    icon="shield",
    section=FOOT,
    allow="organization.read",
    on_load=S.load,
    under="/settings",
    listed=False,
)
def privacy() -> rx.Component:
    """The table first, then what may be changed, then rights."""
    return rx.fragment(
        page_header("Privacy & retention", rx.el.p(S.privacy.org_name, class_name="lo-head-line")),
        settings_tabs("privacy"),
        rx.cond(
            S.privacy_loaded,
            rx.fragment(
                _table(),
                rx.cond(
                    S.privacy.may_change,
                    rx.fragment(
                        rx.el.div(_days(), _hold(), class_name="lo-grid lo-grid-2"), _next()
                    ),
                ),
                rx.el.div(_mine(), rx.cond(S.privacy.may_erase, _ours()),
                          class_name="lo-grid lo-grid-2"),
            ),
            loading_rows(),
        ),
    )


def _table() -> rx.Component:
    columns = [
        Column("Data", lambda r: r[0]), Column("Kept", lambda r: r[1]),
        Column("Deleted", lambda r: r[2]),
    ]
    rows = rx.Var.create([list(line) for line in PERMANENT]).to(list[list[str]])
    return rx.el.section(
        rx.el.div(rx.el.h2("How long data is kept", class_name="lo-h2"), class_name="lo-card-head"),
        data_table(rows, columns, label="How long data is kept"),
        class_name="lo-card lo-card-flush",
    )


def _days() -> rx.Component:
    return card(
        NativeForm.create(
            field(
                "Days of marketing data",
                text_input(for_id="marketing_days", type="number", required=True, min=30, max=730,
                           default_value=S.privacy.marketing_days, key=S.privacy.marketing_days),
                for_id="marketing_days",
                help_text="30 to 730. What is older is deleted every night and cannot be brought "
                "back; syncs do not read it again.",
            ),
            rx.el.div(button("Save", type="submit"), class_name="lo-row"),
            action="/auth/retention", method="post", class_name="lo-stack-16",
        ),
        title="Marketing data",
    )


def _hold() -> rx.Component:
    return card(
        rx.cond(
            S.privacy.held,
            NativeForm.create(
                rx.el.p("Nothing of this organization is deleted: ", rx.el.b(S.privacy.hold_reason),
                        class_name="lo-help"),
                rx.el.input(type="hidden", name="end", value="yes"),
                rx.el.div(button("End the hold", type="submit"), class_name="lo-row"),
                action="/auth/retention/hold", method="post", class_name="lo-stack-16",
            ),
            NativeForm.create(
                field(
                    "Reason",
                    text_input(for_id="reason", required=True, max_length=300),
                    for_id="reason",
                    help_text="Until it ends nothing is deleted by age or on request.",
                ),
                rx.el.div(button("Begin a hold", type="submit"), class_name="lo-row"),
                action="/auth/retention/hold", method="post", class_name="lo-stack-16",
            ),
        ),
        title="Legal hold",
        aside=rx.cond(S.privacy.held, badge("On", kind="warn"), badge("Off")),
    )


def _next() -> rx.Component:
    columns = [Column("Table", lambda r: r[0]), Column("Would go", lambda r: r[1], right=True)]
    return rx.el.section(
        rx.el.div(
            rx.el.div(
                rx.el.h2("What the next night deletes", class_name="lo-h2"),
                rx.el.p(S.privacy.total, " before ", S.privacy.first_day, class_name="lo-help"),
            ),
            class_name="lo-card-head",
        ),
        rx.cond(
            S.privacy.rows.length() > 0,
            data_table(S.privacy.rows, columns, label="What the next night deletes"),
        ),
        class_name="lo-card lo-card-flush",
    )


def _mine() -> rx.Component:
    return card(
        rx.el.div(
            NativeForm.create(
                rx.el.p(
                    "All that LiftOS stores about you, as JSON and CSV files. The link works "
                    "once, for a day.", class_name="lo-help",
                ),
                rx.el.div(button("Get a link to my data", type="submit"), class_name="lo-row"),
                action="/auth/export/me", method="post", class_name="lo-stack-8",
            ),
            NativeForm.create(
                field(
                    "Type erase to confirm",
                    text_input(for_id="erase", required=True, max_length=10, auto_complete="off"),
                    for_id="erase",
                    help_text="Your name and address go at once and for good; what you did stays "
                    "in the audit log under a pseudonym.",
                ),
                rx.el.div(button("Erase my account", kind="danger", type="submit"),
                          class_name="lo-row"),
                action="/auth/erase/me", method="post", class_name="lo-stack-16",
            ),
            class_name="lo-stack",
        ),
        title="Your data",
    )


def _ours() -> rx.Component:
    return card(
        rx.el.div(
            NativeForm.create(
                rx.el.p(
                    "Every table as CSV in one ZIP file; no secrets. The link works once, for a "
                    "day.", class_name="lo-help",
                ),
                rx.el.div(button("Get a link to everything", type="submit"), class_name="lo-row"),
                action="/auth/export/organization", method="post", class_name="lo-stack-8",
            ),
            rx.cond(
                S.privacy.erase_on != "",
                rx.el.div(
                    rx.el.p("Everything is deleted on ", rx.el.b(S.privacy.erase_on), ".",
                            class_name="lo-help"),
                    rx.el.div(button("Keep the organization", on_click=S.keep_organization),
                              class_name="lo-row"),
                    class_name="lo-stack-8",
                ),
                NativeForm.create(
                    field(
                        "Type the organization's name to delete it",
                        text_input(for_id="name", required=True, max_length=120,
                                   auto_complete="off"),
                        for_id="name",
                        help_text="It stays for seven days and can be kept until then. Afterwards "
                        "rows, keys and sign-ins are gone.",
                    ),
                    rx.el.div(button("Delete the organization", kind="danger", type="submit"),
                              class_name="lo-row"),
                    action="/auth/erase/organization", method="post", class_name="lo-stack-16",
                ),
            ),
            class_name="lo-stack",
        ),
        title="The organization's data",
    )
