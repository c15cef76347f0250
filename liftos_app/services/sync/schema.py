"""The columns that each stream's source has sent: when first, and which are new or gone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlmodel import col, select

from liftos_app.models import Account, StreamState
from liftos_app.services.context import Context
from liftos_app.services.sync.runs import connection_of


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


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
