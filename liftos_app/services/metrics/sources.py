"""Which accounts answer a question: the mode, and what each account's connection brings."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlmodel import Session, col, func, select

from liftos_app.errors import Missing
from liftos_app.models import (
    Account,
    Connection,
    ConnectionStatus,
    Provenance,
    StreamState,
    SyncRun,
)
from liftos_app.models.facts import Level
from liftos_app.services.connectors import registry
from liftos_app.services.connectors.defined import streams_of
from liftos_app.services.connectors.spec import AccountInfo, Lands, Platform, Stream
from liftos_app.services.context import Context
from liftos_app.services.metrics.definitions import Supply
from liftos_app.services.metrics.question import Mode

SETTING_UP = (
    ConnectionStatus.DRAFT, ConnectionStatus.AUTHORISING, ConnectionStatus.SELECTING_ACCOUNTS,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One selected account and what it brings: supply -> the stream that carries it."""

    account_key: int
    account: str
    account_id: UUID
    external_id: str
    currency: str
    time_zone: str
    connection_id: UUID
    connection: str
    platform: str
    platform_name: str
    status: str
    paused_at: datetime | None
    last_success_at: datetime | None
    color_index: int
    chosen: tuple[str, ...]  # streams of the connection
    first_run_at: datetime  # when reading began
    history_days: int
    info: AccountInfo
    options: Mapping[str, Any] = field(default_factory=dict)  # of the connection
    streams: dict[Supply, Stream] = field(default_factory=dict)
    newest: dict[str, dt.date] = field(default_factory=dict)  # stream -> newest day read

    @property
    def zone(self) -> ZoneInfo:
        """Its days are days of this zone."""
        return ZoneInfo(self.time_zone)

    def today(self, now: datetime) -> dt.date:
        """The day that is not over there."""
        return now.astimezone(self.zone).date()

    def first_day(self, stream: Stream) -> dt.date:
        """The oldest day the first sync was to read."""
        limit = min(self.history_days, stream.history_days(self.info))
        return self.today(self.first_run_at) - dt.timedelta(days=limit)

    def data_through(self, now: datetime) -> dt.date | None:
        """The last full day that every stream that counts has reached."""
        newest = [self.newest.get(s.name) for s in self.streams.values()]
        reached = [d for d in newest if d is not None]
        if not reached or len(reached) < len(newest):
            return None
        return min(*reached, self.today(now) - dt.timedelta(days=1))


def choose_mode(ctx: Context, mode: Mode = Mode.AUTO) -> Provenance:
    """Live if a live connection has been set up and live data is preferred, else demo."""
    if mode is not Mode.AUTO:
        return Provenance(mode.value)
    found = set(
        ctx.session.exec(
            select(Connection.provenance)
            .where(
                Connection.org_id == ctx.org,
                col(Connection.deleted_at).is_(None),
                col(Connection.status).not_in(SETTING_UP),
            )
            .distinct()
        ).all()
    )
    if Provenance.LIVE in found and (
        ctx.settings.prefer_live_data or Provenance.DEMO not in found
    ):
        return Provenance.LIVE
    if Provenance.DEMO in found:
        return Provenance.DEMO
    return Provenance.DEMO if ctx.settings.demo_mode else Provenance.LIVE


def find(ctx: Context, provenance: Provenance, platforms: tuple[str, ...] = ()) -> list[Source]:
    """The selected accounts of one provenance, in the order their connections were made."""
    query = (
        select(Account, Connection)
        .join(Connection, col(Account.connection_id) == Connection.id)
        .where(
            Account.org_id == ctx.org,
            Connection.org_id == ctx.org,
            col(Account.selected).is_(True),
            Connection.provenance == provenance,
            col(Connection.deleted_at).is_(None),
            col(Connection.status).not_in(SETTING_UP),
        )
        .order_by(col(Connection.created_at), col(Account.key))
    )
    if platforms:
        query = query.where(col(Connection.platform).in_(platforms))
    pairs = ctx.session.exec(query).all()
    first_runs = _first_runs(ctx.session, ctx.org)
    newest = _newest(ctx.session, ctx.org)
    return [_source(a, c, first_runs, newest) for a, c in pairs]


def platform_of(slug: str) -> Platform | None:
    """What we know about a platform; None for one this version no longer has."""
    try:
        return registry.get(slug)
    except Missing:
        return None


def supplies(
    platform: Platform | None, chosen: tuple[str, ...],
    options: Mapping[str, Any] | None = None, info: AccountInfo | None = None,
) -> dict[Supply, Stream]:
    """Which chosen stream of an account carries spend, store orders and mail claims."""
    found: dict[Supply, Stream] = {}
    for stream in streams_of(platform, options or {}) if platform else ():
        if (chosen and stream.name not in chosen) or not stream.fits(info):
            continue
        if stream.lands is Lands.ORDERS:
            found.setdefault(Supply.STORE, stream)
        elif stream.lands is Lands.FACTS and platform and platform.category == "Mail":
            found.setdefault(Supply.MAIL, stream)
        elif stream.lands is Lands.FACTS and stream.level == Level.CAMPAIGN:
            found.setdefault(Supply.ADS, stream)
    return found


def _source(
    account: Account, connection: Connection, first_runs: dict[UUID, datetime],
    newest: dict[int, dict[str, dt.date]],
) -> Source:
    platform = platform_of(connection.platform)
    key = account.key or 0
    chosen = tuple(connection.streams)
    info = AccountInfo(
        external_id=account.external_id, name=account.name, currency=account.currency,
        time_zone=account.time_zone or "UTC", status=account.status, extra=account.extra,
    )
    return Source(
        account_key=key, account=account.name, account_id=account.id,
        external_id=account.external_id, currency=account.currency,
        time_zone=account.time_zone or "UTC", connection_id=connection.id,
        connection=connection.name, platform=connection.platform,
        platform_name=platform.name if platform else connection.platform,
        status=connection.status, paused_at=connection.paused_at,
        last_success_at=connection.last_success_at, color_index=connection.color_index,
        chosen=chosen, options=connection.options,
        first_run_at=first_runs.get(connection.id, connection.created_at),
        history_days=connection.history_days,
        info=info, streams=supplies(platform, chosen, connection.options, info),
        newest=newest.get(key, {}),
    )


def _first_runs(session: Session, org_id: int) -> dict[UUID, datetime]:
    rows = session.exec(
        select(SyncRun.connection_id, func.min(SyncRun.created_at))
        .where(SyncRun.org_id == org_id)
        .group_by(col(SyncRun.connection_id))
    ).all()
    return dict(rows)


def _newest(session: Session, org_id: int) -> dict[int, dict[str, dt.date]]:
    rows = session.exec(
        select(
            StreamState.account_key, StreamState.stream, col(StreamState.newest_day)
        ).where(StreamState.org_id == org_id, col(StreamState.newest_day).is_not(None))
    ).all()
    found: dict[int, dict[str, dt.date]] = {}
    for account_key, stream, day in rows:
        if day is not None:
            found.setdefault(account_key, {})[stream] = day
    return found
