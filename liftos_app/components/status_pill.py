"""Status as icon and word, never colour alone. The kinds are ok, info, warn, bad and mute."""

from __future__ import annotations

import reflex as rx

from liftos_app.components.elements import Text, icon

ICONS = {
    "ok": "circle-check",
    "info": "loader-circle",
    "warn": "clock-alert",
    "bad": "circle-x",
    "mute": "circle-pause",
}


def status_icon(kind: Text, *, size: int = 16) -> rx.Component:
    """The icon of a kind, in its colour. The word beside it carries the meaning."""
    if isinstance(kind, str):
        return icon(ICONS[kind], size=size, class_name=f"lo-mark-{kind}")
    return rx.match(
        kind,
        *(
            (k, icon(tag, size=size, class_name=f"lo-mark-{k}"))
            for k, tag in ICONS.items()
            if k != "mute"
        ),
        icon(ICONS["mute"], size=size, class_name="lo-mark-mute"),
    )


def status_pill(kind: Text, word: Text, *, title: Text = "") -> rx.Component:
    """A small label of a fixed vocabulary: `status_pill("ok", "Healthy")`."""
    look = f"lo-pill lo-pill-{kind}" if isinstance(kind, str) else "lo-pill lo-pill-" + kind.to(str)
    return rx.el.span(
        status_icon(kind, size=14),
        rx.el.span(word, class_name="lo-cut"),
        class_name=look,
        title=title,
    )


def badge(word: Text, *, kind: str = "mute", icon_tag: str = "", title: Text = "") -> rx.Component:
    """A label that is not a status: provenance, role, "in use"."""
    return rx.el.span(
        icon(icon_tag, size=14) if icon_tag else rx.fragment(),
        word,
        class_name=f"lo-pill lo-pill-{kind}",
        title=title,
    )
