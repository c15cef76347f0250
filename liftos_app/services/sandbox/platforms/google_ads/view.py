"""The world as Google Ads customers: who reaches whom, their campaigns and their delivery."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from liftos_app.services.sandbox.call import Call
from liftos_app.services.sandbox.platforms.google_ads.evaluate import Entity, Key
from liftos_app.services.sandbox.platforms.google_ads.filters import Span
from liftos_app.services.sandbox.platforms.google_ads.metrics import MILLION, Tally
from liftos_app.services.sandbox.world.ad_views import Level
from liftos_app.services.sandbox.world.shapes import Ad, AdAccount, AdDay, AdGroup, Campaign

PLATFORM_ID = "google_ads"
CUSTOMER_STATUS = {"active": "ENABLED", "disabled": "SUSPENDED", "cancelled": "CANCELED"}
STATUS = {"active": "ENABLED", "paused": "PAUSED", "ended": "ENABLED", "removed": "REMOVED"}
CHANNEL = {"search": "SEARCH", "shopping": "SHOPPING", "pmax": "PERFORMANCE_MAX"}
BIDDING = {"search": "TARGET_CPA", "shopping": "TARGET_ROAS", "pmax": "MAXIMIZE_CONVERSION_VALUE"}
GROUP_TYPE = {"search": "SEARCH_STANDARD", "shopping": "SHOPPING_PRODUCT_ADS"}
AD_TYPE = {"search": "RESPONSIVE_SEARCH_AD", "shopping": "SHOPPING_PRODUCT_AD"}
NO_MINOR_UNIT = frozenset({"JPY", "KRW", "VND", "CLP", "ISK"})
LEVELS: dict[str, Level] = {
    "customer": "account",
    "campaign": "campaign",
    "campaign_budget": "campaign",
    "ad_group": "group",
    "ad_group_ad": "ad",
}


class Customer:
    """One customer at one moment, as `evaluate` reads it. Lives for one call."""

    def __init__(
        self, call: Call, record: AdAccount, as_of: dt.datetime, *, shows_currency: bool = False
    ) -> None:
        self._call, self.record, self._as_of = call, record, as_of
        self._shows_currency = shows_currency
        self._zone = ZoneInfo(record.zone)
        self.today = as_of.astimezone(self._zone).date()
        self.home = f"customers/{record.id}"

    @property
    def is_manager(self) -> bool:
        """Managers have no campaigns and no metrics."""
        return self.record.manager

    def entities(self, resource: str) -> Sequence[Entity]:
        """All rows of a resource, removed ones too."""
        if resource == "customer":
            return [Entity((self.record.id,), self._customer)]
        if resource == "customer_client":
            return list(self._clients())
        return self._tree[resource]

    def days(self, resource: str, span: Span) -> Iterator[tuple[Key, dt.date, Tally]]:
        """Delivery by entity and day inside the span; managers have none."""
        if self.record.manager:
            return
        first = max(span.first or dt.date.min, self._call.world.first_day(self._as_of))
        last = min(span.last or self.today, self.today)
        if first > last:
            return
        for row in self._call.world.ad_days(
            self.record.id, first, last, as_of=self._as_of, level=LEVELS[resource]
        ):
            key = self._key(resource, row)
            if key is not None:
                yield key, row.day, _tally(row)

    def _key(self, resource: str, row: AdDay) -> Key | None:
        if resource == "customer":
            return (self.record.id,)
        if resource in {"campaign", "campaign_budget"}:
            return (row.campaign_id,)
        # Performance Max has no ad groups and no ads: it is seen on campaigns only.
        if row.campaign_id in self._maximal:
            return None
        return (row.group_id,) if resource == "ad_group" else (row.group_id, row.ad_id)

    @cached_property
    def _campaigns(self) -> tuple[Campaign, ...]:
        if self.record.manager:
            return ()
        return tuple(self._call.world.campaigns(self.record.id, as_of=self._as_of))

    @cached_property
    def _maximal(self) -> frozenset[str]:
        return frozenset(c.id for c in self._campaigns if c.kind == "pmax")

    @cached_property
    def _customer(self) -> dict[str, Any]:
        r = self.record
        return _prefixed(
            "customer",
            resource_name=self.home,
            id=int(r.id),
            descriptive_name=r.name,
            currency_code=self._currency(r),
            time_zone=r.zone,
            manager=r.manager,
            test_account=False,
            auto_tagging_enabled=not r.manager,
            status=CUSTOMER_STATUS[r.status],
        ) | {"customer.conversion_tracking_setting.conversion_tracking_id": int(r.id) % 10**9}

    def _currency(self, record: AdAccount) -> str:
        """Asking may use up a scripted currency change, so only where it is shown."""
        if not self._shows_currency:
            return record.currency
        return self._call.trouble.currency(PLATFORM_ID, record.id, record.currency)

    def _clients(self) -> Iterator[Entity]:
        """The customer itself at level 0, then everything below it, each once."""
        records = {a.id: a for a in self._call.accounts()}
        levels = {self.record.id: 0}
        for level in range(1, len(records)):
            above = {i for i, at in levels.items() if at == level - 1}
            for account in records.values():
                if above & set(account.parents):
                    levels.setdefault(account.id, level)
        for account_id, level in levels.items():
            r = records[account_id]
            values = _prefixed(
                "customer_client",
                resource_name=f"{self.home}/customerClients/{r.id}",
                client_customer=f"customers/{r.id}",
                id=int(r.id),
                descriptive_name=r.name,
                currency_code=self._currency(r),
                time_zone=r.zone,
                level=level,
                manager=r.manager,
                hidden=False,
                test_account=False,
                status=CUSTOMER_STATUS[r.status],
            )
            yield Entity((r.id,), values | self._customer)

    @cached_property
    def _tree(self) -> dict[str, list[Entity]]:
        campaigns = {c.id: self._campaign(c) for c in self._campaigns}
        found: dict[str, list[Entity]] = {
            "campaign": [Entity((i,), v) for i, v in campaigns.items()],
            "campaign_budget": [
                Entity((i,), {k: v[k] for k in v if not k.startswith("campaign.")})
                for i, v in campaigns.items()
            ],
            "ad_group": [],
            "ad_group_ad": [],
        }
        kinds = {c.id: c.kind for c in self._campaigns}
        groups: dict[str, Mapping[str, Any]] = {}
        world, account, moment = self._call.world, self.record.id, self._as_of
        for group in world.ad_groups(account, as_of=moment) if campaigns else ():
            if group.campaign_id not in self._maximal:
                values = _without(campaigns[group.campaign_id], "campaign_budget")
                groups[group.id] = values | self._ad_group(group, kinds[group.campaign_id])
                found["ad_group"].append(Entity((group.id,), groups[group.id]))
        for ad in world.ads(account, as_of=moment) if groups else ():
            if ad.group_id in groups:
                values = {**groups[ad.group_id], **self._ad(ad, kinds[ad.campaign_id])}
                found["ad_group_ad"].append(Entity((ad.group_id, ad.id), values))
        return found

    def _campaign(self, c: Campaign) -> dict[str, Any]:
        digits = 0 if self.record.currency in NO_MINOR_UNIT else 2
        budget = int(c.id) + 4_000_000_000
        budget_name = f"{self.home}/campaignBudgets/{budget}"
        over = c.ends is not None and c.ends < self.today
        primary = {"paused": "PAUSED", "removed": "REMOVED"}.get(c.status, "ELIGIBLE")
        own = _prefixed(
            "campaign",
            resource_name=f"{self.home}/campaigns/{c.id}",
            id=int(c.id),
            name=c.name,
            status=STATUS[c.status],
            serving_status="ENDED" if over else "SERVING" if c.status == "active" else "NONE",
            primary_status="ENDED" if over and primary == "ELIGIBLE" else primary,
            advertising_channel_type=CHANNEL.get(c.kind, "SEARCH"),
            bidding_strategy_type=BIDDING.get(c.kind, "TARGET_SPEND"),
            start_date_time=f"{c.starts.isoformat()} 00:00:00",
            end_date_time=f"{c.ends.isoformat()} 23:59:59" if c.ends else None,
            campaign_budget=budget_name,
            payment_mode="CLICKS",
            experiment_type="BASE",
            contains_eu_political_advertising="DOES_NOT_CONTAIN_EU_POLITICAL_ADVERTISING",
        )
        money = _prefixed(
            "campaign_budget",
            resource_name=budget_name,
            id=budget,
            name=f"{c.name} budget",
            amount_micros=c.daily_budget * 10 ** (6 - digits),
            status="REMOVED" if c.status == "removed" else "ENABLED",
            delivery_method="STANDARD",
            period="DAILY",
            type="STANDARD",
            explicitly_shared=False,
            reference_count=0 if c.status == "removed" else 1,
        )
        return own | money | self._customer

    def _ad_group(self, g: AdGroup, kind: str) -> dict[str, Any]:
        return _prefixed(
            "ad_group",
            resource_name=f"{self.home}/adGroups/{g.id}",
            id=int(g.id),
            name=g.name,
            status=STATUS[g.status],
            primary_status="ELIGIBLE" if g.status == "active" else "PAUSED",
            type=GROUP_TYPE.get(kind, "SEARCH_STANDARD"),
            campaign=f"{self.home}/campaigns/{g.campaign_id}",
            cpc_bid_micros=MILLION,
            ad_rotation_mode="OPTIMIZE",
        )

    def _ad(self, a: Ad, kind: str) -> dict[str, Any]:
        return _prefixed(
            "ad_group_ad",
            resource_name=f"{self.home}/adGroupAds/{a.group_id}~{a.id}",
            status=STATUS[a.status],
            primary_status="ELIGIBLE" if a.status == "active" else "PAUSED",
            ad_group=f"{self.home}/adGroups/{a.group_id}",
            ad_strength="GOOD" if kind == "search" else None,
        ) | _prefixed(
            "ad_group_ad.ad",
            resource_name=f"{self.home}/ads/{a.id}",
            id=int(a.id),
            name=a.name,
            type=AD_TYPE.get(kind, "RESPONSIVE_SEARCH_AD"),
            final_urls=[a.url],
        )


def _tally(row: AdDay) -> Tally:
    """The world counts conversions in hundredths, the wire in doubles: millionths fit both."""
    return Tally(
        impressions=row.impressions,
        clicks=row.clicks,
        interactions=row.interactions,
        engagements=row.engagements,
        video_views=row.video_views,
        view_through=row.view_through,
        cost=row.spend,
        conversions=row.conversions * (MILLION // 100),
        value=row.value,
        all_conversions=row.all_conversions * (MILLION // 100),
        all_value=row.all_value,
    )


def _prefixed(prefix: str, **values: Any) -> dict[str, Any]:
    return {f"{prefix}.{name}": value for name, value in values.items() if value is not None}


def _without(values: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return {k: v for k, v in values.items() if not k.startswith(f"{prefix}.")}


def reachable(call: Call) -> dict[str, AdAccount]:
    """Customers somebody reaches directly: those under no manager."""
    return {a.id: a for a in call.accounts() if not a.parents}


def path_holds(call: Call, login: str, customer: str) -> bool:
    """Whether `customer` is `login` or lies under it."""
    records = {a.id: a for a in call.accounts()}
    seen, todo = set[str](), [customer]
    while todo:
        here = todo.pop()
        if here == login:
            return True
        if here in records and here not in seen:
            seen.add(here)
            todo += records[here].parents
    return False
