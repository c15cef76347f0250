"""The @page decorator: one place carries what routing, navigation, palette and guard need."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import reflex as rx

from liftos_app.components.elements import button_link
from liftos_app.components.notice import notice_region
from liftos_app.components.shell import Frame, NavItem, shell
from liftos_app.components.states import error_state, skeleton, still_waiting
from liftos_app.services import access
from liftos_app.state.app import AppState

SECTIONS: Final = ("", "Data", "Measure", "Understand", "Demo")
FOOT: Final = "Foot"  # section of pages at the lower end of the sidebar


@dataclass(frozen=True, slots=True, kw_only=True)
class PageInfo:
    """A page as the sidebar and the palette know it."""

    route: str
    title: str
    icon: str
    section: str
    order: int
    allow: str
    under: str  # route of the sidebar entry to mark; its own by default
    listed: bool
    count: Any = None
    only: Any = None


PAGES: dict[str, PageInfo] = {}


def page(
    route: str,
    *,
    title: str,
    allow: str,
    icon: str = "file",
    section: str = "",
    order: int = 50,
    on_load: Any = None,
    under: str = "",
    listed: bool | None = None,
    count: Any = None,
    only: Any = None,
    waiting: Callable[[], rx.Component] | None = None,
) -> Callable[[Callable[[], rx.Component]], Callable[[], rx.Component]]:
    """Register a signed-in page. The decorated function returns its content, without the shell.

    `allow` is a permission of services.access; a person without it sees who can grant it.
    `on_load` handlers run after AppState.enter. Routes with a [segment] are not in the sidebar.
    `only` is a boolean var that hides the sidebar entry, `count` a number shown beside it.
    `waiting` draws the skeleton shown until the visitor is known (else three grey blocks).
    """
    access.role_for(allow)
    loads = on_load if isinstance(on_load, list) else [on_load] if on_load is not None else []

    def decorate(content: Callable[[], rx.Component]) -> Callable[[], rx.Component]:
        info = PageInfo(
            route=route,
            title=title,
            icon=icon,
            section=section,
            order=order,
            allow=allow,
            under=under or route,
            count=count,
            only=only,
            listed=("[" not in route) if listed is None else listed,
        )
        PAGES[route] = info

        @rx.page(route=route, title=f"{title} · LiftOS", on_load=[AppState.enter(allow), *loads])
        def framed() -> rx.Component:
            return _framed(content, info, waiting or _waiting)

        framed.__name__ = content.__name__
        return content

    return decorate


def nav_items(*, foot: bool) -> list[NavItem]:
    """The sidebar's entries in order; `foot` gives the ones at its lower end."""
    chosen = [p for p in PAGES.values() if p.listed and (p.section == FOOT) is foot]
    place = {name: i for i, name in enumerate(SECTIONS)}
    chosen.sort(key=lambda p: (place.get(p.section, 99), p.order, p.title))
    return [
        NavItem(p.title, p.route, p.icon, "" if foot else p.section, p.count, p.only)
        for p in chosen
    ]


def _framed(
    content: Callable[[], rx.Component], info: PageInfo, waiting: Callable[[], rx.Component]
) -> rx.Component:
    frame = Frame(
        org_name=AppState.org_name,
        organizations=AppState.organizations,
        person_name=AppState.person_name,
        person_role=AppState.person_role,
        demo=AppState.demo,
        auth_off=AppState.auth_off,
        search=rx.fragment(),
        notices=notice_region(AppState.notices, AppState.close_notice),
    )
    return shell(
        rx.cond(
            AppState.ready,
            rx.cond(AppState.forbidden != "", _forbidden(info), content()),
            waiting(),
        ),
        nav=nav_items(foot=False),
        foot=nav_items(foot=True),
        current=info.under,
        frame=frame,
    )


def _waiting() -> rx.Component:
    return rx.el.div(
        rx.el.span("Loading", class_name="lo-sr", role="status"),
        skeleton(height=28, width="180px"),
        still_waiting(),
        skeleton(height=160),
        skeleton(height=280),
        class_name="lo-stack",
    )


def _forbidden(info: PageInfo) -> rx.Component:
    return rx.el.div(
        rx.el.h1(info.title, class_name="lo-sr"),
        error_state(
            "Your role does not open this page.",
            AppState.forbidden,
            "Ask an administrator of your organization for that role.",
            button_link("Go to Overview", href="/"),
            kind="warn",
        ),
    )
