"""The modules of the imitated company, their fields, and the world's records in them.

Values are Python's own: moments, days, amounts in whole units with decimals; look-ups are
(id, name) pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from liftos_app.services.sandbox.world import World

Record = dict[str, Any]
_BASES: Final = {
    "Leads": 500_000, "Contacts": 600_000, "Accounts": 700_000, "Deals": 800_000,
    "Campaigns": 210_000, "users": 68_000,
}  # fmt: skip
_LEAD_STATUS: Final = {
    "new": "Not Contacted", "working": "Contacted", "qualified": "Pre-Qualified",
    "converted": "Pre-Qualified", "unqualified": "Junk Lead",
}  # fmt: skip
_CAMPAIGN_TYPE: Final = {
    "paid_social": "Advertisement", "search": "Advertisement", "email": "Email",
    "event": "Trade Show",
}  # fmt: skip
_CAMPAIGN_STATUS: Final = {"planned": "Planning", "active": "Active", "completed": "Complete"}
TRUE_ZONE: Final = "Europe/Berlin"


@dataclass(frozen=True)
class Module:
    """A module: field name -> data type, and how its records are made."""

    name: str
    fields: Mapping[str, str]
    build: Callable[[World, datetime], list[Record]]
    deleted: Callable[[World, datetime], list[tuple[str, datetime, str]]]


def ident(module: str, number: int) -> str:
    """The id of a module's nth record, "" for none."""
    return f"554023{_BASES[module] * 10**6 + number:012d}" if number else ""


def units(cents: int | None) -> float | None:
    """Cents as an amount."""
    return None if cents is None else cents / 100


def _look(module: str, number: int, name: str) -> tuple[str, str] | None:
    return (ident(module, number), name) if number else None


def _owner(world: World, now: datetime) -> Callable[[int], tuple[str, str, str]]:
    people = {o.id: o for o in world.crm_owners(as_of=now)}

    def found(number: int) -> tuple[str, str, str]:
        person = people[number]
        return ident("users", number), f"{person.first_name} {person.last_name}", person.email

    return found


def _leads(world: World, now: datetime) -> list[Record]:
    owner = _owner(world, now)
    return [
        {
            "id": ident("Leads", r.id), "First_Name": r.first_name, "Last_Name": r.last_name,
            "Email": r.email, "Phone": r.phone, "Company": r.company_name,
            "Lead_Source": r.source_name, "Lead_Status": _LEAD_STATUS[r.status],
            "Industry": r.industry, "Description": r.form,
            "Converted__s": r.converted_at is not None, "Converted_Date_Time": r.converted_at,
            "Converted_Contact": _look("Contacts", r.contact_id, f"{r.first_name} {r.last_name}"),
            "Converted_Account": _look("Accounts", r.company_id, r.company_name),
            "Converted_Deal": _look("Deals", r.deal_id, r.company_name),
            "Owner": owner(r.owner_id), "Created_Time": r.created_at, "Modified_Time": r.updated_at,
        }
        for r in world.crm_leads(as_of=now) if r.deleted_at is None
    ]  # fmt: skip


def _contacts(world: World, now: datetime) -> list[Record]:
    owner, names = _owner(world, now), _company_names(world, now)
    return [
        {
            "id": ident("Contacts", r.id), "First_Name": r.first_name, "Last_Name": r.last_name,
            "Full_Name": f"{r.first_name} {r.last_name}", "Email": r.email, "Phone": r.phone,
            "Account_Name": _look("Accounts", r.company_id, names.get(r.company_id, "")),
            "Lead_Source": r.source or None, "Mailing_Country": r.country,
            "Owner": owner(r.owner_id), "Created_Time": r.created_at, "Modified_Time": r.updated_at,
        }
        for r in world.crm_contacts(as_of=now) if r.deleted_at is None
    ]  # fmt: skip


def _accounts(world: World, now: datetime) -> list[Record]:
    owner = _owner(world, now)
    return [
        {
            "id": ident("Accounts", r.id), "Account_Name": r.name, "Industry": r.industry,
            "Annual_Revenue": units(r.revenue), "Employees": r.employees, "Website": r.domain,
            "Billing_Country": r.country, "Currency": "USD", "Exchange_Rate": 1,
            "Owner": owner(r.owner_id), "Created_Time": r.created_at, "Modified_Time": r.updated_at,
        }
        for r in world.crm_companies(as_of=now) if r.deleted_at is None
    ]  # fmt: skip


def _deals(world: World, now: datetime) -> list[Record]:
    owner, companies = _owner(world, now), _company_names(world, now)
    stages = {s.id: s for s in world.crm_pipeline().stages}
    campaigns = {c.id: c.name for c in world.crm_campaigns(as_of=now)}
    people = {c.id: f"{c.first_name} {c.last_name}" for c in world.crm_contacts(as_of=now)}
    return [
        {
            "id": ident("Deals", r.id), "Deal_Name": r.name, "Amount": units(r.amount),
            "Stage": stages[r.stage_id].name, "Probability": r.probability,
            "Closing_Date": r.close_date,
            "Expected_Revenue": None if r.amount is None else units(
                (r.amount * r.probability + 50) // 100
            ),
            "Type": "Existing Business" if r.repeat else "New Business",
            "Lead_Source": r.source or None,
            "Campaign_Source": _look("Campaigns", r.campaign_id, campaigns.get(r.campaign_id, "")),
            "Account_Name": _look("Accounts", r.company_id, companies.get(r.company_id, "")),
            "Contact_Name": _look("Contacts", r.contact_id, people.get(r.contact_id, "")),
            "Pipeline": world.crm_pipeline().name, "Currency": r.currency, "Exchange_Rate": 1,
            "Description": r.lost_reason or None, "Owner": owner(r.owner_id),
            "Created_Time": r.created_at, "Modified_Time": r.updated_at,
        }
        for r in world.crm_deals(as_of=now) if r.deleted_at is None
    ]  # fmt: skip


def _campaigns(world: World, now: datetime) -> list[Record]:
    owner = _owner(world, now)
    return [
        {
            "id": ident("Campaigns", r.id), "Campaign_Name": r.name,
            "Type": _CAMPAIGN_TYPE[r.kind], "Status": _CAMPAIGN_STATUS[r.status],
            "Start_Date": r.starts, "End_Date": r.ends, "Budgeted_Cost": units(r.budget),
            "Actual_Cost": units(r.cost), "Expected_Revenue": None, "Expected_Response": None,
            "Num_sent": str(r.members), "Currency": "USD", "Exchange_Rate": 1, "Owner": owner(1),
            "Created_Time": r.created_at, "Modified_Time": r.updated_at,
        }
        for r in world.crm_campaigns(as_of=now)
    ]  # fmt: skip


def _company_names(world: World, now: datetime) -> dict[int, str]:
    return {c.id: c.name for c in world.crm_companies(as_of=now)}


def _gone(module: str, view: str) -> Callable[[World, datetime], list[tuple[str, datetime, str]]]:
    """Ids, moments and shown names of deleted records; of merged leads too."""

    def found(world: World, now: datetime) -> list[tuple[str, datetime, str]]:
        return [
            (
                ident(module, r.id),
                r.deleted_at,
                str(getattr(r, "name", "") or getattr(r, "last_name", "")),
            )
            for r in getattr(world, view)(as_of=now) if r.deleted_at is not None
        ]  # fmt: skip

    return found


_STAMPS: Final = {"Owner": "ownerlookup", "Created_Time": "datetime", "Modified_Time": "datetime"}
_PERSON: Final = {"First_Name": "text", "Last_Name": "text", "Email": "email", "Phone": "phone"}
_MONEY: Final = {"Currency": "picklist", "Exchange_Rate": "double"}
_ALL: Final = (
    Module("Leads", {
        "id": "bigint", **_PERSON, "Company": "text", "Lead_Source": "picklist",
        "Lead_Status": "picklist", "Industry": "picklist", "Description": "textarea",
        "Converted__s": "boolean", "Converted_Date_Time": "datetime",
        "Converted_Contact": "lookup", "Converted_Account": "lookup", "Converted_Deal": "lookup",
        **_STAMPS,
    }, _leads, _gone("Leads", "crm_leads")),
    Module("Contacts", {
        "id": "bigint", **_PERSON, "Full_Name": "text", "Account_Name": "lookup",
        "Lead_Source": "picklist", "Mailing_Country": "text", **_STAMPS,
    }, _contacts, _gone("Contacts", "crm_contacts")),
    Module("Accounts", {
        "id": "bigint", "Account_Name": "text", "Industry": "picklist",
        "Annual_Revenue": "currency", "Employees": "integer", "Website": "website",
        "Billing_Country": "text", **_MONEY, **_STAMPS,
    }, _accounts, _gone("Accounts", "crm_companies")),
    Module("Deals", {
        "id": "bigint", "Deal_Name": "text", "Amount": "currency", "Stage": "picklist",
        "Probability": "integer", "Closing_Date": "date", "Expected_Revenue": "currency",
        "Type": "picklist", "Lead_Source": "picklist", "Campaign_Source": "lookup",
        "Account_Name": "lookup", "Contact_Name": "lookup", "Pipeline": "picklist",
        "Description": "textarea", **_MONEY, **_STAMPS,
    }, _deals, _gone("Deals", "crm_deals")),
    Module("Campaigns", {
        "id": "bigint", "Campaign_Name": "text", "Type": "picklist", "Status": "picklist",
        "Start_Date": "date", "End_Date": "date", "Budgeted_Cost": "currency",
        "Actual_Cost": "currency", "Expected_Revenue": "currency", "Expected_Response": "bigint",
        "Num_sent": "text", **_MONEY, **_STAMPS,
    }, _campaigns, lambda _world, _now: []),
)  # fmt: skip
MODULES: Final = {one.name: one for one in _ALL}
