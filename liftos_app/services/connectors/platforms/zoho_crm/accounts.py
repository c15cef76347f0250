"""The company behind a sign-in: finding it, and the cheapest proof that it answers."""

from __future__ import annotations

from typing import Any

from liftos_app.errors import Fix
from liftos_app.services.connectors import rows
from liftos_app.services.connectors.client import Client
from liftos_app.services.connectors.platforms.zoho_crm.coql import call
from liftos_app.services.connectors.platforms.zoho_crm.version import API
from liftos_app.services.connectors.read import listed
from liftos_app.services.connectors.spec import AccountInfo


def discover(client: Client) -> list[AccountInfo]:
    """The one company a token is for."""
    org = _org(client)
    licence = org.get("license_details") or {}
    return [
        AccountInfo(
            external_id=rows.ident(org.get("zgid") or org["id"]),
            name=rows.text(org.get("company_name"), 400),
            currency=rows.text(org.get("iso_code"), 3).upper(),
            time_zone=rows.text(org.get("time_zone"), 64) or "UTC",
            status=rows.text(org.get("type"), 40).lower() or "production",
            extra={
                "edition": rows.text(licence.get("paid_type"), 40),
                "multi_currency": bool(org.get("mc_status")),
            },
        )
    ]


def test(client: Client, account: AccountInfo) -> str:
    """Read the company again: proves token, data centre and permission for one credit."""
    org = _org(client)
    return (
        f"Zoho CRM answers for {rows.text(org.get('company_name'), 400) or account.name}: "
        f"{org.get('iso_code')}, {org.get('time_zone')}."
    )


def _org(client: Client) -> dict[str, Any]:
    answer = call(client, f"{API}/org")
    found = listed((answer.data or {}).get("org"))
    code = found[0].get("iso_code") if found else None
    if not isinstance(code, str) or len(code) != 3:
        raise Fix(
            "Zoho CRM does not tell the company's currency.",
            why="Without it no amount could be trusted.",
            fix="Set the home currency in Zoho CRM, Setup, Company Details, then sign in again.",
            cause="bad_configuration",
            owner="your_platform_admin",
            action="reauthorise",
        )
    return dict(found[0])
