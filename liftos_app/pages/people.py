"""People & roles: who is in the organization, who is invited, what each role may do."""

from __future__ import annotations

from typing import Any

import reflex as rx

from liftos_app.components.data_table import Column, data_table
from liftos_app.components.dialog import close, dialog
from liftos_app.components.elements import (
    NativeForm,
    button,
    card,
    field,
    icon,
    menu,
    menu_item,
    text_input,
)
from liftos_app.components.page_header import page_header
from liftos_app.components.states import loading_rows
from liftos_app.components.status_pill import badge
from liftos_app.pages._page import FOOT, page
from liftos_app.pages._settings_tabs import settings_tabs
from liftos_app.services import access
from liftos_app.state.people import PeopleState as S


@page(
    "/settings/people",
    title="People & roles",
    icon="users",
    section=FOOT,
    allow="members.read",
    on_load=S.load,
    under="/settings",
    listed=False,
)
def people() -> rx.Component:
    """Members first, then invitations, then the matrix."""
    return rx.fragment(
        page_header("People & roles", rx.el.p(S.people.count, class_name="lo-head-line")),
        settings_tabs("people"),
        rx.cond(
            S.people_loaded,
            rx.fragment(
                _members(),
                rx.cond(S.people.may_write, _invite()),
                rx.cond(S.people.invitations.length() > 0, _invitations()),
                rx.cond(S.people.may_write, _rules()),
                _matrix(),
            ),
            loading_rows(),
        ),
    )


def _members() -> rx.Component:
    columns = [
        Column(
            "Person",
            lambda m: rx.el.div(
                rx.el.span(m.name, " ", rx.cond(m.me, badge("You", kind="info")),
                           rx.cond(m.disabled, badge("Disabled", kind="bad"))),
                rx.cond(m.name != m.email, rx.el.span(m.email, class_name="lo-help")),
                class_name="lo-stack-4",
            ),
        ),
        Column("Role", _role),
        Column(
            "Second factor",
            lambda m: rx.cond(m.factor, badge("On", kind="ok", icon_tag="shield-check"),
                              badge("Off")),
        ),
        Column("Last sign-in", lambda m: rx.el.span(m.seen, class_name="lo-whole")),
        Column(rx.el.span("Actions", class_name="lo-sr"), _actions, right=True),
    ]
    return rx.el.section(
        rx.el.div(rx.el.h2("Members", class_name="lo-h2"), class_name="lo-card-head"),
        data_table(S.people.members, columns, label="Members", row_key=lambda m: m.id),
        class_name="lo-card lo-card-flush",
    )


def _role(member: Any) -> rx.Component:
    return rx.cond(
        member.changeable,
        rx.el.select(
            rx.foreach(S.people.grantable, lambda r: rx.el.option(r[1], value=r[0])),
            value=member.role,
            on_change=lambda value: S.set_role(member.id, value),
            aria_label="Role of " + member.name.to(str),
            class_name="lo-input lo-role",
        ),
        rx.el.span(member.role_word),
    )


def _actions(member: Any) -> rx.Component:
    name = "member-" + member.id.to(str)
    return rx.cond(
        member.changeable,
        rx.el.div(
            menu(
                rx.el.button(
                    icon("ellipsis"), type="button", class_name="lo-btn lo-btn-quiet lo-btn-icon",
                    aria_label="Actions for " + member.name.to(str),
                ),
                menu_item("Sign out everywhere", menu_id=name, icon_tag="log-out",
                          on_click=S.sign_out(member.id)),
                dialog(
                    rx.el.button(icon("user-minus"), "Remove from the organization", type="button",
                                 class_name="lo-menu-item lo-menu-danger"),
                    rx.el.div(
                        close(button("Keep them")),
                        close(button("Remove", kind="danger", on_click=S.remove(member.id))),
                        class_name="lo-row lo-row-end",
                    ),
                    title="Remove this person?",
                    describe="Their sessions, tokens and API keys for this organization end at "
                    "once. What they made stays.",
                ),
                menu_id=name,
            ),
        ),
        rx.fragment(),
    )


def _invite() -> rx.Component:
    return card(
        NativeForm.create(
            rx.el.div(
                field(
                    "E-mail",
                    text_input(for_id="email", type="email", required=True, max_length=254,
                               auto_complete="off"),
                    for_id="email",
                ),
                field(
                    "Role",
                    rx.el.select(
                        rx.foreach(S.people.grantable, lambda r: rx.el.option(r[1], value=r[0])),
                        id="role", name="role", class_name="lo-input",
                    ),
                    for_id="role",
                ),
                class_name="lo-grid lo-grid-2",
            ),
            rx.el.div(
                button("Invite", kind="solid", type="submit", icon_tag="user-plus"),
                class_name="lo-row",
            ),
            action="/auth/invite",
            method="post",
            class_name="lo-stack-16",
        ),
        title="Invite somebody",
    )


def _invitations() -> rx.Component:
    columns = [
        Column("E-mail", lambda i: i.email),
        Column("Role", lambda i: i.role),
        Column("Ends", lambda i: rx.el.span(i.ends, class_name="lo-whole")),
        Column(
            rx.el.span("Actions", class_name="lo-sr"),
            lambda i: rx.cond(
                S.people.may_write,
                rx.el.div(
                    NativeForm.create(
                        rx.el.input(type="hidden", name="invitation", value=i.id),
                        button("New link", small=True, type="submit"),
                        action="/auth/invite/again",
                        method="post",
                    ),
                    button("Withdraw", small=True, on_click=S.withdraw(i.id)),
                    class_name="lo-row lo-row-end",
                ),
            ),
            right=True,
        ),
    ]
    return rx.el.section(
        rx.el.div(rx.el.h2("Open invitations", class_name="lo-h2"), class_name="lo-card-head"),
        data_table(S.people.invitations, columns, label="Open invitations",
                   row_key=lambda i: i.id),
        class_name="lo-card lo-card-flush",
    )


def _rules() -> rx.Component:
    return card(
        rx.el.div(
            rx.el.p(
                rx.cond(
                    S.people.mfa_everybody,
                    "A second factor is required of everybody in this organization.",
                    "A second factor is required where the installation asks for it, and optional "
                    "otherwise.",
                ),
                class_name="lo-help",
            ),
            rx.cond(
                S.people.mfa_everybody,
                button("Stop requiring it", on_click=S.require_factor(False)),
                button("Require it of everybody", on_click=S.require_factor(True)),
            ),
            class_name="lo-between",
        ),
        title="Second factor",
    )


def _matrix() -> rx.Component:
    def held(cell: Any) -> rx.Component:
        return rx.cond(
            cell != "",
            rx.el.span(icon("check"), rx.el.span("Yes", class_name="lo-sr")),
            rx.el.span(rx.el.span("No", class_name="lo-sr")),
        )

    columns = [Column("What", lambda r: r[0])]
    for place, role in enumerate(access.ORDER, 1):
        columns.append(
            Column(access.word(role).capitalize(), lambda r, place=place: held(r[place]))
        )
    return rx.el.section(
        rx.el.div(rx.el.h2("What each role may do", class_name="lo-h2"), class_name="lo-card-head"),
        data_table(S.people.matrix, columns, label="Roles and permissions"),
        class_name="lo-card lo-card-flush lo-matrix",
    )
