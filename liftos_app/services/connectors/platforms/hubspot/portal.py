"""The portal: finding it, testing it, and making sure a key still opens the same one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from zoneinfo import ZoneInfo

from liftos_app.errors import Fix, Quota
from liftos_app.services.connectors import rows
from liftos_app.services.connectors.client import Client
from liftos_app.services.connectors.faults import until_midnight
from liftos_app.services.connectors.platforms.hubspot.values import strange
from liftos_app.services.connectors.platforms.hubspot.version import VERSION
from liftos_app.services.connectors.spec import AccountInfo, Page, Task

Read = Callable[[Client, Task], Iterator[Page]]
_SEEN = "hubspot.portal"


def details(client: Client) -> dict[str, Any]:
    """What HubSpot says of the portal of our key; asked once for each client."""
    found = client.kept.get(_SEEN)
    if found is None:
        found = client.get(f"/account-info/{VERSION}/details").data
        if not isinstance(found, dict) or not str(found.get("portalId")).isdecimal():
            raise strange("It does not name the portal.")
        client.kept[_SEEN] = found
    result: dict[str, Any] = found
    return result


def discover(client: Client) -> list[AccountInfo]:
    """The one portal of a key or sign-in."""
    own = details(client)
    ident = rows.ident(own["portalId"])
    more = own.get("additionalCurrencies")
    return [
        AccountInfo(
            external_id=ident,
            name=_name(ident),
            currency=rows.text(own.get("companyCurrency"), 3),
            time_zone=_zone(own.get("timeZone")),
            status=rows.text(own.get("accountType"), 40).lower().replace("_", " "),
            extra={
                "currencies": [rows.text(c, 3) for c in more] if isinstance(more, list) else [],
                "region": rows.text(own.get("dataHostingLocation"), 20),
            },
        )
    ]


def test(client: Client, account: AccountInfo) -> str:
    """Read the portal and one deal: proves the key, the portal and the permission for deals."""
    client.kept.pop(_SEEN, None)
    _same(client, account)
    client.get(f"/crm/objects/{VERSION}/deals", params={"limit": 1})
    own = details(client)
    return (
        f"HubSpot answers for {account.name}: {rows.text(own.get('companyCurrency'), 3)}, "
        f"{rows.text(own.get('timeZone'), 64)}."
    )


def check(client: Client, task: Task) -> ZoneInfo:
    """The portal's time zone, once it is certain that the key opens the portal of the task.

    Raises Fix when it opens another one: two portals must never be mixed.
    """
    _same(client, task.account)
    return ZoneInfo(task.account.time_zone)


def until_reset(read: Read) -> Read:
    """The same `read`; a limit of the day ends at midnight in the portal's time zone."""

    def waiting(client: Client, task: Task) -> Iterator[Page]:
        try:
            yield from read(client, task)
        except Quota as error:
            answered = error.facts.get("answered")
            if isinstance(answered, str):
                error.after = until_midnight(answered, task.account.time_zone)
            raise

    return waiting


def _same(client: Client, account: AccountInfo) -> None:
    found = rows.ident(details(client)["portalId"])
    if found != account.external_id:
        raise Fix(
            "This key opens another HubSpot portal.",
            why=f"It is for portal {found}, the connection for portal {account.external_id}.",
            fix=f"Enter a key of portal {account.external_id}, or connect portal {found} anew.",
            cause="permission",
            owner="you",
        )


def _name(ident: str) -> str:
    return f"HubSpot {ident}"


def _zone(value: Any) -> str:
    """HubSpot uses old names such as US/Eastern; what is no zone at all becomes UTC."""
    name = rows.text(value, 64)
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        return "UTC"
    return name
