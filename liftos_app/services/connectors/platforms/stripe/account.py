"""The account behind a key: finding it, testing it, and what the key may read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

from liftos_app.errors import Fix
from liftos_app.services.connectors import rows
from liftos_app.services.connectors.client import Client
from liftos_app.services.connectors.platforms.stripe.calls import get, is_permission
from liftos_app.services.connectors.platforms.stripe.signin import SCOPES, is_test
from liftos_app.services.connectors.read import listed
from liftos_app.services.connectors.spec import AccountInfo

_PROBES = {
    "Balance transaction sources": "balance_transactions",
    "Charges and Refunds": "charges",
    "PaymentIntents": "payment_intents",
    "Invoices": "invoices",
    "Subscriptions": "subscriptions",
    "Disputes": "disputes",
    "Payouts": "payouts",
    "Events": "events",
}
_CONNECT, _ACCOUNT = "read_only", "Account"
_ID = re.compile(r"acct_[A-Za-z0-9]{6,64}")


def discover(client: Client) -> list[AccountInfo]:
    """The one account a key is for."""
    return [_own(client)]


def test(client: Client, account: AccountInfo) -> str:
    """Read the account, or one movement of the balance where the key may not."""
    try:
        get(client, "account", account)
    except Fix as error:
        if not is_permission(error):
            raise
        get(client, "balance_transactions", account, {"limit": 1})
    words = f"Stripe answers for {account.name}: {account.currency}, {account.time_zone}."
    if account.extra.get("days_in_utc"):
        words += " The key may not read the account, so days are cut in UTC."
    if is_test(client.credential):
        words += " This is test data; it is stored and never counted."
    if client.credential.text("api_key").startswith("sk_"):
        words += " A secret key may also move money; a restricted key is safer."
    return words


def granted(client: Client) -> Sequence[str]:
    """What the key may read, tried out list by list: Stripe does not tell it."""
    account = _own(client)
    found = [] if account.extra.get("days_in_utc") else [_ACCOUNT]
    if client.credential.method == "oauth":
        found.append(_CONNECT)
    for name, path in _PROBES.items():
        try:
            get(client, path, account, {"limit": 1})
        except Fix as error:
            if not is_permission(error):
                raise
            continue
        found.append(name)
    order = {scope.name: place for place, scope in enumerate(SCOPES)}
    return sorted(found, key=lambda name: order[name])


def _own(client: Client) -> AccountInfo:
    """The account, read once per client."""
    if "stripe.account" not in client.kept:
        client.kept["stripe.account"] = _read(client)
    found: AccountInfo = client.kept["stripe.account"]
    return found


def _read(client: Client) -> AccountInfo:
    try:
        data = get(client, "account", None).data
    except Fix as error:
        if not is_permission(error):
            raise
        return _guessed(client, error)
    settings = (data.get("settings") or {}).get("dashboard") or {}
    profile = data.get("business_profile") or {}
    ident = rows.ident(data.get("id"), 80)
    test = is_test(client.credential)
    name = rows.text(settings.get("display_name") or profile.get("name") or ident, 400)
    return AccountInfo(
        external_id=ident,
        name=f"{name} (test data)" if test else name,
        currency=rows.text(data.get("default_currency"), 3).upper(),
        time_zone=_zone(settings.get("timezone")),
        status="test" if test else "active" if data.get("charges_enabled") else "restricted",
        extra={"country": rows.text(data.get("country"), 2), "test": test},
    )


def _guessed(client: Client, error: Fix) -> AccountInfo:
    """What can be known without permission for the account: its id stands in the refusal."""
    named = _ID.search(str(error.facts.get("said", "")))
    if named is None:
        raise Fix(
            "The key may not read the account in Stripe.",
            why="Without it LiftOS cannot tell which account this is.",
            fix="Edit the restricted key in Stripe's Dashboard and set Account to Read.",
            cause="permission",
            owner="your_platform_admin",
        ) from error
    answer = get(client, "balance_transactions", None, {"limit": 1})
    entries: list[Any] = listed(answer.data.get("data"))
    test = is_test(client.credential)
    return AccountInfo(
        external_id=named[0],
        name=f"Stripe {named[0]}" + (" (test data)" if test else ""),
        currency=rows.text(entries[0].get("currency"), 3).upper() if entries else "",
        time_zone="UTC",
        status="test" if test else "active",
        extra={"days_in_utc": True, "test": test},
    )


def _zone(name: Any) -> str:
    """A time zone this machine knows, else UTC."""
    try:
        return ZoneInfo(str(name)).key if name else "UTC"
    except (ValueError, OSError, KeyError):
        return "UTC"
