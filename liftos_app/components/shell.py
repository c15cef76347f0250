"""The frame of every signed-in page: skip link, sidebar or drawer, banners, main, notices.

Knows no state: `pages/_page.py` hands it the navigation and the vars.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import reflex as rx
from reflex_components_core.core.banner import has_connection_errors

from liftos_app.components.dialog import close, drawer
from liftos_app.components.elements import (
    NativeForm,
    PlainLink,
    classes,
    go,
    icon,
    icon_button,
    menu,
)
from liftos_app.components.status_pill import badge


@dataclass(frozen=True, slots=True)
class NavItem:
    """One page in the sidebar. `count` is a var, shown when above zero; `only` hides the entry."""

    title: str
    href: str
    icon: str
    section: str = ""
    count: Any = None
    only: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """The vars the shell shows. `demo` and `auth_off` are booleans, the rest texts."""

    org_name: Any
    organizations: Any  # list of id, name, role, here
    person_name: Any
    person_role: Any
    demo: Any
    auth_off: Any
    search: rx.Component
    notices: rx.Component


def shell(
    *children: Any, nav: Sequence[NavItem], foot: Sequence[NavItem], current: str, frame: Frame
) -> rx.Component:
    """Wrap a page. `current` is the href of the sidebar entry it belongs to."""
    return rx.fragment(
        PlainLink.create("Skip to content", href="#main", class_name="lo-skip"),
        rx.el.div(
            rx.el.header(_side(nav, foot, current, frame, prefix="side"), class_name="lo-side"),
            rx.el.div(
                _top(nav, foot, current, frame),
                _banners(frame),
                rx.el.main(*children, id="main", tab_index=-1, class_name="lo-body"),
                class_name="lo-main",
            ),
            class_name="lo-shell",
        ),
        frame.notices,
    )


def brand() -> rx.Component:
    """The mark and the name, linking home."""
    return go(
        rx.el.img(src="/favicon.svg", alt="", width="22", height="22", class_name="lo-brand-mark"),
        "LiftOS",
        href="/",
        class_name="lo-brand",
    )


def theme_button() -> rx.Component:
    """Switch between light and dark; the choice stays in this browser."""
    return rx.el.button(
        rx.color_mode_cond(light=icon("moon"), dark=icon("sun")),
        rx.color_mode_cond(light="Dark theme", dark="Light theme"),
        type="button",
        on_click=rx.toggle_color_mode,
        class_name="lo-nav-item",
    )


def lost_contact() -> rx.Component:
    """Shown by the browser itself while the socket is down."""
    return rx.cond(
        has_connection_errors,
        rx.el.div(
            icon("wifi-off"),
            rx.el.span("Connection to LiftOS lost. Trying again; nothing you typed is lost."),
            role="status",
            class_name="lo-banner lo-banner-warn lo-lost",
        ),
    )


def gate(*children: Any, wide: bool = False, notices: rx.Component | None = None) -> rx.Component:
    """The frame of pages without navigation: sign-in, first run, not found."""
    return rx.fragment(
        rx.el.main(
            rx.el.div(
                rx.el.img(src="/favicon.svg", alt="", class_name="lo-brand-mark lo-brand-large"),
                rx.el.span("LiftOS", class_name="lo-gate-name"),
                class_name="lo-row lo-gate-brand",
            ),
            rx.el.div(
                *children, class_name=classes("lo-gate-card", "lo-gate-wide" if wide else "")
            ),
            class_name="lo-gate",
            id="main",
        ),
        notices or rx.fragment(),
    )


def _side(
    nav: Sequence[NavItem],
    foot: Sequence[NavItem],
    current: str,
    frame: Frame,
    *,
    prefix: str,
    closes: bool = False,
) -> rx.Component:
    groups: list[rx.Component] = []
    section = None
    for item in nav:
        if item.section and item.section != section:
            head = rx.el.p(item.section, class_name="lo-nav-head")
            groups.append(head if item.only is None else rx.cond(item.only, head))
        section = item.section
        groups.append(_entry(item, current, closes=closes))
    return rx.fragment(
        brand() if not closes else rx.fragment(),
        rx.el.div(
            _organization(frame, prefix=prefix),
            rx.cond(
                frame.demo,
                rx.el.div(
                    badge(
                        "Demo mode",
                        kind="warn",
                        icon_tag="flask-conical",
                        title="Sandbox platforms can be connected; their figures are invented.",
                    )
                ),
            ),
            class_name="lo-org lo-stack-4",
        ),
        frame.search if not closes else rx.fragment(),
        rx.el.nav(*groups, class_name="lo-nav", aria_label="Main"),
        rx.el.div(
            *(_entry(item, current, closes=closes) for item in foot),
            theme_button(),
            _person(frame, prefix=prefix),
            class_name="lo-side-foot",
        ),
    )


def _organization(frame: Frame, *, prefix: str) -> rx.Component:
    """The organization's name; with several, the menu that goes to another one."""

    def choice(item: Any) -> rx.Component:
        return rx.el.button(
            rx.cond(item.here, icon("check"), icon("building-2")),
            rx.el.span(item.name, class_name="lo-cut"),
            rx.el.span(item.role, class_name="lo-help lo-end"),
            type="submit",
            name="organization",
            value=item.id,
            class_name="lo-menu-item",
            aria_current=rx.cond(item.here, "true", "false"),
        )

    return rx.cond(
        (frame.organizations.length() > 1) & ~frame.auth_off,
        menu(
            rx.el.button(
                rx.el.span(frame.org_name, class_name="lo-cut"),
                icon("chevrons-up-down", size=14),
                type="button",
                class_name="lo-org-button",
                aria_label="Organization: " + frame.org_name.to(str) + ". Switch",
            ),
            NativeForm.create(
                rx.foreach(frame.organizations, choice),
                action="/auth/organization",
                method="post",
            ),
            menu_id=f"{prefix}-org-menu",
            place="lo-menu-start",
            label="Your organizations",
        ),
        rx.el.p(frame.org_name, class_name="lo-help lo-cut"),
    )


def _entry(item: NavItem, current: str, *, closes: bool) -> rx.Component:
    here = {"aria_current": "page"} if item.href == current else {}
    count = rx.fragment()
    if item.count is not None:
        count = rx.cond(
            item.count > 0,
            rx.el.span(
                item.count, rx.el.span(" need action", class_name="lo-sr"), class_name="lo-count"
            ),
        )
    link = go(icon(item.icon), item.title, count, href=item.href, class_name="lo-nav-item", **here)
    entry = close(link) if closes else link
    return entry if item.only is None else rx.cond(item.only, entry)


def _person(frame: Frame, *, prefix: str) -> rx.Component:
    name = f"{prefix}-person-menu"
    return menu(
        rx.el.button(
            icon("circle-user-round"),
            rx.el.span(frame.person_name, class_name="lo-cut"),
            type="button",
            class_name="lo-nav-item",
        ),
        rx.el.p(frame.person_name, rx.el.br(), frame.person_role, class_name="lo-menu-note"),
        rx.cond(
            frame.auth_off,
            rx.el.p(
                "Sign-in is off, so there is nothing to sign out of.", class_name="lo-menu-note"
            ),
            NativeForm.create(
                rx.el.button(icon("log-out"), "Sign out", type="submit", class_name="lo-menu-item"),
                action="/auth/logout",
                method="post",
            ),
        ),
        menu_id=name,
        place="lo-menu-above",
        label="Your account",
    )


def _top(
    nav: Sequence[NavItem], foot: Sequence[NavItem], current: str, frame: Frame
) -> rx.Component:
    return rx.el.header(
        drawer(
            icon_button("menu", "Open menu"),
            _side(nav, foot, current, frame, prefix="drawer", closes=True),
            title="LiftOS",
            left=True,
        ),
        brand(),
        class_name="lo-top",
    )


def _banners(frame: Frame) -> rx.Component:
    return rx.cond(
        frame.auth_off,
        rx.el.div(
            icon("lock-open"),
            rx.el.span(
                "Sign-in is off: anyone on this machine acts as an administrator. "
                "Set REQUIRE_AUTH=true to turn it on."
            ),
            role="status",
            class_name="lo-banner lo-banner-warn",
        ),
    )
