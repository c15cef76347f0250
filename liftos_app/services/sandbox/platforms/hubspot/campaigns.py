"""Marketing campaigns with their budgets, and the reports HubSpot makes of them."""

from __future__ import annotations

import uuid
from datetime import date
from typing import Any

from liftos_app.services.sandbox.platforms.hubspot.refusals import invalid, not_found
from liftos_app.services.sandbox.platforms.hubspot.serve import Asked, endpoint
from liftos_app.services.sandbox.platforms.hubspot.view import money, time_text
from liftos_app.services.sandbox.world import CrmCampaign

_SPACE = uuid.UUID("6f0d3c52-7a7e-4b2b-9d54-52c3d1b6a901")
_STATUS = {"planned": "planned", "active": "in_progress", "completed": "completed"}
MODELS = ("LINEAR", "FIRST_INTERACTION", "LAST_INTERACTION", "FULL_PATH", "U_SHAPED", "W_SHAPED",
          "TIME_DECAY", "J_SHAPED", "INVERSE_J_SHAPED")  # fmt: skip
_UNASKED = ("hs_name",)


def guid(number: int) -> str:
    """The id of a campaign of the world."""
    return str(uuid.uuid5(_SPACE, str(number)))


@endpoint(scope="marketing.campaigns.read", singles=("limit", "after", "sort", "name"),
          lists=("properties",))  # fmt: skip
def listing(asked: Asked) -> dict[str, Any]:
    """GET campaigns."""
    limit = asked.limit(default=50, most=100)
    name = asked.query.get("name", "").lower()
    own = [c for c in _campaigns(asked) if name in c.name.lower()]
    rows = asked.call.bend("campaigns", [_shown(asked, c) for c in own])
    after = asked.query.get("after", "0")
    if not after.isdecimal():
        raise invalid("after is not a valid paging cursor.", name="after")
    start = int(after)
    found: dict[str, Any] = {"total": len(rows), "results": rows[start : start + limit]}
    if start + limit < len(rows):
        found["paging"] = {"next": {"after": str(start + limit)}}
    return found


@endpoint(scope="marketing.campaigns.read", singles=("startDate", "endDate"), lists=("properties",))
def single(asked: Asked) -> dict[str, Any]:
    """GET one campaign."""
    return _shown(asked, _campaign(asked))


@endpoint(scope="marketing.campaigns.read", singles=("startDate", "endDate"))
def metrics(asked: Asked) -> dict[str, Any]:
    """GET sessions and contacts. Only contacts are counted by day here."""
    one = _campaign(asked)
    start, end = _span(asked)
    leads = [
        x for x in asked.call.world.crm_leads(as_of=asked.call.now)
        if x.campaign_id == one.id and x.deleted_at is None
        and start <= x.created_at.date() <= end
    ]  # fmt: skip
    members = [
        m for m in asked.call.world.crm_campaign_members(as_of=asked.call.now)
        if m.campaign_id == one.id and m.deleted_at is None
        and start <= m.created_at.date() <= end
    ]  # fmt: skip
    return {
        "sessions": len(members) * 7,
        "newContactsFirstTouch": len(leads),
        "newContactsLastTouch": len(leads),
        "influencedContacts": len(members),
    }


@endpoint(
    scope="marketing.campaigns.revenue.read", singles=("attributionModel", "startDate", "endDate")
)
def revenue(asked: Asked) -> dict[str, Any]:
    """GET deals and revenue; each deal has one campaign, so every model says the same."""
    one = _campaign(asked)
    model = asked.query.get("attributionModel", "LINEAR")
    if model not in MODELS:
        raise invalid(f"Unknown attribution model {model[:40]}.", name="attributionModel")
    start, end = _span(asked)
    deals = [
        d for d in asked.call.world.crm_deals(as_of=asked.call.now)
        if d.campaign_id == one.id and d.deleted_at is None
        and start <= d.created_at.date() <= end
    ]  # fmt: skip
    won = sum(d.amount_usd or 0 for d in deals if d.is_won)
    return {
        "revenueAmount": won / 100,
        "dealAmount": sum(d.amount_usd or 0 for d in deals) / 100,
        "dealsNumber": len(deals),
        "contactsNumber": len({d.contact_id for d in deals}),
        "currencyCode": "USD",
    }


def _campaign(asked: Asked) -> CrmCampaign:
    for one in _campaigns(asked):
        if guid(one.id) == asked.call.params["id"]:
            return one
    raise not_found("resource not found")


def _campaigns(asked: Asked) -> tuple[CrmCampaign, ...]:
    """All campaigns as they stand now; kept until the clock's next second."""
    call = asked.call
    key = (id(call.world), int(call.now.timestamp()))
    kept = call.memory.get("campaigns")
    if kept is None or kept[0] != key:
        kept = call.memory["campaigns"] = (key, call.world.crm_campaigns(as_of=call.now))
    found: tuple[CrmCampaign, ...] = kept[1]
    return found


def _shown(asked: Asked, one: CrmCampaign) -> dict[str, Any]:
    every = {
        "hs_name": one.name,
        "hs_campaign_status": _STATUS[one.status],
        "hs_start_date": one.starts.isoformat(),
        "hs_end_date": one.ends.isoformat() if one.ends else None,
        "hs_currency_code": "USD",
        "hs_utm": one.name.lower().replace(" ", "-")[:60],
        "hs_budget_items_sum_amount": money(one.budget),
        "hs_spend_items_sum_amount": money(one.cost),
    }
    wanted = asked.lists.get("properties") or _UNASKED
    return {
        "id": guid(one.id),
        "properties": {n: every[n] for n in wanted if every.get(n) is not None},
        "createdAt": time_text(one.created_at),
        "updatedAt": time_text(one.updated_at),
        "businessUnits": [],
    }


def _span(asked: Asked) -> tuple[date, date]:
    found = []
    for name, usual in (("startDate", date(2006, 1, 1)), ("endDate", asked.call.now.date())):
        try:
            found.append(date.fromisoformat(asked.query[name]) if name in asked.query else usual)
        except ValueError:
            raise invalid(f"{name} must look like 2026-01-31.", name=name) from None
    return found[0], found[1]
