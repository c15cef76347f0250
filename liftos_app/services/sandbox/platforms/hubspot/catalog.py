"""The properties of each kind of record: what HubSpot lists, filters by and sends unasked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Property:
    """A property; every value travels as a text or null."""

    label: str
    type: str  # string, number, datetime, enumeration, bool
    field: str
    calculated: bool = False


def _text(label: str) -> Property:
    return Property(label, "string", "text")


def _number(label: str, *, calculated: bool = False) -> Property:
    return Property(label, "number", "number", calculated)


def _time(label: str, *, calculated: bool = False) -> Property:
    return Property(label, "datetime", "date", calculated)


def _choice(label: str) -> Property:
    return Property(label, "enumeration", "select")


_EVERY: Mapping[str, Property] = {
    "createdate": _time("Create Date"),
    "hs_object_id": _number("Record ID", calculated=True),
    "hs_merged_object_ids": Property("Merged record IDs", "enumeration", "checkbox", True),
    "hubspot_owner_id": _choice("Owner"),
    "hs_analytics_source": _choice("Original Traffic Source"),
    "hs_analytics_source_data_1": _text("Original Traffic Source Drill-Down 1"),
    "hs_analytics_source_data_2": _text("Original Traffic Source Drill-Down 2"),
}
PROPERTIES: Mapping[str, Mapping[str, Property]] = {
    "deals": {
        **_EVERY,
        "hs_lastmodifieddate": _time("Last Modified Date", calculated=True),
        "amount": _number("Amount"),
        "amount_in_home_currency": _number("Amount in company currency", calculated=True),
        "deal_currency_code": _choice("Currency"),
        "dealname": _text("Deal Name"),
        "dealstage": _choice("Deal Stage"),
        "dealtype": _choice("Deal Type"),
        "pipeline": _choice("Pipeline"),
        "closedate": _time("Close Date"),
        "closed_lost_reason": _text("Closed Lost Reason"),
        "hs_is_closed": Property("Is Deal Closed?", "bool", "calculation_equation", True),
        "hs_is_closed_won": Property("Is Closed Won", "bool", "calculation_equation", True),
        "hs_deal_stage_probability": _number("Deal probability", calculated=True),
    },
    "contacts": {
        **_EVERY,
        "lastmodifieddate": _time("Last Modified Date", calculated=True),
        "email": _text("Email"),
        "firstname": _text("First Name"),
        "lastname": _text("Last Name"),
        "phone": _text("Phone Number"),
        "jobtitle": _text("Job Title"),
        "company": _text("Company Name"),
        "country": _text("Country/Region"),
        "state": _text("State/Region"),
        "lifecyclestage": _choice("Lifecycle Stage"),
        "hs_lead_status": _choice("Lead Status"),
        "hs_latest_source": _choice("Latest Traffic Source"),
        "first_conversion_event_name": _text("First Conversion"),
        "num_conversion_events": _number("Number of Form Submissions", calculated=True),
        "associatedcompanyid": _number("Primary Associated Company ID", calculated=True),
    },
    "companies": {
        **_EVERY,
        "hs_lastmodifieddate": _time("Last Modified Date", calculated=True),
        "name": _text("Company name"),
        "domain": _text("Company Domain Name"),
        "industry": _choice("Industry"),
        "country": _text("Country/Region"),
        "state": _text("State/Region"),
        "lifecyclestage": _choice("Lifecycle Stage"),
        "numberofemployees": _number("Number of Employees"),
        "annualrevenue": _number("Annual Revenue"),
    },
}
ALWAYS: Mapping[str, tuple[str, ...]] = {
    "deals": ("createdate", "hs_lastmodifieddate", "hs_object_id"),
    "contacts": ("createdate", "hs_object_id", "lastmodifieddate"),
    "companies": ("createdate", "hs_lastmodifieddate", "hs_object_id"),
}
UNASKED: Mapping[str, tuple[str, ...]] = {
    "deals": ("amount", "closedate", "dealname", "dealstage", "pipeline", *ALWAYS["deals"]),
    "contacts": ("email", "firstname", "lastname", *ALWAYS["contacts"]),
    "companies": ("domain", "name", *ALWAYS["companies"]),
}
SCOPES: Mapping[str, str] = {kind: f"crm.objects.{kind}.read" for kind in PROPERTIES}
# Kind of record -> kind it is linked to -> (type id, label) of a plain and of the main link.
LINKS: Mapping[tuple[str, str], tuple[int, int | None, str]] = {
    ("deals", "companies"): (341, 5, "deal_to_company"),
    ("deals", "contacts"): (3, None, "deal_to_contact"),
    ("contacts", "companies"): (279, 1, "contact_to_company"),
    ("contacts", "deals"): (4, None, "contact_to_deal"),
    ("companies", "deals"): (342, 6, "company_to_deal"),
    ("companies", "contacts"): (280, 2, "company_to_contact"),
}
