"""Customers: the directly reachable ones, and those below managers with the way to each."""

from __future__ import annotations

from typing import Any

from liftos_app.errors import Fix, GiveUp
from liftos_app.services.connectors import rows
from liftos_app.services.connectors.client import Client
from liftos_app.services.connectors.platforms.google_ads.query import (
    gaql,
    manager_of,
    stream,
)
from liftos_app.services.connectors.platforms.google_ads.version import VERSION
from liftos_app.services.connectors.read import listed
from liftos_app.services.connectors.spec import AccountInfo

CUSTOMER = gaql(
    "customer",
    (
        "customer.id",
        "customer.descriptive_name",
        "customer.currency_code",
        "customer.time_zone",
        "customer.manager",
        "customer.status",
    ),
    tail="LIMIT 1",
)
CHILDREN = gaql(
    "customer_client",
    (
        "customer_client.id",
        "customer_client.descriptive_name",
        "customer_client.level",
        "customer_client.manager",
        "customer_client.status",
        "customer_client.currency_code",
        "customer_client.time_zone",
        "customer_client.test_account",
    ),
)
_READABLE = {"ENABLED", "", "UNSPECIFIED", "UNKNOWN"}


def discover(client: Client) -> list[AccountInfo]:
    """All accounts with results of their own, and those that cannot be read with the reason."""
    found: dict[str, AccountInfo] = {}
    for root in _roots(client):
        try:
            for account in _below(client, root):
                _keep(found, account)
        except Fix as error:
            _keep(
                found,
                AccountInfo(
                    external_id=root,
                    name=f"Account {root}",
                    status="not readable",
                    usable=False,
                    reason=error.sentence(),
                    extra={"login_customer_id": ""},
                ),
            )
    return sorted(found.values(), key=lambda a: (not a.usable, a.name.lower()))


def _roots(client: Client) -> list[str]:
    named = client.credential.text("login_customer_id")
    if named:
        return [named]
    answer = client.get(f"/{VERSION}/customers:listAccessibleCustomers")
    names = listed(answer.data.get("resourceNames") or [])
    return list(dict.fromkeys(rows.ident(str(n).rpartition("/")[2]) for n in names))


def _below(client: Client, root: str) -> list[AccountInfo]:
    """A directly reachable customer, or everything below it when it is a manager."""
    results = stream(client, root, CUSTOMER, root)
    if not results:
        raise GiveUp(
            "Google said nothing about an account.",
            why="Its answer was empty.",
            fix="Read the accounts again.",
            cause="source_data",
            owner="the_platform",
        )
    own = results[0].get("customer") or {}
    if not own.get("manager"):
        return [_account(own, manager="")]
    children = [r.get("customerClient") or {} for r in stream(client, root, CHILDREN, root)]
    return [_account(c, manager=root) for c in children if not c.get("manager")]


def _account(record: dict[str, Any], *, manager: str) -> AccountInfo:
    ident = rows.ident(record.get("id"))
    status = rows.text(record.get("status"), 40)
    usable = status in _READABLE
    extra: dict[str, Any] = {"login_customer_id": manager}
    if record.get("testAccount"):
        extra["test_account"] = True
    return AccountInfo(
        external_id=ident,
        name=rows.text(record.get("descriptiveName"), 400) or f"Account {ident}",
        currency=rows.text(record.get("currencyCode"), 3),
        time_zone=rows.text(record.get("timeZone"), 64) or "UTC",
        status=status.lower(),
        usable=usable,
        reason="" if usable else f"Google says that this account is {status.lower()}.",
        extra=extra,
    )


def _keep(found: dict[str, AccountInfo], account: AccountInfo) -> None:
    """One entry per customer: a usable one first, a direct way before one over a manager."""
    before = found.get(account.external_id)
    if before is None or (account.usable, not account.extra["login_customer_id"]) > (
        before.usable,
        not before.extra["login_customer_id"],
    ):
        found[account.external_id] = account


def test(client: Client, account: AccountInfo) -> str:
    """Read the account itself: proves sign-in, access level, the way to it and its state."""
    results = stream(client, account.external_id, CUSTOMER, manager_of(client, account))
    own = (results[0].get("customer") or {}) if results else {}
    if own.get("manager"):
        raise Fix(
            f"{account.name} is a manager account.",
            why="Managers have no results of their own.",
            fix="Choose the accounts below it.",
            action="accounts",
        )
    seen = _account({"id": account.external_id, **own}, manager="")
    return f"Google Ads answers for {seen.name}: {seen.currency}, {seen.time_zone}, {seen.status}."
