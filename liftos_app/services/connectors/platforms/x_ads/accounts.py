"""Ad accounts: finding them, their currency, and testing one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from liftos_app.errors import Fix
from liftos_app.services.connectors import rows
from liftos_app.services.connectors.client import Answer, Client
from liftos_app.services.connectors.faults import Rule, check_open
from liftos_app.services.connectors.paging import Cursor, pages
from liftos_app.services.connectors.platforms.x_ads.version import VERSION
from liftos_app.services.connectors.read import listed
from liftos_app.services.connectors.spec import AccountInfo

COUNT = 1000  # records a page, the most X gives
CURSOR = Cursor(read="next_cursor", send="cursor")
GLOBAL_LANE = "accounts"  # five calls in 15 minutes
# Roles that see campaigns; ANALYST alone sees only posts.
READERS = frozenset({"ACCOUNT_ADMIN", "AD_MANAGER", "CREATIVE_MANAGER", "CAMPAIGN_ANALYST"})
_NO_ROLE = Rule(
    code="permissions",
    kind=Fix,
    what="X does not let us read campaigns of this account.",
    why="The person's role is {said}, which sees no campaigns.",
    fix="Have the person added to the ad account as Campaign analyst or more.",
    cause="permission",
    owner="your_platform_admin",
)


def discover(client: Client) -> list[AccountInfo]:
    """All ad accounts the person has a role on, closed ones too."""
    found: dict[str, AccountInfo] = {}
    params = {"count": COUNT, "with_deleted": "true"}
    for answer in pages(
        client, f"/{VERSION}/accounts", CURSOR, params=params, records="data", lane=GLOBAL_LANE
    ):
        for record in listed(answer.data.get("data")):
            account = info(client, record)
            found.setdefault(account.external_id, account)
    return list(found.values())


def info(client: Client, record: dict[str, Any]) -> AccountInfo:
    """One ad account; its currency stands with what pays for it."""
    ident = rows.ident(record.get("id"))
    status, reason = standing(record)
    currency = ""
    try:
        currency = currency_of(client, ident)
    except Fix as error:
        reason = reason or error.why
    return AccountInfo(
        external_id=ident,
        name=rows.text(record.get("name"), 400) or ident,
        currency=currency,
        time_zone=rows.text(record.get("timezone"), 64) or "UTC",
        status=status,
        usable=not reason,
        reason=reason,
    )


def standing(record: Mapping[str, Any]) -> tuple[str, str]:
    """The status of an account, and why it cannot be read; "" when it can."""
    status = rows.text(record.get("approval_status"), 40).lower()
    if record.get("deleted") is True:
        return "deleted", "X shows this ad account as closed."
    if status != "accepted":
        return status, f"X does not accept this ad account: {status or 'no reason given'}."
    return status, ""


def look(client: Client, account: AccountInfo) -> Answer:
    """The answer with the account's own record. Raises Fix when it is closed."""
    ident = account.external_id
    answer = client.get(
        f"/{VERSION}/accounts/{ident}", params={"with_deleted": "true"}, lane=f"{ident}/account"
    )
    record = answer.data.get("data")
    if isinstance(record, dict):
        status, reason = standing(record)
        check_open("X", replace(account, status=status, usable=not reason, reason=reason))
    return answer


def currency_of(client: Client, account: str) -> str:
    """The currency of the account's funding, else of its newest campaign; "" without both."""
    for name in ("funding_instruments", "campaigns"):
        answer = ask(client, account, name, {"count": 1 if name == "campaigns" else COUNT})
        for record in listed(answer.data.get("data")):
            found = rows.text(record.get("currency"), 3)
            if found:
                return found
    return ""


def ask(client: Client, account: str, name: str, params: dict[str, Any]) -> Answer:
    """One page of a list of an account, deleted records included."""
    return client.get(
        f"/{VERSION}/accounts/{account}/{name}",
        params={"with_deleted": "true", "sort_by": "updated_at-desc", **params},
        lane=f"{account}/{name}",
    )


def lists(client: Client, account: str, name: str) -> Iterator[Answer]:
    """All pages of a list of an account, deleted records included."""
    return pages(
        client,
        f"/{VERSION}/accounts/{account}/{name}",
        CURSOR,
        params={"count": COUNT, "with_deleted": "true", "sort_by": "updated_at-desc"},
        records="data",
        lane=f"{account}/{name}",
    )


def test(client: Client, account: AccountInfo) -> str:
    """Read the person's role on the account: proves keys, app access and role at once."""
    answer = client.get(
        f"/{VERSION}/accounts/{account.external_id}/authenticated_user_access",
        lane=f"{account.external_id}/authenticated_user_access",
    )
    data = answer.data.get("data")
    told = data.get("permissions") if isinstance(data, dict) else None
    roles = [str(role) for role in told] if isinstance(told, list) else []
    words = ", ".join(role.replace("_", " ").lower() for role in roles) or "none"
    if not READERS & set(roles):
        raise _NO_ROLE.error(words=words)
    look(client, account)
    return f"X answers for {account.name}: {account.currency}, {account.time_zone}, role {words}."
