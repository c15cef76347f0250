"""From Salesforce's records to ours. Values come typed from pages and as texts from files."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from liftos_app.services.connectors import rows
from liftos_app.services.connectors.rows import ident, micros, moment, text
from liftos_app.services.connectors.spec import Row, Task

Record = Mapping[str, Any]
Make = Callable[[Record], Row]
_FLAGS = {True: True, False: False, "true": True, "false": False}


def flag(value: object) -> bool | None:
    """A yes or no, None when nothing was said. Raises ValueError."""
    if value is None:
        return None
    if value not in _FLAGS:
        raise ValueError(f"not true or false: {rows.shown(value)}")
    return _FLAGS[value]


def money(value: object) -> int | None:
    """An amount in micro-units, None when none was entered."""
    return None if value is None else micros(value)


def number(value: object) -> int | None:
    """A whole number; files and pages write some with decimals."""
    return None if value is None else rows.whole(value)


def day_or_none(value: object) -> str | None:
    """A calendar day, None when none was entered."""
    return None if value is None else rows.day(value)


def person(ident_: object, salt: str) -> str:
    """A person's id as a keyed hash, "" for nobody."""
    if not ident_:
        return ""
    found = f"salesforce:{ident(ident_)}".encode()
    return hmac.new(bytes.fromhex(salt) if salt else b"", found, hashlib.sha256).hexdigest()


def _base(kind: str, task: Task, record: Record) -> Row:
    """What every record has: id, kind, its day in the organization's time zone, and its times."""
    created = moment(record["CreatedDate"])
    local: date = created.astimezone(ZoneInfo(task.account.time_zone)).date()
    return {
        "external_id": ident(record["Id"], 80),
        "kind": kind,
        "day": local.isoformat(),
        "created_at": created,
        "updated_at": moment(record["SystemModstamp"]),
        "owner_id": text(record.get("OwnerId"), 80),
        "deleted": bool(flag(record.get("IsDeleted"))),
    }


def lead(task: Task) -> Make:
    """A lead; once converted it is closed and points to its account."""

    def make(record: Record) -> Row:
        return {
            **_base("lead", task, record),
            "status": text(record.get("Status"), 80),
            "source": text(record.get("LeadSource"), 120),
            "is_closed": flag(record.get("IsConverted")),
            "closed_day": day_or_none(record.get("ConvertedDate")),
            "parent_id": text(record.get("ConvertedAccountId"), 80),
            "person_ref": person(record.get("ConvertedContactId") or record["Id"], task.salt),
            "attrs": {
                "rating": text(record.get("Rating"), 80),
                "industry": text(record.get("Industry"), 120),
                "contact_id": text(record.get("ConvertedContactId"), 80),
                "deal_id": text(record.get("ConvertedOpportunityId"), 80),
            },
        }

    return make


def contact(task: Task) -> Make:
    """A person at an account, known by a hash only."""

    def make(record: Record) -> Row:
        return {
            **_base("contact", task, record),
            "source": text(record.get("LeadSource"), 120),
            "parent_id": text(record.get("AccountId"), 80),
            "person_ref": person(record["Id"], task.salt),
            "attrs": {},
        }

    return make


def company(task: Task) -> Make:
    """An account. Its yearly revenue is an attribute, not an amount of ours."""

    def make(record: Record) -> Row:
        return {
            **_base("company", task, record),
            "name": text(record.get("Name"), 400),
            "status": text(record.get("Type"), 80),
            "currency": currency(task, record),
            "parent_id": text(record.get("ParentId"), 80),
            "attrs": {
                "industry": text(record.get("Industry"), 120),
                "country": text(record.get("BillingCountry"), 80),
                "employees": number(record.get("NumberOfEmployees")),
                "revenue_micros": money(record.get("AnnualRevenue")),
            },
        }

    return make


def deal(task: Task) -> Make:
    """An opportunity, its amount in its own currency."""

    def make(record: Record) -> Row:
        return {
            **_base("deal", task, record),
            "name": text(record.get("Name"), 400),
            "status": text(record.get("ForecastCategoryName"), 80),
            "stage": text(record.get("StageName"), 120),
            "amount_micros": money(record.get("Amount")),
            "currency": currency(task, record),
            "closed_day": day_or_none(record.get("CloseDate")),
            "is_closed": flag(record.get("IsClosed")),
            "is_won": flag(record.get("IsWon")),
            "source": text(record.get("LeadSource"), 120),
            "campaign_id": text(record.get("CampaignId"), 120),
            "parent_id": text(record.get("AccountId"), 80),
            "attrs": {
                "type": text(record.get("Type"), 120),
                "probability": text(record.get("Probability"), 20),
                "expected_micros": money(record.get("ExpectedRevenue")),
            },
        }

    return make


def member(task: Task) -> Make:
    """A lead or contact in a campaign."""

    def make(record: Record) -> Row:
        who = record.get("ContactId") or record.get("LeadId")
        return {
            **_base("campaign_member", task, record),
            "status": text(record.get("Status"), 80),
            "campaign_id": ident(record["CampaignId"]),
            "parent_id": text(who, 80),
            "person_ref": person(who, task.salt),
            "attrs": {
                "responded": bool(flag(record.get("HasResponded"))),
                "responded_day": day_or_none(record.get("FirstRespondedDate")),
            },
        }

    return make


def campaign(task: Task) -> Make:
    """A campaign with the counts and sums Salesforce keeps of it."""

    def make(record: Record) -> Row:
        return {
            "external_id": ident(record["Id"]),
            "level": rows.CRM_CAMPAIGN,
            "parent_id": text(record.get("ParentId"), 120),
            "name": text(record.get("Name"), 400),
            "status": text(record.get("Status"), 40).lower(),
            "attrs": {
                "type": text(record.get("Type"), 80),
                "active": flag(record.get("IsActive")),
                "starts": day_or_none(record.get("StartDate")),
                "ends": day_or_none(record.get("EndDate")),
                "currency": currency(task, record),
                **{to: money(record.get(name)) for name, to in _CAMPAIGN_MONEY.items()},
                **{to: number(record.get(name)) for name, to in _CAMPAIGN_COUNTS.items()},
            },
        }

    return make


def currency(task: Task, record: Record) -> str:
    """The record's own currency where an organization has several, else the organization's."""
    own = record.get("CurrencyIsoCode")
    if own is None:
        return task.account.currency
    if not (isinstance(own, str) and len(own) == 3 and own.isalpha()):
        raise ValueError(f"not a currency: {rows.shown(own)}")
    return own.upper()


_CAMPAIGN_MONEY = {
    "BudgetedCost": "budget_micros",
    "ActualCost": "cost_micros",
    "ExpectedRevenue": "expected_micros",
    "AmountAllOpportunities": "deals_micros",
    "AmountWonOpportunities": "won_micros",
}
_CAMPAIGN_COUNTS = {
    "NumberOfLeads": "leads",
    "NumberOfConvertedLeads": "converted_leads",
    "NumberOfContacts": "contacts",
    "NumberOfResponses": "responses",
    "NumberOfOpportunities": "deals",
    "NumberOfWonOpportunities": "won_deals",
}
