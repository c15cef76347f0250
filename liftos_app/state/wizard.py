"""The wizard: five steps to a connection, each an address; the draft is in the database."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID

import reflex as rx

from liftos_app.errors import LiftOSError, Missing
from liftos_app.models import Connection
from liftos_app.services import condition, connections, consent, wizard
from liftos_app.services.catalogue import CATEGORIES
from liftos_app.services.context import App, Context, Principal, open_context
from liftos_app.state import process
from liftos_app.state.app import AppState, as_id, handler, perform, reach
from liftos_app.state.progress import Progress, of_run
from liftos_app.state.stream_editor import StreamEditorState
from liftos_app.state.wizard_view import Card, View, card_rows, tick, view_of

PATH: Final = "/connections/new"
SPEAK_EVERY: Final = 5  # seconds between two announcements of progress


@dataclass
class Problem:
    """What did not work, in the pattern of every failure."""

    what: str = ""
    why: str = ""
    fix: str = ""
    button: str = ""
    act: str = ""


@dataclass
class TestRow:
    """One account's live test."""

    account: str
    ok: bool
    text: str


class WizardState(AppState):
    """The page at /connections/new. What is typed stays in the browser's fields until sent."""

    view: View = View()
    cards: list[Card] = []
    loaded: bool = False
    search: str = ""
    category: str = ""
    problem: Problem = Problem()
    filled: int = 0  # how often the sandbox's values were filled in
    busy: str = ""
    tests: list[TestRow] = []
    progress: Progress = Progress()
    spoken: str = ""

    @handler("connections.write")
    async def load(self):
        """Read the address: a draft and its step, a platform, or the catalogue."""
        self.problem, self.busy, self.tests, self.spoken = Problem(), "", [], ""
        self.progress = Progress()
        given = self._given()
        if given["id"] or given["platform"]:
            self.filled = 0
            try:
                await self._refresh(step=_number(given["step"]))
                self._explain(given["result"])
            except Missing as error:
                self.view = View()
                self.problem = Problem(error.what, error.why, error.fix)
        else:
            self.view = View()
        if not self.view.chosen:
            self.search = given["search"]
            self.category = given["category"] if given["category"] in CATEGORIES else ""
            self.cards = await perform(card_rows, self.search, self.category)
        self.loaded = True
        # Not on_loads of the page: these would not wait for this one.
        if self.view.step == 4 and given["stream"]:
            return StreamEditorState.edit(given["stream"])
        return WizardState.follow if self.view.run_id and self.view.step == 5 else None

    @handler("connections.write", background=True)
    async def follow(self):
        """Show the first sync while it runs; ends with the run or when the page is left."""
        elapsed = 0
        while True:
            async with self:
                if not self.view.run_id or self.view.step != 5:
                    return
                run_id = as_id(self.view.run_id)
            found = await perform(of_run, run_id, "UTC")
            async with self:
                self.progress = found
                if elapsed % SPEAK_EVERY == 0 or not found.active:
                    self.spoken = f"{found.word}: {found.text}, {found.rows}."
            if not found.active:
                return
            await asyncio.sleep(1)
            elapsed += 1

    @handler("connections.write")
    async def find(self, form: dict[str, Any]):
        """Search the catalogue."""
        asked = {n: str(form.get(n, ""))[:80] for n in ("search", "category")}
        query = urlencode({n: v for n, v in asked.items() if v})
        return rx.redirect("/connections/new" + (f"?{query}" if query else ""))

    @handler("connections.write")
    async def begin(self, form: dict[str, Any]):
        """Step 1 is done: keep a draft."""
        mode, method = str(form.get("mode", "")), str(form.get("method", ""))
        made = await perform(_draft, self.view.platform, mode, method, write=True)
        return rx.redirect(wizard.step_address(made, 2))

    @handler("connections.write")
    async def pick_method(self, value: str):
        """Another way to sign in."""
        self.filled = 0
        await self._refresh(step=2, method=value)

    @handler("connections.write")
    async def fill_in(self):
        """Put the sandbox's own credentials into the fields. They open nothing else."""
        self.filled += 1
        await self._refresh(step=2, method=self.view.method, fill=True)

    @handler("connections.write")
    async def sign_in(self, form: dict[str, Any]):
        """Step 2: keep what was typed, then the platform's page, or a check of the key."""
        typed = {f.name: str(form.get(f.name, "")) for f in self.view.fields}
        self.problem, self.busy = Problem(), "sign_in"
        yield
        try:
            target = await reach(
                _sign_in,
                as_id(self.view.connection_id),
                method=self.view.method,
                typed=typed,
                origin=self._origin(),
            )
            yield rx.redirect(target)
        except LiftOSError as error:
            self._show(error)
        finally:
            self.busy = ""

    @handler("connections.write")
    async def reread_accounts(self):
        """Ask the platform for the accounts again."""
        self.busy = "accounts"
        yield
        try:
            await reach(_discover, as_id(self.view.connection_id))
            await self._refresh(step=3)
        except LiftOSError as error:
            self._show(error)
        finally:
            self.busy = ""

    @handler("connections.write")
    async def choose_accounts(self, form: dict[str, Any]):
        """Step 3."""
        chosen = [as_id(name) for name, value in form.items() if value and len(name) == 36]
        try:
            await perform(_choose, as_id(self.view.connection_id), chosen, write=True)
        except LiftOSError as error:
            self._show(error)
            return None
        return rx.redirect(wizard.step_address(as_id(self.view.connection_id), 4))

    @handler("connections.write")
    async def select_all(self, chosen: bool):
        """Tick or clear all usable accounts. What another connection reads is only ticked by hand:
        its figures would count twice.
        """
        tick(self.view, chosen=chosen)

    @handler("connections.write")
    async def preview_schedule(self, text: str, zone: str):
        """The next three run times of a schedule being typed."""
        self.view.schedule, self.view.zone = text, zone
        times, trouble = await perform(_preview, text, zone)
        self.view.next_runs, self.view.schedule_problem = times, trouble

    @handler("connections.write")
    async def save_plan(self, form: dict[str, Any]):
        """Step 4: streams, history and schedule."""
        streams = [s.name for s in self.view.streams if form.get(f"stream-{s.name}")]
        try:
            await perform(
                _plan,
                as_id(self.view.connection_id),
                streams=streams,
                days=_number(str(form.get("history", ""))) or self.view.history_days,
                schedule=str(form.get("schedule", ""))[:80],
                zone=str(form.get("zone", ""))[:64],
                write=True,
            )
        except LiftOSError as error:
            self._show(error)
            return None
        return rx.redirect(wizard.step_address(as_id(self.view.connection_id), 5))

    @handler("connections.write")
    async def test(self):
        """Step 5: ask the platform about every chosen account."""
        self.busy, self.tests, self.problem = "test", [], Problem()
        yield
        try:
            self.tests = await reach(_test, as_id(self.view.connection_id))
        except LiftOSError as error:
            self._show(error)
        finally:
            self.busy = ""

    @handler("connections.write")
    async def start(self):
        """Step 5: test, then the first sync."""
        self.busy, self.problem = "start", Problem()
        yield
        wanted = as_id(self.view.connection_id)
        try:
            self.tests = await reach(_test, wanted)
            if all(t.ok for t in self.tests):
                self.view.run_id = await perform(_start, wanted, write=True)
                self.view.started = True
                yield WizardState.follow
        except LiftOSError as error:
            self._show(error)
        finally:
            self.busy = ""

    @handler("connections.write")
    async def discard(self):
        """Delete a draft."""
        await perform(_discard, as_id(self.view.connection_id), write=True)
        self._note("ok", "The draft is deleted.")
        return rx.redirect("/connections")

    def _given(self) -> dict[str, str]:
        asked = self.router.url.query_parameters
        return {
            k: str(asked.get(k, ""))[:80]
            for k in ("id", "platform", "step", "result", "search", "category", "method", "stream")
        }

    async def _refresh(self, *, step: int | None, method: str = "", fill: bool = False) -> None:
        given = self._given()
        self.view = await perform(
            view_of,
            connection_id=as_id(given["id"]) if given["id"] else None,
            platform=given["platform"],
            method=method or given["method"],
            step=step,
            origin=self._origin(),
            fill=fill,
            refused=given["result"] == "refused",
        )

    def _origin(self) -> str:
        return process.app().settings.origin_for(self.router.headers.host)

    def _explain(self, result: str) -> None:
        known = wizard.PROBLEMS.get(result)
        if known is not None:
            self.problem = Problem(known.what, known.why, known.fix, known.button, known.act)
        elif result == "ok":
            self._note("ok", f"Signed in to {self.view.platform_name}.")

    def _show(self, error: LiftOSError) -> None:
        fields = error.facts.get("fields")
        wrong = {str(k): str(v) for k, v in fields.items()} if isinstance(fields, dict) else {}
        for row in self.view.fields:
            row.wrong = wrong.get(row.name, "")
        self.problem = Problem(error.what, error.why, error.fix)


def address(**values: str) -> str:
    """The wizard's address with these values."""
    query = urlencode({k: v for k, v in values.items() if v})
    return PATH + (f"?{query}" if query else "")


def _draft(ctx: Context, platform: str, mode: str, method: str) -> UUID:
    return connections.create_draft(ctx, platform, mode=mode, method=method).id


def _sign_in(
    app: App,
    who: Principal,
    org_id: int,
    connection_id: UUID,
    *,
    method: str,
    typed: dict[str, str],
    origin: str,
) -> str:
    """Where to go next: the consent page, or the next step."""
    with open_context(app, who, org_id) as ctx:
        row = connections.get(ctx, connection_id)
        kind = _kind(row, method)
        started = condition.started(row)
    given = {k: v for k, v in typed.items() if v.strip()}
    if started:
        again = connections.reconnect(app, who, org_id, connection_id, origin=origin, inputs=given)
        if again.consent is not None:
            return again.consent.url
        return f"/connections/{connection_id}"
    if kind not in ("oauth2", "oauth1"):
        done = connections.sign_in(app, who, org_id, connection_id, inputs=typed, method=method)
        if done.missing_scopes:
            return wizard.step_address(connection_id, 2, "missing_scope")
        return wizard.step_address(connection_id, 3, "ok")
    with open_context(app, who, org_id, write=True) as ctx:
        connections.save_inputs(ctx, connection_id, typed, method=method)
    return consent.open_consent(app, who, org_id, connection_id, origin=origin).url


def _kind(connection: Connection, method: str) -> str:
    from liftos_app.services import catalogue

    platform = catalogue.find(connection.platform)
    return catalogue.find_method(platform, method or connection.auth_kind).kind


def _discover(app: App, who: Principal, org_id: int, connection_id: UUID) -> None:
    connections.discover_accounts(app, who, org_id, connection_id)


def _choose(ctx: Context, connection_id: UUID, chosen: list[UUID]) -> None:
    connections.select_accounts(ctx, connection_id, chosen)


def _preview(ctx: Context, text: str, zone: str) -> tuple[list[str], str]:
    from liftos_app.services import format as fmt

    times, trouble = wizard.preview_schedule(ctx, text, zone)
    return [fmt.moment(t, zone, ctx.now().date()) for t in times], trouble


def _plan(
    ctx: Context, connection_id: UUID, *, streams: list[str], days: int, schedule: str, zone: str
) -> None:
    connections.choose_streams(ctx, connection_id, streams)
    connections.set_history(ctx, connection_id, days)
    connections.set_schedule(ctx, connection_id, schedule, zone=zone)
    connections.set_step(ctx, connection_id, 5)


def _test(app: App, who: Principal, org_id: int, connection_id: UUID) -> list[TestRow]:
    return [
        TestRow(t.account, t.ok, t.text) for t in connections.test(app, who, org_id, connection_id)
    ]


def _start(ctx: Context, connection_id: UUID) -> str:
    return str(connections.start(ctx, connection_id).id)


def _discard(ctx: Context, connection_id: UUID) -> None:
    row = connections.get(ctx, connection_id)
    if condition.started(row):
        raise Missing(
            "This is no draft any more.",
            why="Its first sync was started.",
            fix="Delete it on its own page.",
        )
    connections.delete(ctx, connection_id)


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) < 6 else None
