"""Accounts, campaign groups, campaigns, creatives, conversions and the member's roles."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from liftos_app.services.sandbox.call import Call
from liftos_app.services.sandbox.platforms.linkedin_ads import view
from liftos_app.services.sandbox.platforms.linkedin_ads.signin import Refusal
from liftos_app.services.sandbox.platforms.linkedin_ads.wire import (
    Ask,
    forbidden,
    invalid,
    numbers,
    paged,
    whole,
)
from liftos_app.services.sandbox.world import AdAccount

SCOPE = "r_ads"
_PAGING = ("q", "search", "pageSize", "pageToken", "sortOrder")
STATES = {
    "adAccounts": ("ACTIVE", "CANCELED", "DRAFT", "PENDING_DELETION", "REMOVED"),
    "adCampaignGroups": ("ACTIVE", "ARCHIVED", "CANCELED", "DRAFT", "PAUSED", "PENDING_DELETION",
                         "REMOVED"),
    "adCampaigns": ("ACTIVE", "PAUSED", "ARCHIVED", "COMPLETED", "CANCELED", "DRAFT",
                    "PENDING_DELETION", "REMOVED"),
}
_KINDS = {"adAccounts": "sponsoredAccount", "adCampaignGroups": "sponsoredCampaignGroup",
          "adCampaigns": "sponsoredCampaign"}


def ad_accounts(ask: Ask) -> dict[str, Any]:
    """Accounts the member can see; ids of others are left out without an error."""
    ask.only(_PAGING)
    ask.finder("search")
    return paged(ask, _searched(ask, "adAccounts", view.accounts(ask.call)))


def ad_account(ask: Ask) -> dict[str, Any]:
    """One account."""
    ask.only(("fields",))
    found = _account(ask.call)
    return next(a for a in view.accounts(ask.call) if a["id"] == int(found.id))


def account_users(ask: Ask) -> dict[str, Any]:
    """The member's own roles, counted by position."""
    ask.only(("q", "accounts", "start", "count"))
    ask.finder("authenticatedUser")
    rows = [
        {"account": view.urn("sponsoredAccount", str(a["id"])), "role": "VIEWER",
         "user": "urn:li:person:Larkspur0Robin"}
        for a in view.accounts(ask.call)
    ]
    return _by_position(ask, rows)


def below(edge: str) -> Callable[[Ask], dict[str, Any]]:
    """Campaign groups or campaigns of an account."""
    make = view.groups if edge == "adCampaignGroups" else view.campaigns

    def answer(ask: Ask) -> dict[str, Any]:
        ask.only(_PAGING)
        ask.finder("search")
        account = _account(ask.call)
        rows = _searched(ask, edge, make(ask.call, account))
        return paged(ask, ask.call.bend(edge, rows, account=account.id))

    return answer


def creatives(ask: Ask) -> dict[str, Any]:
    """Creatives of an account; the finder must be named in a header too."""
    ask.only(("q", "campaigns", "creatives", "intendedStatuses", "sortOrder", "pageSize",
              "pageToken"))
    ask.finder("criteria")
    if ask.call.headers.get("x-restli-method", "").upper() != "FINDER":
        raise invalid("The header X-RestLi-Method: FINDER is required", "RESTLI_METHOD")
    account = _account(ask.call)
    rows = list(view.creatives(ask.call, account))
    if "campaigns" in ask.query:
        wanted = numbers(ask.query["campaigns"], "sponsoredCampaign", "campaigns")
        rows = [r for r in rows if r["campaign"].rpartition(":")[2] in wanted]
    return paged(ask, ask.call.bend("creatives", rows, account=account.id), most=100)


def conversions(ask: Ask) -> dict[str, Any]:
    """Conversion rules of an account, counted by position."""
    ask.only(("q", "account", "start", "count"))
    ask.finder("account")
    (ident,) = numbers([ask.query.get("account")], "sponsoredAccount", "account")
    account = ask.call.account(ident)
    if account is None:
        raise forbidden("FINDER-account /conversions")
    return _by_position(ask, view.rules(account))


def _account(call: Call) -> AdAccount:
    """The account in the path. Raises Refusal for one without a role."""
    found = call.account(call.params["account"])
    if found is None:
        raise Refusal(404, "Ad account not found or not accessible", code="RESOURCE_NOT_FOUND")
    return found


def _searched(ask: Ask, edge: str, rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows that fit `search`; without it all of them."""
    search = ask.query.get("search", {})
    if not isinstance(search, dict):
        raise invalid("search must be an object")
    found = list(rows)
    for key, criterion in search.items():
        values = criterion.get("values") if isinstance(criterion, dict) else None
        if key not in {"status", "id"} or not isinstance(values, list):
            raise invalid(f"search.{key} is not supported")
        if key == "id":
            wanted = {int(n) for n in numbers(values, _KINDS[edge], "search.id")}
            found = [r for r in found if r["id"] in wanted]
            continue
        for value in values:
            if value not in STATES[edge]:
                raise invalid(f"search.status: {value} is not a status")
        found = [r for r in found if r["status"] in values]
    return found


def _by_position(ask: Ask, rows: list[dict[str, Any]]) -> dict[str, Any]:
    start = whole(ask.query.get("start", "0"), "start")
    count = whole(ask.query.get("count", "10"), "count")
    if not 1 <= count <= 500:
        raise invalid("count must be between 1 and 500")
    links = []
    if start + count < len(rows):
        links = [{"rel": "next", "type": "application/json",
                  "href": f"{ask.call.path}?start={start + count}&count={count}"}]
    paging = {"start": start, "count": count, "links": links, "total": len(rows)}
    return {"elements": rows[start : start + count], "paging": paging}
