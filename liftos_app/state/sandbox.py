"""The sandbox's trouble on screen."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from liftos_app.errors import LiftOSError
from liftos_app.services import catalogue, trouble
from liftos_app.services import format as fmt
from liftos_app.services.context import Context
from liftos_app.state.app import AppState, handler, perform


@dataclass
class PlantRow:
    """Planted trouble."""

    words: str
    platform: str
    slug: str
    trigger: bool
    day: str


@dataclass
class FaultRow:
    """A fault in force."""

    id: str
    words: str
    platform: str
    left: str
    planted: bool


@dataclass
class TruthRow:
    """What a channel really caused."""

    channel: str
    spend: str
    orders: str
    revenue: str
    ratio: str


@dataclass
class View:
    """What the page shows."""

    kinds: list[list[str]] = field(default_factory=list)
    platforms: list[list[str]] = field(default_factory=list)
    planted: list[PlantRow] = field(default_factory=list)
    faults: list[FaultRow] = field(default_factory=list)


class SandboxState(AppState):
    """The page at /sandbox-trouble."""

    view: View = View()
    truth: list[TruthRow] = []
    busy: bool = False
    loaded: bool = False
    off: str = ""

    @handler("sandbox.control")
    async def load(self):
        """What is planted and in force."""
        self.off = ""
        try:
            self.view = await perform(_view)
        except LiftOSError as error:
            self.off = error.sentence()
        self.loaded = True

    @handler("sandbox.control")
    async def cause(self, form: dict[str, Any]):
        """Cause trouble."""
        times = str(form.get("count", "1"))
        count = None if times == "always" else int(times) if times.isdecimal() else 1
        wait = str(form.get("retry_after", "0"))
        await perform(
            trouble.cause,
            str(form.get("kind", "")),
            str(form.get("platform", "")),
            count=count,
            retry_after=int(wait) if wait.isdecimal() else 0,
            write=True,
        )
        self._note("ok", "The next answers are bent.", more="Run a sync to see what it does.")
        self.view = await perform(_view)

    @handler("sandbox.control")
    async def clear(self, fault_id: str):
        """End one fault, or all with an empty id."""
        gone = await perform(trouble.clear, fault_id, write=True)
        self._note("ok", f"{fmt.plural(gone, 'fault')} ended.")
        self.view = await perform(_view)

    @handler("sandbox.control", background=True)
    async def show_truth(self):
        """Ask the simulator what really caused the orders."""
        async with self:
            self.busy = True
        try:
            found = await perform(_truth)
            async with self:
                self.truth = found
        finally:
            async with self:
                self.busy = False

    @handler("sandbox.control")
    async def set_off(self, act: str, platform: str):
        """Expire, revoke or restore tokens."""
        await perform(trouble.set_off, act, platform, write=True)
        self._note("ok", "Done.", more="The next sync of that platform meets it.")


def _truth(ctx: Context) -> list[TruthRow]:
    return [
        TruthRow(
            t.channel.replace("_", " ").capitalize(),
            fmt.money_whole(t.spend, "USD"),
            fmt.count(t.orders),
            fmt.money_whole(t.revenue, "USD"),
            fmt.ratio(t.revenue / t.spend if t.spend else None),
        )
        for t in trouble.truth(ctx)
    ]


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]


def _view(ctx: Context) -> View:
    found = trouble.read(ctx)
    names = {c.id: c.name for c in catalogue.cards(ctx)}
    names |= {"*": "All platforms", "ecb": "Exchange rates (ECB)"}
    return View(
        kinds=[[key, _sentence(words)] for key, words in found.kinds.items()],
        platforms=[["*", names["*"]], *([p, names.get(p, p)] for p in found.platforms)],
        planted=[
            PlantRow(
                p.words, names.get(p.platform, p.platform), p.platform, p.trigger,
                fmt.day(p.day, ctx.now().date()) if p.day else "",
            )
            for p in found.planted
        ],
        faults=[
            FaultRow(
                f.id,
                _sentence(f.words),
                names.get(f.platform, f.platform),
                planted=f.planted,
                left="Until cleared" if f.left is None else fmt.plural(f.left, "answer"),
            )
            for f in found.faults
        ],
    )
