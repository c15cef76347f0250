"""The page on which a person of the sandbox grants or refuses access. Plain HTML, no script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

TICK = "granted:"  # what the names of the ticked boxes begin with

_STYLE = """
:root{color-scheme:light dark;--ink:#1c2230;--soft:#5b6475;--line:#d9dee8;--page:#f3f5f9;
--card:#fff;--act:#2f5bd8;--act-ink:#fff;--band:#fff4d6;--band-ink:#5c4300}
@media (prefers-color-scheme:dark){:root{--ink:#e8ebf2;--soft:#a3acbd;--line:#343c4c;
--page:#12161f;--card:#1b212d;--act:#7d9bff;--act-ink:#0d1220;--band:#3a2f10;--band-ink:#ffe3a0}}
*{box-sizing:border-box}
body{margin:0;font:16px/1.5 system-ui,sans-serif;background:var(--page);color:var(--ink)}
.band{background:var(--band);color:var(--band-ink);padding:.6rem 1rem;text-align:center;
font-size:.9rem}
main{max-width:30rem;margin:2.5rem auto;padding:1.75rem;background:var(--card);
border:1px solid var(--line);border-radius:14px}
h1{font-size:1.3rem;line-height:1.3;margin:0 0 .5rem}
p{margin:.4rem 0;color:var(--soft)}
ul{list-style:none;margin:.5rem 0 1rem;padding:0}
fieldset{border:1px solid var(--line);border-radius:10px;margin:1rem 0;padding:.5rem 1rem 1rem}
legend{padding:0 .4rem;font-weight:600}
label{display:flex;gap:.7rem;padding:.5rem 0;align-items:flex-start}
input[type=checkbox]{inline-size:1.25rem;block-size:1.25rem;margin:.15rem 0 0;flex:none;
accent-color:var(--act)}
code{font-size:.85rem;color:var(--soft);overflow-wrap:anywhere}
.row{display:flex;gap:.75rem;flex-wrap:wrap;margin-top:1.25rem}
button{font:inherit;font-weight:600;min-height:2.75rem;padding:.5rem 1.25rem;border-radius:10px;
border:1px solid var(--line);background:transparent;color:var(--ink);cursor:pointer}
button.main{background:var(--act);border-color:var(--act);color:var(--act-ink)}
button:focus-visible,input:focus-visible{outline:3px solid var(--act);outline-offset:2px}
@media (max-width:34rem){main{margin:0;border-radius:0;border-width:0 0 1px}button{flex:1}}
"""


def consent_page(
    *,
    platform: str,
    path: str,
    fields: Mapping[str, str],
    accounts: Sequence[str],
    scopes: Sequence[tuple[str, str, bool]],
) -> str:
    """The question. `fields` are carried along; `scopes` are (name, words, cannot be unticked)."""
    kept = "".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'
        for name, value in fields.items()
        if name != "decision" and not name.startswith(TICK)
    )
    boxes = "".join(
        f'<label><input type="checkbox" name="{TICK}{escape(name)}" value="on" checked'
        f"{' disabled' if locked else ''}>"
        f"<span>{escape(words)}<br><code>{escape(name)}</code></span></label>"
        for name, words, locked in scopes
    )
    lines = "".join(f"<li>{escape(line)}</li>" for line in accounts)
    reach = f"<p>It will see:</p><ul>{lines}</ul>" if lines else ""
    asked = f"<fieldset><legend>It asks for</legend>{boxes}</fieldset>" if boxes else ""
    return _page(
        platform,
        f"Let LiftOS read your {platform} data?",
        f"""
<p>You are signed in as <strong>Robin Larkspur</strong>, an invented person.</p>
{reach}
<form method="post" action="{escape(path)}">{kept}{asked}
<div class="row">
<button class="main" type="submit" name="decision" value="approve">Allow</button>
<button type="submit" name="decision" value="refuse">Refuse</button>
</div></form>""",
    )


def refusal_page(platform: str, reason: str) -> str:
    """Why the question cannot be asked at all."""
    return _page(
        platform,
        "This sign-in cannot go on",
        f"""
<p>{escape(reason)}</p>
<p>Go back to LiftOS, compare the app credentials and the redirect address, and try again.</p>""",
    )


def login_page(platform: str) -> str:
    """What a network or a platform sometimes sends instead of data."""
    return _page(
        platform,
        "Sign in",
        """
<form method="post" action="#"><label>E-mail <input name="email"></label>
<label>Password <input type="password" name="password"></label>
<div class="row"><button class="main" type="submit">Sign in</button></div></form>""",
    )


def _page(platform: str, title: str, body: str) -> str:
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="robots" content="noindex"><title>{escape(title)}</title>
<style>{_STYLE}</style></head><body>
<div class="band">LiftOS sandbox, imitating {escape(platform)}. Nothing here reaches the real
{escape(platform)}.</div>
<main><h1>{escape(title)}</h1>{body}</main></body></html>"""
