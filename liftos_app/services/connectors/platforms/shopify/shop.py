"""The shop: finding it, testing it, and which permissions the app has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from liftos_app.services.connectors import rows
from liftos_app.services.connectors.client import Client
from liftos_app.services.connectors.platforms.shopify.gql import ask, short
from liftos_app.services.connectors.spec import AccountInfo

ALL_ORDERS = "read_all_orders"
RECENT_ORDERS_DAYS = 60  # what read_orders alone shows
SHOP = """
query Shop {
  shop {
    id name myshopifyDomain currencyCode ianaTimezone taxesIncluded createdAt
    primaryDomain { host }
    plan { publicDisplayName partnerDevelopment }
  }
  currentAppInstallation { accessScopes { handle } }
}
"""
TEST = """
query Test {
  shop { name currencyCode ianaTimezone }
  orders(first: 1) { nodes { id } }
}
"""


def discover(client: Client) -> list[AccountInfo]:
    """The one shop a token is for."""
    data = ask(client, SHOP).data["data"]
    shop = data["shop"]
    scopes = _scopes(data)
    plan = shop.get("plan") or {}
    domain = (shop.get("primaryDomain") or {}).get("host") or shop.get("myshopifyDomain") or ""
    return [
        AccountInfo(
            external_id=short(shop["id"]),
            name=rows.text(shop.get("name"), 400),
            currency=rows.text(shop.get("currencyCode"), 3),
            time_zone=rows.text(shop.get("ianaTimezone"), 64) or "UTC",
            status="development" if plan.get("partnerDevelopment") else "active",
            extra={
                "domain": rows.text(domain, 200),
                "taxes_included": bool(shop.get("taxesIncluded")),
                "created_at": rows.text(shop.get("createdAt"), 40),
                "all_orders": ALL_ORDERS in scopes,
            },
        )
    ]


def test(client: Client, account: AccountInfo) -> str:
    """Read the shop and one order: proves token, shop and the permission for orders."""
    shop = ask(client, TEST).data["data"]["shop"]
    words = f"Shopify answers for {rows.text(shop.get('name'), 400)}: {shop.get('currencyCode')}, "
    words += f"{shop.get('ianaTimezone')}."
    if not account.extra.get("all_orders"):
        words += f" Orders of the last {RECENT_ORDERS_DAYS} days can be read."
    return words


def granted(client: Client) -> Sequence[str]:
    """The permissions the app really has in this shop."""
    return sorted(_scopes(ask(client, SHOP).data["data"]))


def orders_reach(account: AccountInfo) -> int:
    """How many days of orders the app may see."""
    return 3650 if account.extra.get("all_orders") else RECENT_ORDERS_DAYS


def _scopes(data: dict[str, Any]) -> set[str]:
    entries = (data.get("currentAppInstallation") or {}).get("accessScopes") or ()
    return {str(e.get("handle")) for e in entries if isinstance(e, dict)}
