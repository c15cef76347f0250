"""Pages made on the server, for what must never pass through the page's state: seeds, recovery
codes, keys and links that are shown once, and the steps of signing in.

Plain HTML with the classes of assets/app.css. Every text is escaped here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Final

from starlette.responses import HTMLResponse, Response

QUIET: Final = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
# Pages with forms: without any referrer browsers send `Origin: null`, which we refuse. No other
# site learns anything, and no token is ever in an address.
_PAGE: Final = {"Cache-Control": "no-store", "Referrer-Policy": "same-origin"}


def page(title: str, *parts: str, status: int = 200, wide: bool = False) -> HTMLResponse:
    """One card on an empty page. `parts` are made by the functions below."""
    look = "lo-gate-card lo-gate-wide" if wide else "lo-gate-card"
    body = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)} · LiftOS</title>
<link rel="icon" href="/favicon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/tokens.css"><link rel="stylesheet" href="/app.css">
<script src="/forms.js"></script></head>
<body><main class="lo-gate" id="main"><div class="lo-row lo-gate-brand">
<img src="/favicon.svg" alt="" class="lo-brand-mark lo-brand-large">
<span class="lo-gate-name">LiftOS</span></div>
<div class="{look}"><h1>{escape(title)}</h1>{"".join(parts)}</div></main></body></html>"""
    return HTMLResponse(body, status, headers=_PAGE)


def quiet(answer: Response) -> Response:
    """The same answer, kept by no cache and naming no referrer."""
    answer.headers.update(QUIET)
    return answer


def text(words: str) -> str:
    """A paragraph."""
    return f'<p class="lo-quiet">{escape(words)}</p>'


def trouble(words: str) -> str:
    """What went wrong; nothing when it is empty."""
    return f'<p class="lo-wrong" role="alert">{escape(words)}</p>' if words else ""


def link(words: str, href: str) -> str:
    """A way on that needs no form."""
    return f'<p class="lo-help"><a class="lo-link" href="{escape(href)}">{escape(words)}</a></p>'


def form(
    action: str, *parts: str, send: str, hidden: Mapping[str, str] | None = None,
    danger: bool = False,
) -> str:
    """A form with one button. `hidden` are values that travel along."""
    kept = "".join(
        f'<input type="hidden" name="{escape(k)}" value="{escape(v)}">'
        for k, v in (hidden or {}).items()
    )
    look = "lo-btn lo-btn-danger" if danger else "lo-btn lo-btn-solid"
    return (
        f'<form method="post" action="{escape(action)}" class="lo-stack-16">{kept}'
        f'{"".join(parts)}<button type="submit" class="{look}">{escape(send)}</button></form>'
    )


def entry(
    name: str, label: str, *, kind: str = "text", help_text: str = "", value: str = "",
    required: bool = True, auto_complete: str = "off", longest: int = 200, **attributes: str,
) -> str:
    """A labelled text field."""
    more = "".join(
        f' {k.replace("_", "-")}="{escape(v)}"' for k, v in attributes.items() if v
    )
    described = f' aria-describedby="{escape(name)}-help"' if help_text else ""
    said = f'<p class="lo-help" id="{escape(name)}-help">{escape(help_text)}</p>'
    return (
        f'<div class="lo-field"><label for="{escape(name)}">{escape(label)}</label>'
        f'<input class="lo-input" id="{escape(name)}" name="{escape(name)}" type="{escape(kind)}" '
        f'value="{escape(value)}" maxlength="{longest}" autocomplete="{escape(auto_complete)}"'
        f'{" required" if required else ""}{described}{more}>{said if help_text else ""}</div>'
    )


def code_entry(label: str = "Code", *, help_text: str = "") -> str:
    """A field for the code of an authenticator app, or a recovery code."""
    return entry(
        "code", label, help_text=help_text, auto_complete="one-time-code", longest=40,
        autofocus="autofocus", spellcheck="false",
    )


def password_entry(name: str, label: str, *, new: bool = False, help_text: str = "") -> str:
    """A password field."""
    return entry(
        name, label, kind="password", longest=128, help_text=help_text,
        auto_complete="new-password" if new else "current-password",
    )


def shown_once(value: str, *, label: str, name: str = "once") -> str:
    """A text to copy."""
    return (
        f'<div class="lo-code"><code id="{escape(name)}" tabindex="0" aria-label="{escape(label)}">'
        f"{escape(value)}</code>"
        f'<button type="button" class="lo-btn lo-btn-small" data-copy="{escape(name)}">Copy'
        "</button></div>"
    )


def code_list(codes: Iterable[str], *, name: str = "codes") -> str:
    """Recovery codes in two columns, with one button that copies them all."""
    rows = "\n".join(escape(code) for code in codes)
    return (
        f'<pre class="lo-once" id="{escape(name)}" tabindex="0">{rows}</pre>'
        f'<div class="lo-row"><button type="button" class="lo-btn" data-copy="{escape(name)}">'
        "Copy all</button></div>"
    )


def picture(src: str, alt: str) -> str:
    """A square picture of our own, such as a QR code."""
    return (
        f'<img class="lo-qr" src="{escape(src)}" alt="{escape(alt)}" width="200" height="200">'
    )


def done(words: str, href: str) -> str:
    """The button that goes on."""
    return (
        f'<div class="lo-row"><a class="lo-btn lo-btn-solid" href="{escape(href)}">'
        f"{escape(words)}</a></div>"
    )
