"""The tabs of Settings, shared by its page and People & roles, which has an address of its own."""

from __future__ import annotations

from typing import Any

import reflex as rx

from liftos_app.components.elements import go

TABS = (
    ("profile", "Profile"), ("security", "Security"), ("keys", "API keys"),
    ("people", "People & roles"), ("privacy", "Privacy"), ("organization", "Organization"),
    ("protection", "Protection"), ("audit", "Audit log"), ("about", "About"),
)
PEOPLE = "/settings/people"
_PAGES = {  # the others share one address
    "people": PEOPLE, "privacy": "/settings/privacy", "protection": "/settings/protection",
    "audit": "/settings/audit",
}


def settings_tabs(current: Any) -> rx.Component:
    """`current` is the name of the open tab, a text or a var."""
    return rx.el.nav(
        *(
            go(
                words,
                href=_PAGES.get(name, f"/settings?tab={name}"),
                class_name="lo-tab",
                aria_current=_is(current, name),
            )
            for name, words in TABS
        ),
        class_name="lo-tabs",
        aria_label="Settings",
    )


def _is(current: Any, name: str) -> Any:
    if isinstance(current, str):
        return "true" if current == name else "false"
    return rx.cond(current == name, "true", "false")
