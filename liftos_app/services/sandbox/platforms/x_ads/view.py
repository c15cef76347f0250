"""Larkspur's ad accounts in the vendor's words: accounts, funding, campaigns, line items, ads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from liftos_app.services.sandbox.call import Call
from liftos_app.services.sandbox.platforms.x_ads.refusals import no_such_account
from liftos_app.services.sandbox.platforms.x_ads.signin import USER_ID
from liftos_app.services.sandbox.world.shapes import Ad, AdAccount, AdGroup, Campaign

Record = dict[str, Any]
APPROVAL = {"active": "ACCEPTED", "disabled": "REJECTED", "cancelled": "CANCELED"}
# Larkspur's status -> entity_status, effective_status, why it does not serve
STATUS: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "active": ("ACTIVE", "RUNNING", ()),
    "paused": ("PAUSED", "PAUSED", ("PAUSED_BY_ADVERTISER",)),
    "ended": ("ACTIVE", "EXPIRED", ("EXPIRED",)),
    "removed": ("PAUSED", "PAUSED", ("PAUSED_BY_ADVERTISER",)),
}
_GOALS = {"prospecting": "WEBSITE_CONVERSIONS", "retargeting": "LINK_CLICKS"}


def account(call: Call, account_id: str) -> AdAccount:
    """An account the person has a role on. Raises Refusal (403)."""
    found = call.account(account_id)
    if found is None:
        raise no_such_account(account_id)
    return found


def account_record(a: AdAccount) -> Record:
    """An account. Its currency is not part of it."""
    opened = datetime.combine(a.created, time(), ZoneInfo(a.zone))
    return {
        "id": a.id,
        "name": a.name,
        "business_name": None,
        "timezone": a.zone,
        "timezone_switch_at": moment(opened),
        "created_at": moment(opened.replace(hour=9)),
        "updated_at": moment(opened.replace(hour=10)),
        "industry_type": "RETAIL",
        "business_id": None,
        "approval_status": APPROVAL[a.status],
        "deleted": a.status == "cancelled",
    }


def funding_id(a: AdAccount) -> str:
    """The id of an account's one funding instrument."""
    return f"f{a.id[-4:]}"


def funding_instruments(call: Call, a: AdAccount) -> list[Record]:
    """What pays: one credit card an account."""
    opened = datetime.combine(a.created, time(9), ZoneInfo(a.zone))
    return [
        {
            "id": funding_id(a),
            "type": "CREDIT_CARD",
            "description": "Visa ending in 4242",
            "currency": call.trouble.currency(call.platform, a.id, a.currency),
            "credit_limit_local_micro": None,
            "credit_remaining_local_micro": None,
            "funded_amount_local_micro": None,
            "entity_status": "ACTIVE",
            "able_to_fund": a.status == "active",
            "reasons_not_able_to_fund": [] if a.status == "active" else ["ACCOUNT_CLOSED"],
            "start_time": moment(opened),
            "end_time": None,
            "created_at": moment(opened),
            "updated_at": moment(opened),
            "deleted": False,
        }
    ]


def campaigns(call: Call, a: AdAccount) -> list[Record]:
    """All campaigns, deleted ones too. Objective and times are the line item's in version 12."""
    return [_campaign(a, c) for c in call.world.campaigns(a.id, as_of=call.now)]


def line_items(call: Call, a: AdAccount) -> list[Record]:
    """All line items, deleted ones too."""
    kinds = {c.id: c.kind for c in call.world.campaigns(a.id, as_of=call.now)}
    groups = call.world.ad_groups(a.id, as_of=call.now)
    return [_line_item(a, g, kinds[g.campaign_id]) for g in groups]


def promoted_tweets(call: Call, a: AdAccount) -> list[Record]:
    """All ads, deleted ones too. They have no name: their post has words."""
    return [_promoted(ad) for ad in call.world.ads(a.id, as_of=call.now)]


def tweets(call: Call, a: AdAccount) -> list[Record]:
    """The posts behind the ads."""
    found = {
        tweet_id(ad): {
            "id": int(tweet_id(ad)),
            "id_str": tweet_id(ad),
            "tweet_id": tweet_id(ad),
            "name": ad.name,
            "full_text": f"{ad.title}. {ad.body} https://t.co/{ad.creative_id}",
            "lang": "en",
            "tweet_type": "PUBLISHED",
            "nullcast": True,
            "user_id": USER_ID,
            "user": {"id": int(USER_ID), "id_str": USER_ID},
            "created_at": moment(ad.created_at),
            "updated_at": moment(ad.updated_at),
            "deleted": False,
        }
        for ad in call.world.ads(a.id, as_of=call.now)
    }
    return list(found.values())


LISTS: Mapping[str, Callable[[Call, AdAccount], list[Record]]] = {
    "funding_instruments": funding_instruments,
    "campaigns": campaigns,
    "line_items": line_items,
    "promoted_tweets": promoted_tweets,
    "tweets": tweets,
}


def tweet_id(ad: Ad) -> str:
    """A post's id: digits, as everywhere on X."""
    return str(1_700_000_000_000_000_000 + int(ad.creative_id, 36))


def moment(at: datetime | None) -> str | None:
    """Times are always answered in UTC."""
    return at.astimezone(ZoneInfo("UTC")).strftime("%Y-%m-%dT%H:%M:%SZ") if at else None


def _campaign(a: AdAccount, c: Campaign) -> Record:
    status, effective, reasons = STATUS[c.status]
    return {
        "id": c.id,
        "name": c.name,
        "funding_instrument_id": funding_id(a),
        "budget_optimization": "CAMPAIGN",
        "daily_budget_amount_local_micro": c.daily_budget * 10_000,
        "total_budget_amount_local_micro": None,
        "standard_delivery": True,
        "frequency_cap": None,
        "duration_in_days": None,
        "purchase_order_number": None,
        "currency": a.currency,
        "entity_status": status,
        "effective_status": effective,
        "servable": not reasons,
        "reasons_not_servable": list(reasons),
        "created_at": moment(c.created_at),
        "updated_at": moment(c.updated_at),
        "deleted": c.status == "removed",
    }


def _line_item(a: AdAccount, g: AdGroup, kind: str) -> Record:
    zone = ZoneInfo(a.zone)
    ends = datetime.combine(g.ends, time(23, 59, 59), zone) if g.ends else None
    return {
        "id": g.id,
        "name": g.name,
        "campaign_id": g.campaign_id,
        "objective": "WEBSITE_CLICKS",
        "goal": _GOALS.get(kind, "WEBSITE_CONVERSIONS"),
        "product_type": "PROMOTED_TWEETS",
        "placements": ["ALL_ON_TWITTER"],
        "bid_strategy": "AUTO",
        "bid_amount_local_micro": None,
        "pay_by": "IMPRESSION",
        "currency": a.currency,
        "entity_status": STATUS[g.status][0],
        "start_time": moment(datetime.combine(g.starts, time(), zone)),
        "end_time": moment(ends),
        "created_at": moment(g.created_at),
        "updated_at": moment(g.updated_at),
        "deleted": g.status == "removed",
    }


def _promoted(ad: Ad) -> Record:
    return {
        "id": ad.id,
        "line_item_id": ad.group_id,
        "tweet_id": tweet_id(ad),
        "entity_status": STATUS[ad.status][0],
        "approval_status": "ACCEPTED",
        "created_at": moment(ad.created_at),
        "updated_at": moment(ad.updated_at),
        "deleted": ad.status == "removed",
    }
