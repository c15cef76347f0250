"""Settings: one's own name, password and sessions; the organization's name, currency and days."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from liftos_app import __version__
from liftos_app.errors import LiftOSError
from liftos_app.models import WebSession
from liftos_app.services import access, accounts, demo, organization, sessions
from liftos_app.services import format as fmt
from liftos_app.services.context import App, Context, Principal
from liftos_app.services.organization import Choices
from liftos_app.state.app import AppState, handler, perform, reach

TABS: Final = ("profile", "organization", "about")


@dataclass
class SessionRow:
    """A signed-in browser."""

    id: str
    what: str
    where: str
    seen: str
    here: bool


@dataclass
class View:
    """What the page shows."""

    name: str = ""
    email: str = ""
    role: str = ""
    org_name: str = ""
    currency: str = ""
    time_zone: str = ""
    week_start: str = "0"
    revenue_basis: str = "net_sales"
    may_change: bool = False
    has_demo: bool = False
    sessions: list[SessionRow] = field(default_factory=list)
    about: list[list[str]] = field(default_factory=list)
    rights: list[list[str]] = field(default_factory=list)


class SettingsState(AppState):
    """The page at /settings."""

    view: View = View()
    tab: str = "profile"
    loaded: bool = False
    wrong: str = ""
    wrong_field: str = ""
    saved: int = 0  # remounts the password fields, so that nothing stays typed

    @handler("organization.read")
    async def load(self):
        """Read the tab from the address, then the settings."""
        tab = str(self.router.url.query_parameters.get("tab", ""))
        self.tab = tab if tab in TABS else TABS[0]
        self.wrong = self.wrong_field = ""
        self.view = await perform(_view)
        self.loaded = True

    @handler("profile.write")
    async def rename(self, form: dict[str, Any]):
        """One's own name."""
        await self._try(perform(_rename, str(form.get("name", "")), write=True), "Name saved.")

    @handler("profile.write")
    async def change_password(self, form: dict[str, Any]):
        """A new password; other sessions end."""
        new, again = str(form.get("new", "")), str(form.get("again", ""))
        if new != again:
            self.wrong, self.wrong_field = (
                "The two new passwords differ. Type the same twice.",
                "again",
            )
            return
        self.saved += 1
        await self._try(
            reach(_change_password, str(form.get("current", "")), new),
            "Password changed. Your other sessions ended.",
        )

    @handler("profile.write")
    async def end_session(self, session_id: str):
        """Sign another browser out."""
        await perform(_end, session_id, write=True)
        self._note("ok", "That session ended.")
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
    role = ctx.who.role.value.replace("_", " ") if ctx.who.role else ""
    return View(
        name=me.name,
        email=me.email,
        role=role.capitalize(),
        org_name=mine.name,
        currency=mine.currency,
        time_zone=mine.time_zone,
        week_start=str(mine.week_start),
        revenue_basis=mine.revenue_basis,
        may_change=ctx.can("organization.write"),
        has_demo=demo.is_there(ctx),
        sessions=[_session(ctx, s, mine.time_zone) for s in sessions.list_mine(ctx)],
        about=_about(ctx),
        rights=[
            [
                words,
                low.value.replace("_", " ").capitalize(),
                "Yes" if access.allows(ctx.who.role, name) else "No",
            ]
            for name, (low, words) in access.PERMISSIONS.items()
        ],
    )


def _session(ctx: Context, row: WebSession, zone: str) -> SessionRow:
    return SessionRow(
        id=str(row.id),
        what=_browser(row.user_agent),
        where=row.ip or "unknown address",
        seen=fmt.ago(row.last_seen_at, ctx.now(), zone),
        here=row.id == ctx.who.session_id,
    )


def _browser(agent: str) -> str:
    """The browser's name and system, from what it says about itself."""
    names = (
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
    )
    systems = (
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Windows", "Windows"),
        ("Mac OS", "macOS"),
        ("Linux", "Linux"),
    )
    name = next((n for mark, n in names if mark in agent), "A browser")
    system = next((n for mark, n in systems if mark in agent), "")
    return f"{name} on {system}" if system else name


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


def _change_password(app: App, who: Principal, org_id: int, current: str, new: str) -> None:
    accounts.change_password(app, who, org_id, current=current, new=new)


def _end(ctx: Context, session_id: str) -> None:
    sessions.end_mine(ctx, UUID(session_id))
