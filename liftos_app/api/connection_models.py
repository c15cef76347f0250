"""Bodies of the platform-connections routes: what a program may send, what it gets.

Requests forbid unknown fields; answers list theirs, so that no stored row goes out by accident.
Times are ISO 8601 UTC, ids are UUIDs; a secret is shown as its last four characters at most.
"""

from __future__ import annotations

import datetime as dt
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from liftos_app.api.shapes import CauseOut, Flag, Some, Strict, Whole
from liftos_app.models import Account, Connection, SyncEvent
from liftos_app.services import connections

Text = Annotated[str, Field(max_length=8_192)]
Streams = Annotated[list[Annotated[str, Field(max_length=80)]], Field(min_length=1), Some]
_Named = Annotated[list[Annotated[str, Field(max_length=200)]], Field(min_length=1)]
Accounts = Annotated[Literal["all"] | _Named, Some]


# --- requests -------------------------------------------------------------------------------------


class Options(Strict):
    """What belongs to a connection beside its inputs: the streams a person defined."""

    streams: Annotated[list[dict[str, Any]], Field(max_length=50)] = Field(default_factory=list)


class ConnectionCreate(Strict):
    """Create a connection from a key or client credentials, in one call."""

    platform: Annotated[str, Field(max_length=60)]
    method: Annotated[str, Field(max_length=60)] = ""
    inputs: dict[Annotated[str, Field(max_length=80)], Text] = Field(default_factory=dict)
    mode: Literal["", "demo", "live"] = ""
    name: Text = ""
    accounts: Accounts | None = None
    streams: Streams | None = None
    options: Options | None = None
    history_days: Whole | None = None
    schedule: Annotated[str, Field(max_length=200)] = ""
    schedule_zone: Annotated[str, Field(max_length=80)] | None = None
    start: Flag = False


class ConnectionChange(Strict):
    """Change what is given; everything else stays. All of it happens, or nothing."""

    name: Text | None = None
    accounts: Accounts | None = None
    streams: Streams | None = None
    options: Options | None = None
    history_days: Whole | None = None
    schedule: Annotated[str, Field(max_length=200)] | None = None
    schedule_zone: Annotated[str, Field(max_length=80)] | None = None
    sync_window: Annotated[str, Field(max_length=20)] | None = None
    priority: Literal["first", "usual", "last"] | None = None
    drift_policy: Literal["evolve", "ignore", "stop"] | None = None
    paused: Flag | None = None
    inputs: dict[Annotated[str, Field(max_length=80)], Text] | None = None


class PublishAsk(Strict):
    """Where the tables go: the name of a database (Snowflake) or catalog (Databricks)."""

    place: Annotated[str, Field(max_length=255)]


class PublishBegun(Strict):
    """A publishing that has begun; `log` tells its progress and result."""

    connection_id: UUID
    place: str
    log: str


class OAuthInitiate(Strict):
    """Begin a consent, for a new connection or for one that exists."""

    platform: Annotated[str, Field(max_length=60)] = ""
    method: Annotated[str, Field(max_length=60)] = ""
    inputs: dict[Annotated[str, Field(max_length=80)], Text] = Field(default_factory=dict)
    mode: Literal["", "demo", "live"] = ""
    name: Text = ""
    connection_id: UUID | None = None


# --- answers --------------------------------------------------------------------------------------


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
    waiting_for: str  # quota, hours or outage while that sync waits as a whole, else empty
    waiting_until: datetime | None
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
    options: Options
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
            inputs={str(k): str(v) for k, v in connection.options.items() if k != "streams"},
            options=Options(streams=list(connection.options.get("streams") or ())),
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
        "waiting_for": row.waiting_for, "waiting_until": row.waiting_until,
        "owner": row.owner, "created_at": row.created_at,
    }
