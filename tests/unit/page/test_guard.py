"""The gate before every event: nobody reaches a handler that their role does not open."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import reflex as rx
from reflex.istate.data import HeaderData
from reflex_base.event import Event
from reflex_base.registry import RegistrationContext
from sqlmodel import select

import liftos_app.pages  # noqa: F401 - registers every page and state
from liftos_app.models import Membership, Organization, Role, User
from liftos_app.services import sessions
from liftos_app.services.context import App, Principal
from liftos_app.state import guard, process, visitor
from liftos_app.state.app import MARK, PUBLIC, AppState, Notice, handler
from liftos_app.state.connections import ConnectionsState
from liftos_app.state.guard import FRAMEWORK, EventGuard, payload_fits
from liftos_app.state.limiter import Limiter

PUBLIC_EVENTS = {"enter", "close_notice", "open_login", "open_setup"}


def handlers() -> dict[str, Any]:
    return dict(RegistrationContext.ensure_context().event_handlers)


def name_of(fragment: str) -> str:
    found = [n for n in handlers() if n.endswith(fragment)]
    assert len(found) == 1, found
    return found[0]


@pytest.fixture
def page_app(app: App) -> Iterator[App]:
    process.install(app)
    yield app
    process.install(app)


@pytest.fixture
def signed_in(
    page_app: App, organization: Organization, make_principal: Callable[..., Principal]
) -> Callable[[Role], str]:
    """The Cookie header of a person with this role."""

    def make(role: Role) -> str:
        who = make_principal(role, organization)
        with page_app.db.write() as session:
            user = session.get_one(User, who.user_id)
            assert organization.id is not None
            if session.get(Membership, (organization.id, user.id)) is None:
                session.add(
                    Membership(
                        org_id=organization.id,
                        user_id=user.id,
                        role=Role.ADMIN,
                        created_at=page_app.now(),
                    )
                )
            token = sessions.create(
                session, page_app, user=user, org_id=organization.id, ip="", user_agent=""
            )
        return f"{sessions.cookie_name(page_app.settings)}={token}"

    return make


async def send(
    root: Any, event: str, cookie: str = "", *, server: Any = None, **payload: Any
) -> Any:
    """What the guard answers: None lets the event pass."""
    root.rx_router_headers = HeaderData.from_router_data({"headers": {"cookie": cookie}})
    context = RegistrationContext.ensure_context()
    token = RegistrationContext.set(context)
    try:
        return await EventGuard().preprocess(
            server, root, Event(name=event, payload=payload, router_data={})
        )
    finally:
        RegistrationContext.reset(token)


def test_L2_every_event_of_ours_names_a_permission_or_is_on_the_short_public_list() -> None:
    ours = {n: h for n, h in handlers().items() if "liftos_app" in n and not n.endswith(".setvar")}
    assert len(ours) > 30
    without = [n for n, h in ours.items() if getattr(h.handler.fn, MARK, None) is None]
    assert without == []
    public = {n.rsplit(".", 1)[1] for n, h in ours.items() if getattr(h.handler.fn, MARK) == PUBLIC}
    assert public == PUBLIC_EVENTS


def test_every_event_of_ours_is_async_and_types_its_arguments() -> None:
    for name, found in handlers().items():
        if "liftos_app" in name and not name.endswith(".setvar"):
            payload_fits(found, {})  # raises TypeError for an argument without a type


def test_a_blocking_handler_is_refused_when_it_is_written() -> None:
    with pytest.raises(TypeError, match="must be async"):
        handler(PUBLIC)(lambda: None)


def test_a_misspelt_permission_is_refused_when_it_is_written() -> None:
    with pytest.raises(KeyError):
        handler("connections.raed")


async def test_an_anonymous_socket_runs_no_handler(page_app: App) -> None:
    for name, found in handlers().items():
        if getattr(found.handler.fn, MARK, PUBLIC) != PUBLIC:
            assert await send(rx.State(), name) is not None


@pytest.mark.parametrize("role", list(Role))
async def test_L5_a_role_opens_exactly_its_events(
    role: Role, signed_in: Callable[[Role], str]
) -> None:
    from liftos_app.services import access

    cookie = signed_in(role)
    for name, found in handlers().items():
        need = getattr(found.handler.fn, MARK, None)
        if need is None or need == PUBLIC or "pause" in name or "test" in name:
            continue
        needed = [p for p in handlers()[name].handler.fn.__annotations__ if p != "return"]
        if needed:
            continue  # payloads are tried below
        answer = await send(rx.State(), name, cookie)
        assert (answer is None) is access.allows(role, need), (role, name)


async def test_setvar_and_private_methods_are_no_events(signed_in: Callable[[Role], str]) -> None:
    cookie = signed_in(Role.SUPER_ADMIN)
    for name in [n for n in handlers() if n.endswith(".setvar")] + ["nothing.at_all"]:
        assert name not in FRAMEWORK
        assert await send(rx.State(), name, cookie, var_name="ready", value=True) is not None


async def test_L33_a_borrowed_tab_token_finds_an_empty_state(
    signed_in: Callable[[Role], str]
) -> None:
    root = rx.State()
    mine = await root.get_state(AppState)
    assert await send(root, name_of("connections_state.load"), signed_in(Role.ADMIN)) is None
    mine.person_name, mine.notices = "Dana Lee", [Notice("1", "ok", "secret")]
    answer = await send(root, "reflex___state____state.hydrate_and_load")
    assert answer is None
    assert (mine.person_name, mine.notices) == ("", [])


async def test_another_role_of_the_same_person_empties_the_tab(
    page_app: App, signed_in: Callable[[Role], str]
) -> None:
    root, cookie = rx.State(), signed_in(Role.ADMIN)
    mine = await root.get_state(AppState)
    assert await send(root, name_of("connections_state.load"), cookie) is None
    mine.org_name = "Larkspur"
    with page_app.db.write() as session:
        for row in session.exec(select(Membership)).all():
            row.role = Role.VIEWER
            session.add(row)
    sessions.forget(page_app, user_id=None)
    assert (
        await send(root, name_of("connections_state.run_now"), cookie, connection_id="x")
        is not None
    )
    assert mine.org_name == ""


class Sockets:
    """The edge of the page server that closes sockets; remembers which."""

    namespace = "/_event"

    def __init__(self) -> None:
        self.closed: list[str] = []
        self.sio = self.event_namespace = self

    async def disconnect(self, sid: str, namespace: str) -> None:
        assert namespace == self.namespace
        self.closed.append(sid)


async def test_L4_a_revoked_session_is_refused_at_its_next_event_and_its_socket_closed(
    page_app: App, signed_in: Callable[[Role], str]
) -> None:
    root, cookie, server = rx.State(), signed_in(Role.ADMIN), Sockets()
    assert await send(root, name_of("connections_state.load"), cookie) is None
    await asyncio.to_thread(sessions.sign_out, page_app, cookie.split("=", 1)[1])
    answer = await send(root, name_of("connections_state.load"), cookie, server=server)
    assert [e.name for e in answer.events] == ["_redirect"]
    await asyncio.gather(*guard._closing)
    assert len(server.closed) == 1


@pytest.mark.parametrize(
    "payload",
    [
        {"connection_id": 5},
        {"connection_id": {"a": 1}},
        {"connection_id": "x", "more": "y"},
        {"connection_id": "x" * 30_000},
        ["x"],
        None,
    ],
)
def test_a_payload_of_another_shape_is_refused(payload: Any) -> None:
    assert not payload_fits(handlers()[name_of("connections_state.run_now")], payload)


def test_a_payload_as_declared_passes() -> None:
    assert payload_fits(handlers()[name_of("connections_state.run_now")], {"connection_id": "x"})
    assert payload_fits(
        handlers()[name_of("connections_state.pause")], {"connection_id": "x", "resume": True}
    )
    assert not payload_fits(
        handlers()[name_of("connections_state.pause")], {"connection_id": "x", "resume": "yes"}
    )


def test_exactly_the_burst_passes_and_time_refills_it() -> None:
    now = [100.0]
    limiter = Limiter(rate=30, burst=60, clock=lambda: now[0])
    assert sum(limiter.allows("a") for _ in range(500)) == 60
    assert limiter.allows("b")
    now[0] += 1
    assert sum(limiter.allows("a") for _ in range(500)) == 30


async def test_a_flood_does_no_work_and_says_so(signed_in: Callable[[Role], str]) -> None:
    root, cookie, gate = rx.State(), signed_in(Role.ADMIN), EventGuard()
    root.rx_router_headers = HeaderData.from_router_data({"headers": {"cookie": cookie}})
    token = RegistrationContext.set(RegistrationContext.ensure_context())
    try:
        event = Event(name=name_of("connections_state.load"), payload={}, router_data={})
        passed = sum([(await gate.preprocess(None, root, event)) is None for _ in range(80)])
    finally:
        RegistrationContext.reset(token)
    assert 60 <= passed < 80
    assert (await root.get_state(AppState)).notices[-1].what == "That was too fast."


async def test_L80_the_hourly_limits_hold_for_events_too(
    page_app: App, signed_in: Callable[[Role], str]
) -> None:
    limits = {**page_app.settings.hourly_limits, "sync": 2, "connections": 1}
    page_app.settings = dataclasses.replace(page_app.settings, hourly_limits=limits)
    root, cookie = rx.State(), signed_in(Role.ADMIN)
    run, pause = name_of("connections_state.run_now"), name_of("connections_state.pause")
    answers = [await send(root, run, cookie, connection_id="x") for _ in range(3)]
    assert [a is None for a in answers] == [True, True, False]
    told = (await root.get_state(AppState)).notices[-1]
    assert (told.kind, told.what) == ("warn", "There were too many syncs.")
    for expected in (True, False):
        answer = await send(root, pause, cookie, connection_id="x", resume=False)
        assert (answer is None) is expected
    assert await send(root, name_of("wizard_state.load"), cookie) is None  # looking is no change


async def test_an_unknown_failure_shows_a_reference_and_nothing_else(
    page_app: App, caplog: pytest.LogCaptureFixture
) -> None:
    root = rx.State()
    state = await root.get_state(ConnectionsState)
    visitor.acting.set(None)

    @handler("connections.read")
    async def broken(self: Any) -> None:
        raise ZeroDivisionError("inner detail")

    await broken(state)
    note = state.notices[-1]
    assert note.kind == "bad"
    assert "inner detail" not in note.what + note.more
    assert note.reference in [getattr(r, "reference", "") for r in caplog.records]
