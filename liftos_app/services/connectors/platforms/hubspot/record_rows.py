"""From a HubSpot record to a CRM row. Nothing about a person is asked for, so nothing can leak.

A contact is known by a keyed hash of its id; deals name their contact by the same hash.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from liftos_app.services.connectors.platforms.hubspot.values import day, flag, money, person
from liftos_app.services.connectors.rows import ident, moment, text
from liftos_app.services.connectors.spec import Row, Task

Links = Mapping[str, Mapping[str, str]]  # kind linked to -> id -> id there
CREATED, MERGED = "createdate", "hs_merged_object_ids"
_IDS = frozenset({"hs_object_id", MERGED})


@dataclass(frozen=True, slots=True)
class Shape:
    """A kind of record: its path, the property of its last change, what is asked for, its row."""

    path: str
    modified: str
    properties: tuple[str, ...]
    row: Callable[[Any, ZoneInfo, Links, Task], Row]
    linked: tuple[str, ...] = ()
    people: bool = False  # its ids are hidden before anything is kept, see `hidden`


def hidden(record: Any, salt: str) -> Any:
    """A contact's record with a keyed hash in place of its id, also for the kept source."""
    if not salt or not isinstance(record, dict) or type(record.get("id")) is not str:
        return record
    own = record.get("properties")
    kept = {k: v for k, v in own.items() if k not in _IDS} if isinstance(own, dict) else own
    found = {k: v for k, v in record.items() if k != "url"}  # the address holds the id
    return found | {"id": person(record["id"], salt), "properties": kept}


def _common(record: Any, kind: str, zone: ZoneInfo) -> Row:
    """What all kinds share. `createdAt` is when the record was made in HubSpot."""
    own = record["properties"]
    made = moment(record["createdAt"])
    return {
        "external_id": ident(record["id"], 80),
        "kind": kind,
        "day": day(own.get(CREATED) or record["createdAt"], zone),
        "created_at": made,
        "updated_at": moment(record["updatedAt"]),
        "owner_id": text(own.get("hubspot_owner_id"), 80),
        "deleted": bool(record.get("archived")),
    }


def _came_from(own: Mapping[str, Any]) -> Row:
    """Where it came from, in HubSpot's words: PAID_SEARCH, then network or campaign."""
    source = text(own.get("hs_analytics_source"), 120)
    first = text(own.get("hs_analytics_source_data_1"), 120)
    second = text(own.get("hs_analytics_source_data_2"), 120)
    # Of paid search and mail the first detail is the campaign, of paid social the second.
    campaign = second if source == "PAID_SOCIAL" else first
    named = source in ("PAID_SOCIAL", "PAID_SEARCH", "EMAIL_MARKETING", "OTHER_CAMPAIGNS")
    return {"source": source, "campaign_id": campaign if named else ""}


def _present(own: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {to: text(own[name], 200) for name, to in names.items() if own.get(name)}


_DETAILS = {"hs_analytics_source_data_1": "source_1", "hs_analytics_source_data_2": "source_2"}


def deal_row(record: Any, zone: ZoneInfo, links: Links, task: Task) -> Row:
    """A deal. Its amount is in its own currency; `amount_home_micros` in the portal's."""
    own = record["properties"]
    row = _common(record, "deal", zone)
    is_closed, is_won = flag(own.get("hs_is_closed")), flag(own.get("hs_is_closed_won"))
    home = money(own.get("amount_in_home_currency"))
    attrs: dict[str, Any] = _present(own, {"pipeline": "pipeline", "dealtype": "type", **_DETAILS})
    if home is not None:
        attrs["amount_home_micros"] = home
    contact = links.get("contacts", {}).get(row["external_id"], "")
    return {
        **row,
        "name": f"Deal {row['external_id']}",
        "status": "won" if is_won else "lost" if is_closed else "open",
        "stage": text(own.get("dealstage"), 120),
        "amount_micros": money(own.get("amount")),
        "currency": text(own.get("deal_currency_code"), 3) or task.account.currency,
        "closed_day": day(own.get("closedate"), zone),
        "is_closed": is_closed,
        "is_won": is_won,
        "parent_id": links.get("companies", {}).get(row["external_id"], ""),
        "person_ref": person(contact, task.salt),
        **_came_from(own),
        "attrs": attrs,
    }


def contact_row(record: Any, zone: ZoneInfo, links: Links, task: Task) -> Row:  # noqa: ARG001
    """A contact: where it came from and how far it got, never who it is. Its id is hidden."""
    own = record["properties"]
    row = _common(record, "contact", zone)
    names = {
        "country": "country",
        "hs_latest_source": "latest_source",
        "first_conversion_event_name": "first_conversion",
        "num_conversion_events": "conversions",
        **_DETAILS,
    }
    return {
        **row,
        "status": text(own.get("hs_lead_status"), 80),
        "stage": text(own.get("lifecyclestage"), 120),
        "parent_id": text(own.get("associatedcompanyid"), 80),
        "person_ref": row["external_id"] if task.salt else "",
        **_came_from(own),
        "attrs": _present(own, names),
    }


def company_row(record: Any, zone: ZoneInfo, links: Links, task: Task) -> Row:  # noqa: ARG001
    """A company."""
    own = record["properties"]
    names = {"domain": "domain", "industry": "industry", "country": "country", **_DETAILS}
    return {
        **_common(record, "company", zone),
        "name": text(own.get("name"), 400),
        "stage": text(own.get("lifecyclestage"), 120),
        **_came_from(own),
        "attrs": _present(own, names),
    }


_SOURCE = ("hs_analytics_source", "hs_analytics_source_data_1", "hs_analytics_source_data_2")
DEAL = Shape(
    path="deals",
    modified="hs_lastmodifieddate",
    properties=(
        "amount", "amount_in_home_currency", "deal_currency_code", "dealstage", "dealtype",
        "pipeline", "closedate", CREATED, "hs_lastmodifieddate", "hs_is_closed",
        "hs_is_closed_won", "hubspot_owner_id", MERGED, *_SOURCE,
    ),
    row=deal_row,
    linked=("companies", "contacts"),
)  # fmt: skip
CONTACT = Shape(
    path="contacts",
    modified="lastmodifieddate",  # only contacts name it so
    properties=(
        "lifecyclestage", "hs_lead_status", CREATED, "lastmodifieddate", "hs_latest_source",
        "first_conversion_event_name", "num_conversion_events", "country", "associatedcompanyid",
        "hubspot_owner_id", MERGED, *_SOURCE,
    ),
    row=contact_row,
    people=True,
)  # fmt: skip
COMPANY = Shape(
    path="companies",
    modified="hs_lastmodifieddate",
    properties=(
        "name", "domain", "industry", "country", "lifecyclestage", CREATED,
        "hs_lastmodifieddate", "hubspot_owner_id", MERGED, *_SOURCE,
    ),
    row=company_row,
)  # fmt: skip
