"""The gate before every event, and before every socket: deny by default.

Any event of any state can be called by anyone who opens the socket, with any payload. So before
each one: cookie -> session -> organization -> the tab's state belongs to them (else it is emptied)
-> rate limit -> permission of the handler -> payload of the declared types.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
import typing
from typing import Any, Final

import reflex as rx
from pydantic import ConfigDict, TypeAdapter, ValidationError
from reflex.middleware import Middleware
from reflex.state import StateUpdate
from reflex_base.event import Event
from reflex_base.registry import RegisteredEventHandler, RegistrationContext

from liftos_app.errors import TooMany
from liftos_app.services import access, quotas
from liftos_app.services.audit import notes
from liftos_app.state import process, visitor
from liftos_app.state.app import MARK, PUBLIC, AppState
from liftos_app.state.limiter import Limiter

log = logging.getLogger(__name__)

# What Reflex itself sends. Its setvar and client-storage handlers are not needed and stay shut.
FRAMEWORK: Final = frozenset(
    {
        "reflex___state____state.hydrate",
        "reflex___state____state.hydrate_and_load",
        "reflex___state____state.set_is_hydrated",
        "reflex___state____state.reflex___state____on_load_internal_state.on_load_internal",
        "reflex___state____state.reflex___state____on_load_internal_state.set_is_hydrated",
        "reflex___state____state.reflex___state____frontend_event_exception_state"
        ".handle_frontend_exception",
    }
)
_TEXT_LIMIT: Final = 20_000
# Events of a permission that changes connections, but only look or prepare: they count as reading.
_LOOKS: Final = frozenset(
    {"load", "follow", "find", "begin", "pick_method", "fill_in", "select_all", "preview_schedule"}
)


class EventGuard(Middleware):
    """Runs before every event, background ones included. Rows are scoped by the services."""

    def __init__(self) -> None:
        self.limiter = Limiter()

    async def preprocess(self, app: Any, state: Any, event: Event) -> StateUpdate | None:
        """None lets the event pass; an update answers it without running it."""
        root = state._get_root_state()
        mine = await root.get_state(AppState)
        seen = await visitor.find(state.router.headers.cookie, ip=state.router.session.client_ip)
        owner = seen.owner if seen else ""
        had_owner = mine._owner
        if had_owner != owner:  # sign-in, sign-out, another session's tab token
            root.reset()
            mine._owner = owner
        visitor.acting.set(seen)
        if event.name in FRAMEWORK:
            return None
        if not self.limiter.allows(owner or state.router.session.client_ip):
            mine._note("warn", "That was too fast.", more="Wait a second and try again.")
            return await _answer(root)
        registered = RegistrationContext.get().event_handlers.get(event.name)
        need = getattr(registered.handler.fn, MARK, None) if registered else None
        if registered is None or need is None:
            log.warning("event.refused", extra={"handler": event.name[:120], "why": "not an event"})
            return StateUpdate()
        if need != PUBLIC and not access.permits(seen.who if seen else None, need):
            return await self._refuse(
                app, root, seen, need=need, event=event, ended=bool(had_owner)
            )
        trouble = await _trouble(registered, event, seen, need)
        if trouble is None:
            return None
        mine._note(*trouble[:2], more=trouble[2])
        return await _answer(root)

    async def _refuse(
        self,
        app: Any,
        root: Any,
        seen: visitor.Visitor | None,
        *,
        need: str,
        event: Event,
        ended: bool,
    ) -> StateUpdate:
        if seen is None:  # a signed-out page sends itself to the door (AppState.enter)
            log.info("event.refused", extra={"handler": event.name[:120], "why": "signed out"})
            if not ended:
                return await _answer(root)
            _hang_up(app, root.router.session.session_id)
            return await _answer(root, rx.redirect("/login", replace=True))
        log.warning(
            "event.refused",
            extra={
                "handler": event.name[:120],
                "why": need,
                "session": str(seen.who.session_id),
            },
        )
        await process.in_thread(
            notes.denied, process.app(), seen.who, seen.org_id, need=need, where=event.name[:120]
        )
        role, words = access.PERMISSIONS[need]
        mine = await root.get_state(AppState)
        if mine.forbidden:  # the page itself says so
            return await _answer(root)
        mine._note(
            "warn",
            "Your role does not allow this.",
            more=f"{words}: ask an administrator for the role {role.value.replace('_', ' ')}.",
        )
        return await _answer(root)


async def _trouble(
    registered: RegisteredEventHandler, event: Event, seen: visitor.Visitor | None, need: str
) -> tuple[str, str, str] | None:
    """What is wrong with an event that is allowed: its payload, or one too many (L80)."""
    name = event.name[:120]
    if not payload_fits(registered, event.payload):
        log.warning("event.refused", extra={"handler": name, "why": "payload"})
        return "bad", "That input could not be read.", "Reload the page and try again."
    if seen is None or need == PUBLIC:
        return None
    app = process.app()
    category = quotas.category_of(need, looks=name.rpartition(".")[2] in _LOOKS)
    spend = functools.partial(quotas.spend, app, category, who=seen.who, org_id=seen.org_id)
    try:
        if app.settings.redis_url:  # asks another process: never on the event loop
            await process.in_thread(spend)
        else:
            spend()
    except TooMany as error:
        log.warning("event.refused", extra={"handler": name, "why": f"limit {category}"})
        return "warn", error.what, f"{error.why} {error.fix}"
    return None


_adapters: dict[Any, dict[str, TypeAdapter[Any]]] = {}


def payload_fits(registered: RegisteredEventHandler, payload: Any) -> bool:
    """Whether the payload names declared arguments with values of the declared types."""
    fn = registered.handler.fn
    declared = _adapters.get(fn)
    if declared is None:
        declared = _adapters[fn] = _declared(fn)
    if not isinstance(payload, dict) or not set(payload) <= set(declared):
        return False
    try:
        for name, value in payload.items():
            declared[name].validate_python(value)
            if isinstance(value, str) and len(value) > _TEXT_LIMIT:
                return False
    except ValidationError:
        return False
    return True


def _declared(fn: Any) -> dict[str, TypeAdapter[Any]]:
    hints = typing.get_type_hints(fn)
    names = list(inspect.signature(fn).parameters)[1:]  # without self
    strict = ConfigDict(strict=True)
    made = {}
    for name in names:
        if name not in hints:
            raise TypeError(f"{fn.__qualname__}: argument {name} of an event needs a type")
        made[name] = TypeAdapter(hints[name], config=strict)
    return made


async def _answer(root: Any, *events: Any) -> StateUpdate:
    delta = await root._get_resolved_delta()
    root._clean()
    return StateUpdate(delta=delta, events=Event.from_event_type(list(events)) if events else [])


def _hang_up(app: Any, sid: str) -> None:
    """Close the socket of an ended session, after the way to the sign-in page was sent."""

    async def later() -> None:
        await asyncio.sleep(1)
        namespace = app.event_namespace
        if app.sio is not None and namespace is not None:
            await app.sio.disconnect(sid, namespace=namespace.namespace)

    task = asyncio.get_running_loop().create_task(later())
    _closing.add(task)
    task.add_done_callback(_closing.discard)


_closing: set[asyncio.Task[None]] = set()
