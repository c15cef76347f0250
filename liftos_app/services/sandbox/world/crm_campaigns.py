"""The CRM's campaigns: one for each real ad campaign that brings leads, newsletters and shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import numpy as np

from liftos_app.services.sandbox.world.accounts import ACCOUNTS
from liftos_app.services.sandbox.world.campaigns import Unit, layout
from liftos_app.services.sandbox.world.crm import Event, Life, live, moment, second_of
from liftos_app.services.sandbox.world.crm_asks import Asks
from liftos_app.services.sandbox.world.crm_plan import (
    NEWSLETTER_BUDGET,
    NEWSLETTER_COST,
    OPENED,
    SHOWS,
    SOURCES,
    Show,
    Source,
)
from liftos_app.services.sandbox.world.crm_shapes import CrmCampaign
from liftos_app.services.sandbox.world.model import Model, day_number
from liftos_app.services.sandbox.world.plan import CHANNEL_INDEX, CHANNELS, REGIONS, USD_PER_EUR
from liftos_app.services.sandbox.world.shapes import AdAccount, Campaign

_BOOKED: Final = 9  # UTC hour at which bookkeeping enters last month's cost, on the 3rd
_EVERGREEN: Final = 800  # days a campaign without an end is budgeted for
Costs = list[tuple[date, int]]  # day of the entry, cents so far


@dataclass(frozen=True, slots=True)
class Origin:
    """What sent a lead. Empty for those nobody paid for."""

    campaign_id: int = 0
    platform: str = ""
    account_id: str = ""
    ad_campaign_id: str = ""
    source: str = ""
    medium: str = ""
    campaign: str = ""
    content: str = ""


@dataclass(frozen=True, slots=True)
class Draft:
    """A campaign before it has a number."""

    name: str
    source: Source | None
    starts: date
    ends: date | None
    made: date
    budget: int
    costs: Costs
    ad: Campaign | None = None
    account: AdAccount | None = None
    show: Show | None = None

    @property
    def order(self) -> tuple[date, str, str]:
        """Campaigns are numbered by this; a longer run only adds at the end."""
        return max(self.made, OPENED), self.name, self.ad.id if self.ad else ""


@dataclass(frozen=True, slots=True)
class Book:
    """Campaigns by number (index + 1), and the ads behind them."""

    drafts: tuple[Draft, ...]
    units: dict[tuple[str, str], tuple[tuple[int, Unit], ...]]  # (channel, market)
    letters: dict[int, int]  # year -> newsletter

    def origin(self, rows: Asks, row: int, share: float) -> Origin:
        """What sent a lead."""
        source, day = rows.whence(row), rows.root(row)
        if source.kind == "email":
            number, slug = self.letters[day.year], f"trade-newsletter-{day.year}"
            return Origin(number, source="klaviyo", medium="email", campaign=slug)
        ran = [
            found
            for found in self.units.get((source.id, rows.where(row).market), ())
            if found[1].first <= day and (found[1].last is None or day <= found[1].last)
        ]
        if not ran:
            return Origin()
        number, unit = ran[int(share * len(ran))]
        utm = dict(parse_qsl(urlsplit(unit.ad.url).query))
        draft = self.drafts[number - 1]
        return Origin(
            number,
            draft.account.platform if draft.account else "",
            unit.campaign.account_id,
            unit.campaign.id,
            utm["utm_source"],
            utm["utm_medium"],
            utm["utm_campaign"],
            utm["utm_content"],
        )

    def lives(self) -> tuple[Life[CrmCampaign], ...]:
        """Every campaign with its states: planned, running, cost after cost, over."""
        return tuple(_life(number + 1, draft) for number, draft in enumerate(self.drafts))


def open_book(model: Model, until: date) -> Book:
    """All campaigns that begin up to a day."""
    drafts = [*_ads(model, until), *_letters(until), *_shows(until)]
    drafts.sort(key=lambda d: d.order)
    units: dict[tuple[str, str], list[tuple[int, Unit]]] = {}
    letters = {}
    for number, draft in enumerate(drafts, 1):
        if draft.ad is not None and draft.account is not None:
            key = draft.ad.channel, draft.account.market
            own = [u for u in layout(draft.account.id, until) if u.campaign.id == draft.ad.id]
            units.setdefault(key, []).extend((number, u) for u in own)
        elif draft.source is not None:
            letters[draft.starts.year] = number
    return Book(tuple(drafts), {k: tuple(v) for k, v in units.items()}, letters)


def _ads(model: Model, until: date) -> list[Draft]:
    found = []
    for source in (s for s in SOURCES if s.paid):
        channel = CHANNELS[CHANNEL_INDEX[source.id]]
        for account in ACCOUNTS:
            if account.platform != channel.platform or not account.market:
                continue
            every = {u.campaign.id: u.campaign for u in layout(account.id, until)}
            own = [
                c
                for c in every.values()
                if c.channel == channel.id and (c.ends is None or c.ends >= OPENED)
            ]
            spent = _spend(model, source, account.market)
            usd = USD_PER_EUR if account.currency == "EUR" else 1.0
            for one in own:
                days = _EVERGREEN if one.ends is None else (one.ends - one.starts).days + 1
                budget = int(one.daily_budget * usd * source.trade_share * days)
                made = max(one.starts - timedelta(days=3), OPENED)
                costs = _booked(spent, own, one, until)
                found.append(
                    Draft(
                        f"{source.name}: {one.name}",
                        source,
                        one.starts,
                        one.ends,
                        made,
                        budget,
                        costs,
                        ad=one,
                        account=account,
                    )
                )
    return found


def _spend(model: Model, source: Source, market: str) -> Any:
    """Cents of USD a day that the channel's spend in a market books on the trade program."""
    rows = [i for i, r in enumerate(REGIONS) if r.market == market]
    return model.spend[CHANNEL_INDEX[source.id], rows].sum(axis=0) * 100 * source.trade_share


def _booked(spent: Any, own: Sequence[Campaign], one: Campaign, until: date) -> Costs:
    """Cost so far after each month, shared between the campaigns of a day by their budgets."""
    days = np.arange(day_number(OPENED), len(spent))
    weights = [c.daily_budget * _runs(c, days) for c in own]
    share = one.daily_budget * _runs(one, days) / np.maximum(sum(weights), 1)
    daily = spent[days] * share
    found: Costs = []
    month, total = OPENED, 0
    while (end := _next_month(month)) <= until:
        total += round(float(daily[(month - OPENED).days : (end - OPENED).days].sum()))
        if total != (found[-1][1] if found else 0):
            found.append((end + timedelta(days=2), total))
        month = end
    return found


def _runs(one: Campaign, days: Any) -> Any:
    last = day_number(one.ends) if one.ends else 10**6
    return (days >= day_number(one.starts)) & (days <= last)


def _letters(until: date) -> list[Draft]:
    source = next(s for s in SOURCES if s.kind == "email")
    found = []
    for year in range(OPENED.year, until.year + 1):
        starts = max(date(year, 1, 1), OPENED)
        months = [date(year, m, 3) for m in range(starts.month + 1, 13)]
        months.append(date(year + 1, 1, 3))
        costs = [(day, NEWSLETTER_COST * (i + 1)) for i, day in enumerate(months)]
        made = starts - timedelta(days=14)
        name = f"Trade newsletter {year}"
        found.append(
            Draft(name, source, starts, date(year, 12, 31), made, NEWSLETTER_BUDGET, costs)
        )
    return found


def _shows(until: date) -> list[Draft]:
    found = []
    for year in range(OPENED.year, until.year + 2):
        for show in SHOWS:
            starts = date(year, show.month, show.day)
            made = starts - timedelta(days=90)
            if starts < OPENED or made > until:
                continue
            ends = starts + timedelta(days=show.days - 1)
            cost = show.budget * (93 + starts.toordinal() % 15) // 100
            costs = [
                (made + timedelta(days=30), show.budget // 4),
                (ends + timedelta(days=9), cost),
            ]
            found.append(
                Draft(
                    f"{show.name} {year}", None, starts, ends, made, show.budget, costs, show=show
                )
            )
    return found


def _life(number: int, draft: Draft) -> Life[CrmCampaign]:
    made = max(draft.made, OPENED)
    begun = draft.starts <= made
    created = moment(second_of(made, 8.0))
    events: list[Event] = []
    if not begun:
        events.append((second_of(draft.starts), {"status": "active"}))
    if draft.ends is not None:
        events.append((second_of(draft.ends + timedelta(days=1)), {"status": "completed"}))
    events += [(second_of(day, _BOOKED), {"cost": cost}) for day, cost in draft.costs]
    first = CrmCampaign(
        id=number,
        created_at=created,
        updated_at=created,
        name=draft.name,
        kind=(draft.source.kind if draft.source else None) or "event",
        channel=draft.source.id if draft.source else "",
        status="active" if begun else "planned",
        starts=draft.starts,
        ends=draft.ends,
        budget=draft.budget,
        cost=0,
        ad_platform=draft.account.platform if draft.account else "",
        ad_campaign_id=draft.ad.id if draft.ad else "",
        members=0,
        responses=0,
        leads=0,
        converted_leads=0,
        deals=0,
        won_deals=0,
        won_usd=0,
    )
    return live(first, events, root=made)


def _next_month(day: date) -> date:
    return date(day.year + day.month // 12, day.month % 12 + 1, 1)
