"""The organization behind a sign-in: finding it, and the cheapest proof that it answers."""

from __future__ import annotations

from typing import Any

from liftos_app.errors import Fix, GiveUp
from liftos_app.services.connectors import rows
from liftos_app.services.connectors.client import Client
from liftos_app.services.connectors.platforms.salesforce.soql import ask, describe, version_of
from liftos_app.services.connectors.platforms.salesforce.version import VERSION, path
from liftos_app.services.connectors.read import listed
from liftos_app.services.connectors.spec import AccountInfo

_ORGANIZATION = (
    "SELECT Id, Name, OrganizationType, IsSandbox, InstanceName, TimeZoneSidKey, "
    "DefaultLocaleSidKey FROM Organization"
)
_CORPORATE = "SELECT IsoCode FROM CurrencyType WHERE IsCorporate = true"


def discover(client: Client) -> list[AccountInfo]:
    """The one organization a token is for."""
    version = _version(client)
    found = ask(client, version, _ORGANIZATION)
    if not found:
        raise Fix(
            "Salesforce does not show the organization.",
            why="The user may not read it.",
            fix="Give the integration user the permission View Setup and Configuration.",
            cause="permission",
            owner="your_platform_admin",
        )
    org = found[0]
    fields = _known_fields(client, version)
    multi = "CurrencyIsoCode" in fields
    currency = _corporate(client, version) if multi else _default_currency(client, version)
    return [
        AccountInfo(
            external_id=rows.ident(org["Id"]),
            name=rows.text(org.get("Name"), 400),
            currency=currency,
            time_zone=rows.text(org.get("TimeZoneSidKey"), 64) or "UTC",
            status="sandbox" if org.get("IsSandbox") else "active",
            extra={
                "version": version,
                "edition": rows.text(org.get("OrganizationType"), 80),
                "server": rows.text(org.get("InstanceName"), 40),
                "multi_currency": multi,
                "person_accounts": "IsPersonAccount" in fields,
            },
        )
    ]


def test(client: Client, account: AccountInfo) -> str:
    """Read the limits: proves token and interface in one call."""
    limits = client.get(path(version_of(account), "limits")).data
    calls = limits.get("DailyApiRequests") if isinstance(limits, dict) else None
    words = f"Salesforce answers for {account.name}: {account.currency}, {account.time_zone}."
    if isinstance(calls, dict):
        words += f" {calls.get('Remaining')} of {calls.get('Max')} calls are left today."
    return words


def _version(client: Client) -> str:
    """Our version of the interface, or the newest older one that is offered."""
    offered = [str(v.get("version")) for v in listed(client.get("/services/data/").data)]
    usable = sorted(
        (v for v in offered if _number(v) and _number(v) <= _number(VERSION)), key=_number
    )
    if not usable:
        raise GiveUp(
            "Salesforce does not offer a version of its interface that we know.",
            why=f"It offers {', '.join(offered[:5]) or 'none'}; we use {VERSION}.",
            fix="Update LiftOS.",
        )
    return usable[-1]


def _number(version: str) -> float:
    return float(version) if version.replace(".", "", 1).isdigit() else 0.0


def _known_fields(client: Client, version: str) -> frozenset[str]:
    """The fields of accounts, or of another object when accounts may not be read."""
    for name in ("Account", "Opportunity"):
        try:
            return describe(client, version, name)
        except Fix:
            continue
    return describe(client, version, "Lead")


def _corporate(client: Client, version: str) -> str:
    """The corporate currency of an organization with several."""
    found = ask(client, version, _CORPORATE)
    return _currency(client, found[0].get("IsoCode") if found else None)


def _default_currency(client: Client, version: str) -> str:
    """The currency of an organization with one."""
    try:
        data = client.get(path(version, "connect/organization")).data
    except (Fix, GiveUp):  # organizations without Chatter do not tell
        data = None
    features: Any = data.get("features") if isinstance(data, dict) else None
    return _currency(
        client, features.get("defaultCurrencyIsoCode") if isinstance(features, dict) else None
    )


def _currency(client: Client, code: object) -> str:
    """What Salesforce told, else what a person entered. Raises Fix."""
    for found in (code, client.credential.text("currency")):
        if isinstance(found, str) and len(found) == 3 and found.isalpha():
            return found.upper()
    raise Fix(
        "Salesforce does not tell the organization's currency.",
        why="Without it no amount could be trusted.",
        fix="Enter the currency of Setup, Company Information beside the consumer key, then sign "
        "in again.",
        cause="bad_configuration",
        owner="you",
        action="settings",
        field="currency",
    )
