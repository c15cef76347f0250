"""The portal itself: its details, owners, pipelines and properties."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from liftos_app.services.sandbox.platforms.hubspot.catalog import PROPERTIES
from liftos_app.services.sandbox.platforms.hubspot.refusals import invalid, not_found
from liftos_app.services.sandbox.platforms.hubspot.serve import PER_DAY, Asked, endpoint
from liftos_app.services.sandbox.platforms.hubspot.view import (
    OWNERS,
    PIPELINE,
    PORTAL,
    STAGES,
    USERS,
    time_text,
)
from liftos_app.services.sandbox.trouble import name_at

ZONE = "US/Eastern"


@endpoint()
def details(asked: Asked) -> dict[str, Any]:
    """GET account-info details; needs no scope."""
    offset = asked.call.now.astimezone(ZoneInfo(ZONE)).utcoffset()
    seconds = int(offset.total_seconds()) if offset is not None else 0
    return {
        "portalId": PORTAL,
        "accountType": "STANDARD",
        "timeZone": ZONE,
        "companyCurrency": asked.call.trouble.currency("hubspot", str(PORTAL), "USD"),
        "additionalCurrencies": ["EUR"],
        "utcOffset": f"{'-' if seconds < 0 else '+'}{abs(seconds) // 3600:02d}:00",
        "utcOffsetMilliseconds": seconds * 1000,
        "uiDomain": "app.hubspot.com",
        "dataHostingLocation": "na1",
    }


@endpoint()
def usage(asked: Asked) -> dict[str, Any]:
    """GET the day's use of private apps."""
    desk = asked.call.memory.get("desk")
    used = sum(desk.whole.values()) if desk is not None else 0
    now = time_text(asked.call.now)
    row = {
        "name": "private-apps-api-calls-daily", "usageLimit": PER_DAY, "currentUsage": used,
        "collectedAt": now, "fetchStatus": "SUCCESS", "resetsAt": now,
    }  # fmt: skip
    return {"results": [row]}


@endpoint(scope="crm.objects.owners.read", singles=("email", "after", "limit", "archived"))
def owners(asked: Asked) -> dict[str, Any]:
    """GET owners; those who left are archived."""
    limit, gone = asked.limit(default=100, most=500), asked.flag("archived")
    own = [_owner(o) for o in asked.call.world.crm_owners(as_of=asked.call.now)]
    email = asked.query.get("email")
    rows = [o for o in own if o["archived"] is gone and (email is None or o["email"] == email)]
    rows = asked.call.bend("owners", rows)
    after = asked.query.get("after", "0")
    if not after.isdecimal():
        raise invalid("after is not a valid paging cursor.", name="after")
    rows = [o for o in rows if int(o[name_at(o, 0)]) > int(after)]
    found: dict[str, Any] = {"results": rows[:limit]}
    if len(rows) > limit:
        found["paging"] = {"next": {"after": rows[limit - 1][name_at(rows[limit - 1], 0)]}}
    return found


@endpoint(scope="crm.objects.owners.read", singles=("idProperty", "archived"))
def owner(asked: Asked) -> dict[str, Any]:
    """GET one owner."""
    for one in asked.call.world.crm_owners(as_of=asked.call.now):
        shown = _owner(one)
        if shown["id"] == asked.call.params["id"]:
            return shown
    raise not_found("resource not found")


def _owner(one: Any) -> dict[str, Any]:
    return {
        "id": str(OWNERS + one.id),
        "email": one.email,
        "type": "PERSON",
        "firstName": one.first_name,
        "lastName": one.last_name,
        **({"userId": USERS + one.id} if one.active else {}),
        "userIdIncludingInactive": USERS + one.id,
        "createdAt": time_text(one.created_at),
        "updatedAt": time_text(one.updated_at),
        "archived": not one.active,
        "teams": [{"id": f"{900 + len(one.market)}{ord(one.market[0])}", "name": one.team,
                   "primary": True}],
    }  # fmt: skip


@endpoint(scope="crm.schemas.deals.read")
def pipelines(asked: Asked) -> dict[str, Any]:
    """GET the pipelines of deals; other kinds have none here."""
    if asked.call.params["kind"] not in ("deals", "tickets"):
        raise invalid(f"Unable to infer object type from: {asked.call.params['kind'][:60]}")
    if asked.call.params["kind"] == "tickets":
        return {"results": []}
    one = asked.call.world.crm_pipeline()
    made = time_text(one.created_at)
    stages = [
        {
            "id": STAGES[s.id],
            "label": s.name,
            "displayOrder": s.order,
            "metadata": {
                "isClosed": str(s.closed).lower(),
                "probability": str(Decimal(s.probability) / 100),
            },
            "createdAt": made,
            "updatedAt": made,
            "archived": False,
            "writePermissions": "CRM_PERMISSIONS_ENFORCEMENT",
        }
        for s in one.stages
    ]
    row = {
        "id": PIPELINE, "label": one.name, "displayOrder": 0, "stages": stages,
        "createdAt": made, "updatedAt": made, "archived": False,
    }  # fmt: skip
    return {"results": asked.call.bend("pipelines", [row])}


@endpoint(
    scope="crm.schemas.{kind}.read", singles=("archived", "properties", "dataSensitivity", "locale")
)
def properties(asked: Asked) -> dict[str, Any]:
    """GET the properties of a kind of record."""
    kind = asked.call.params["kind"]
    if kind not in PROPERTIES:
        raise invalid(f"Unable to infer object type from: {kind[:60]}")
    made = time_text(datetime.fromisoformat("2024-09-16T14:00:00+00:00"))
    rows = [
        {
            "name": name,
            "label": one.label,
            "type": one.type,
            "fieldType": one.field,
            "description": "",
            "groupName": f"{kind}information",
            "options": [],
            "displayOrder": -1,
            "calculated": one.calculated,
            "externalOptions": False,
            "hasUniqueValue": False,
            "hidden": False,
            "hubspotDefined": True,
            "formField": False,
            "createdAt": made,
            "updatedAt": made,
            "archived": False,
        }
        for name, one in sorted(PROPERTIES[kind].items())
    ]
    return {"results": asked.call.bend("properties", rows)}
