"""One connection: its state and cause, streams, runs, log and settings."""

from __future__ import annotations

import asyncio
from typing import Any, Final
from uuid import UUID

import reflex as rx

from liftos_app.errors import Invalid, LiftOSError, Missing
from liftos_app.services import connections, publish
from liftos_app.services.connections import SCHEDULE
from liftos_app.services.context import App, Context, Principal
from liftos_app.state.app import AppState, as_id, handler, perform, reach
from liftos_app.state.connection_view import KINDS, View, pulse_of, view_of
from liftos_app.state.progress import Progress, of_run

TABS: Final = ("streams", "runs", "changes", "schema", "log", "settings")


class ConnectionState(AppState):
    """The page at /connections/<id>. Tab, kind of log line and opened run are in the address."""

    view: View = View()
    tab: str = "streams"
    kind: str = ""
    loaded: bool = False
    gone: str = ""
    progress: Progress = Progress()
    wrong: str = ""
    busy: str = ""

    @handler("connections.read")
    async def load(self):
        """Read the address, then the connection."""
        given = self.router.url.query_parameters
        tab = str(given.get("tab", ""))
        self.tab = tab if tab in TABS else TABS[0]
        kind = str(given.get("kind", ""))
        self.kind = kind if kind in KINDS else ""
        self.wrong, self.gone, self.busy = "", "", ""
        self.progress = Progress()  # never that of another connection
        try:
            await self._refresh(
                run=str(given.get("run", ""))[:40], before=_number(given.get("before"))
            )
        except LiftOSError as error:
            self.gone = error.sentence()
        self.loaded = True

    @handler("connections.read", background=True)
    async def follow(self):
        """While the page is open: show a run that is under way, and what has changed since."""
        for _ in range(7200):
            async with self:
                if self.gone:
                    return
                mine, run_id, known = self._mine(), self.view.active_run, self.view.pulse
            if run_id:
                found = await perform(of_run, as_id(run_id), "UTC")
                async with self:
                    if run_id != self.view.active_run:
                        continue  # another connection was opened meanwhile
                    self.progress = found
            try:
                pulse = await perform(pulse_of, mine)
            except Missing as error:  # deleted meanwhile
                async with self:
                    self.gone = error.sentence()
                return
            if pulse != known:
                async with self:
                    await self._refresh()
            await asyncio.sleep(1 if run_id else 2)

    @handler("syncs.run")
    async def run_now(self):
        """Ask for a sync."""
        await perform(_run, self._mine(), write=True)
        self._note("ok", "Sync requested.", more="It starts within seconds.")
        await self._refresh()

    @handler("syncs.run")
    async def cancel(self):
        """End the run that is under way."""
        if self.view.active_run:
            await perform(_cancel, as_id(self.view.active_run), write=True)
            self._note(
                "ok", "The sync stops after the window it is in.", more="What was loaded stays."
            )
        await self._refresh()

    @handler("connections.write")
    async def pause(self):
        """Pause or resume."""
        paused = await perform(_toggle, self._mine(), write=True)
        self._note(
            "ok", "Paused. Data already loaded stays." if paused else "Scheduled syncs run again."
        )
        await self._refresh()

    @handler("connections.write")
    async def save(self, form: dict[str, Any]):
        """Name, schedule and time zone."""
        self.wrong = ""
        try:
            await perform(
                _save,
                self._mine(),
                str(form.get("name", "")),
                str(form.get("schedule", SCHEDULE)),
                str(form.get("zone", "")),
                write=True,
            )
        except Invalid as error:
            self.wrong = error.sentence()
            return
        self._note("ok", "Settings saved.")
        await self._refresh()

    @handler("connections.write")
    async def publish(self, form: dict[str, Any]):
        """Write the unified tables into the warehouse; the log tells how it goes."""
        self.wrong, self.busy = "", "publish"
        yield
        try:
            place = await reach(_publish, self._mine(), str(form.get("place", ""))[:255])
            self._note("ok", f"Publishing to {place} began.", more="The log tells how it goes.")
            await self._refresh()
        except LiftOSError as error:
            self.wrong = error.sentence()
        finally:
            self.busy = ""

    @handler("connections.delete")
    async def delete(self, form: dict[str, Any]):
        """Delete, after the name was typed."""
        if str(form.get("confirm", "")).strip() != self.view.name:
            self.wrong = "The name does not match. Type it exactly as shown."
            return None
        self.busy, self.wrong = "delete", ""
        await reach(_delete, self._mine())
        self._note("ok", f"{self.view.name} and its rows are deleted.")
        return rx.redirect("/connections")

    def _mine(self) -> UUID:
        return as_id(self.router.url.path.rstrip("/").rsplit("/", 1)[-1])

    async def _refresh(self, *, run: str = "", before: int | None = None) -> None:
        self.view = await perform(view_of, self._mine(), kind=self.kind, run=run, before=before)
        if self.view.opened_run:
            self.progress = await perform(of_run, as_id(self.view.opened_run), self.view.zone)
        elif not self.view.active_run:
            self.progress = Progress()


def _run(ctx: Context, connection_id: UUID) -> None:
    connections.request_sync(ctx, connection_id)


def _cancel(ctx: Context, run_id: UUID) -> None:
    from liftos_app.services import sync

    sync.cancel(ctx, run_id)


def _toggle(ctx: Context, connection_id: UUID) -> bool:
    if connections.get(ctx, connection_id).paused_at is None:
        connections.pause(ctx, connection_id)
        return True
    connections.resume(ctx, connection_id)
    return False


def _save(ctx: Context, connection_id: UUID, name: str, schedule: str, zone: str) -> None:
    connections.rename(ctx, connection_id, name)
    connections.set_schedule(ctx, connection_id, schedule, zone=zone)


def _publish(app: App, who: Principal, org_id: int, connection_id: UUID, place: str) -> str:
    return publish.begin(app, who, org_id, connection_id, place)


def _delete(app: App, who: Principal, org_id: int, connection_id: UUID) -> None:
    connections.disconnect(app, who, org_id, connection_id)


def _number(value: Any) -> int | None:
    text = str(value or "")
    return int(text) if text.isdecimal() and len(text) < 16 else None
