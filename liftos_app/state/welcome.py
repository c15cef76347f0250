"""After the first sign-in: look around with the sandbox's platforms, or connect one's own."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from uuid import UUID

from liftos_app.services import connections, demo, organization, sync
from liftos_app.services import format as fmt
from liftos_app.services.context import App, Context, Principal
from liftos_app.services.demo import Connected
from liftos_app.state import process
from liftos_app.state.app import AppState, handler, perform, reach
from liftos_app.state.progress import Progress, of_run


@dataclass
class StepRow:
    """One platform being connected."""

    name: str
    kind: str
    word: str
    note: str


class WelcomeState(AppState):
    """The page at /welcome."""

    steps: list[StepRow] = []
    runs: list[Progress] = []
    connecting: bool = False
    finished: bool = False
    total: str = ""
    spoken: str = ""
    allowed: bool = False
    loaded: bool = False
    reported: str = ""

    @handler("connections.read")
    async def load(self):
        """What is there already."""
        self.allowed = self.demo and self.can_write
        self.connecting = False
        self.steps = []
        self._show(await perform(_runs))
        self.reported = await perform(_reported)
        self.loaded = True

    @handler("demo.use", background=True)
    async def look_around(self):
        """Connect every imitation, then show the first syncs until they end."""
        async with self:
            if self.connecting:
                return
            self.connecting, self.steps, self.finished = True, [], False
            origin = process.app().settings.origin_for(self.router.headers.host)
        told: list[Connected] = []
        work = asyncio.ensure_future(reach(_look_around, origin, told))
        while not work.done():
            await asyncio.wait([work], timeout=0.4)
            async with self:
                self.steps = [_step(s) for s in told]
                self._show(await perform(_runs))
        found = await perform(_runs)
        async with self:
            self.connecting, self.steps = False, [_step(s) for s in told]
            self._show(found)
        work.result()

    @handler("connections.read", background=True)
    async def follow(self):
        """Keep the bars moving while this page is open."""
        for _ in range(7200):
            found = await perform(_runs)
            async with self:
                self._show(found)
                going_on = self.connecting or any(r.active for r in self.runs)
            await asyncio.sleep(1 if going_on else 3)

    def _show(self, runs: list[Progress]) -> None:
        self.runs = runs
        active = sum(r.active for r in runs)
        self.finished = bool(runs) and not active and not self.connecting
        self.total = f"{len(runs) - active} of {fmt.plural(len(runs), 'first sync')}"
        said = "All first syncs have ended." if self.finished else ""
        if said != self.spoken:
            self.spoken = said


def _look_around(app: App, who: Principal, org_id: int, origin: str, told: list[Connected]) -> None:
    demo.look_around(app, who, org_id, origin=origin, on_step=told.append)


def _runs(ctx: Context) -> list[Progress]:
    """The newest run of every demo connection."""
    found = []
    for row in connections.list_all(ctx, provenance="demo"):
        run = sync.latest(ctx, row.id)
        if run is not None:
            found.append(of_run(ctx, UUID(str(run.id)), "UTC"))
    return found


def _reported(ctx: Context) -> str:
    mine = organization.get(ctx)
    return f"{mine.currency}, days of {mine.time_zone}"


def _step(step: Connected) -> StepRow:
    if step.error:
        return StepRow(step.name, "bad", "Failed", step.error)
    return StepRow(step.name, "ok", "Connected", "It was there already." if step.was_there else "")
