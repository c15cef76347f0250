"""Bodies of the platform-connections routes: what a program may send, what it gets.

Requests forbid unknown fields; answers list theirs, so that no stored row goes out by accident.
Times are ISO 8601 UTC, ids are UUIDs; a secret is shown as its last four characters at most.
"""

from __future__ import annotations

import datetime as dt
from datetime import datetime
from typing import Annotated, Any, Generic, Literal, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from liftos_app.models import Account, Connection, SyncEvent, SyncRun
from liftos_app.services import catalogue, condition, connections, sync

Text = Annotated[str, Field(max_length=8_192)]
Item = TypeVar("Item")


class Strict(BaseModel):
    """Refuses what it does not know."""

    model_config = ConfigDict(extra="forbid")


class Listed(Strict, Generic[Item]):
    """A page of a list; `next_cursor` is null on the last one."""

    data: list[Item]
    next_cursor: str | None = None


# --- requests -------------------------------------------------------------------------------------


class ConnectionCreate(Strict):
    """Create a connection from a key or client credentials, in one call."""

    platform: Annotated[str, Field(max_length=60)]
    method: Annotated[str, Field(max_length=60)] = ""
    inputs: dict[Annotated[str, Field(max_length=80)], Text] = Field(default_factory=dict)
    mode: Literal["", "demo", "live"] = ""
    name: Text = ""
    accounts: Literal["all"] | list[Annotated[str, Field(max_length=200)]] = Field(
        default_factory=list
    )
    streams: list[Annotated[str, Field(max_length=80)]] = Field(default_factory=list)
    history_days: int | None = None
    schedule: Annotated[str, Field(max_length=200)] = ""
    schedule_zone: Annotated[str, Field(max_length=80)] | None = None
    start: bool = False


class ConnectionChange(Strict):
    """Change what is given; everything else stays. All of it happens, or nothing."""

    name: Text | None = None
    accounts: Literal["all"] | list[Annotated[str, Field(max_length=200)]] | None = None
    streams: list[Annotated[str, Field(max_length=80)]] | None = None
    history_days: int | None = None
    schedule: Annotated[str, Field(max_length=200)] | None = None
    schedule_zone: Annotated[str, Field(max_length=80)] | None = None
    paused: bool | None = None
    inputs: dict[Annotated[str, Field(max_length=80)], Text] | None = None


class SyncAsk(Strict):
    """Which part to sync; nothing means the usual sync. Days are the account's, both inclusive."""

    streams: list[Annotated[str, Field(max_length=80)]] | None = None
    start: dt.date | None = None
    end: dt.date | None = None


class OAuthInitiate(Strict):
    """Begin a consent, for a new connection or for one that exists."""

    platform: Annotated[str, Field(max_length=60)] = ""
    method: Annotated[str, Field(max_length=60)] = ""
    inputs: dict[Annotated[str, Field(max_length=80)], Text] = Field(default_factory=dict)
    mode: Literal["", "demo", "live"] = ""
    name: Text = ""
    connection_id: UUID | None = None


# --- answers --------------------------------------------------------------------------------------


class InputOut(Strict):
    """One value to type."""

    name: str
    label: str
    help: str
    secret: bool
    required: bool
    placeholder: str


class MethodOut(Strict):
    """One way to sign in."""

    id: str
    kind: str
    title: str
    summary: str
    access_life: str
    steps: list[str]
    inputs: list[InputOut]


class ScopeOut(Strict):
    """One permission in words."""

    name: str
    reason: str
    required: bool
    read_only: bool
    without: str


class StreamOut(Strict):
    """One stream a connection can read."""

    name: str
    title: str
    grain: str
    default: bool
    reread_days: int
    latency_hours: float
    history_days: int


class PrerequisiteOut(Strict):
    """Something needed first."""

    text: str
    who: str
    wait: str
    link: str


class PlatformOut(Strict):
    """A platform of the catalogue. `demo_credentials` is empty unless in demo mode."""

    id: str
    name: str
    category: str
    tier: int
    summary: str
    api_version: str
    version_ends: dt.date | None
    needs_app: bool
    setup_minutes: list[int]
    history: str
    latency: str
    role_needed: str
    docs_url: str
    never: list[str]
    methods: list[MethodOut]
    scopes: list[ScopeOut]
    streams: list[StreamOut]
    prerequisites: list[PrerequisiteOut]
    demo_credentials: dict[str, dict[str, str]]
    connections: dict[str, int]

    @classmethod
    def of(cls, card: catalogue.Card) -> PlatformOut:
        """From a catalogue card."""
        return cls(
            id=card.id, name=card.name, category=card.category, tier=card.tier,
            summary=card.summary, api_version=card.api_version, version_ends=card.version_ends,
            needs_app=card.needs_app, setup_minutes=list(card.setup_minutes),
            history=card.history, latency=card.latency, role_needed=card.role_needed,
            docs_url=card.docs_url, never=list(card.never),
            methods=[
                MethodOut(
                    id=m.id, kind=m.kind, title=m.title, summary=m.summary,
                    access_life=m.access_life, steps=list(m.steps),
                    inputs=[
                        InputOut(
                            name=i.name, label=i.label, help=i.help, secret=i.secret,
                            required=i.required, placeholder=i.placeholder,
                        )
                        for i in m.inputs
                    ],
                )
                for m in card.methods
            ],
            scopes=[
                ScopeOut(
                    name=s.name, reason=s.reason, required=s.required, read_only=s.read_only,
                    without=s.without,
                )
                for s in card.scopes
            ],
            streams=[
                StreamOut(
                    name=s.name, title=s.title, grain=s.grain, default=s.default,
                    reread_days=s.reread_days, latency_hours=s.latency_hours,
                    history_days=s.history_days,
                )
                for s in card.streams
            ],
            prerequisites=[
                PrerequisiteOut(text=p.text, who=p.who, wait=p.wait, link=p.link)
                for p in card.prerequisites
            ],
            demo_credentials={k: dict(v) for k, v in card.demo_credentials.items()},
            connections=dict(card.connections),
        )


class CauseOut(Strict):
    """Why something is not well: what happened, why, who can fix it, how, and what goes on."""

    code: str
    what: str
    why: str
    fix: str
    cause: str
    owner: str
    action: str
    meanwhile: str
    request_id: str
    first_at: str
    last_at: str
    until: str | None = None
    days: str
    streams: list[str]

    @classmethod
    def of(cls, stored: dict[str, Any] | None) -> CauseOut | None:
        """From a stored cause, whoever wrote it."""
        whole = condition.whole_cause(stored)
        if whole is None:
            return None
        return cls(**{k: v for k, v in whole.items() if k in cls.model_fields})


class AccountOut(Strict):
    """An account of a connection."""

    id: UUID
    external_id: str
    name: str
    currency: str
    time_zone: str
    status: str
    usable: bool
    reason: str
    selected: bool

    @classmethod
    def of(cls, account: Account) -> AccountOut:
        """From the stored row."""
        return cls(
            id=account.id, external_id=account.external_id, name=account.name,
            currency=account.currency, time_zone=account.time_zone, status=account.status,
            usable=account.usable, reason=account.reason, selected=account.selected,
        )


class CredentialOut(Strict):
    """A stored credential: never its value."""

    field: str
    hint: str
    expires_at: datetime | None
    scopes: list[str]
    updated_at: datetime


class ConnectionOut(Strict):
    """A connection as lists show it. `mode` is demo or live and never changes."""

    id: UUID
    platform: str
    platform_name: str
    name: str
    status: str
    mode: str
    provenance: str
    cause: CauseOut | None
    accounts_selected: int
    streams: list[str]
    history_days: int
    schedule: str
    schedule_zone: str
    paused: bool
    last_success_at: datetime | None
    data_through: dt.date | None
    rows_24h: int
    next_run_at: datetime | None
    credential_expires_at: datetime | None
    active_sync_id: UUID | None
    owner: str
    created_at: datetime

    @classmethod
    def of(cls, row: connections.ConnectionRow) -> ConnectionOut:
        """From a list row."""
        return cls(**_row_values(row))


class ConnectionDetail(ConnectionOut):
    """A connection with its accounts and its credential's outside."""

    method: str
    inputs: dict[str, str]  # the non-secret ones
    accounts: list[AccountOut]
    credentials: list[CredentialOut]
    missing_scopes: list[str] = Field(default_factory=list)
    sync_id: UUID | None = None

    @classmethod
    def whole(
        cls, connection: Connection, row: connections.ConnectionRow, accounts: list[Account],
        credentials: list[connections.CredentialView], *, missing_scopes: tuple[str, ...] = (),
        sync_id: UUID | None = None,
    ) -> ConnectionDetail:
        """From the stored rows."""
        return cls(
            **_row_values(row), method=connection.auth_kind,
            inputs={str(k): str(v) for k, v in connection.options.items()},
            accounts=[AccountOut.of(a) for a in accounts],
            credentials=[
                CredentialOut(
                    field=c.field, hint=c.hint, expires_at=c.expires_at, scopes=list(c.scopes),
                    updated_at=c.updated_at,
                )
                for c in credentials
            ],
            missing_scopes=list(missing_scopes), sync_id=sync_id or row.active_run_id,
        )


class TestedAccount(Strict):
    """One account's live test."""

    account_id: UUID
    account: str
    ok: bool
    text: str
    cause: CauseOut | None


class TestAnswer(Strict):
    """How many accounts answered."""

    passed: int
    of: int
    results: list[TestedAccount]


class StreamProgressOut(Strict):
    """One account x stream of a sync, as it stands."""

    account_id: UUID
    account: str
    stream: str
    status: str
    days_done: int
    days_total: int
    current_day: str
    rows_read: int
    rows_written: int
    rows_updated: int
    rows_unchanged: int
    rows_rejected: int
    waiting_until: datetime | None
    cause: CauseOut | None


class SyncOut(Strict):
    """A sync. `streams` and the days are given for one sync, not in its history."""

    id: UUID
    connection_id: UUID
    status: str
    trigger: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    waiting_until: datetime | None
    attempts: int
    rows_read: int
    rows_written: int
    rows_updated: int
    rows_unchanged: int
    rows_rejected: int
    requests: int
    cause: CauseOut | None
    days_done: int | None = None
    days_total: int | None = None
    seconds_left: list[int] | None = None
    streams: list[StreamProgressOut] | None = None

    @classmethod
    def of(cls, run: SyncRun) -> SyncOut:
        """From the stored run."""
        return cls(
            id=run.id, connection_id=run.connection_id, status=str(run.state),
            trigger=run.trigger, created_at=run.created_at, started_at=run.started_at,
            finished_at=run.finished_at, waiting_until=run.waiting_until, attempts=run.attempts,
            rows_read=run.rows_read, rows_written=run.rows_written,
            rows_updated=run.rows_updated, rows_unchanged=run.rows_unchanged,
            rows_rejected=run.rows_rejected, requests=run.requests, cause=CauseOut.of(run.cause),
        )

    @classmethod
    def with_progress(cls, progress: sync.RunProgress) -> SyncOut:
        """From a run with its streams."""
        found = cls.of(progress.run)
        found.days_done, found.days_total = progress.days_done, progress.days_total
        found.seconds_left = list(progress.seconds_left) if progress.seconds_left else None
        found.streams = [
            StreamProgressOut(
                account_id=s.account_id, account=s.account_name, stream=s.stream,
                status=str(s.state), days_done=s.days_done, days_total=s.days_total,
                current_day=s.current_day, rows_read=s.rows_read, rows_written=s.rows_written,
                rows_updated=s.rows_updated, rows_unchanged=s.rows_unchanged,
                rows_rejected=s.rows_rejected, waiting_until=s.waiting_until,
                cause=CauseOut.of(s.error),
            )
            for s in progress.streams
        ]
        return found


class SyncQueued(Strict):
    """A sync was asked for; ask again at `href`."""

    sync_id: UUID
    connection_id: UUID
    status: str
    href: str


class ConsentBegun(Strict):
    """Where the consent goes on. The address is for one use and ten minutes."""

    authorization_url: str
    connection_id: UUID
    redirect_uri: str
    expires_at: datetime


class ConsentDone(Strict):
    """How a consent ended."""

    connection_id: UUID
    status: str
    missing_scopes: list[str]
    accounts: list[AccountOut]
    missing_accounts: list[str]
    new_accounts: list[str]
    sync_id: UUID | None


class EventOut(Strict):
    """A line of a connection's log."""

    id: int
    at: datetime
    level: str
    kind: str
    stream: str
    text: str
    sync_id: UUID | None

    @classmethod
    def of(cls, event: SyncEvent) -> EventOut:
        """From the stored line."""
        return cls(
            id=event.id or 0, at=event.at, level=event.level, kind=event.kind,
            stream=event.stream, text=event.text, sync_id=event.run_id,
        )


class DashboardOut(Strict):
    """All connections in numbers. `health_percent` is null while there is none to judge."""

    as_of: datetime
    counts: dict[str, int]
    health_percent: float | None
    connections: list[ConnectionOut]


def _row_values(row: connections.ConnectionRow) -> dict[str, Any]:
    return {
        "id": row.id, "platform": row.platform, "platform_name": row.platform_name,
        "name": row.name, "status": row.status.value, "mode": row.provenance,
        "provenance": row.provenance, "cause": CauseOut.of(row.cause),
        "accounts_selected": row.accounts, "streams": list(row.streams),
        "history_days": row.history_days, "schedule": row.schedule,
        "schedule_zone": row.schedule_zone, "paused": row.status.value == "paused",
        "last_success_at": row.last_success_at, "data_through": row.data_through,
        "rows_24h": row.rows_24h, "next_run_at": row.next_run_at,
        "credential_expires_at": row.credential_expires_at, "active_sync_id": row.active_run_id,
        "owner": row.owner, "created_at": row.created_at,
    }
