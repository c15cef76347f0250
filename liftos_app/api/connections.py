"""Platform connections over REST: everything the wizard and the connection pages do.

Routes that call a platform take the caller, the others one Context. The callback of a consent is
in `callback.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import JSONResponse

from liftos_app.api import cursors
from liftos_app.api.connection_models import (
    AccountOut,
    ConnectionChange,
    ConnectionCreate,
    ConnectionDetail,
    ConnectionOut,
    ConsentBegun,
    DashboardOut,
    EventOut,
    OAuthInitiate,
    PublishAsk,
    PublishBegun,
    TestAnswer,
    TestedAccount,
)
from liftos_app.api.deps import Caller, CallerDep, ContextDep
from liftos_app.api.platform_models import PlatformOut
from liftos_app.api.shapes import CauseOut, Listed
from liftos_app.api.sync_models import SyncAsk, SyncOut, SyncQueued
from liftos_app.errors import Conflict, Gone, Invalid, Missing
from liftos_app.models import ConnectionStatus, EventKind, EventLevel
from liftos_app.services import catalogue, connections, consent, idempotency, publish, sync
from liftos_app.services.connectors import registry
from liftos_app.services.connectors.spec import Category
from liftos_app.services.context import App, Context
from liftos_app.services.idempotency import Answer

router = APIRouter(prefix="/platform-connections", tags=["Platform connections"])
PAGE: Final = 50
IdempotencyKey = Annotated[
    str, Header(alias="Idempotency-Key", description="Repeat a request safely for 24 h.")
]
Limit = Annotated[int, Query(ge=1, le=200)]
Cursor = Annotated[str, Query(max_length=200)]


# --- catalogue ------------------------------------------------------------------------------------


@router.get("/platforms")
def list_platforms(
    ctx: ContextDep, search: Annotated[str, Query(max_length=100)] = "",
    category: Category | None = None,
) -> Listed[PlatformOut]:
    """Platforms that can be connected; in demo mode with the sandbox's credentials."""
    found = catalogue.cards(ctx, search=search, category=category or "")
    return Listed(data=[PlatformOut.of(card) for card in found])


@router.get("/platforms/{platform_id}")
def get_platform(ctx: ContextDep, platform_id: str) -> PlatformOut:
    """One platform."""
    return PlatformOut.of(catalogue.one(ctx, platform_id))


@router.get("/dashboard")
def dashboard(ctx: ContextDep) -> DashboardOut:
    """All connections: counts by status, health, and each one's state, cause and next run."""
    found = connections.overview(ctx)
    return DashboardOut(
        as_of=ctx.now(), counts=found.counts,
        health_percent=None if found.health is None else round(found.health * 100, 1),
        connections=[ConnectionOut.of(row) for row in found.rows],
    )


# --- connections ----------------------------------------------------------------------------------


@router.get("/connections")
def list_connections(
    ctx: ContextDep, *, platform: Annotated[str, Query(max_length=40)] = "",
    status: Annotated[list[ConnectionStatus] | None, Query()] = None,
    mode: Literal["", "demo", "live"] = "",
    search: Annotated[str, Query(max_length=200)] = "",
    limit: Limit = PAGE, cursor: Cursor = "",
) -> Listed[ConnectionOut]:
    """Connections, oldest first. `platform` is an id of the catalogue."""
    if platform:
        _check_platform(platform)
    rows = connections.list_all(
        ctx, platform=platform, statuses=status or (), provenance=mode, search=search
    )
    if cursor:
        after = cursors.read_id(cursor)
        ids = [r.id for r in rows]
        rows = rows[ids.index(after) + 1:] if after in ids else []
    page = rows[:limit]
    more = len(rows) > limit
    return Listed(
        data=[ConnectionOut.of(r) for r in page],
        next_cursor=cursors.write(str(page[-1].id)) if more else None,
    )


@router.post("/connections", status_code=201)
def create_connection(
    caller: CallerDep, body: ConnectionCreate, idempotency_key: IdempotencyKey = "",
) -> JSONResponse:
    """Connect with a key or client credentials: signs in, reads the accounts, stores all at once.

    A wrong key leaves nothing behind. Methods with a consent page begin at `oauth/initiate`.
    """

    def work() -> Answer:
        outcome = connections.create_connected(
            caller.app, caller.who, caller.org_id, body.platform, method=body.method,
            inputs=body.inputs, mode=body.mode,
            wishes=connections.Wishes(
                name=body.name, accounts=body.accounts or (), streams=body.streams or (),
                definitions=body.options.streams if body.options else (),
                history_days=body.history_days, schedule=body.schedule,
                schedule_zone=body.schedule_zone, start=body.start,
            ),
        )
        with caller.read() as ctx:
            detail = _detail(
                ctx, outcome.connection_id, missing=outcome.missing_scopes,
                sync_id=outcome.run_id,
            )
        return Answer(201, detail.model_dump(mode="json"))

    answer = _once(caller, idempotency_key, ("create", body.model_dump(mode="json")), work)
    wake_engine(caller.app)
    return answer


@router.get("/connections/{connection_id}")
def get_connection(ctx: ContextDep, connection_id: UUID) -> ConnectionDetail:
    """One connection with its accounts. Secrets show their last four characters at most."""
    return _detail(ctx, connection_id)


@router.put("/connections/{connection_id}")
def update_connection(
    caller: CallerDep, connection_id: UUID, body: ConnectionChange
) -> ConnectionDetail:
    """Change name, accounts, streams, history, schedule or pause; all of it, or nothing.

    `inputs` replaces a key: it is tried first, and the stored one stays when it fails.
    """
    if body.inputs:
        if body.model_dump(exclude={"inputs"}, exclude_none=True):
            raise Invalid(
                "A new key comes in a request of its own.",
                why="Other changes must not depend on what the platform answers.",
                fix="Send inputs alone, then the other changes.", field="inputs",
            )
        outcome = connections.sign_in(
            caller.app, caller.who, caller.org_id, connection_id, inputs=body.inputs
        )
        with caller.read() as ctx:
            return _detail(
                ctx, connection_id, missing=outcome.missing_scopes, sync_id=outcome.run_id
            )
    with caller.write() as ctx:
        _apply(ctx, connection_id, body)
    with caller.read() as ctx:
        return _detail(ctx, connection_id)


@router.delete("/connections/{connection_id}", status_code=204)
def delete_connection(caller: CallerDep, connection_id: UUID) -> Response:
    """Withdraw the permission, destroy the credential and delete all rows of this connection.

    What remains: its name and dates in the audit log. There is no way back.
    """
    connections.disconnect(caller.app, caller.who, caller.org_id, connection_id)
    return Response(status_code=204)


@router.post("/connections/{connection_id}/test")
def test_connection(caller: CallerDep, connection_id: UUID) -> TestAnswer:
    """Ask the platform for each account, live. A refusal is a result, with cause and fix."""
    results = connections.test(caller.app, caller.who, caller.org_id, connection_id)
    return TestAnswer(
        passed=sum(r.ok for r in results), of=len(results),
        results=[
            TestedAccount(
                account_id=r.account_id, account=r.account, ok=r.ok, text=r.text,
                cause=CauseOut.of(r.cause),
            )
            for r in results
        ],
    )


@router.post("/connections/{connection_id}/discover")
def discover_accounts(caller: CallerDep, connection_id: UUID) -> Listed[AccountOut]:
    """Read the accounts from the platform again."""
    found = connections.discover_accounts(caller.app, caller.who, caller.org_id, connection_id)
    return Listed(data=[AccountOut.of(a) for a in found])


@router.get("/connections/{connection_id}/log")
def connection_log(
    ctx: ContextDep, connection_id: UUID, *,
    kind: Annotated[list[EventKind] | None, Query()] = None,
    level: Annotated[list[EventLevel] | None, Query()] = None,
    search: Annotated[str, Query(max_length=200)] = "", limit: Limit = PAGE, cursor: Cursor = "",
) -> Listed[EventOut]:
    """The timeline, newest first."""
    page = connections.log(
        ctx, connection_id, kinds=kind or (), levels=level or (), search=search, limit=limit,
        before=cursors.read_number(cursor) if cursor else None,
    )
    return Listed(
        data=[EventOut.of(e) for e in page.events],
        next_cursor=cursors.write(str(page.next_before)) if page.next_before else None,
    )


# --- syncs ----------------------------------------------------------------------------------------


@router.post("/connections/{connection_id}/sync", status_code=202)
def start_sync(
    caller: CallerDep, connection_id: UUID, body: SyncAsk | None = None,
    idempotency_key: IdempotencyKey = "",
) -> JSONResponse:
    """Ask for a sync. The first one of a connection that is set up also starts its schedule."""
    asked = body or SyncAsk()

    def work() -> Answer:
        with caller.write() as ctx:
            run = connections.request_sync(
                ctx, connection_id, streams=asked.streams, accounts=asked.accounts,
                start_day=asked.start, end_day=asked.end,
            )
            queued = SyncQueued(
                sync_id=run.id, connection_id=connection_id, status=str(run.state),
                href=f"/api/v1{router.prefix}/connections/{connection_id}/sync/{run.id}",
                left_out=sync.left_out(ctx, run),
            )
        return Answer(202, queued.model_dump(mode="json"))

    request = ("sync", str(connection_id), asked.model_dump(mode="json"))
    answer = _once(caller, idempotency_key, request, work)
    wake_engine(caller.app)
    return answer


@router.get("/connections/{connection_id}/sync/{sync_id}")
def get_sync(ctx: ContextDep, connection_id: UUID, sync_id: UUID) -> SyncOut:
    """One sync with its streams, days and rows as they stand."""
    connections.get(ctx, connection_id)
    progress = sync.progress(ctx, sync_id)
    if progress.run.connection_id != connection_id:
        raise _no_such_sync()
    return SyncOut.with_progress(progress)


@router.delete("/connections/{connection_id}/sync/{sync_id}")
def cancel_sync(ctx: ContextDep, connection_id: UUID, sync_id: UUID) -> SyncOut:
    """End a sync after the days it is in. What is stored stays."""
    connections.get(ctx, connection_id)
    if sync.get(ctx, sync_id).connection_id != connection_id:
        raise _no_such_sync()
    return SyncOut.of(sync.cancel(ctx, sync_id))


@router.get("/connections/{connection_id}/sync-history")
def sync_history(
    ctx: ContextDep, connection_id: UUID, limit: Limit = PAGE, cursor: Cursor = ""
) -> Listed[SyncOut]:
    """Syncs, newest first."""
    before = cursors.read_moment(cursor) if cursor else None
    runs = sync.history(ctx, connection_id, limit=limit, before=before)
    more = len(runs) == limit
    return Listed(
        data=[SyncOut.of(r) for r in runs],
        next_cursor=cursors.write(runs[-1].created_at.isoformat()) if more else None,
    )


@router.post("/connections/{connection_id}/publish", status_code=202)
def publish_tables(caller: CallerDep, connection_id: UUID, body: PublishAsk) -> PublishBegun:
    """Write LiftOS' unified tables into a database or catalog of this warehouse.

    It goes on in the background; the log's lines of kind publish tell what each table took.
    Publishing again writes only what has changed since.
    """
    place = publish.begin(caller.app, caller.who, caller.org_id, connection_id, body.place)
    return PublishBegun(
        connection_id=connection_id, place=place,
        log=f"/api/v1{router.prefix}/connections/{connection_id}/log?kind=publish",
    )


# --- consent --------------------------------------------------------------------------------------


@router.post("/oauth/initiate")
def initiate_oauth(caller: CallerDep, body: OAuthInitiate, request: Request) -> ConsentBegun:
    """Begin a consent. Open `authorization_url` in a browser, or fetch it; it returns to
    `redirect_uri` with a code, which `oauth/callback` takes. One use, ten minutes.
    """
    if body.connection_id is None and not body.platform:
        raise Invalid(
            "platform: It is missing.", why="A consent is for a platform or for a connection.",
            fix="Send platform, method and inputs for a new connection, or connection_id for one "
            "that exists.",
            field="platform", fields={"platform": "It is missing."},
        )
    origin = caller.app.settings.origin_for(request.headers.get("host", ""))
    with caller.write() as ctx:
        if body.connection_id is None:
            connection = connections.create_draft(
                ctx, body.platform, mode=body.mode, method=body.method, name=body.name
            )
        else:
            connection = connections.get(ctx, body.connection_id)
            _check_same(body, connection.platform, str(connection.provenance))
        if body.inputs or body.connection_id is None:
            connections.save_inputs(ctx, connection.id, body.inputs, method=body.method)
        consent.require(ctx, connection.id)
    begun = consent.open_consent(
        caller.app, caller.who, caller.org_id, connection.id, origin=origin
    )
    return ConsentBegun(
        authorization_url=begun.url, connection_id=connection.id,
        redirect_uri=begun.redirect_uri, expires_at=begun.expires_at,
    )


# --- helpers --------------------------------------------------------------------------------------


def _apply(ctx: Context, connection_id: UUID, body: ConnectionChange) -> None:
    """Every change of one request in one transaction."""
    if body.name is not None:
        connections.rename(ctx, connection_id, body.name)
    if body.accounts is not None:
        if body.accounts == "all":
            connections.select_accounts(ctx, connection_id, "all")
        else:
            connections.select_accounts(
                ctx, connection_id, connections.account_ids(ctx, connection_id, body.accounts)
            )
    if body.options is not None:  # after the accounts: it adds and chooses some of its own
        connections.define(ctx, connection_id, body.options.streams)
    if body.streams is not None:
        connections.choose_streams(ctx, connection_id, body.streams)
    if body.history_days is not None:
        connections.set_history(ctx, connection_id, body.history_days)
    if body.schedule is not None or body.schedule_zone is not None:
        current = connections.get(ctx, connection_id)
        connections.set_schedule(
            ctx, connection_id, body.schedule or current.schedule, zone=body.schedule_zone
        )
    if body.sync_window is not None:
        connections.set_sync_window(ctx, connection_id, body.sync_window)
    if body.priority is not None:
        connections.set_priority(ctx, connection_id, body.priority)
    if body.drift_policy is not None:
        connections.set_drift_policy(ctx, connection_id, body.drift_policy)
    if body.paused is not None:
        act = connections.pause if body.paused else connections.resume
        act(ctx, connection_id)
    connections.get(ctx, connection_id)


def _detail(
    ctx: Context, connection_id: UUID, *, missing: tuple[str, ...] = (),
    sync_id: UUID | None = None,
) -> ConnectionDetail:
    connection = connections.get(ctx, connection_id)
    return ConnectionDetail.whole(
        connection, connections.row_of(ctx, connection),
        connections.accounts_of(ctx, connection_id),
        connections.credentials_of(ctx, connection_id), missing_scopes=missing, sync_id=sync_id,
    )


def _once(
    caller: Caller, key: str, request: object, work: Callable[[], Answer]
) -> JSONResponse:
    answer = idempotency.once(
        caller.app, caller.who, caller.org_id, key, request=request, work=work,
        stands=lambda kept: _still_there(caller, kept),
    )
    return JSONResponse(answer.body, status_code=answer.status)


def _still_there(caller: Caller, kept: Answer) -> None:
    """Raise Gone when the connection of an earlier answer was deleted since."""
    found = UUID(str(kept.body.get("connection_id") or kept.body["id"]))
    with caller.read() as ctx:
        try:
            connections.get(ctx, found)
        except Missing as error:
            raise Gone(
                "The connection that this key's first request was about has been deleted.",
                why="An answer is kept for 24 hours, the connection was not.",
                fix="Send a new key to begin anew.",
            ) from error


def _check_same(body: OAuthInitiate, platform: str, mode: str) -> None:
    """A consent for an existing connection cannot turn it into another one."""
    if body.platform and body.platform != platform:
        raise Conflict(
            f"This connection is one of {platform}.", why="A connection keeps its platform.",
            fix="Leave the platform out, or create a new connection.",
        )
    if body.mode and body.mode != mode:
        raise Conflict(
            f"This connection is a {mode} connection.",
            why="Live and demo never mix in one connection.",
            fix="Leave the mode out, or create a new connection.",
        )


def _check_platform(platform_id: str) -> None:
    known = [p.slug for p in registry.all_platforms()]
    if platform_id not in known:
        raise Invalid(
            f"There is no platform called {platform_id!r}.",
            why=f"The platforms are: {', '.join(known)}.", fix="Send one of these.",
            field="platform",
        )


def wake_engine(app: App) -> None:
    """Let the engine of this process look now rather than at its next tick."""
    wake = getattr(app.extras.get("engine"), "wake", None)
    if callable(wake):
        wake()


def _no_such_sync() -> Missing:
    return Missing("There is no such sync.", why="It may have been deleted.", fix="Reload.")
