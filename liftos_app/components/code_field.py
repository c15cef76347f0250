"""Values to copy (redirect URI, ids) and secrets that are only ever hinted at."""

from __future__ import annotations

from typing import Any

import reflex as rx

from liftos_app.components.elements import Text, button, text_input
from liftos_app.components.status_pill import badge


def code_field(value: Text, *, label: str, on_copied: Any = None) -> rx.Component:
    """Mono text with a copy button. `on_copied` confirms it (a notice)."""
    clicks = [rx.set_clipboard(value)]
    if on_copied is not None:
        clicks.append(on_copied)
    return rx.el.div(
        rx.el.code(value, tab_index=0, role="textbox", aria_readonly="true", aria_label=label),
        button("Copy", icon_tag="copy", small=True, on_click=clicks, aria_label=f"Copy {label}"),
        class_name="lo-code",
    )


def secret_field(
    *,
    for_id: Text,
    label: Text,
    help_text: Text = "",
    hint: Any = "",
    wrong: Text = "",
    placeholder: Text = "",
    multiline: Any = False,
    **props: Any,
) -> rx.Component:
    """A secret to type or replace; `multiline` ones, key files, are pasted into a text area.

    Never shows a stored value: only its last four characters.

    The value lives in the browser's own field and travels in the form, never in a state var.
    """
    one_line = text_input(
        for_id=for_id,
        wrong=wrong,
        type="password",
        auto_complete="off",
        placeholder=placeholder,
        spell_check=False,
        **props,
    )
    control = one_line
    if multiline is not False:
        control = rx.cond(
            multiline,
            rx.el.textarea(
                id=for_id,
                name=for_id,
                rows=5,
                placeholder=placeholder,
                spell_check=False,
                auto_complete="off",
                class_name="lo-input lo-area",
                **props,
            ),
            one_line,
        )
    kept = rx.fragment()
    if not (isinstance(hint, str) and not hint):
        kept = rx.cond(
            hint != "",
            rx.el.span(
                badge("Saved", kind="ok", icon_tag="lock"),
                " ends with ",
                rx.el.code(hint),
                ". Leave empty to keep it.",
                class_name="lo-help",
            ),
        )
    described: Any = "-help"
    return rx.el.div(
        rx.el.label(label, html_for=for_id),
        control,
        rx.el.p(
            help_text,
            class_name="lo-help",
            id=for_id + described if isinstance(for_id, str) else for_id.to(str) + described,
        ),
        kept,
        rx.cond(wrong != "", rx.el.p(wrong, class_name="lo-wrong", role="alert"))
        if not isinstance(wrong, str)
        else rx.fragment(),
        class_name="lo-field",
    )
