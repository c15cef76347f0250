"""Ad accounts ("advertisers"): finding them and testing one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from liftos_app.errors import Fix
from liftos_app.services.connectors import rows
from liftos_app.services.connectors.client import Answer, Client
from liftos_app.services.connectors.faults import check_open
from liftos_app.services.connectors.paging import dig
from liftos_app.services.connectors.platforms.tiktok_ads.errors import Partial
from liftos_app.services.connectors.platforms.tiktok_ads.listing import as_json, records
from liftos_app.services.connectors.platforms.tiktok_ads.version import ROOT
from liftos_app.services.connectors.spec import AccountInfo

FIELDS = (
    "advertiser_id", "name", "currency", "timezone", "display_timezone", "status", "create_time",
)
BATCH = 100  # ids that one request for details may name
_CLOSED = "STATUS_DISABLE"


def discover(client: Client) -> list[AccountInfo]:
    """All ad accounts the token reaches; those without details are listed with the reason."""
    answer = client.get(
        f"{ROOT}/oauth2/advertiser/get/",
        params={
            "app_id": client.credential.text("client_id"),
            "secret": client.credential.text("client_secret"),
        },
    )
    names = {
        rows.ident(r.get("advertiser_id")): rows.text(r.get("advertiser_name"), 400)
        for r in records(answer.data)
    }
    found: dict[str, AccountInfo] = {}
    idents = list(names)
    for start in range(0, len(idents), BATCH):
        for account in _details(client, idents[start : start + BATCH]):
            found[account.external_id] = account
    return [found.get(i) or _hidden(i, names[i]) for i in idents]


def _details(client: Client, idents: Sequence[str]) -> list[AccountInfo]:
    """The details of some accounts; one that TikTok refuses does not hide the others."""
    try:
        return [info(r) for r in records(ask_info(client, idents).data)]
    except (Partial, Fix):
        if len(idents) <= 1:
            return []
    return [account for ident in idents for account in _details(client, [ident])]


def ask_info(client: Client, idents: Sequence[str], *, lane: str = "") -> Answer:
    """The answer with the details of accounts."""
    return client.get(
        f"{ROOT}/advertiser/info/",
        params={"advertiser_ids": as_json(list(idents)), "fields": as_json(FIELDS)},
        lane=lane,
    )


def info(record: dict[str, Any]) -> AccountInfo:
    """One ad account. Its number is longer than a float can hold, so it must be text."""
    ident = rows.ident(record.get("advertiser_id"))
    status = rows.text(record.get("status"), 60)
    closed = status == _CLOSED
    zone = rows.text(record.get("timezone") or record.get("display_timezone"), 64)
    return AccountInfo(
        external_id=ident,
        name=rows.text(record.get("name"), 400) or f"Account {ident}",
        currency=rows.text(record.get("currency"), 3),
        time_zone=zone or "UTC",
        status=words(status),
        usable=not closed,
        reason="TikTok has closed this ad account." if closed else "",
    )


def words(status: str) -> str:
    """A status as people read it."""
    return status.removeprefix("STATUS_").replace("_", " ").lower()


def _hidden(ident: str, name: str) -> AccountInfo:
    return AccountInfo(
        external_id=ident, name=name or f"Account {ident}", status="not readable", usable=False,
        reason="TikTok lists this ad account but does not let us read it.",
    )


def test(client: Client, account: AccountInfo) -> str:
    """Read the account itself: proves token, permission and account at once."""
    seen, _ = look(client, account.external_id)
    return f"TikTok answers for {seen.name}: {seen.currency}, {seen.time_zone}, {seen.status}."


def look(client: Client, ident: str) -> tuple[AccountInfo, Answer]:
    """An account and the answer with it. Raises Fix when it is not shown, or closed."""
    answer = ask_info(client, [ident], lane=ident)
    found = dig(answer.data, "data.list") or []
    if not found:
        raise Fix(
            "TikTok does not show this ad account.",
            why="It is gone, or this sign-in does not reach it.",
            fix="Link the account to the app in TikTok, or choose another account.",
            cause="permission", owner="your_platform_admin",
        )
    seen = info(found[0])
    check_open("TikTok", seen)
    return seen, answer
