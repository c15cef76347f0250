"""Who may be the first administrator: anybody on this machine, else whoever holds the set-up token.

The token is printed at start to the log, lives thirty minutes, and is dead once somebody exists.
"""

from __future__ import annotations

from liftos_app.services import accounts, audit, limits, links_once
from liftos_app.services.context import App, Context, Principal, open_context


def needs_token(app: App) -> bool:
    """Whether the set-up form asks for a token: others can reach the page, and nobody exists."""
    if not app.settings.open_to_others:
        return False
    with open_context(app, Principal(), None) as ctx:
        return accounts.needs_setup(ctx)


def make_token(ctx: Context) -> str:
    """A new set-up token for the operator; earlier ones end. Raises Denied for anybody else."""
    ctx.require("installation.admin")
    token = links_once.make(ctx, links_once.SETUP)
    audit.record(ctx, "setup.token_made")
    return token


def words_at_start(app: App) -> str:
    """What to print at start, empty when no token is needed."""
    if not needs_token(app):
        return ""
    operator = Principal(kind="operator", name="start", role=accounts.OPERATOR_ROLE)
    with open_context(app, operator, None, write=True) as ctx:
        token = make_token(ctx)
    return (
        f"Nobody is set up yet. Open {app.settings.public_url}/setup within 30 minutes and enter "
        f"this set-up token: {token}"
    )


def check_token(app: App, token: str, *, ip: str) -> None:
    """Raise LinkOver unless the token is right, when one is needed. It is not spent yet: a form
    with a mistyped e-mail can be sent again.
    """
    if not needs_token(app):
        return
    attempt = limits.begin_attempt(app, account="setup", ip=ip)
    with app.db.write() as session:
        links_once.look(session, app, links_once.SETUP, token.strip())
        limits.succeeded(session, attempt)


def end_tokens(ctx: Context) -> None:
    """Nobody needs a set-up token any more."""
    links_once.end_purpose(ctx, links_once.SETUP)
