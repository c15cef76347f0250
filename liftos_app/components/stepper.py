"""Numbered steps: done, current, locked. Going back never loses input."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import reflex as rx

from liftos_app.components.elements import go, icon


def stepper(
    titles: Sequence[str],
    *,
    current: rx.Var,
    reached: rx.Var,
    done: rx.Var,
    href: Callable[[int], Any],
    label: str = "Steps",
) -> rx.Component:
    """`current`, `reached` and the list `done` count from 1; up to `reached` there are links."""
    return rx.el.nav(
        rx.el.ol(
            *(
                _step(
                    i, title, href, current=current, reached=reached, done=done.contains(i)
                )
                for i, title in enumerate(titles, 1)
            ),
            class_name="lo-steps",
        ),
        aria_label=label,
    )


def _step(
    number: int,
    title: str,
    href: Callable[[int], Any],
    *,
    current: rx.Var,
    reached: rx.Var,
    done: rx.Var,
) -> rx.Component:
    mark = rx.el.span(
        rx.cond(done, icon("check", size=12), rx.el.span(str(number))), class_name="lo-step-no"
    )
    said = rx.cond(done, rx.el.span(" (done)", class_name="lo-sr"), rx.fragment())
    return rx.el.li(
        rx.cond(
            current == number,
            rx.el.span(
                mark, title, class_name="lo-step", aria_current="step", data_state="current"
            ),
            rx.cond(
                number <= reached,
                go(
                    mark,
                    title,
                    said,
                    href=href(number),
                    class_name="lo-step",
                    custom_attrs={"data-state": rx.cond(done, "done", "open")},
                ),
                rx.el.span(
                    mark,
                    title,
                    class_name="lo-step",
                    aria_disabled="true",
                    custom_attrs={"data-state": "locked"},
                ),
            ),
        )
    )
