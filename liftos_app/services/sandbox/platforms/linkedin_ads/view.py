"""The world's ad accounts as LinkedIn names things: its campaign group is the world's campaign,
its campaign the world's ad group, its creative the world's ad.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

from liftos_app.services.sandbox.call import Call
from liftos_app.services.sandbox.world import AdAccount, AdGroup, Campaign

STATES = {"active": "ACTIVE", "paused": "PAUSED", "ended": "COMPLETED", "removed": "REMOVED"}
GROUP_STATES = {**STATES, "ended": "ARCHIVED"}


def accounts(call: Call) -> Iterator[dict[str, Any]]:
    """Every ad account the member has a role on."""
    for one in call.accounts():
        yield _account(call, one)


def _account(call: Call, one: AdAccount) -> dict[str, Any]:
    created = millis(datetime(one.created.year, one.created.month, one.created.day, tzinfo=UTC))
    return {
        "id": int(one.id),
        "name": one.name,
        "currency": call.trouble.currency(call.platform, one.id, one.currency),
        "status": "CANCELED" if one.status == "cancelled" else "ACTIVE",
        "type": "BUSINESS",
        "test": False,
        "reference": "urn:li:organization:11000001",
        "servingStatuses": ["RUNNABLE"] if one.status == "active" else ["BILLING_HOLD"],
        "notifiedOnCampaignOptimization": False,
        "version": {"versionTag": "3"},
        "changeAuditStamps": _stamps(created, created),
    }


def groups(call: Call, account: AdAccount) -> Iterator[dict[str, Any]]:
    """Campaign groups."""
    for c in call.world.campaigns(account.id, as_of=call.now):
        yield {
            "id": int(c.id),
            "name": c.name,
            "status": GROUP_STATES[c.status],
            "account": urn("sponsoredAccount", account.id),
            "test": False,
            "backfilled": False,
            "servingStatuses": ["RUNNABLE"],
            "runSchedule": _schedule(c),
            "changeAuditStamps": _stamps(millis(c.created_at), millis(c.updated_at)),
        }


def campaigns(call: Call, account: AdAccount) -> Iterator[dict[str, Any]]:
    """Campaigns; the budget of a group is shared evenly."""
    above = {c.id: c for c in call.world.campaigns(account.id, as_of=call.now)}
    every = call.world.ad_groups(account.id, as_of=call.now)
    for g in every:
        siblings = sum(1 for x in every if x.campaign_id == g.campaign_id)
        share = above[g.campaign_id].daily_budget // siblings
        yield {
            "id": int(g.id),
            "name": g.name,
            "status": STATES[g.status],
            "type": "SPONSORED_UPDATES",
            "costType": "CPM",
            "objectiveType": "WEBSITE_CONVERSION",
            "account": urn("sponsoredAccount", account.id),
            "campaignGroup": urn("sponsoredCampaignGroup", g.campaign_id),
            "dailyBudget": _money(share, account.currency),
            "unitCost": _money(950, account.currency),
            "test": False,
            "runSchedule": _schedule(g),
            "changeAuditStamps": _stamps(millis(g.created_at), millis(g.updated_at)),
        }


def creatives(call: Call, account: AdAccount) -> Iterator[dict[str, Any]]:
    """Creatives. Their id is a URN, and every second one has no name."""
    for number, a in enumerate(call.world.ads(account.id, as_of=call.now)):
        yield {
            "id": urn("sponsoredCreative", a.id),
            **({"name": a.name} if number % 2 == 0 else {}),
            "account": urn("sponsoredAccount", account.id),
            "campaign": urn("sponsoredCampaign", a.group_id),
            "intendedStatus": {"active": "ACTIVE", "removed": "REMOVED"}.get(a.status, "PAUSED"),
            "isServing": a.status == "active",
            "isTest": False,
            "content": {"reference": urn("share", a.creative_id)},
            "review": {"status": "APPROVED"},
            "createdAt": millis(a.created_at),
            "lastModifiedAt": millis(a.updated_at),
        }


def rules(account: AdAccount) -> list[dict[str, Any]]:
    """Conversion rules: the purchase that all campaigns are measured by, and an old one."""
    base = {
        "account": urn("sponsoredAccount", account.id),
        "attributionType": "LAST_TOUCH_BY_CAMPAIGN",
        "postClickAttributionWindowSize": 30,
        "viewThroughAttributionWindowSize": 7,
    }
    number = 9_000_000 + int(account.id) % 1000
    return [
        {"id": number, "name": "Trade order", "type": "PURCHASE", "enabled": True, **base},
        {"id": number + 1000, "name": "Catalogue (old)", "type": "DOWNLOAD", "enabled": False,
         **base},
    ]


def urn(kind: str, number: str) -> str:
    """A URN as LinkedIn writes it."""
    return f"urn:li:{kind}:{number}"


def millis(moment: datetime) -> int:
    """Milliseconds since 1970."""
    return int(moment.timestamp() * 1000)


def _money(minor: int, currency: str) -> dict[str, str]:
    return {"amount": f"{minor / 100:.2f}", "currencyCode": currency}


def _stamps(created: int, changed: int) -> dict[str, Any]:
    return {"created": {"time": created}, "lastModified": {"time": changed}}


def _schedule(one: Campaign | AdGroup) -> dict[str, int]:
    found = {"start": _midnight(one.starts)}
    if one.ends is not None:
        found["end"] = _midnight(one.ends + timedelta(days=1))
    return found


def _midnight(day: date) -> int:
    return millis(datetime(day.year, day.month, day.day, tzinfo=UTC))
