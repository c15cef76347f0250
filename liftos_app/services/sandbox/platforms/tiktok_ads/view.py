"""One ad account of the world as TikTok names and shows its things."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from liftos_app.services.sandbox.call import Call
from liftos_app.services.sandbox.platforms.tiktok_ads.wire import Refusal
from liftos_app.services.sandbox.world import Ad, AdAccount, AdGroup, Campaign

ACCOUNT_STATUS = {"active": "STATUS_ENABLE", "disabled": "STATUS_LIMIT",
                  "cancelled": "STATUS_DISABLE"}
KEPT_DAYS = 365  # what ended longer ago was deleted, as TikTok does with old ads


def account(call: Call, ident: str) -> AdAccount:
    """An account of the advertiser. Raises Refusal for any other."""
    found = call.account(ident)
    if found is None:
        raise Refusal(40001, f"No permission to operate advertiser {ident}.")
    return found


def info(call: Call, record: AdAccount) -> dict[str, Any]:
    """What `advertiser/info` tells."""
    created = datetime(record.created.year, record.created.month, record.created.day, tzinfo=UTC)
    return {
        "advertiser_id": record.id,
        "owner_bc_id": "7301880000000054321",
        "name": record.name,
        "company": "Larkspur Home",
        "country": "US" if record.currency == "USD" else "DE",
        "currency": call.trouble.currency(call.platform, record.id, record.currency),
        "timezone": record.zone,
        "display_timezone": record.zone,
        "status": ACCOUNT_STATUS[record.status],
        "role": "ROLE_ADVERTISER",
        "create_time": int(created.timestamp()),
    }


INFO_FIELDS = (
    "advertiser_id", "owner_bc_id", "name", "company", "country", "currency", "timezone",
    "display_timezone", "status", "role", "create_time",
)


class View:
    """Campaigns, ad groups and ads of an account at this moment."""

    def __init__(self, call: Call, record: AdAccount) -> None:
        self.record = record
        self._world, self._now = call.world, call.now
        self.today = call.now.astimezone(ZoneInfo(record.zone)).date()

    @cached_property
    def campaigns(self) -> dict[str, Campaign]:
        """By id."""
        return {c.id: c for c in self._world.campaigns(self.record.id, as_of=self._now)}

    @cached_property
    def groups(self) -> dict[str, AdGroup]:
        """By id."""
        return {g.id: g for g in self._world.ad_groups(self.record.id, as_of=self._now)}

    @cached_property
    def ads(self) -> dict[str, Ad]:
        """By id."""
        return {a.id: a for a in self._world.ads(self.record.id, as_of=self._now)}

    def is_deleted(self, campaign_id: str) -> bool:
        """Whether a campaign, and so everything in it, was deleted."""
        ends = self.campaigns[campaign_id].ends
        return ends is not None and (self.today - ends).days > KEPT_DAYS

    def is_smart(self, campaign_id: str) -> bool:
        """Whether a campaign is a Smart+ one; its ads are missing in the classic list."""
        return "Spark" in self.campaigns[campaign_id].name

    def things(self, kind: str) -> list[dict[str, Any]]:
        """All records of a kind, newest first."""
        made: dict[str, tuple[Any, Callable[[Any], dict[str, Any]]]] = {
            "campaign": (self.campaigns, self._campaign),
            "adgroup": (self.groups, self._group),
            "ad": (self.ads, self._ad),
        }
        found, make = made[kind]
        ordered = sorted(found.values(), key=lambda x: (x.created_at, x.id), reverse=True)
        return [make(one) for one in ordered]

    def _common(self, kind: str, one: Campaign | AdGroup | Ad, campaign_id: str) -> dict[str, Any]:
        prefix = f"{kind.upper()}_STATUS"
        on = one.status == "active"
        second = f"{prefix}_ENABLE" if on else f"{prefix}_DISABLE"
        if one.status == "ended" and kind != "campaign":
            second = f"{prefix}_TIME_DONE" if kind == "adgroup" else f"{prefix}_DONE"
        if self.is_deleted(campaign_id):
            second = f"{prefix}_DELETE"
        return {
            "advertiser_id": self.record.id,
            "campaign_id": campaign_id,
            "campaign_name": self.campaigns[campaign_id].name,
            "operation_status": "ENABLE" if on else "DISABLE",
            "secondary_status": second,
            "create_time": stamp(one.created_at),
            "modify_time": stamp(one.updated_at),
        }

    def _campaign(self, c: Campaign) -> dict[str, Any]:
        return {
            **self._common("campaign", c, c.id),
            "campaign_type": "REGULAR_CAMPAIGN",
            "objective_type": "WEB_CONVERSIONS",
            "budget": c.daily_budget / 100,
            "budget_mode": "BUDGET_MODE_DAY",
            "is_smart_performance_campaign": self.is_smart(c.id),
        }

    def _group(self, g: AdGroup) -> dict[str, Any]:
        return {
            **self._common("adgroup", g, g.campaign_id),
            "adgroup_id": g.id,
            "adgroup_name": g.name,
            "optimization_goal": "CONVERT",
            "billing_event": "OCPM",
            "bid_price": 0.0,
            "budget": 0.0,
            "budget_mode": "BUDGET_MODE_INFINITE",
            "schedule_start_time": _midnight(g.starts, self.record.zone),
            "schedule_end_time": _midnight(g.ends, self.record.zone) if g.ends else None,
        }

    def _ad(self, a: Ad) -> dict[str, Any]:
        found = {
            **self._common("ad", a, a.campaign_id),
            "adgroup_id": a.group_id,
            "adgroup_name": self.groups[a.group_id].name,
            "ad_name": a.name,
            "ad_text": a.body,
            "landing_page_url": a.url,
            "call_to_action": "SHOP_NOW",
        }
        return {"smart_plus_ad_id" if self.is_smart(a.campaign_id) else "ad_id": a.id, **found}


def stamp(moment: datetime) -> str:
    """UTC without saying so."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def _midnight(day: date, zone: str) -> str:
    return stamp(datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)))
