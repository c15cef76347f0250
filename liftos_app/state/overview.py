"""Overview: the figures of a period, what needs a person, and where each number comes from."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import reflex as rx

from liftos_app.errors import Invalid
from liftos_app.services import connections, figures, organization, overview
from liftos_app.services import format as fmt
from liftos_app.services.context import Context
from liftos_app.services.metrics import attribution, readout
from liftos_app.services.metrics.asked import Asked, question
from liftos_app.services.metrics.definitions import BASIS_TITLES, Supply
from liftos_app.services.metrics.query import Channel, Claims
from liftos_app.services.metrics.values import Gap, Passport
from liftos_app.state import ahead, filters, words
from liftos_app.state.app import handler, perform
from liftos_app.state.filters import FilterState

TILES = ("spend", "revenue", "blended_roas", "claimed_value")
MORE = ("orders", "aov", "new_customers", "cac", "claim_ratio")
_CHANNELS = frozenset({Supply.ADS, Supply.MAIL})  # what spends or claims
_GAPS = {
    Gap.MISSING: "not read yet",
    Gap.FAILED: "could not be read",
    Gap.PARTIAL: "have rows that were refused",
    Gap.EARLY: "were read before the day was over",
    Gap.BEFORE_HISTORY: "are older than the chosen history",
}


@dataclass
class Tile:
    """A key figure, formatted."""

    key: str
    label: str
    value: str
    delta: str
    direction: str
    verdict: str
    comparison: str
    spark: str
    help_text: str
    provenance: str  # of what is shown beside it
    beside: str
    not_over: str  # that the last day still runs; empty when it does not


@dataclass
class ChannelRow:
    """One channel in the table and in the claims list."""

    id: str
    name: str
    dot: str
    spend: str
    share: str
    claimed: str
    roas: str
    delta: str
    setting: str
    provenance: str


@dataclass
class Bar:
    """One bar of the claims card. `width` is a percentage text."""

    name: str
    value: str
    note: str
    width: str
    hue: str


@dataclass
class Todo:
    """One line of the needs-attention list."""

    kind: str
    what: str
    why: str
    label: str
    href: str


@dataclass
class View:
    """Everything the page shows."""

    phase: str = "ready"  # first_use, other_data (than the filter names), ready
    scope: str = ""
    fresh_kind: str = "mute"
    fresh_word: str = ""
    fresh_title: str = ""
    provenance: str = ""
    tiles: list[Tile] = field(default_factory=list)
    more: list[Tile] = field(default_factory=list)
    figure: dict[str, Any] = field(default_factory=dict)
    figure_words: str = ""
    drawn: bool = False  # there is something to draw
    table_head: list[str] = field(default_factory=list)
    table_rows: list[list[str]] = field(default_factory=list)
    unit: str = ""
    source: str = ""
    claims_words: str = ""
    bars: list[Bar] = field(default_factory=list)
    channels: list[ChannelRow] = field(default_factory=list)
    channel_foot: list[str] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)
    fallbacks: list[words.Standing] = field(default_factory=list)
    todos: list[Todo] = field(default_factory=list)


class OverviewState(FilterState):
    """The Overview page."""

    view: View = View()
    phase: str = "loading"
    trouble: str = ""
    trouble_fix: str = ""
    as_table: bool = False
    _shown: str = ""

    @rx.var
    def stale(self) -> bool:
        """Whether the figures are those of another address: waiting for new ones, or refused.

        Computed, so that a reload never sends old figures without saying so.
        """
        return filters.read(dict(self.router.url.query_parameters)).query() != self._shown

    @handler("metrics.read")
    async def load(self):
        """Read the address, then the figures; figures of another address are dimmed meanwhile."""
        asked = self._asked()
        self.trouble = ""
        if self.phase == "ready" and self._shown != asked.query():
            yield
        try:
            self.view = await ahead.take("/", asked) or await perform(view_of, asked)
            self.phase, self._shown = self.view.phase, asked.query()
        except Invalid as error:
            self.trouble, self.trouble_fix = error.what, f"{error.why} {error.fix}".strip()
            if self.phase != "ready":
                self.phase = "failed"

    @handler("metrics.read")
    async def toggle_table(self):
        """The chart's numbers as a table, and back."""
        self.as_table = not self.as_table


def view_of(ctx: Context, asked: Asked) -> View:
    """The page's content for one address."""
    wanted, today = question(ctx, asked)
    found = overview.read(ctx, wanted, (*TILES, *MORE))
    passport = found.passport
    todos = [_todo(need) for need in found.needs]
    if not passport.connections:
        elsewhere = asked.mode and connections.list_all(ctx)
        return View(phase="other_data" if elsewhere else "first_use", todos=todos)
    kind, word, title = readout.freshness(passport, today, organization.get(ctx).time_zone)
    tiles = [_tile(t, passport, today) for t in found.tiles]
    channels = [r for r in found.channels.rows if _CHANNELS & set(r.supplies)]
    view = View(
        scope=f"{filters.words(wanted, today)}. "
        f"{fmt.plural(len(channels), 'channel')}, {passport.currency}"
        + _not_over(passport),
        fresh_kind=kind,
        fresh_word=word,
        fresh_title=title,
        provenance="Demo" if passport.provenance == "demo" else "",
        tiles=tiles[: len(TILES)],
        more=tiles[len(TILES) :],
        source=_source(passport),
        todos=todos,
        fallbacks=[words.standing(f, organization.get(ctx).time_zone) for f in passport.fallbacks],
        gaps=_gaps(passport, today),
        channels=[_channel(row, passport, today) for row in channels],
        unit=f"{passport.currency} a day, {BASIS_TITLES.get(passport.revenue_basis, 'revenue')}",
    )
    _fill_chart(view, found, today)
    _fill_claims(view, found.claims)
    view.channel_foot = [
        "All channels",
        readout.text(found.tile("spend").value),
        "",
        "",
        readout.text(found.tile("claimed_value").value),
        "",
        "",
    ]
    return view


def _tile(tile: overview.Tile, passport: Passport, today: dt.date) -> Tile:
    change = readout.change(tile.delta, passport, today)
    return Tile(
        key=tile.metric,
        label=tile.title,
        value=readout.text(tile.value),
        delta=change.text,
        direction=change.direction,
        verdict=change.verdict,
        spark=figures.spark(tile.spark),
        comparison=readout.why(tile.value) if tile.value.amount is None else change.words,
        help_text=tile.passport,
        provenance=words.PROVENANCE["fallback"] if tile.beside else "",
        beside="; ".join(_beside(b) for b in tile.beside),
        not_over=overview.NOT_OVER if tile.not_over else "",
    )


def _beside(found: overview.Beside) -> str:
    """`Meta, last good: $4,310, not in the total`; a ratio only names who is not in it."""
    if found.value is None:
        return f"Without {found.fallback.connection}"
    figure = readout.text(found.value)
    return f"{found.fallback.connection}, {found.fallback.title.lower()}: {figure}, not in it"


def _fill_chart(view: View, found: overview.Overview, today: dt.date) -> None:
    days, period = found.days, found.passport.period
    axis = [d.day for d in days.days]
    pick = [("Spend", "spend", 1), ("Revenue", "revenue", 0)]
    series = [
        figures.Line(
            name=title,
            color=color,
            values=[d.values[name].amount for d in days.days],
            unsure=[d.values[name].partial for d in days.days],
        )
        for title, name, color in pick
    ]
    previous = [d.values["revenue"].amount for d in days.previous][: len(axis)]
    if any(v is not None for v in previous):
        padded: list[Decimal | None] = [*previous, *([None] * (len(axis) - len(previous)))]
        series.append(figures.Line(name="Revenue before", color=None, values=padded))
    view.drawn = any(v is not None for line in series for v in line.values)
    view.figure = figures.lines(axis, series)
    view.table_head = ["Day", "Spend", "Revenue", "Blended ROAS"]
    view.table_rows = [
        [
            fmt.day(d.day, today),
            *(readout.text(d.values[n], exact=True) for n in ("spend", "revenue", "blended_roas")),
        ]
        for d in reversed(days.days)
    ]
    spend, revenue = view.tiles[0], view.tiles[1]
    view.figure_words = (
        f"Spend and revenue by day, {fmt.days(period.start, period.end, today)}: "
        f"spend {spend.value} in total, revenue {revenue.value}."
    )


def _fill_claims(view: View, claims: Claims) -> None:
    amounts = [c.claimed.amount for c in claims.rows] + [
        claims.revenue.amount,
        claims.claimed.amount,
    ]
    most = max((a for a in amounts if a is not None), default=Decimal(0))

    def width(amount: Decimal | None) -> str:
        return f"{int(amount / most * 100)}%" if amount and most else "0%"

    view.bars = [
        Bar(
            name=c.connection,
            value=readout.text(c.claimed),
            width=width(c.claimed.amount),
            note=f"{c.fallback.title.lower()}, not in the sum" if c.fallback
            else f"{fmt.share(c.of_revenue, 0)} of revenue",
            hue=f"lo-hue-{_hue(c.color_index)}",
        )
        for c in claims.rows
    ]
    view.bars += [
        Bar(
            name="All claims",
            value=readout.text(claims.claimed),
            width=width(claims.claimed.amount),
            note="they overlap",
            hue="lo-hue-other",
        ),
        Bar(
            name="Store revenue",
            value=readout.text(claims.revenue),
            width=width(claims.revenue.amount),
            note="what was sold",
            hue="lo-hue-ink",
        ),
    ]
    ratio = claims.claim_ratio.amount
    same = " Compared are the days that both have." if claims.claim_ratio.partial else ""
    if ratio is None:
        view.claims_words = readout.why(claims.claim_ratio)
    elif ratio > 1:
        view.claims_words = (
            f"Platforms claim {fmt.ratio(ratio)} times what the store sold. Several claim the same "
            f"orders; that is how they count, not an error.{same}"
        )
    else:
        view.claims_words = (
            f"Platforms claim {fmt.share(ratio, 0)} of what the store sold. Part of it may be "
            f"claimed twice, and part would have been sold anyway.{same}"
        )


def _channel(row: Channel, passport: Passport, today: dt.date) -> ChannelRow:
    change = readout.change(row.deltas.get("spend"), passport, today)
    return ChannelRow(
        id=str(row.connection_id),
        name=row.connection,
        dot=f"lo-dot lo-dot-{_hue(row.color_index)}",
        spend=readout.text(row.values["spend"]),
        share=fmt.share(row.spend_share),
        claimed=readout.text(row.values["claimed_value"]),
        roas=readout.text(row.values["roas"]),
        delta=change.text or fmt.UNKNOWN,
        setting=_settings(row.attribution),
        provenance=row.fallback.title if row.fallback else "",
    )


def _hue(color_index: int) -> str:
    """One of the series colours; the rest share the grey of "Other"."""
    return str(color_index) if color_index < connections.COLORS else "other"


def _settings(names: tuple[str, ...]) -> str:
    return "; ".join(attribution.words_of(n) for n in names if n != "none") or fmt.UNKNOWN


def _source(passport: Passport) -> str:
    apart = {f.connection_id for f in passport.fallbacks}
    counted = [c for c in passport.sources if c.connection_id not in apart]
    zones = "mixed time zones" if passport.mixed_time_zones else "".join(passport.time_zones)
    parts = [
        f"Source: {fmt.listed([c.connection for c in counted])}",
        f"days of {zones}" if zones else "",
        passport.currency,
    ]
    for one in passport.conversions:
        parts.append(f"{one.source} converted at each day's rate")
    if passport.data_through:
        parts.append(f"complete through {fmt.day(passport.data_through, passport.as_of.date())}")
    return ", ".join(p for p in parts if p) + "."


def _gaps(passport: Passport, today: dt.date) -> list[str]:
    """Days that lack something. A last day that is merely not over is told in the scope line."""
    holes = [h for h in passport.holes if h.kind not in (Gap.EARLY, Gap.SET_APART)]
    told = []
    for hole in holes[:6]:
        days = fmt.listed([fmt.days(r.start, r.end, today) for r in hole.runs], most=3)
        told.append(f"{hole.connection}, {hole.account}: {days} {_GAPS[hole.kind]}.")
    if len(holes) > 6:
        told.append(f"And {len(holes) - 6} more.")
    return told


def _not_over(passport: Passport) -> str:
    early = any(h.kind is Gap.EARLY for h in passport.holes)
    return ". The last day is not over in every account's time zone" if early else ""


def _todo(need: overview.Need) -> Todo:
    wizard = need.link.replace("/connections/", "/connections/new?id=")
    label, href = {
        "reauthorise": ("Sign in again", f"{wizard}&step=2"),
        "finish": ("Finish set-up", wizard),
    }.get(need.act, ("Look", need.link))
    return Todo(need.kind, need.what, need.why, label, href)


ahead.offer("/", view_of)
