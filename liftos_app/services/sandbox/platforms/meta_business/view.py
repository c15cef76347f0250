"""The world as an ad account: Larkspur's campaigns in the vendor's words."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from liftos_app.services.sandbox.call import Call
from liftos_app.services.sandbox.platforms.meta_business.figures import Figures
from liftos_app.services.sandbox.platforms.meta_business.tree import Cell, Node
from liftos_app.services.sandbox.world.ad_views import Level
from liftos_app.services.sandbox.world.shapes import Ad, AdAccount, AdGroup, Campaign

ACCOUNT_STATUS = {"active": 1, "disabled": 2, "cancelled": 101}
DISABLE_REASON = {"active": 0, "disabled": 1, "cancelled": 0}
NO_MINOR_UNIT = frozenset({"JPY", "KRW", "VND", "CLP", "ISK", "HUF", "TWD", "COP", "CRC", "PYG"})
BUSINESS = {"id": "412233445566778", "name": "Larkspur Home"}
# An ended campaign stays ACTIVE with its stop time in the past; a removed one is archived.
STATUS = {"active": "ACTIVE", "paused": "PAUSED", "ended": "ACTIVE", "removed": "ARCHIVED"}
_GOALS = {"prospecting": "OFFSITE_CONVERSIONS", "retargeting": "VALUE"}
_ATTRIBUTION = [
    {"event_type": "CLICK_THROUGH", "window_days": 7},
    {"event_type": "VIEW_THROUGH", "window_days": 1},
]
LEVELS: dict[str, Level] = {
    "account": "account",
    "campaign": "campaign",
    "adset": "group",
    "ad": "ad",
}


class LarkspurAccount:
    """One ad account at the moment of a call. Lives for that call only."""

    def __init__(self, call: Call, record: AdAccount) -> None:
        self._call, self.record = call, record
        self._world, self._as_of = call.world, call.now
        self._zone = ZoneInfo(record.zone)
        self.digits = 0 if record.currency in NO_MINOR_UNIT else 2
        self.today = self._as_of.astimezone(self._zone).date()

    @property
    def account_id(self) -> str:
        """The digits without act_."""
        return self.record.id

    @cached_property
    def currency(self) -> str:
        """As the vendor shows it now; asking may use up a planted currency change."""
        return self._call.trouble.currency("meta_business", self.record.id, self.record.currency)

    @cached_property
    def node(self) -> Node:
        """The account as a Graph object; its currency is read when it is shown."""
        r = self.record
        offset = self._as_of.astimezone(self._zone).utcoffset() or dt.timedelta()
        spent = self._world.amount_spent(r.id, as_of=self._as_of)
        created = dt.datetime.combine(r.created, dt.time(9), self._zone)
        return Node(
            "account",
            f"act_{r.id}",
            {
                "account_id": r.id,
                "name": r.name,
                "account_status": ACCOUNT_STATUS[r.status],
                "disable_reason": DISABLE_REASON[r.status],
                "timezone_name": r.zone,
                "timezone_id": 1,
                "timezone_offset_hours_utc": offset.total_seconds() / 3600,
                "amount_spent": self._minor(spent),
                "balance": "0",
                "spend_cap": "0",
                "min_daily_budget": 100,
                "age": float((self.today - r.created).days),
                "business": dict(BUSINESS),
                "business_name": BUSINESS["name"],
                "owner": BUSINESS["id"],
                "created_time": created.strftime("%Y-%m-%dT%H:%M:%S%z"),
                "is_personal": 0,
                "is_prepay_account": False,
                "attribution_spec": _ATTRIBUTION,
            },
        )

    def nodes(self, kind: str) -> Sequence[Node]:
        """Campaigns, ad sets, ads or creatives, oldest first."""
        return self._nodes[kind]

    @cached_property
    def _nodes(self) -> dict[str, list[Node]]:
        campaigns = self._world.campaigns(self.record.id, as_of=self._as_of)
        groups = self._world.ad_groups(self.record.id, as_of=self._as_of)
        ads = self._world.ads(self.record.id, as_of=self._as_of)
        by_campaign = {c.id: c for c in campaigns}
        by_group = {g.id: g for g in groups}
        return {
            "campaign": [self._campaign(c) for c in campaigns],
            "adset": [self._adset(g, by_campaign[g.campaign_id]) for g in groups],
            "ad": [self._ad(a, by_group[a.group_id], by_campaign[a.campaign_id]) for a in ads],
            "adcreative": list({a.creative_id: self._creative(a) for a in ads}.values()),
        }

    @cached_property
    def active_ads(self) -> int:
        """Ads that deliver; they raise the hourly budget of calls."""
        return sum(1 for n in self.nodes("ad") if n.values["effective_status"] == "ACTIVE")

    def cells(self, first: dt.date, last: dt.date, level: str) -> Iterator[Cell]:
        """Delivery on a level between two days, both inclusive."""
        for row in self._world.ad_days(
            self.record.id, first, last, as_of=self._as_of, level=LEVELS[level]
        ):
            ids = {"campaign": row.campaign_id, "adset": row.group_id, "ad": row.ad_id}
            figures = Figures(
                row.impressions, row.reach, 0, row.clicks, row.link_clicks, row.spend,
                dict(row.counts), dict(row.values),
            )  # fmt: skip
            yield Cell(ids.get(level, "") or self.node.id, ids, row.day, figures)

    def _minor(self, micros: int) -> str:
        """Micro-units as a text in the currency's minor unit."""
        return str(micros // 10 ** (6 - self.digits))

    def _budget(self, minor: int) -> str:
        """The world keeps budgets in minor units already."""
        return str(minor)

    def _time(self, moment: dt.datetime | None) -> str | None:
        return moment.astimezone(self._zone).strftime("%Y-%m-%dT%H:%M:%S%z") if moment else None

    def _start(self, day: dt.date) -> str | None:
        return self._time(dt.datetime.combine(day, dt.time(), self._zone))

    def _stop(self, day: dt.date | None) -> str | None:
        if day is None:
            return None
        return self._time(dt.datetime.combine(day, dt.time(23, 59, 59), self._zone))

    def _campaign(self, c: Campaign) -> Node:
        return Node(
            "campaign",
            c.id,
            {
                "account_id": self.record.id,
                "name": c.name,
                "objective": "OUTCOME_SALES",
                "status": STATUS[c.status],
                "configured_status": STATUS[c.status],
                "effective_status": STATUS[c.status],
                "buying_type": "AUCTION",
                "bid_strategy": "LOWEST_COST_WITHOUT_CAP",
                "daily_budget": self._budget(c.daily_budget),
                "budget_remaining": self._budget(c.daily_budget),
                "special_ad_categories": [],
                "smart_promotion_type": "GUIDED_CREATION",
                "start_time": self._start(c.starts),
                "stop_time": self._stop(c.ends),
                "created_time": self._time(c.created_at),
                "updated_time": self._time(c.updated_at),
            },
        )

    def _adset(self, g: AdGroup, c: Campaign) -> Node:
        own = STATUS[g.status]
        paused = own == "ACTIVE" and c.status == "paused"
        return Node(
            "adset",
            g.id,
            {
                "account_id": self.record.id,
                "campaign_id": c.id,
                "name": g.name,
                "status": own,
                "configured_status": own,
                "effective_status": "CAMPAIGN_PAUSED" if paused else own,
                "optimization_goal": _GOALS.get(c.kind, "OFFSITE_CONVERSIONS"),
                "billing_event": "IMPRESSIONS",
                "attribution_spec": _ATTRIBUTION,
                "destination_type": "WEBSITE",
                "start_time": self._start(g.starts),
                "end_time": self._stop(g.ends),
                "created_time": self._time(g.created_at),
                "updated_time": self._time(g.updated_at),
            },
            {"campaign": c.id},
        )

    def _ad(self, a: Ad, g: AdGroup, c: Campaign) -> Node:
        own = STATUS[a.status]
        effective = own
        if own == "ACTIVE" and c.status == "paused":
            effective = "CAMPAIGN_PAUSED"
        elif own == "ACTIVE" and g.status == "paused":
            effective = "ADSET_PAUSED"
        return Node(
            "ad",
            a.id,
            {
                "account_id": self.record.id,
                "campaign_id": c.id,
                "adset_id": g.id,
                "name": a.name,
                "status": own,
                "configured_status": own,
                "effective_status": effective,
                "created_time": self._time(a.created_at),
                "updated_time": self._time(a.updated_at),
            },
            {"campaign": c.id, "adset": g.id, "adcreative": a.creative_id},
        )

    def _creative(self, a: Ad) -> Node:
        values: dict[str, Any] = {
            "account_id": self.record.id,
            "name": f"{a.name} creative",
            "title": a.title,
            "body": a.body,
            "object_type": "SHARE",
            "status": "ACTIVE",
            "call_to_action_type": "SHOP_NOW",
            "link_url": a.url,
            "thumbnail_url": f"https://larkspur-home.example/ads/{a.creative_id}/64.jpg",
            "image_url": f"https://larkspur-home.example/ads/{a.creative_id}/1080.jpg",
        }
        return Node("adcreative", a.creative_id, values)


def accounts(call: Call) -> list[LarkspurAccount]:
    """Every ad account of the advertiser."""
    return [LarkspurAccount(call, record) for record in call.accounts()]
