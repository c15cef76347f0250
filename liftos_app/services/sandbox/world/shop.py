"""The shop's view of the sales table: whole orders, searches, and expected revenue by day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, Literal

import numpy as np

from liftos_app.services.sandbox.world import catalog
from liftos_app.services.sandbox.world.accounts import ACCOUNTS
from liftos_app.services.sandbox.world.campaigns import PLACES, Unit
from liftos_app.services.sandbox.world.model import day_number, day_of
from liftos_app.services.sandbox.world.noise import Floats, Ints, Noise
from liftos_app.services.sandbox.world.plan import CHANNEL_INDEX, CHANNELS, REGIONS
from liftos_app.services.sandbox.world.rates import Rates
from liftos_app.services.sandbox.world.sales import (
    FIRST_CUSTOMER,
    FIRST_ORDER,
    TEST,
    Sales,
    code_of,
    local_day,
)
from liftos_app.services.sandbox.world.shapes import (
    Line,
    Order,
    Refund,
    RefundLine,
    StoreDay,
    Visit,
)

HOME: Final = "https://larkspur-home.example"
_SHIFT: Final = 34  # bits a moment takes beside a customer
Sort = Literal["updated", "created", "id"]
Span = tuple[datetime | None, datetime | None]
_SITES: Final = {  # platform -> what the shop calls the visit's source, and who sent it
    "meta_business": ("Facebook", "https://m.facebook.com/"),
    "google_ads": ("Google", "https://www.google.com/"),
    "tiktok_ads": ("TikTok", "https://www.tiktok.com/"),
    "linkedin_ads": ("LinkedIn", "https://www.linkedin.com/"),
    "x_ads": ("X", "https://t.co/"),
}
_TOUCHES: Final = ("google_brand", "meta_retargeting", "google_shopping")


@dataclass(frozen=True, slots=True)
class Shop:
    """Sales with what is needed to show them. `mail` is each order's mail message, "" for none."""

    sales: Sales
    journeys: Floats  # [order, 3], draws for the visits
    loyalty: Ints  # customer and moment of every order in one number, sorted
    rates: Rates
    mail: Sequence[str]
    units: dict[str, tuple[Unit, ...]]  # by ad account
    refund_day: Ints

    def visible(self, as_of: datetime, since: date) -> slice:
        """Rows that exist at a moment and are young enough to be shown."""
        first = int(np.searchsorted(self.sales.day, day_number(since), side="left"))
        last = int(np.searchsorted(self.sales.created, int(as_of.timestamp()), side="right"))
        return slice(first, max(first, last))

    def find(
        self,
        *,
        as_of: datetime,
        since: date,
        updated: Span,
        created: Span,
        sort: Sort,
    ) -> list[int]:
        """Ids of orders; spans are [from, to) in whole seconds, None is open."""
        cut = self.visible(as_of, since)
        rows = np.arange(cut.start, cut.stop)
        changed = self.sales.updated(int(as_of.timestamp()))[cut]
        made = self.sales.created[cut]
        keep = _inside(changed, updated) & _inside(made, created)
        rows, changed = rows[keep], changed[keep]
        if sort == "updated":
            rows = rows[np.lexsort((rows, changed))]
        found: list[int] = self.sales.id[rows].tolist()
        return found

    def row_of(self, order_id: int) -> int | None:
        """The row of an order id."""
        row = int(np.searchsorted(self.sales.id, order_id))
        found = row < len(self.sales.id) and int(self.sales.id[row]) == order_id
        return row if found else None

    def order(self, row: int, as_of: datetime) -> Order:
        """One order as it stands at a moment."""
        s, moment = self.sales, int(as_of.timestamp())
        region = REGIONS[s.region[row]]
        day = int(s.day[row])
        cancelled = s.cancelled[row] <= moment
        sent = s.fulfilled[row] <= moment
        refunds = self._refunds(row, moment)
        refunded = sum(r.total for r in refunds)
        total = int(s.total[row])
        euro = region.market == "EU"
        rate = self.rates.last_rate(day_of(day), "USD") if euro else None
        latest = max(
            int(c[row])
            for c in (s.created, s.fulfilled, s.cancelled, s.refunded_at)
            if c[row] <= moment
        )
        percent = int(s.percent[row])
        index = int(s.index[row])
        test = int(s.cause[row]) == TEST
        first, last, days = self._journey(row)
        made = _at(int(s.created[row]))
        return Order(
            id=int(s.id[row]),
            number=1_001 + row,
            created_at=made,
            processed_at=made,
            updated_at=_at(latest),
            cancelled_at=_at(int(s.cancelled[row])) if cancelled else None,
            cancel_reason=("customer", "inventory", "fraud")[row % 3] if cancelled else None,
            test=test,
            region=region.id,
            country=region.country,
            province=region.province,
            source_name="pos" if s.pos[row] else "web",
            presentment_currency="EUR" if euro else "USD",
            presentment_rate=int(1_000_000 / rate) if rate else 1_000_000,
            lines=self._lines(row),
            discount_codes=(code_of(day, percent),) if percent else (),
            tags=("wholesale",) if row % 97 == 0 else (),
            subtotal=int(s.subtotal[row]),
            discounts=int(s.discount[row].sum()),
            shipping=int(s.shipping[row]),
            tax=int(s.tax[row].sum()),
            total=total,
            refunds=refunds,
            refunded=refunded,
            financial_status="PAID"
            if not refunds
            else "REFUNDED"
            if refunded >= total
            else "PARTIALLY_REFUNDED",
            fulfillment_status="FULFILLED" if sent else "UNFULFILLED",
            fulfilled_at=_at(int(s.fulfilled[row])) if sent else None,
            customer_id=FIRST_CUSTOMER + int(s.id[s.root[row]]) - FIRST_ORDER,
            customer_index=index,
            customer_orders=self._orders_so_far(row, moment),
            first_visit=first,
            last_visit=last,
            days_to_conversion=days,
            mail_message=self.mail[row],
        )

    def _orders_so_far(self, row: int, moment: int) -> int:
        first = int(self.sales.root[row]) << _SHIFT
        found = np.searchsorted(self.loyalty, np.array([first, first + moment + 1]))
        return int(found[1] - found[0])

    def _lines(self, row: int) -> tuple[Line, ...]:
        s = self.sales
        found = []
        for slot, number in enumerate(s.variant[row]):
            if number < 0:
                continue
            variant = catalog.variants()[number]
            found.append(
                Line(
                    id=int(s.id[row]) * 10 + slot + 1,
                    variant_id=variant.id,
                    product_id=variant.product_id,
                    title=catalog.title_of(variant.product_id),
                    variant_title=variant.title,
                    sku=variant.sku,
                    quantity=int(s.quantity[row, slot]),
                    unit_price=int(s.price[row, slot]),
                    discount=int(s.discount[row, slot]),
                    tax=int(s.tax[row, slot]),
                )
            )
        return tuple(found)

    def _refunds(self, row: int, moment: int) -> tuple[Refund, ...]:
        s = self.sales
        if s.refunded_at[row] > moment:
            return ()
        at = _at(int(s.refunded_at[row]))
        lines = self._lines(row)
        back = lines if s.refund_whole[row] else lines[:1]
        return (
            Refund(
                id=int(s.id[row]) + 3_000_000_000_000,
                processed_at=at,
                subtotal=int(s.refund_subtotal[row]),
                tax=int(s.refund_tax[row]),
                shipping=int(s.refund_shipping[row]),
                total=int(s.refund_subtotal[row] + s.refund_tax[row] + s.refund_shipping[row]),
                lines=tuple(
                    RefundLine(
                        line_id=x.id,
                        quantity=x.quantity,
                        subtotal=x.quantity * x.unit_price - x.discount,
                        tax=x.tax,
                    )
                    for x in back
                ),
            ),
        )

    def _journey(self, row: int) -> tuple[Visit | None, Visit | None, int]:
        """How the buyer came: the cause when there is one, else what was passed on the way."""
        s = self.sales
        if s.pos[row]:
            return None, None, 0
        seen, kept, back = self.journeys[row].tolist()
        made = int(s.created[row])
        cause = int(s.cause[row])
        channel = CHANNELS[cause].id if cause >= 0 else ""
        if not channel and seen < 0.24:
            channel = _TOUCHES[int(seen * 100) % len(_TOUCHES)]
        days = int(back * back * 12)
        first = self._visit(row, channel, made - days * 86_400 - 900)
        last_channel = channel if kept < 0.75 or not days else ""
        return first, self._visit(row, last_channel, made - 60 - int(kept * 1_500)), days

    def _visit(self, row: int, channel: str, at: int) -> Visit:
        moment = _at(at)
        if channel == "email" or (not channel and self.mail[row]):
            message = self.mail[row]
            utm = _utm("klaviyo", "email", message or "flow", message)
            return _tagged(moment, utm, name="Email", referrer=None)
        if channel:
            unit = self._unit(row, channel)
            if unit is not None:
                platform = CHANNELS[CHANNEL_INDEX[channel]].platform
                place = PLACES[platform]
                name, referrer = _SITES[platform]
                slug = unit.ad.url.split("utm_campaign=")[1].split("&")[0]
                utm = _utm(place.source, place.medium, slug, unit.ad.id)
                return _tagged(moment, utm, name=name, referrer=referrer)
        if row % 3 == 0:
            return Visit(
                occurred_at=moment,
                landing_page=f"{HOME}/",
                source="Google",
                referrer="https://www.google.com/",
                source_type="SEO",
                utm=None,
            )
        return Visit(
            occurred_at=moment,
            landing_page=f"{HOME}/",
            referrer=None,
            source="direct",
            source_type=None,
            utm=None,
        )

    def _unit(self, row: int, channel: str) -> Unit | None:
        """An ad of this channel that ran in the buyer's market on the day."""
        s = self.sales
        market = REGIONS[s.region[row]].market
        platform = next(c.platform for c in CHANNELS if c.id == channel)
        account = next((a for a in ACCOUNTS if a.platform == platform and a.market == market), None)
        day = day_of(int(s.day[row]))
        ran = (
            [
                u
                for u in self.units.get(account.id, ())
                if u.campaign.channel == channel
                and u.first <= day
                and (u.last is None or day <= u.last)
            ]
            if account
            else []
        )
        return ran[row % len(ran)] if ran else None

    def days(self, start: date, end: date, *, as_of: datetime, since: date) -> list[StoreDay]:
        """Revenue of each shop-local day, as known at a moment; days without anything included."""
        s, first = self.sales, day_number(start)
        size = max(0, day_number(end) - first + 1)
        cut = self.visible(as_of, since)
        own = np.arange(cut.start, cut.stop)
        own = own[s.cause[own] != TEST]
        moment = int(as_of.timestamp())
        sold = own[(s.day[own] >= first) & (s.day[own] < first + size)]
        back = own[
            (s.refunded_at[own] <= moment)
            & (self.refund_day[own] >= first)
            & (self.refund_day[own] < first + size)
        ]
        at, later = s.day[sold] - first, self.refund_day[back] - first

        def add(places: Ints, values: Any) -> list[int]:
            found: list[int] = (
                np.bincount(places, weights=values, minlength=size).astype(np.int64).tolist()
            )
            return found

        discounts = s.discount[sold].sum(axis=1)
        columns = {
            "orders": add(at, np.ones(len(sold))),
            "cancelled": add(at, s.cancelled[sold] <= moment),
            "new_customers": add(at, s.index[sold] == 1),
            "units": add(at, s.quantity[sold].sum(axis=1)),
            "gross": add(at, s.subtotal[sold] + discounts),
            "discounts": add(at, discounts),
            "subtotal": add(at, s.subtotal[sold]),
            "tax": add(at, s.tax[sold].sum(axis=1)),
            "shipping": add(at, s.shipping[sold]),
            "total": add(at, s.total[sold]),
            "refunds": add(later, s.refund_total[back]),
            "refund_subtotal": add(later, s.refund_subtotal[back]),
        }
        return [
            StoreDay(day=start + timedelta(days=i), **{k: v[i] for k, v in columns.items()})
            for i in range(size)
        ]


def open_shop(
    sales: Sales,
    noise: Noise,
    rates: Rates,
    mail: Sequence[str],
    units: dict[str, tuple[Unit, ...]],
) -> Shop:
    """The shop over these sales."""
    at = (sales.cause + 2, sales.region, sales.day, sales.slot)
    journeys = np.stack([noise.uniform(f"journey/{n}", *at) for n in range(3)], axis=1)
    loyalty = np.sort((sales.root << _SHIFT) + sales.created)
    return Shop(sales, journeys, loyalty, rates, mail, units, local_day(sales.refunded_at))


def total(days: Sequence[StoreDay]) -> StoreDay:
    """The sum of days; `day` is the first one."""
    names = [n for n in StoreDay.__dataclass_fields__ if n != "day"]
    return StoreDay(day=days[0].day, **{n: sum(getattr(d, n) for d in days) for n in names})


def _utm(source: str, medium: str, campaign: str, content: str) -> dict[str, str]:
    return {"source": source, "medium": medium, "campaign": campaign, "content": content}


def _tagged(moment: datetime, utm: dict[str, str], *, name: str, referrer: str | None) -> Visit:
    query = "&".join(f"utm_{k}={v}" for k, v in utm.items())
    return Visit(
        occurred_at=moment,
        landing_page=f"{HOME}/?{query}",
        referrer=referrer,
        source=name,
        source_type=utm["medium"].upper(),
        utm=utm,
    )


def _inside(values: Ints, span: Span) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    low, high = span
    keep = np.ones(len(values), dtype=bool)
    if low is not None:
        keep &= values >= low.timestamp()
    if high is not None:
        keep &= values < high.timestamp()
    return keep


def _at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
