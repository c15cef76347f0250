"""The World: opens tables when they are first asked for, answers every view `as_of` a moment."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Generic, TypeVar
from zoneinfo import ZoneInfo

from liftos_app.services.sandbox.world import (
    ad_views,
    catalog,
    crm,
    crm_build,
    customers,
    delivery,
    mail,
    mail_plan,
    payments,
    rates,
    sales,
    shop,
)
from liftos_app.services.sandbox.world.accounts import ACCOUNTS, BY_ID, BY_KEY
from liftos_app.services.sandbox.world.ad_views import Level
from liftos_app.services.sandbox.world.campaigns import Unit, layout
from liftos_app.services.sandbox.world.crm_views import CrmViews
from liftos_app.services.sandbox.world.model import Model, day_number, simulate
from liftos_app.services.sandbox.world.noise import Noise
from liftos_app.services.sandbox.world.payments import Payments
from liftos_app.services.sandbox.world.plan import CHANNEL_INDEX, EPOCH, HISTORY_MONTHS, SHOP_ZONE
from liftos_app.services.sandbox.world.shapes import (
    Ad,
    AdAccount,
    AdDay,
    AdGroup,
    AdTotals,
    Campaign,
    Intervention,
    MailCampaign,
    MailEvents,
    MailFlow,
    MailList,
    MailMetric,
    MailStats,
    Order,
    Product,
    StoreDay,
)

T = TypeVar("T")
_AHEAD = 45  # days simulated beyond the newest moment asked for
_TICK = 900  # seconds between two publications of an ad platform


class _Part(Generic[T]):
    """A part of the tables, made when it is first asked for, under the one lock of its tables.

    `functools.cached_property` holds a lock of its own up to Python 3.11: two threads that come in
    by different parts would wait for each other for ever.
    """

    def __init__(self, make: Callable[[_Tables], T]) -> None:
        self._make, self._name = make, make.__name__

    def __get__(self, tables: _Tables, owner: type[_Tables]) -> T:
        with tables.lock:
            if self._name not in tables.__dict__:  # from then on, Python finds it there by itself
                tables.__dict__[self._name] = self._make(tables)
            made: T = tables.__dict__[self._name]
            return made


class _Tables:
    """Everything simulated up to one last day, each part made when it is first needed."""

    def __init__(
        self,
        seed: int,
        last: date,
        volume: float,
        interventions: Sequence[Intervention],
    ) -> None:
        self.last, self.volume, self._interventions = last, volume, interventions
        self.noise = Noise(seed)
        self.lock = threading.RLock()
        self._deliveries: dict[str, delivery.Delivery] = {}
        self._books: dict[bool, payments.Books] = {}

    @_Part
    def model(self) -> Model:
        return simulate(
            self.noise,
            day_number(self.last) + 1,
            volume=self.volume,
            interventions=self._interventions,
        )

    @_Part
    def rates(self) -> rates.Rates:
        return rates.Rates(self.noise, self.last)

    @_Part
    def sales(self) -> sales.Sales:
        return sales.build(self.noise, self.model, volume=self.volume)

    @_Part
    def mail(self) -> mail.Mail:
        return mail.build(self.noise, self.model, self.sales)

    @_Part
    def shop(self) -> shop.Shop:
        units = {a.id: layout(a.id, self.last) for a in ACCOUNTS if a.market}
        return shop.open_shop(self.sales, self.noise, self.rates, self.mail.messages, units)

    def books(self, *, live: bool) -> payments.Books:
        with self.lock:
            if live not in self._books:
                days = day_number(self.last) + 1
                self._books[live] = payments.keep(
                    self.noise, self.sales, self.rates, days, live=live
                )
            return self._books[live]

    @_Part
    def crm(self) -> crm.Crm:
        return crm_build.build(self.noise, self.model, self.rates, volume=self.volume)

    def delivery(self, account_id: str) -> delivery.Delivery:
        with self.lock:
            found = self._deliveries.get(account_id)
            if found is None:
                found = delivery.build(self.noise, self.model, account_id)
                self._deliveries[account_id] = found
            return found


@dataclass(slots=True, kw_only=True)
class World(CrmViews):
    """Larkspur Home. The same seed and day give the same figures in every world and process.

    `today` is only a hint how far to simulate: the world reaches as far as it is asked.
    `volume` multiplies orders and spend; `days` shortens the history that is shown.
    """

    seed: int = 7
    today: date = date(2026, 11, 23)
    volume: float = 1.0
    days: int | None = None
    interventions: tuple[Intervention, ...] = ()
    placed_order_metric: str = mail_plan.PLACED_ORDER
    _tables: _Tables | None = field(default=None, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __post_init__(self) -> None:
        for one in self.interventions:
            if one.channel not in CHANNEL_INDEX:
                raise ValueError(f"There is no channel called {one.channel}.")
            if not 0 <= one.scale <= 10 or one.end < one.start:
                raise ValueError("An intervention needs a scale from 0 to 10 and days in order.")

    def with_interventions(self, interventions: Iterable[Intervention]) -> World:
        """The world as it would have been. Every draw of chance stays the same.

        Raises ValueError for an unknown channel, a scale outside 0 to 10, or days out of order.
        """
        return World(
            seed=self.seed,
            today=self.today,
            volume=self.volume,
            days=self.days,
            interventions=(*self.interventions, *interventions),
        )

    def tables(self, until: date) -> _Tables:
        """The simulation, reaching at least to a day. For this package and truth.py."""
        with self._lock:
            if self._tables is None or self._tables.last < until:
                last = max(until, self.today) + timedelta(days=_AHEAD)
                self._tables = _Tables(self.seed, last, self.volume, self.interventions)
            return self._tables

    def first_day(self, as_of: datetime) -> date:
        """The oldest day any platform shows: 26 months back, or `days`, or the epoch."""
        today = as_of.astimezone(ZoneInfo(SHOP_ZONE)).date()
        if self.days is not None:
            return max(EPOCH, today - timedelta(days=self.days - 1))
        months = today.year * 12 + today.month - 1 - HISTORY_MONTHS
        year, month = divmod(months, 12)
        return max(EPOCH, date(year, month + 1, min(today.day, 28)))

    # Advertising ----------------------------------------------------------------------------

    def accounts(self, platform: str) -> tuple[AdAccount, ...]:
        """Every ad account of a platform, managers and closed ones too."""
        return tuple(a for a in ACCOUNTS if a.platform == platform)

    def account(self, platform: str, account_id: str) -> AdAccount | None:
        """One account, or None."""
        return BY_KEY.get((platform, account_id))

    def campaigns(self, account_id: str, *, as_of: datetime) -> tuple[Campaign, ...]:
        """Campaigns that exist at a moment, ended and removed ones too, by id."""
        return ad_views.campaigns(self._units(account_id, as_of), account_id, as_of)

    def ad_groups(self, account_id: str, *, as_of: datetime) -> tuple[AdGroup, ...]:
        """Ad sets or ad groups that exist at a moment; Performance Max has none."""
        return ad_views.groups(self._units(account_id, as_of), account_id, as_of)

    def ads(self, account_id: str, *, as_of: datetime) -> tuple[Ad, ...]:
        """Ads that exist at a moment; Performance Max has none."""
        return ad_views.ads(self._units(account_id, as_of), account_id, as_of)

    def ad_days(
        self,
        account_id: str,
        start: date,
        end: date,
        *,
        as_of: datetime,
        level: Level = "ad",
    ) -> list[AdDay]:
        """Delivery by entity and day, both days included, ordered by day and ids.

        Rows without delivery are absent. Performance Max appears at campaign and account level.
        """
        glance = self._glance(account_id, start, end, as_of)
        return [] if glance is None else ad_views.rows(*glance, level)

    def ad_totals(
        self,
        account_id: str,
        start: date,
        end: date,
        *,
        as_of: datetime,
    ) -> AdTotals:
        """What an account shows in all, Performance Max included."""
        return ad_views.total(self.ad_days(account_id, start, end, as_of=as_of, level="account"))

    def ad_totals_by_day(
        self,
        account_id: str,
        start: date,
        end: date,
        *,
        as_of: datetime,
    ) -> dict[date, AdTotals]:
        """Account totals of each day with delivery."""
        rows = self.ad_days(account_id, start, end, as_of=as_of, level="account")
        return {row.day: ad_views.total([row]) for row in rows}

    def ad_totals_by_campaign(
        self,
        account_id: str,
        start: date,
        end: date,
        *,
        as_of: datetime,
    ) -> dict[str, AdTotals]:
        """Totals of each campaign with delivery."""
        found: dict[str, list[AdDay]] = {}
        for row in self.ad_days(account_id, start, end, as_of=as_of, level="campaign"):
            found.setdefault(row.campaign_id, []).append(row)
        return {campaign: ad_views.total(rows) for campaign, rows in found.items()}

    def amount_spent(self, account_id: str, *, as_of: datetime) -> int:
        """Micro-units spent since the epoch."""
        if account_id not in BY_ID or not BY_ID[account_id].market:
            return 0
        table = self._at(as_of).delivery(account_id)
        glance = delivery.look(table, EPOCH, _local(account_id, as_of), _published(as_of))
        return int(glance.spend.sum()) * 10_000

    # The store ------------------------------------------------------------------------------

    def find_orders(
        self,
        *,
        as_of: datetime,
        updated: shop.Span = (None, None),
        created: shop.Span = (None, None),
        sort: shop.Sort = "updated",
    ) -> list[int]:
        """Ids of orders shown at a moment. Spans are [from, to)."""
        return self._at(as_of).shop.find(
            as_of=as_of, since=self.first_day(as_of), updated=updated, created=created, sort=sort
        )

    def order(self, order_id: int, *, as_of: datetime) -> Order | None:
        """An order as it stands, or None before it exists."""
        found = self.orders([order_id], as_of=as_of)
        return found[0] if found else None

    def orders(self, ids: Iterable[int], *, as_of: datetime) -> list[Order]:
        """Orders as they stand, in the order asked for; unknown ids are left out."""
        view = self._at(as_of).shop
        shown = view.visible(as_of, self.first_day(as_of))
        rows = (view.row_of(order_id) for order_id in ids)
        return [
            view.order(row, as_of)
            for row in rows
            if row is not None and shown.start <= row < shown.stop
        ]

    def find_customers(
        self, *, as_of: datetime, updated: shop.Span = (None, None),
    ) -> list[int]:
        """Ids of customers whose last order lies in a span [from, to), oldest customer first."""
        tables = self._at(as_of)
        rows = tables.shop.visible(as_of, self.first_day(as_of))
        return customers.find(tables.sales, rows=rows, updated=updated)

    def customer(self, customer_id: int, *, as_of: datetime) -> customers.Customer | None:
        """A customer as they stand, or None."""
        return customers.one(self._at(as_of).sales, customer_id, as_of=as_of)

    def store_days(self, start: date, end: date, *, as_of: datetime) -> list[StoreDay]:
        """Revenue by shop-local day, both included, as known at a moment."""
        return self._at(as_of).shop.days(start, end, as_of=as_of, since=self.first_day(as_of))

    def store_total(self, start: date, end: date, *, as_of: datetime) -> StoreDay:
        """The sum of the days; `day` is the start."""
        return shop.total(self.store_days(start, end, as_of=as_of))

    def products(self, *, as_of: datetime) -> tuple[Product, ...]:
        """The range at today's prices."""
        return catalog.products(as_of.astimezone(ZoneInfo(SHOP_ZONE)).date())

    # Payments ---------------------------------------------------------------------------------

    def payments(self, *, as_of: datetime, live: bool = True) -> Payments:
        """What the payment platform knows at a moment; test mode holds the staff's test orders."""
        return payments.look(self._at(as_of).books(live=live), as_of, self.first_day(as_of), live)

    # Mail -----------------------------------------------------------------------------------

    def mail_campaigns(self, *, as_of: datetime) -> tuple[MailCampaign, ...]:
        """Mailings: sent, archived after a year, scheduled, and a draft."""
        return mail.campaigns_at(self._at(as_of).mail, as_of, self.first_day(as_of))

    def mail_flows(self, *, as_of: datetime) -> tuple[MailFlow, ...]:
        """Flows, live and draft."""
        return self._at(as_of).mail.flows

    def mail_lists(self, *, as_of: datetime) -> tuple[MailList, ...]:
        """Lists and segments."""
        return tuple(x for x in mail_plan.LISTS if x.created_at <= as_of)

    def mail_metrics(self, *, as_of: datetime) -> tuple[MailMetric, ...]:
        """Metrics; two are called "Placed Order", the shop's is `placed_order_metric`."""
        return tuple(x for x in mail_plan.METRICS if x.created_at <= as_of)

    def mail_campaign_stats(
        self,
        start: date,
        end: date,
        *,
        as_of: datetime,
    ) -> list[MailStats]:
        """Results of mailings by day of sending, both days included."""
        tables = self._at(as_of)
        start = max(start, self.first_day(as_of))
        return mail.campaign_stats(tables.mail, tables.sales, start, end, as_of=as_of)

    def mail_flow_days(self, start: date, end: date, *, as_of: datetime) -> list[MailStats]:
        """Results of flow messages by day of sending, both days included."""
        tables = self._at(as_of)
        start = max(start, self.first_day(as_of))
        return mail.flow_days(tables.mail, tables.sales, start, end, as_of=as_of)

    def mail_events(self, start: date, end: date, *, as_of: datetime) -> list[MailEvents]:
        """ "Placed Order" by day of the event and message, both days included."""
        tables = self._at(as_of)
        rows = tables.shop.visible(as_of, self.first_day(as_of))
        return mail.events(tables.mail, tables.sales, start, end, as_of=as_of, rows=rows)

    # Rates ----------------------------------------------------------------------------------

    def rate(self, day: date, currency: str) -> Decimal | None:
        """Units per euro; None on days without a fixing. Raises KeyError."""
        return self.tables(max(day, self.today)).rates.rate(day, currency)

    def last_rate(self, day: date, currency: str) -> Decimal:
        """The newest rate up to a day. Raises KeyError."""
        return self.tables(max(day, self.today)).rates.last_rate(day, currency)

    # The trade program's CRM: see crm_views ----------------------------------------------------

    def crm_tables(self, as_of: datetime) -> crm.Crm:
        """The lives of all records, reaching to a moment."""
        return self._at(as_of).crm

    def crm_since(self, as_of: datetime) -> date | None:
        """The day before which leads are not shown, None where all are."""
        return None if self.days is None else self.first_day(as_of)

    def _at(self, as_of: datetime) -> _Tables:
        return self.tables(as_of.date())

    def _units(self, account_id: str, as_of: datetime) -> tuple[Unit, ...]:
        return layout(account_id, _local(account_id, as_of)) if account_id in BY_ID else ()

    def _glance(
        self,
        account_id: str,
        start: date,
        end: date,
        as_of: datetime,
    ) -> tuple[delivery.Delivery, delivery.Glance] | None:
        account = BY_ID.get(account_id)
        if account is None or not account.market:
            return None
        start = max(start, self.first_day(as_of))
        end = min(end, _local(account_id, as_of))
        if end < start:
            return None
        table = self._at(as_of).delivery(account_id)
        return table, delivery.look(table, start, end, _published(as_of))


def _local(account_id: str, as_of: datetime) -> date:
    return as_of.astimezone(ZoneInfo(BY_ID[account_id].zone)).date()


def _published(as_of: datetime) -> datetime:
    """The newest publication of the ad platforms."""
    seconds = int(as_of.timestamp())
    return datetime.fromtimestamp(seconds - seconds % _TICK, UTC)
