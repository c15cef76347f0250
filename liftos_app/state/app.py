"""AppState: who is signed in, what the shell shows, notices; and `handler` and `perform`.

Every page state inherits from AppState, every event handler is made with `handler`, every call
into a service goes through `perform`. Nothing public on a state class is anything but an event.
"""

from __future__ import annotations

import functools
import inspect
import logging
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote
from uuid import UUID

import reflex as rx

from liftos_app.errors import Denied, LiftOSError, Missing, ProofNeeded, SignInNeeded
from liftos_app.services import access, accounts, attention, organization, people
from liftos_app.services.audit import refusals
from liftos_app.services.context import NOBODY, Context, open_context
from liftos_app.state import process, visitor

log = logging.getLogger(__name__)
T = TypeVar("T")
PUBLIC = "public"
MARK = "__liftos_permission__"
_KEEP_NOTICES = 4
_CARRIED_SECONDS = 4.0  # a message this fresh follows a redirect; older ones end with their page


@dataclass
class Notice:
    """One message of the notice region."""

    id: str
    kind: str  # ok, info, warn, bad
    what: str
    more: str = ""
    reference: str = ""
    at: float = 0.0  # seconds since 1970


@dataclass
class OrgChoice:
    """One organization of the person, for the switcher."""

    id: str
    name: str
    role: str
    here: bool


def handler(permission: str, *, background: bool = False, **options: Any) -> Callable[[Any], Any]:
    """Declare an event handler and who may cause it. `PUBLIC` is for signed-out visitors.

    Wraps `rx.event`. A LiftOSError that leaves the handler becomes a notice; anything else becomes
    a notice with a reference that stands in the log beside the trace. Handlers must be async.
    """
    if permission != PUBLIC:
        access.role_for(permission)  # a misspelt permission fails at import

    def decorate(fn: Any) -> Any:
        if inspect.isasyncgenfunction(fn):

            @functools.wraps(fn)
            async def run_steps(self: Any, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
                try:
                    async for step in fn(self, *args, **kwargs):
                        yield step
                except Exception as error:
                    async with _lock(self, held=not background):
                        _tell(self, error, fn.__qualname__, (*args, *kwargs.values()))

            run: Any = run_steps
        elif inspect.iscoroutinefunction(fn):

            @functools.wraps(fn)
            async def run_once(self: Any, *args: Any, **kwargs: Any) -> Any:
                try:
                    return await fn(self, *args, **kwargs)
                except Exception as error:
                    async with _lock(self, held=not background):
                        return _tell(self, error, fn.__qualname__, (*args, *kwargs.values()))

            run = run_once
        else:
            raise TypeError(f"{fn.__qualname__} must be async: it would freeze every tab")
        setattr(run, MARK, permission)
        return rx.event(run, background=True if background else None, **options)

    return decorate


async def perform(fn: Callable[..., T], *args: Any, write: bool = False, **kwargs: Any) -> T:
    """Run `fn(ctx, ...)` in a worker thread and one transaction, as the person who acts.

    `fn` returns plain values or dataclasses, never table rows: those end with the session.
    Raises LiftOSError as the service raised it; `handler` shows it unless the caller does.
    """
    app, seen = process.app(), visitor.acting.get()
    who, org_id = (seen.who, seen.org_id) if seen else (NOBODY, None)

    def work() -> T:
        with open_context(app, who, org_id, write=write) as ctx:
            return fn(ctx, *args, **kwargs)

    return await process.in_thread(work)


async def reach(fn: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """Run `fn(app, who, org_id, ...)` in a worker thread: for services that call a platform.

    They open short contexts themselves, so that no transaction waits for the network.
    """
    app, seen = process.app(), visitor.acting.get()
    who, org_id = (seen.who, seen.org_id) if seen else (NOBODY, None)
    return await process.in_thread(lambda: fn(app, who, org_id, *args, **kwargs))


class AppState(rx.State):
    """What every page needs to know. Page states inherit from it."""

    ready: bool = False  # the visitor may see this page
    forbidden: str = ""
    person_name: str = ""
    person_role: str = ""
    org_name: str = ""
    organizations: list[OrgChoice] = []
    demo: bool = False
    auth_off: bool = False
    can_write: bool = False
    can_sync: bool = False
    can_check: bool = False
    can_trouble: bool = False
    attention: int = 0
    notices: list[Notice] = []
    _owner: str = ""

    @handler(PUBLIC)
    async def enter(self, need: str):
        """First on_load of every page: who is this, may they look, what does the shell show."""
        settings = process.app().settings
        self.auth_off, self.demo = not settings.auth_required, settings.demo_mode
        seen = visitor.acting.get()
        self.forbidden = ""
        old = process.app().now().timestamp() - _CARRIED_SECONDS
        self.notices = [n for n in self.notices if n.at > old]
        if seen is None:
            self.ready = False
            return await self._send_to_door()
        frame = await perform(_frame)
        self.person_name, self.person_role, self.org_name = frame.person, frame.role, frame.org
        self.organizations = frame.organizations
        self.can_write = access.allows(seen.who.role, "connections.write")
        self.can_sync = access.allows(seen.who.role, "syncs.run")
        self.can_check = access.allows(seen.who.role, "quality.run")
        self.can_trouble = self.demo and access.allows(seen.who.role, "sandbox.control")
        self.attention = frame.attention
        if need != PUBLIC and need in access.PERMISSIONS and not access.permits(seen.who, need):
            self.forbidden = _forbidden(need)
        self.ready = True
        return None

    @handler(PUBLIC)
    async def close_notice(self, notice_id: str):
        """Take a message away."""
        self.notices = [n for n in self.notices if n.id != notice_id]

    async def _send_to_door(self) -> Any:
        if await process.in_thread(needs_setup):
            return rx.redirect("/setup", replace=True)
        url = self.router.url
        wanted = quote(url.path + (f"?{url.query}" if url.query else ""), safe="")
        return rx.redirect(f"/login?next={wanted}" if url.path != "/" else "/login", replace=True)

    def _note(self, kind: str, what: str, *, more: str = "", reference: str = "") -> None:
        at = process.app().now().timestamp()
        note = Notice(secrets.token_hex(4), kind, what, more, reference, at)
        said = (kind, what, more, reference)
        others = [n for n in self.notices if (n.kind, n.what, n.more, n.reference) != said]
        self.notices = [*others, note][-_KEEP_NOTICES:]


@dataclass(frozen=True, slots=True)
class Frame:
    """What the shell shows about the person and the organization."""

    person: str
    role: str
    org: str
    organizations: list[OrgChoice]
    attention: int


def _frame(ctx: Context) -> Frame:
    role = ctx.who.role.value.replace("_", " ").capitalize() if ctx.who.role else ""
    homes = [
        OrgChoice(str(h.public_id), h.name, access.word(h.role).capitalize(), h.here)
        for h in people.my_organizations(ctx)
    ]
    return Frame(ctx.who.name, role, organization.get(ctx).name, homes, attention.count(ctx))


def as_id(text: str) -> UUID:
    """An id from an address, an event or a page. Raises Missing like an id that never was."""
    try:
        return UUID(text)
    except ValueError:
        raise Missing(
            "It is not there.",
            why="The address is mistyped, or this page is older than the server.",
            fix="Load the page again, or go back to its list.",
        ) from None


def needs_setup() -> bool:
    """Whether nobody can sign in yet. Synchronous: call it in a thread."""
    with open_context(process.app(), NOBODY, None) as ctx:
        return accounts.needs_setup(ctx)


def _forbidden(permission: str) -> str:
    role, words = access.PERMISSIONS[permission]
    return f"{words}: this takes the role {role.value.replace('_', ' ')} or above."


@asynccontextmanager
async def _lock(state: Any, *, held: bool) -> AsyncIterator[None]:
    """A background handler must take the tab's lock before it writes; others hold it."""
    if held or getattr(state, "_self_mutable", False):
        yield
    else:
        async with state:
            yield


def _tell(state: Any, error: Exception, where: str, sent: tuple[object, ...]) -> Any:
    seen = visitor.acting.get()
    if seen is not None:
        refusals.note(process.app(), seen.who, seen.org_id, error, values=sent, where=where)
    if isinstance(error, ProofNeeded):
        url = state.router.url
        here = quote(url.path + (f"?{url.query}" if url.query else ""), safe="")
        return rx.redirect(f"/auth/confirm?next={here}")
    if isinstance(error, SignInNeeded):
        return rx.redirect("/login", replace=True)
    if isinstance(error, LiftOSError):
        kind = "warn" if isinstance(error, Denied) else "bad"
        state._note(kind, error.what, more=" ".join(p for p in (error.why, error.fix) if p))
        return None
    reference = secrets.token_hex(2).upper()
    log.error("event.failed", extra={"handler": where, "reference": reference}, exc_info=error)
    state._note(
        "bad",
        "We could not do this.",
        reference=reference,
        more="The fault is ours. Try again, or send the reference to your administrator.",
    )
    return None
