"""Settings: one's own name, password and sessions; the organization's name, currency and days."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Final

from liftos_app import __version__
from liftos_app.errors import LiftOSError
from liftos_app.models import ApiKey, WebSession
from liftos_app.services import (
    access,
    accounts,
    api_keys,
    demo,
    devices,
    mailer,
    organization,
    preferences,
    second_factor,
    sessions,
)
from liftos_app.services import format as fmt
from liftos_app.services.context import Context
from liftos_app.services.organization import Choices
from liftos_app.state import gate
from liftos_app.state.app import AppState, as_id, handler, perform

TABS: Final = ("profile", "security", "keys", "organization", "about")
_DONE: Final = {
    "password": "Password changed. Your other sessions ended.",
    "email_asked": "A link is on its way to the new address. Open it within thirty minutes.",
    "email": "E-mail address changed. Your other sessions ended.",
    "factor_removed": "Your second factor was removed.",
}
_TROUBLES: Final = {
    **gate.TROUBLES, "current_password": "The current password is not right. Type it again.",
    "wrong_code": "The code is wrong, too old, or was used before. Type the next one.",
    "too_many_links": "You asked for five links during the last day. Use the newest one, or try "
    "again tomorrow.",
    "conflict": "This installation sends no mail: whoever runs the server changes your address.",
    "same_email": "This is your address already.",
    "passwords_differ": "The two new passwords differ. Type the same twice.",
}


@dataclass
class SessionRow:
    """A signed-in browser."""

    id: str
    what: str
    where: str
    seen: str
    here: bool


@dataclass
class KeyRow:
    """An API key without its secret."""

    id: str
    name: str
    prefix: str
    scopes: str
    used: str
    ends: str
    live: bool


@dataclass
class View:
    """What the page shows."""

    name: str = ""
    email: str = ""
    mail_on: bool = False
    role: str = ""
    org_name: str = ""
    currency: str = ""
    time_zone: str = ""
    week_start: str = "0"
    revenue_basis: str = "net_sales"
    may_change: bool = False
    fallback: str = ""
    may_set_fallback: bool = False
    has_demo: bool = False
    sessions: list[SessionRow] = field(default_factory=list)
    about: list[list[str]] = field(default_factory=list)
    factor: bool = False
    factor_needed: bool = False
    codes_left: str = ""
    key_rows: list[KeyRow] = field(default_factory=list)


class SettingsState(AppState):
    """The page at /settings."""

    view: View = View()
    tab: str = "profile"
    loaded: bool = False
    wrong: str = ""
    wrong_field: str = ""

    @handler("organization.read")
    async def load(self):
        """Read the tab from the address, then the settings."""
        tab = str(self.router.url.query_parameters.get("tab", ""))
        self.tab = tab if tab in TABS else TABS[0]
        asked = self.router.url.query_parameters
        code, done = str(asked.get("error", "")), _DONE.get(str(asked.get("done", "")), "")
        self.wrong_field = ""
        self.wrong = _TROUBLES.get(code, "That did not work. Try again.") if code else ""
        if done:
            self._note("ok", done)
        self.view = await perform(_view)
        self.loaded = True

    @handler("profile.write")
    async def rename(self, form: dict[str, Any]):
        """One's own name."""
        await self._try(perform(_rename, str(form.get("name", "")), write=True), "Name saved.")

    @handler("profile.write")
    async def end_session(self, session_id: str):
        """Sign another browser out."""
        await perform(_end, session_id, write=True)
        self._note("ok", "That session ended.")
        self.view = await perform(_view)

    @handler("keys.write")
    async def revoke_key(self, key_id: str):
        """End an API key."""
        await perform(_revoke, key_id, write=True)
        self._note("ok", "The key was revoked.", more="Programs that use it are refused from now.")
        self.view = await perform(_view)

    @handler("organization.write")
    async def save_organization(self, form: dict[str, Any]):
        """Name, currency, time zone, week start, revenue basis."""
        choices = Choices(
            name=str(form.get("org_name", "")),
            currency=str(form.get("currency", "")),
            time_zone=str(form.get("time_zone", "")),
            revenue_basis=str(form.get("revenue_basis", "")),
            week_start=int(text) if (text := str(form.get("week_start", ""))).isdecimal() else -1,
        )
        await self._try(
            perform(_change, choices, write=True),
            "Organization saved. Figures are reported this way from now on.",
        )

    @handler("connections.write")
    async def save_fallback(self, form: dict[str, Any]):
        """What stands in for live connections that fail."""
        await self._try(
            perform(_stand_in, str(form.get("fallback", "")), write=True),
            "Fallback saved. It holds from now on.",
        )

    @handler("connections.delete")
    async def remove_demo(self):
        """Delete all demo connections and their rows."""
        count = await perform(demo.remove, write=True)
        self._note("ok", f"{fmt.plural(count, 'demo connection')} deleted with all rows.")
        self.view = await perform(_view)

    async def _try(self, act: Any, done: str) -> None:
        self.wrong = self.wrong_field = ""
        try:
            await act
        except LiftOSError as error:
            self.wrong, self.wrong_field = error.sentence(), str(error.facts.get("field", ""))
            return
        self._note("ok", done)
        self.view = await perform(_view)
        self.person_name, self.org_name = self.view.name or self.view.email, self.view.org_name


def _view(ctx: Context) -> View:
    me, mine = accounts.me(ctx), organization.get(ctx)
    role = access.word(ctx.who.role) if ctx.who.role else ""
    factor = second_factor.status(ctx)
    return View(
        name=me.name,
        email=me.email,
        mail_on=mailer.is_on(ctx.app),
        role=role.capitalize(),
        org_name=mine.name,
        currency=mine.currency,
        time_zone=mine.time_zone,
        week_start=str(mine.week_start),
        revenue_basis=mine.revenue_basis,
        may_change=ctx.can("organization.write"),
        fallback=preferences.get(ctx).fallback,
        may_set_fallback=ctx.can("connections.write"),
        has_demo=demo.is_there(ctx),
        sessions=[_session(ctx, s, mine.time_zone) for s in sessions.list_mine(ctx)],
        about=_about(ctx),
        factor=factor.confirmed,
        factor_needed=factor.required,
        codes_left=str(factor.codes_left),
        key_rows=[_key(ctx, k, mine.time_zone) for k in api_keys.list_mine(ctx)],
    )


def _session(ctx: Context, row: WebSession, zone: str) -> SessionRow:
    return SessionRow(
        id=str(row.id),
        what=devices.name(row.user_agent),
        where=row.ip or "unknown address",
        seen=fmt.ago(row.last_seen_at, ctx.now(), zone),
        here=row.id == ctx.who.session_id,
    )


def _key(ctx: Context, row: ApiKey, zone: str) -> KeyRow:
    live = api_keys.is_live(row, ctx.now())
    ended = "Revoked" if row.revoked_at else "Ended"
    return KeyRow(
        id=str(row.id),
        name=row.name,
        prefix=f"lft_{row.key_id}",
        scopes="; ".join(access.SCOPES[s][0] for s in row.scopes if s in access.SCOPES),
        used=fmt.ago(row.last_used_at, ctx.now(), zone) if row.last_used_at else "never",
        ends=fmt.day(row.expires_at.date()) if live else ended,
        live=live,
    )


def _about(ctx: Context) -> list[list[str]]:
    settings = ctx.settings
    return [
        ["Version", __version__],
        ["Database", "SQLite" if settings.is_sqlite else "PostgreSQL"],
        ["Public address", settings.public_url],
        ["Demo mode", "On" if settings.demo_mode else "Off"],
        ["Sign-in", "Needed" if settings.auth_required else "Off, this machine only"],
        ["Schedules", "On" if settings.auto_sync_enabled else "Off"],
        ["Data folder", "kept by the operator: LIFTOS_HOME"],
    ]


def _rename(ctx: Context, name: str) -> None:
    accounts.rename(ctx, name)


def _change(ctx: Context, choices: Choices) -> None:
    organization.change(ctx, choices)


def _stand_in(ctx: Context, kind: str) -> None:
    preferences.save(ctx, replace(preferences.get(ctx), fallback=kind))


def _revoke(ctx: Context, key_id: str) -> None:
    api_keys.revoke(ctx, as_id(key_id))


def _end(ctx: Context, session_id: str) -> None:
    sessions.end_mine(ctx, as_id(session_id))
