"""Ad accounts: finding them, testing one, and which permissions were really given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from liftos_app.services.connectors import rows
from liftos_app.services.connectors.client import Client
from liftos_app.services.connectors.faults import check_open
from liftos_app.services.connectors.paging import lost, walk
from liftos_app.services.connectors.platforms.meta_business.version import VERSION
from liftos_app.services.connectors.read import listed
from liftos_app.services.connectors.spec import AccountInfo

FIELDS = "id,account_id,name,currency,timezone_name,account_status,disable_reason"
# Meta's numbers, in our words; those below 4 and 9 can still be read.
STATUS = {
    1: "active",
    2: "disabled",
    3: "unsettled",
    7: "pending risk review",
    8: "pending settlement",
    9: "in grace period",
    100: "pending closure",
    101: "closed",
}
_CLOSED = {101}
_REASONS = {
    2: "Meta has disabled this ad account: it runs no ads. Its past results can be read.",
    101: "Meta has closed this ad account.",
}


def discover(client: Client) -> list[AccountInfo]:
    """All ad accounts the person can see."""
    found: dict[str, AccountInfo] = {}

    def ask(after: str) -> Any:
        params = {"fields": FIELDS, "limit": 100, "after": after or None}
        return client.get(f"/{VERSION}/me/adaccounts", params=params)

    for answer in walk(ask, after_of, records_of=lambda data: data.get("data")):
        for record in listed(answer.data.get("data")):
            account = info(record)
            found.setdefault(account.external_id, account)
    return list(found.values())


def info(record: dict[str, Any]) -> AccountInfo:
    """One ad account. Disabled ones keep their history, so they can be read; the reason says so."""
    digits = rows.ident(record.get("account_id") or str(record.get("id", "")).removeprefix("act_"))
    number = record.get("account_status")
    status = STATUS.get(number, f"status {number}") if isinstance(number, int) else ""
    return AccountInfo(
        external_id=digits,
        name=rows.text(record.get("name"), 400) or f"act_{digits}",
        currency=rows.text(record.get("currency"), 3),
        time_zone=rows.text(record.get("timezone_name"), 64) or "UTC",
        status=status,
        usable=number not in _CLOSED,
        reason=_REASONS.get(number, "") if isinstance(number, int) else "",
    )


def test(client: Client, account: AccountInfo) -> str:
    """Read the account itself: proves token, permission and account at once."""
    answer = client.get(
        f"/{VERSION}/act_{account.external_id}",
        params={"fields": "id,account_id,name,account_status,currency,timezone_name"},
        lane=account.external_id,
    )
    seen = info({"account_id": account.external_id, **answer.data})
    check_open("Meta", seen)
    return f"Meta answers for {seen.name}: {seen.currency}, {seen.time_zone}, {seen.status}."


def granted(client: Client) -> Sequence[str]:
    """Permissions the person really gave; declined ones are left out."""
    answer = client.get(f"/{VERSION}/me/permissions")
    return [
        str(entry.get("permission"))
        for entry in listed(answer.data.get("data"))
        if isinstance(entry, dict) and entry.get("status") == "granted"
    ]


def after_of(data: Any) -> str | None:
    """The cursor of the next page. The address in `next` holds the token, so it is never used.

    Raises GiveUp when a page follows without a cursor.
    """
    paging = data.get("paging") if isinstance(data, dict) else None
    if not isinstance(paging, dict) or not paging.get("next"):
        return None
    cursors = paging.get("cursors")
    after = cursors.get("after") if isinstance(cursors, dict) else None
    if not after:
        raise lost()
    return str(after)
