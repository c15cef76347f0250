"""Re-syncs with a preview, columns, hours and clearing on the page of a connection."""

from __future__ import annotations

import contextlib
import datetime as dt
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from liftos_app.errors import Invalid, LiftOSError, Missing
from liftos_app.services import connections
from liftos_app.services import format as fmt
from liftos_app.services.context import Context
from liftos_app.services.sync import preview, undo
from liftos_app.state.app import AppState, as_id, handler, perform
from liftos_app.state.connection import ConnectionState
from liftos_app.state.connection_sync_view import SyncView, view_of


@dataclass
class Estimate:
    """What a re-sync would take, in texts; `asked` keeps what it was made for."""

    ready: bool = False
    facts: list[list[str]] = field(default_factory=list)
    asked: dict[str, Any] = field(default_factory=dict)


class ConnectionSyncState(AppState):
    """The tabs Changes and Schema, and how the connection is synced."""

    view: SyncView = SyncView()
    estimate: Estimate = Estimate()
    wrong: str = ""
    clear_wrong: str = ""

    @handler("connections.read")
    async def load(self):
        """Read what these tabs show."""
        self.wrong = self.clear_wrong = ""
        self.estimate = Estimate()
        with contextlib.suppress(Missing):  # the page says that the connection is gone
            await self._refresh()

    @handler("syncs.run")
    async def look_first(self, form: dict[str, Any]):
        """Estimate the re-sync that was described."""
        self.wrong, self.estimate = "", Estimate()
        try:
            self.estimate = await perform(_estimate, self._mine(), form)
        except LiftOSError as error:
            self.wrong = error.sentence()

    @handler("syncs.run")
    async def read_again(self):
        """Ask for the re-sync that was estimated."""
        asked = self.estimate.asked
        try:
            await perform(_reread, self._mine(), asked, write=True)
        except LiftOSError as error:
            self.wrong = error.sentence()
            return None
        self.estimate = Estimate()
        self._note(
            "ok", "The days are being read again.", more="Old rows stay until all are there."
        )
        await self._refresh()
        return ConnectionState.load

    @handler("connections.write")
    async def take_back(self, run_id: str):
        """Undo a re-sync."""
        done = await perform(_undo, as_id(run_id), write=True)
        more = f"{fmt.plural(done.left, 'row')} changed since and were left." if done.left else ""
        self._note("ok", f"{fmt.plural(done.rows, 'row')} as before.", more=more)
        await self._refresh()

    @handler("connections.write")
    async def accept(self, stream: str):
        """Take changed columns as known."""
        await perform(connections.accept_columns, self._mine(), stream, write=True)
        self._note("ok", "The columns are known now.")
        await self._refresh()

    @handler("syncs.run")
    async def back_fill(self, stream: str):
        """Read the stream's whole history again, for a new column."""
        await perform(_back_fill, self._mine(), stream, write=True)
        self._note("ok", "The history is being read again.", more="It is swapped in at once.")
        await self._refresh()
        return ConnectionState.load

    @handler("connections.write")
    async def save(self, form: dict[str, Any]):
        """Hours, priority and column policy."""
        self.wrong = ""
        try:
            await perform(_save, self._mine(), form, write=True)
        except Invalid as error:
            self.wrong = error.sentence()
            return
        self._note("ok", "Settings saved.")
        await self._refresh()

    @handler("connections.delete")
    async def clear(self, form: dict[str, Any]):
        """Delete the rows of a stream, after the name was typed."""
        self.clear_wrong = ""
        try:
            rows = await perform(
                connections.clear, self._mine(), [str(form.get("cleared", ""))],
                confirm=str(form.get("confirm-clear", "")), write=True,
            )
        except LiftOSError as error:
            self.clear_wrong = error.sentence()
            return None
        self._note("ok", f"{fmt.plural(sum(rows.values()), 'row')} deleted.",
                   more="The next sync loads them anew.")
        await self._refresh()
        return ConnectionState.load

    def _mine(self) -> UUID:
        return as_id(self.router.url.path.rstrip("/").rsplit("/", 1)[-1])

    async def _refresh(self) -> None:
        before = str(self.router.url.query_parameters.get("before", ""))
        number = int(before) if before.isdecimal() and len(before) < 16 else None
        self.view = await perform(view_of, self._mine(), number)


def _asked(form: dict[str, Any]) -> dict[str, Any]:
    """What a form describes, as plain values."""
    return {
        "start": str(form.get("start", "")), "end": str(form.get("end", "")),
        "streams": [k[7:] for k, v in form.items() if k.startswith("stream-") and v],
        "accounts": [k[8:] for k, v in form.items() if k.startswith("account-") and v],
    }


def _typed(asked: dict[str, Any]) -> dict[str, Any]:
    days = {}
    for name in ("start", "end"):
        try:
            days[name] = dt.date.fromisoformat(asked.get(name, ""))
        except ValueError:
            raise Invalid(
                "A day is missing.", why="Both days are needed.", fix="Choose both days."
            ) from None
    return {
        **days, "streams": asked.get("streams") or None,
        "accounts": [as_id(a) for a in asked.get("accounts", ())] or None,
    }


def _estimate(ctx: Context, connection_id: UUID, form: dict[str, Any]) -> Estimate:
    asked = _asked(form)
    found = preview.preview(ctx, connection_id, **_typed(asked))
    low, high = found.seconds
    return Estimate(
        ready=True,
        facts=[
            ["Days", fmt.days(found.first_day, found.last_day)],
            ["Platform calls", fmt.count(found.calls)],
            ["Time", f"{fmt.duration(low, parts=1)} to {fmt.duration(high, parts=1)}"],
            ["Quota", f"{found.quota_minutes:g} min of its whole budget"],
            ["Rows stored now", fmt.count(found.rows_stored)],
            ["Numbers restated so far", fmt.count(found.restated_before)],
            *(["Not in the history", text] for text in found.left_out),
        ],
        asked=asked,
    )


def _reread(ctx: Context, connection_id: UUID, asked: dict[str, Any]) -> None:
    wanted = _typed(asked)
    connections.request_sync(
        ctx, connection_id, streams=wanted["streams"], accounts=wanted["accounts"],
        start_day=wanted["start"], end_day=wanted["end"],
    )


def _undo(ctx: Context, run_id: UUID) -> undo.Undone:
    return undo.undo(ctx, run_id)


def _back_fill(ctx: Context, connection_id: UUID, stream: str) -> None:
    connection = connections.get(ctx, connection_id)
    today = ctx.now().date()
    connections.request_sync(
        ctx, connection_id, streams=[stream],
        start_day=today - dt.timedelta(days=connection.history_days), end_day=today,
    )
    if ctx.can("connections.write"):
        connections.accept_columns(ctx, connection_id, stream)


def _save(ctx: Context, connection_id: UUID, form: dict[str, Any]) -> None:
    connections.set_sync_window(ctx, connection_id, str(form.get("hours", "")))
    connections.set_priority(ctx, connection_id, str(form.get("priority", "")))
    connections.set_drift_policy(ctx, connection_id, str(form.get("policy", "")))
