"""The small parts everything else is made of: buttons, links, fields, menus, forms.

Plain HTML with the classes of assets/app.css. Colour, size and state live there, not here.
"""

from __future__ import annotations

from typing import Any

import reflex as rx
from reflex_components_core.el.element import Element
from reflex_components_core.react_router.dom import ReactRouterLink

Text = str | rx.Var
_KINDS = {
    "plain": "",
    "solid": " lo-btn-solid",
    "danger": " lo-btn-danger",
    "quiet": " lo-btn-quiet",
}


class NativeForm(Element):
    """A form the browser sends by itself. `rx.el.form` never does: it prevents the default."""

    tag = "form"

    action: rx.Var[str]
    method: rx.Var[str]
    auto_complete: rx.Var[str]


class PlainLink(Element):
    """An anchor the browser follows by itself: page parts, other sites, our HTTP routes.

    `rx.el.a` becomes a link of the client-side router.
    """

    tag = "a"

    href: rx.Var[str]
    target: rx.Var[str]
    rel: rx.Var[str]


def classes(*names: str) -> str:
    """Class names joined, empty ones dropped."""
    return " ".join(n.strip() for n in names if n and n.strip())


def icon(tag: str, *, size: int = 16, **props: Any) -> rx.Component:
    """A Lucide icon. Decoration unless an `aria_label` is given."""
    if "aria_label" not in props:
        props["aria_hidden"] = "true"
    return rx.icon(tag, size=size, **props)


def go(*children: Any, href: Text, class_name: Text = "", **props: Any) -> rx.Component:
    """A link inside the product: no page load; its script is fetched when the pointer nears it."""
    attrs = {"prefetch": "intent", **props.pop("custom_attrs", {})}
    return ReactRouterLink.create(
        *children, to=href, class_name=class_name, custom_attrs=attrs, **props
    )


def outside(*children: Any, href: Text, class_name: Text = "lo-link", **props: Any) -> rx.Component:
    """A link that leaves the product, in a new tab."""
    return PlainLink.create(
        *children,
        icon("external-link", size=13),
        href=href,
        target="_blank",
        rel="noopener noreferrer",
        class_name=class_name,
        **props,
    )


def button(
    label: Text,
    *,
    kind: str = "plain",
    icon_tag: str = "",
    small: bool = False,
    busy: rx.Var | None = None,
    **props: Any,
) -> rx.Component:
    """A verb and a noun. `busy` shows a spinner and refuses clicks."""
    look = classes(
        "lo-btn", _KINDS[kind], "lo-btn-small" if small else "", props.pop("class_name", "")
    )
    mark = icon(icon_tag) if icon_tag else rx.fragment()
    if busy is not None:
        mark = rx.cond(busy, icon("loader-circle", class_name="lo-spin"), mark)
        props["disabled"] = busy if "disabled" not in props else busy | props["disabled"]
    props.setdefault("type", "button")
    return rx.el.button(mark, label, class_name=look, **props)


def icon_button(tag: str, label: str, **props: Any) -> rx.Component:
    """A button that shows only an icon; `label` is read aloud and shown on hover."""
    look = classes("lo-btn lo-btn-quiet lo-btn-icon", props.pop("class_name", ""))
    props.setdefault("type", "button")
    return rx.el.button(icon(tag), class_name=look, aria_label=label, title=label, **props)


def button_link(
    label: Text,
    *,
    href: Text,
    kind: str = "plain",
    icon_tag: str = "",
    small: bool = False,
    **props: Any,
) -> rx.Component:
    """A link that looks like a button, for actions that are pages."""
    look = classes(
        "lo-btn", _KINDS[kind], "lo-btn-small" if small else "", props.pop("class_name", "")
    )
    return go(
        icon(icon_tag) if icon_tag else rx.fragment(), label, href=href, class_name=look, **props
    )


def field(
    label: Text,
    control: rx.Component,
    *,
    for_id: Text,
    help_text: Text = "",
    wrong: Text = "",
) -> rx.Component:
    """Label, control, help and error. Give the control `id=for_id` and `aria_describedby`."""
    return rx.el.div(
        rx.el.label(label, html_for=for_id),
        control,
        _said(help_text, rx.el.p(help_text, class_name="lo-help", id=_suffixed(for_id, "-help"))),
        _said(
            wrong,
            rx.el.p(
                icon("circle-alert", size=14),
                wrong,
                class_name="lo-wrong",
                id=_suffixed(for_id, "-wrong"),
                role="alert",
            ),
        ),
        class_name="lo-field",
    )


def text_input(*, for_id: Text, wrong: Text = "", **props: Any) -> rx.Component:
    """A text field whose help and error are tied to it. Uncontrolled: use `default_value`."""
    props.setdefault("type", "text")
    props.setdefault("name", for_id)
    return rx.el.input(
        id=for_id,
        class_name="lo-input",
        custom_attrs={
            "aria-describedby": _suffixed(for_id, "-help"),
            "aria-invalid": _truth(wrong),
            **props.pop("custom_attrs", {}),
        },
        **props,
    )


def select(
    options: Any, *, label: Text, for_id: str, value: Any = None, **props: Any
) -> rx.Component:
    """A native choice. `options`: list of (value, label), or children made by the caller."""
    children = (
        [rx.el.option(text, value=key) for key, text in options]
        if isinstance(options, (list, tuple))
        else [options]
    )
    if value is not None:
        props["value"] = value
    return rx.el.select(*children, id=for_id, class_name="lo-input", aria_label=label, **props)


def tick(label: Any, *, for_id: Text, **props: Any) -> rx.Component:
    """A checkbox with its words."""
    return rx.el.label(
        rx.el.input(type="checkbox", id=for_id, class_name="lo-check", **props),
        label,
        html_for=for_id,
        class_name="lo-tick",
    )


def menu(
    trigger: rx.Component, *items: rx.Component, menu_id: Text, place: str = "", label: str = "Menu"
) -> rx.Component:
    """A small floating list. The browser's own popover: Esc and a click outside close it.

    `trigger` must be a button; items are `menu_item` or any component.
    """
    trigger.custom_attrs["popoverTarget"] = menu_id
    return rx.el.div(
        trigger,
        rx.el.div(
            *items,
            id=menu_id,
            role="group",
            aria_label=label,
            class_name=classes("lo-menu-box", place),
            custom_attrs={"popover": "auto"},
        ),
        class_name="lo-menu",
    )


def menu_item(
    label: Text, *, menu_id: Text, icon_tag: str = "", danger: bool = False, **props: Any
) -> rx.Component:
    """One action of a menu; choosing it closes the menu."""
    return rx.el.button(
        icon(icon_tag) if icon_tag else rx.fragment(),
        label,
        type="button",
        class_name=classes("lo-menu-item", "lo-menu-danger" if danger else ""),
        custom_attrs={"popoverTarget": menu_id, "popoverTargetAction": "hide"},
        **props,
    )


def card(
    *children: Any, title: Text = "", aside: rx.Component | None = None, **props: Any
) -> rx.Component:
    """A panel with an optional h2 and something small at its right."""
    look = classes("lo-card", props.pop("class_name", ""))
    head = rx.fragment()
    if title is not None and not (isinstance(title, str) and not title):
        head = rx.el.div(
            rx.el.h2(title, class_name="lo-h2"), aside or rx.fragment(), class_name="lo-card-head"
        )
    return rx.el.section(head, *children, class_name=look, **props)


def platform_mark(slug: rx.Var) -> rx.Component:
    """A platform's mark, from assets/platforms. Decoration: its name stands beside it."""
    return rx.el.img(src="/platforms/" + slug.to(str) + ".svg", alt="", width="28", height="28",
                     class_name="lo-logo")


def facts(*pairs: tuple[Text, Any]) -> rx.Component:
    """Names over values, as many columns as fit."""
    return rx.el.dl(
        *(rx.el.div(rx.el.dt(name), rx.el.dd(value)) for name, value in pairs),
        class_name="lo-facts",
    )


def _said(words: Text, shown: rx.Component) -> rx.Component:
    if isinstance(words, str):
        return shown if words else rx.fragment()
    return rx.cond(words != "", shown, rx.fragment())


def _suffixed(name: Text, suffix: str) -> Text:
    return name + suffix if isinstance(name, str) else name.to(str) + suffix


def _truth(words: Text) -> Any:
    if isinstance(words, str):
        return "true" if words else "false"
    return rx.cond(words != "", "true", "false")
