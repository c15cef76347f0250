"""Klaviyo's lists of things: following pages, and the account itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from liftos_app.errors import Fix
from liftos_app.services.connectors import rows
from liftos_app.services.connectors.client import Answer, Client
from liftos_app.services.connectors.paging import Link, pages
from liftos_app.services.connectors.read import listed
from liftos_app.services.connectors.spec import UNKNOWN_ACCOUNT, AccountInfo

ORDER_METRIC = "placed order"


def all_of(client: Client, kind: str, params: Mapping[str, Any] | None = None) -> Iterator[Answer]:
    """All pages of `/api/<kind>`; links are followed untouched, as Klaviyo asks."""
    yield from pages(
        client, f"/api/{kind}", Link("links.next"), params=params, records="data", lane=kind
    )


def discover(client: Client) -> list[AccountInfo]:
    """The one account of a key. Without accounts:read it is known by its key alone."""
    try:
        answer = client.get("/api/accounts", lane="accounts")
    except Fix as error:
        if error.cause != "permission":
            raise
        client.get("/api/metrics", lane="metrics")
        return [
            AccountInfo(
                external_id=UNKNOWN_ACCOUNT,
                name="Klaviyo account",
                usable=True,
                reason="The key may not read the account: its time zone and currency are unknown.",
            )
        ]
    return [_account(record, client) for record in listed(answer.data.get("data"))]


def _account(record: Mapping[str, Any], client: Client) -> AccountInfo:
    own = record.get("attributes") or {}
    contact = own.get("contact_information") or {}
    ident = rows.ident(record.get("id"))
    return AccountInfo(
        external_id=ident,
        name=rows.text(contact.get("organization_name"), 400) or ident,
        currency=rows.text(own.get("preferred_currency"), 3),
        time_zone=rows.text(own.get("timezone"), 64) or "UTC",
        status="test account" if own.get("test_account") else "active",
        extra={"conversion_metrics": order_metrics(client)},
    )


def test(client: Client, account: AccountInfo) -> str:
    """Read the account, or with a smaller key the metrics: proves the key."""
    try:
        answer = client.get("/api/accounts", lane="accounts")
    except Fix as error:
        if error.cause != "permission":
            raise
        client.get("/api/metrics", lane="metrics")
        return "Klaviyo answers. The key may not read the account: its time zone is unknown."
    found = listed(answer.data.get("data"))
    own = (found[0].get("attributes") or {}) if found else {}
    return (
        f"Klaviyo answers for {account.name}: {rows.text(own.get('preferred_currency'), 3)}, "
        f"{rows.text(own.get('timezone'), 64)}."
    )


def order_metrics(client: Client) -> list[dict[str, str]]:
    """The metrics that count orders, those of the shop integration first."""
    found = []
    try:
        for answer in all_of(client, "metrics"):
            for record in listed(answer.data.get("data")):
                own = record.get("attributes") or {}
                if str(own.get("name", "")).strip().lower() == ORDER_METRIC:
                    integration = (own.get("integration") or {}).get("name") or ""
                    found.append(
                        {
                            "id": rows.ident(record["id"]),
                            "name": rows.text(own.get("name"), 100),
                            "integration": rows.text(integration, 100),
                        }
                    )
    except Fix as error:
        if error.cause != "permission":
            raise
    return sorted(found, key=lambda m: (m["integration"].lower() != "shopify", m["id"]))


def conversion_metric(client: Client, account: AccountInfo, options: Mapping[str, Any]) -> str:
    """The metric whose revenue is claimed: the one a person chose, else the shop's Placed Order.

    Raises Fix when the account has none.
    """
    chosen = str(options.get("conversion_metric_id") or "")
    if chosen:
        return chosen
    known = account.extra.get("conversion_metrics") or client.kept.get("klaviyo.metrics")
    if not known:
        known = client.kept["klaviyo.metrics"] = order_metrics(client)
    if not known:
        raise Fix(
            "This Klaviyo account counts no orders.",
            why="It has no metric called Placed Order, or the key may not read metrics.",
            fix="Connect your shop in Klaviyo, or leave out the results and revenue streams.",
        )
    return str(known[0]["id"])


def day_of(text: Any, zone: ZoneInfo) -> str:
    """The account's day of a bucket: given as local midnight, or as that midnight in UTC."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None or (at.hour, at.minute) == (0, 0):
        return at.date().isoformat()
    return at.astimezone(zone).date().isoformat()
