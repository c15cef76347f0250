"""Dialog to decide, drawer to look at detail: focus is trapped and returned, Esc closes (Radix)."""

from __future__ import annotations

from typing import Any

import reflex as rx
from reflex_components_radix.primitives.dialog import (
    DialogClose,
    DialogContent,
    DialogDescription,
    DialogOverlay,
    DialogPortal,
    DialogRoot,
    DialogTitle,
    DialogTrigger,
)

from liftos_app.components.elements import Text, icon_button


def dialog(
    trigger: rx.Component | None,
    *children: Any,
    title: Text,
    describe: Text = "",
    is_open: rx.Var | None = None,
    on_open_change: Any = None,
    look: str = "lo-dialog",
) -> rx.Component:
    """A modal. With `trigger` it opens by itself; with `is_open` the state decides."""
    root: dict[str, Any] = {}
    if is_open is not None:
        root = {"open": is_open, "on_open_change": on_open_change}
    describer = (
        DialogDescription.create(describe, class_name="lo-quiet lo-measure")
        if not (isinstance(describe, str) and not describe)
        else rx.fragment()
    )
    extra = (
        {}
        if describe is not None and not (isinstance(describe, str) and not describe)
        else {"custom_attrs": {"aria-describedby": ""}}
    )
    return DialogRoot.create(
        DialogTrigger.create(trigger, as_child=True) if trigger is not None else rx.fragment(),
        DialogPortal.create(
            DialogOverlay.create(class_name="lo-scrim"),
            DialogContent.create(
                rx.el.div(
                    DialogTitle.create(title, class_name="lo-h2"),
                    close(icon_button("x", "Close")),
                    class_name="lo-between",
                ),
                describer,
                *children,
                class_name=f"{look} lo-stack",
                **extra,
            ),
        ),
        **root,
    )


def drawer(
    trigger: rx.Component | None,
    *children: Any,
    title: Text,
    describe: Text = "",
    is_open: rx.Var | None = None,
    on_open_change: Any = None,
    left: bool = False,
) -> rx.Component:
    """A panel from the side, 480 px at most."""
    look = "lo-drawer lo-drawer-left" if left else "lo-drawer"
    return dialog(
        trigger,
        *children,
        title=title,
        describe=describe,
        is_open=is_open,
        on_open_change=on_open_change,
        look=look,
    )


def close(child: rx.Component) -> rx.Component:
    """Wraps a button or link so that using it closes the dialog around it."""
    return DialogClose.create(child, as_child=True)
