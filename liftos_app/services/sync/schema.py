"""The columns that each stream's source has sent: when first, and which are new or gone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlmodel import col, select

from liftos_app.models import Account, RejectedRow, StreamState
from liftos_app.services.context import Context
from liftos_app.services.sync.runs import connection_of, last_of_each_stream


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of one stream of one account.

    `is_new`, `is_gone`: announced, nobody has decided yet.
    """

    stream: str
    account: str
    column: str
    first_seen_at: datetime | None
    is_new: bool
    is_gone: bool


def columns(ctx: Context, connection_id: UUID) -> list[Column]:
    """All columns, new ones first within their stream. Raises Missing."""
    ctx.require("connections.read")
    connection_of(ctx, connection_id)
    rows = ctx.session.exec(
        select(StreamState, Account)
        .join(Account, col(Account.key) == col(StreamState.account_key))
        .where(
            StreamState.org_id == ctx.org, Account.org_id == ctx.org,
            Account.connection_id == connection_id,
        )
        .order_by(col(StreamState.stream), col(Account.name))
    ).all()
    return [
        Column(
            stream=state.stream, account=account.name, column=name,
            first_seen_at=_moment(state.column_seen.get(name)), is_new=name in state.new_columns,
            is_gone=name in state.gone_columns,
        )
        for state, account in rows
        for name in [
            *state.new_columns, *(c for c in state.columns if c not in state.new_columns)
        ]
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Why the columns of a stream cannot be used as they are."""

    stream: str
    account: str
    error: dict[str, Any]


def troubles(ctx: Context, connection_id: UUID) -> list[Trouble]:
    """Streams whose source or definition the last reading failed on. Raises Missing."""
    ctx.require("connections.read")
    connection = connection_of(ctx, connection_id)
    rows = ctx.session.exec(
        select(StreamState, Account)
        .join(Account, col(Account.key) == col(StreamState.account_key))
        .where(
            StreamState.org_id == ctx.org, Account.org_id == ctx.org,
            Account.connection_id == connection_id, col(Account.selected).is_(True),
        )
        .order_by(col(StreamState.stream), col(Account.name))
    ).all()
    return [
        Trouble(stream=state.stream, account=account.name, error=state.error)
        for state, account in rows
        if state.error and state.stream in connection.streams
        and (state.error.get("cause") == "source_data"
             or state.error.get("action") in ("definition", "schema"))
    ]


def rejections(ctx: Context, connection_id: UUID) -> dict[tuple[str, str], tuple[int, str]]:
    """By (stream, account): rows that the newest run which read it refused, and one reason."""
    connection_of(ctx, connection_id)
    found = {}
    for one in last_of_each_stream(ctx, connection_id):
        if one.rows_rejected:
            reason = ctx.session.exec(
                select(RejectedRow.reason)
                .join(Account, col(Account.key) == col(RejectedRow.account_key))
                .where(
                    RejectedRow.org_id == ctx.org, Account.org_id == ctx.org,
                    Account.id == one.account_id, RejectedRow.stream == one.stream,
                )
                .order_by(col(RejectedRow.id).desc())
            ).first()
            found[one.stream, one.account_name] = (one.rows_rejected, reason or "")
    return found


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
