"""The world's trade program as Salesforce keeps it: one record per life, as of a moment.

Money is in units of its currency with two decimals, percentages in percent, times aware UTC.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

from liftos_app.services.sandbox.platforms.salesforce.ids import ORGANIZATION, make
from liftos_app.services.sandbox.world import World
from liftos_app.services.sandbox.world.crm_shapes import (
    CrmCampaign,
    CrmCompany,
    CrmContact,
    CrmDeal,
    CrmLead,
    CrmMember,
    CrmOwner,
)

Record = dict[str, Any]
BIN: Final = timedelta(days=15)  # how long the recycle bin keeps what was deleted
RATE: Final = 0.92  # the organization's own euro rate; it converts nothing we report
_LEAD_STATUS: Final = {
    "new": "Open - Not Contacted", "working": "Working - Contacted",
    "qualified": "Working - Qualified", "converted": "Closed - Converted",
    "unqualified": "Closed - Not Converted",
}  # fmt: skip
_CAMPAIGN_TYPE: Final = {
    "paid_social": "Advertisement", "search": "Search", "email": "Email", "event": "Trade Show",
}  # fmt: skip
_CAMPAIGN_STATUS: Final = {
    "planned": "Planned", "active": "In Progress", "completed": "Completed",
}  # fmt: skip


_Person = CrmLead | CrmContact | CrmOwner
_Mortal = CrmLead | CrmContact | CrmCompany | CrmDeal
_Timed = _Mortal | CrmMember | CrmCampaign | CrmOwner


def build(world: World, name: str, *, now: datetime, multi: bool) -> list[Record]:
    """All records of an object as of a moment, deleted ones included while the bin keeps them."""
    return _BUILDERS[name](world, now, multi)


def deleted(world: World, name: str, *, now: datetime) -> list[tuple[str, datetime]]:
    """Ids of deleted records and when they went, purged ones and members too."""
    views: dict[str, Callable[..., Any]] = {
        "Lead": world.crm_leads, "Contact": world.crm_contacts, "Account": world.crm_companies,
        "Opportunity": world.crm_deals,
    }  # fmt: skip
    view = views.get(name)
    if view is None:
        return []
    return [(make(name, r.id), r.deleted_at) for r in view(as_of=now) if r.deleted_at is not None]


def units(cents: int | None) -> float | None:
    """Cents as an amount."""
    return None if cents is None else cents / 100


def _leads(world: World, now: datetime, multi: bool) -> list[Record]:
    return [
        {
            "Id": make("Lead", r.id), **_gone(r),
            "MasterRecordId": make("Lead", r.merged_into) or None,
            **_person(r), "Phone": r.phone, "Title": r.title, "Company": r.company_name,
            "LeadSource": r.source_name, "Status": _LEAD_STATUS[r.status],
            "Rating": "Hot" if r.status in {"qualified", "converted"} else "Warm",
            "Industry": r.industry, "Country": r.country, "Address": _address(r.country),
            "Description": r.form, "IsConverted": r.converted_at is not None,
            "ConvertedDate": r.converted_at.date() if r.converted_at else None,
            "ConvertedContactId": make("Contact", r.contact_id) or None,
            "ConvertedAccountId": make("Account", r.company_id) or None,
            "ConvertedOpportunityId": make("Opportunity", r.deal_id) or None,
            "OwnerId": make("User", r.owner_id), **_currency("USD", multi), **_stamps(r),
        }
        for r in world.crm_leads(as_of=now) if _kept(r, now)
    ]  # fmt: skip


def _contacts(world: World, now: datetime, multi: bool) -> list[Record]:
    return [
        {
            "Id": make("Contact", r.id), **_gone(r), "MasterRecordId": None,
            "AccountId": make("Account", r.company_id) or None, **_person(r), "Phone": r.phone,
            "Title": r.title, "LeadSource": r.source or None, "MailingCountry": r.country,
            "MailingAddress": _address(r.country), "OwnerId": make("User", r.owner_id),
            **_currency("USD", multi), **_stamps(r),
        }
        for r in world.crm_contacts(as_of=now) if _kept(r, now)
    ]  # fmt: skip


def _accounts(world: World, now: datetime, multi: bool) -> list[Record]:
    return [
        {
            "Id": make("Account", r.id), **_gone(r),
            "MasterRecordId": make("Account", r.merged_into) or None, "Name": r.name,
            "Type": "Customer" if r.customer else "Prospect", "Industry": r.industry,
            "AnnualRevenue": units(r.revenue), "NumberOfEmployees": r.employees,
            "Website": r.domain, "BillingCountry": r.country,
            "BillingAddress": _address(r.country), "ParentId": None,
            "OwnerId": make("User", r.owner_id), **_currency("USD", multi), **_stamps(r),
        }
        for r in world.crm_companies(as_of=now) if _kept(r, now)
    ]  # fmt: skip


def _opportunities(world: World, now: datetime, multi: bool) -> list[Record]:
    stages = {s.id: s for s in world.crm_pipeline().stages}
    found = []
    for r in world.crm_deals(as_of=now):
        if not _kept(r, now):
            continue
        cents = r.amount if multi else r.amount_usd
        expected = None if cents is None else (cents * r.probability + 50) // 100
        found.append({
            "Id": make("Opportunity", r.id), **_gone(r), "Name": r.name,
            "AccountId": make("Account", r.company_id) or None,
            "ContactId": make("Contact", r.contact_id) or None,
            "CampaignId": make("Campaign", r.campaign_id) or None,
            "StageName": stages[r.stage_id].name, "Amount": units(cents),
            "Probability": float(r.probability), "ExpectedRevenue": units(expected),
            "CloseDate": r.close_date, "Type": "Existing Business" if r.repeat else "New Business",
            "LeadSource": r.source or None, "IsClosed": r.is_closed, "IsWon": r.is_won,
            "ForecastCategoryName": _forecast(r.is_closed, r.is_won, r.probability),
            "Description": r.lost_reason or None, "OwnerId": make("User", r.owner_id),
            **_currency(r.currency, multi), **_stamps(r),
        })  # fmt: skip
    return found


def _campaigns(world: World, now: datetime, multi: bool) -> list[Record]:
    worth, contacts = Counter[int](), Counter[int]()
    for deal in world.crm_deals(as_of=now):
        if deal.deleted_at is None:
            worth[deal.campaign_id] += deal.amount_usd or 0
    for member in world.crm_campaign_members(as_of=now):
        if member.deleted_at is None and member.contact_id:
            contacts[member.campaign_id] += 1
    return [
        {
            "Id": make("Campaign", r.id), "IsDeleted": False, "Name": r.name,
            "Type": _CAMPAIGN_TYPE[r.kind], "Status": _CAMPAIGN_STATUS[r.status],
            "StartDate": r.starts, "EndDate": r.ends, "IsActive": r.status == "active",
            "BudgetedCost": units(r.budget), "ActualCost": units(r.cost), "ExpectedRevenue": None,
            "ParentId": None, "NumberOfLeads": r.leads, "NumberOfConvertedLeads": r.converted_leads,
            "NumberOfContacts": contacts[r.id], "NumberOfResponses": r.responses,
            "NumberOfOpportunities": r.deals, "NumberOfWonOpportunities": r.won_deals,
            "AmountAllOpportunities": units(worth[r.id]),
            "AmountWonOpportunities": units(r.won_usd), "OwnerId": make("User", 1),
            **_currency("USD", multi), **_stamps(r),
        }
        for r in world.crm_campaigns(as_of=now)
    ]  # fmt: skip


def _members(world: World, now: datetime, multi: bool) -> list[Record]:
    return [
        {
            "Id": make("CampaignMember", r.id), "IsDeleted": False,
            "CampaignId": make("Campaign", r.campaign_id),
            "LeadId": make("Lead", r.lead_id) or None,
            "ContactId": make("Contact", r.contact_id) or None, "FirstName": None,
            "LastName": None, "Name": None, "Email": None, "Phone": None, "Title": None,
            "Status": "Responded" if r.status == "responded" else "Sent",
            "HasResponded": r.responded_at is not None,
            "FirstRespondedDate": r.responded_at.date() if r.responded_at else None,
            **_currency("USD", multi), **_stamps(r),
        }
        for r in world.crm_campaign_members(as_of=now) if r.deleted_at is None
    ]  # fmt: skip


def _users(world: World, now: datetime, _multi: bool) -> list[Record]:
    return [
        {
            "Id": make("User", r.id), **_person(r), "Phone": None, "Title": r.team,
            "Username": r.email, "IsActive": r.active, **_stamps(r),
        }
        for r in world.crm_owners(as_of=now)
    ]  # fmt: skip


def _organization(world: World, now: datetime, _multi: bool) -> list[Record]:
    return [
        {
            "Id": ORGANIZATION, "Name": "Larkspur Home Trade",
            "OrganizationType": "Enterprise Edition", "IsSandbox": False, "InstanceName": "USA412",
            "TimeZoneSidKey": "America/New_York", "DefaultLocaleSidKey": "en_US",
            "LanguageLocaleKey": "en_US",
            "CreatedDate": min(o.created_at for o in world.crm_owners(as_of=now)),
        }
    ]  # fmt: skip


def _currencies(_world: World, _now: datetime, _multi: bool) -> list[Record]:
    return [
        {
            "Id": make("CurrencyType", number), "IsoCode": code, "IsCorporate": code == "USD",
            "IsActive": True, "ConversionRate": rate, "DecimalPlaces": 2,
        }
        for number, code, rate in ((1, "USD", 1.0), (2, "EUR", RATE))
    ]  # fmt: skip


_BUILDERS: Final[dict[str, Callable[[World, datetime, bool], list[Record]]]] = {
    "Lead": _leads, "Contact": _contacts, "Account": _accounts, "Opportunity": _opportunities,
    "Campaign": _campaigns, "CampaignMember": _members, "User": _users,
    "Organization": _organization, "CurrencyType": _currencies,
}  # fmt: skip


def _kept(record: _Mortal, now: datetime) -> bool:
    """Whether the recycle bin still keeps it."""
    return record.deleted_at is None or record.deleted_at > now - BIN


def _gone(record: _Mortal) -> Record:
    return {"IsDeleted": record.deleted_at is not None}


def _stamps(record: _Timed) -> Record:
    return {
        "CreatedDate": record.created_at, "LastModifiedDate": record.updated_at,
        "SystemModstamp": record.updated_at,
    }  # fmt: skip


def _person(record: _Person) -> Record:
    return {
        "FirstName": record.first_name, "LastName": record.last_name,
        "Name": f"{record.first_name} {record.last_name}", "Email": record.email,
    }  # fmt: skip


def _currency(code: str, multi: bool) -> Record:
    return {"CurrencyIsoCode": code} if multi else {}


def _address(country: str) -> Record:
    return {"country": country, "city": None, "street": None, "postalCode": None, "state": None}


def _forecast(closed: bool, won: bool, probability: int) -> str:
    if closed:
        return "Closed" if won else "Omitted"
    return "Commit" if probability >= 75 else "Best Case" if probability >= 50 else "Pipeline"
