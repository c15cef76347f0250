"""The portal's records as HubSpot writes them, made of the world's trade program.

Every lead is a contact here, and so is every colleague at a company; companies and deals follow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from liftos_app.services.sandbox.call import Call
from liftos_app.services.sandbox.world import (
    CrmCompany,
    CrmContact,
    CrmDeal,
    CrmLead,
    World,
)

PORTAL: Final = 48_291_044
DEALS, COMPANIES = 10_600_000_000, 9_100_000_000
LEADS, COLLEAGUES = 61_000_000_000, 62_000_000_000
OWNERS, USERS = 551_230, 7_100_220
STAGES: Final = {
    1: "appointmentscheduled",
    2: "qualifiedtobuy",
    3: "presentationscheduled",
    4: "decisionmakerboughtin",
    5: "closedwon",
    6: "closedlost",
}
PIPELINE: Final = "default"
_SOURCES: Final = {  # of the world -> HubSpot's word
    "linkedin": "PAID_SOCIAL",
    "meta_prospecting": "PAID_SOCIAL",
    "google_generic": "PAID_SEARCH",
    "google_brand": "PAID_SEARCH",
    "email": "EMAIL_MARKETING",
    "referral": "REFERRALS",
    "direct": "DIRECT_TRAFFIC",
}
_STATUS: Final = {
    "new": "NEW",
    "working": "IN_PROGRESS",
    "qualified": "CONNECTED",
    "converted": "OPEN_DEAL",
    "unqualified": "UNQUALIFIED",
}
_NETWORKS: Final = {"linkedin": "LinkedIn", "meta_prospecting": "Facebook"}
Values = dict[str, str | None]


@dataclass(frozen=True, slots=True)
class Thing:
    """A record. `merged_into` is the id it went into, 0 when it stands for itself."""

    id: int
    created: datetime
    updated: datetime
    archived: datetime | None
    properties: Values
    links: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    merged_into: int = 0
    stages: tuple[tuple[str, datetime], ...] = ()


@dataclass(slots=True)
class Shelf:
    """Records of one kind at one moment, by id."""

    things: dict[int, Thing]

    def living(self) -> list[Thing]:
        """Those that are neither deleted nor merged away, by id."""
        return [t for t in self.things.values() if t.archived is None]

    def binned(self) -> list[Thing]:
        """Those in the bin; merged ones are not in it."""
        return [t for t in self.things.values() if t.archived is not None and not t.merged_into]


def shelf(call: Call, kind: str) -> Shelf:
    """All records of a kind as they stand now; kept until the clock's next second."""
    key = (id(call.world), int(call.now.timestamp()))
    kept = call.memory.get("shelves")
    if kept is None or kept[0] != key:
        kept = call.memory["shelves"] = (key, {})
    found: dict[str, Shelf] = kept[1]
    if kind not in found:
        things = _MAKERS[kind](call.world, call.now)
        found[kind] = Shelf({t.id: t for t in sorted(things, key=lambda t: t.id)})
    return found[kind]


def time_text(at: datetime) -> str:
    """A time as HubSpot writes it."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def money(cents: int | None) -> str | None:
    """An amount in major units."""
    return None if cents is None else str(Decimal(cents).scaleb(-2))


def contact_id(lead_id: int, contact: int) -> int:
    """The id of a lead, or of a contact that was never one."""
    return LEADS + lead_id if lead_id else COLLEAGUES + contact


def _came_from(source: str, lead: CrmLead | None) -> Values:
    first: str | None = None
    second: str | None = None
    if lead is not None and lead.utm_campaign:
        network = _NETWORKS.get(source)
        first = network or lead.utm_campaign
        second = lead.utm_campaign if network else lead.utm_content or None
    elif source == "referral":
        first = "fenland-designers.example"
    return {
        "hs_analytics_source": _SOURCES[source],
        "hs_analytics_source_data_1": first,
        "hs_analytics_source_data_2": second,
    }


def _every(number: int, made: datetime, changed: datetime, owner: int, by: str) -> Values:
    return {
        "hs_object_id": str(number),
        "createdate": time_text(made),
        by: time_text(changed),
        "hubspot_owner_id": str(OWNERS + owner),
        "hs_merged_object_ids": None,
    }


def _ids(base: int, numbers: tuple[int, ...]) -> str | None:
    return ";".join(str(base + n) for n in numbers) or None


def _deals(world: World, now: datetime) -> list[Thing]:
    leads = {x.id: x for x in world.crm_leads(as_of=now)}
    return [_deal(d, leads.get(d.lead_id)) for d in world.crm_deals(as_of=now)]


def _deal(deal: CrmDeal, lead: CrmLead | None) -> Thing:
    number = DEALS + deal.id
    closes = datetime(deal.close_date.year, deal.close_date.month, deal.close_date.day, tzinfo=UTC)
    properties: Values = {
        **_every(number, deal.created_at, deal.updated_at, deal.owner_id, "hs_lastmodifieddate"),
        **_came_from(deal.source, lead),
        "amount": money(deal.amount),
        "amount_in_home_currency": money(deal.amount_usd),
        "deal_currency_code": deal.currency,
        "dealname": deal.name,
        "dealstage": STAGES[deal.stage_id],
        "dealtype": "existingbusiness" if deal.repeat else "newbusiness",
        "pipeline": PIPELINE,
        "closedate": time_text(closes),
        "closed_lost_reason": deal.lost_reason or None,
        "hs_is_closed": str(deal.is_closed).lower(),
        "hs_is_closed_won": str(deal.is_won).lower(),
        "hs_deal_stage_probability": str(Decimal(deal.probability) / 100),
    }
    return Thing(
        number,
        deal.created_at,
        deal.updated_at,
        deal.deleted_at,
        properties,
        {
            "companies": (COMPANIES + deal.company_id,),
            "contacts": (contact_id(deal.lead_id, deal.contact_id),),
        },
        stages=tuple((STAGES[s], at) for s, at in deal.history),
    )


def _companies(world: World, now: datetime) -> list[Thing]:
    found = []
    people, deals = _by_company(world, now)
    for one in world.crm_companies(as_of=now):
        number = COMPANIES + one.id
        found.append(
            Thing(
                number,
                one.created_at,
                one.updated_at,
                one.deleted_at,
                _company(one, number),
                {"contacts": tuple(people.get(one.id, ())), "deals": tuple(deals.get(one.id, ()))},
                merged_into=COMPANIES + one.merged_into if one.merged_into else 0,
            )
        )
    return found


def _by_company(world: World, now: datetime) -> tuple[dict[int, list[int]], dict[int, list[int]]]:
    people: dict[int, list[int]] = {}
    deals: dict[int, list[int]] = {}
    for contact in world.crm_contacts(as_of=now):
        if contact.deleted_at is None:
            people.setdefault(contact.company_id, []).append(
                contact_id(contact.lead_id, contact.id)
            )
    for deal in world.crm_deals(as_of=now):
        if deal.deleted_at is None:
            deals.setdefault(deal.company_id, []).append(DEALS + deal.id)
    return people, deals


def _company(one: CrmCompany, number: int) -> Values:
    return {
        **_every(number, one.created_at, one.updated_at, one.owner_id, "hs_lastmodifieddate"),
        "hs_merged_object_ids": _ids(COMPANIES, one.merged_ids),
        "hs_analytics_source": "OFFLINE",
        "hs_analytics_source_data_1": "CONTACTS",
        "hs_analytics_source_data_2": None,
        "name": one.name,
        "domain": one.domain,
        "industry": one.industry.upper().replace(" ", "_"),
        "country": one.country,
        "state": one.province or None,
        "lifecyclestage": "customer" if one.customer else "opportunity",
        "numberofemployees": str(one.employees),
        "annualrevenue": str(one.revenue // 100),
    }


def _contacts(world: World, now: datetime) -> list[Thing]:
    companies = {c.id: c for c in world.crm_companies(as_of=now)}
    contacts = world.crm_contacts(as_of=now)
    of_lead = {c.lead_id: c for c in contacts if c.lead_id}
    deals: dict[int, list[int]] = {}
    for deal in world.crm_deals(as_of=now):
        if deal.deleted_at is None:
            deals.setdefault(deal.lead_id, []).append(DEALS + deal.id)
    found = [
        _lead(x, of_lead.get(x.id), companies, tuple(deals.get(x.id, ())))
        for x in world.crm_leads(as_of=now)
    ]
    return found + [_colleague(c, companies) for c in contacts if not c.lead_id]


def _lead(
    lead: CrmLead,
    contact: CrmContact | None,
    companies: Mapping[int, CrmCompany],
    deals: tuple[int, ...],
) -> Thing:
    number = LEADS + lead.id
    company = companies.get(contact.company_id) if contact else None
    times = [x.updated_at for x in (lead, contact, company) if x is not None]
    stage = "salesqualifiedlead" if lead.status == "qualified" else "lead"
    if company is not None:
        stage = "customer" if company.customer else "opportunity"
    properties: Values = {
        **_every(number, lead.created_at, max(times), lead.owner_id, "lastmodifieddate"),
        **_came_from(lead.source, lead),
        "hs_merged_object_ids": _ids(LEADS, lead.merged_ids),
        "email": lead.email,
        "firstname": lead.first_name,
        "lastname": lead.last_name,
        "phone": lead.phone,
        "jobtitle": contact.title if contact else lead.title,
        "company": lead.company_name,
        "country": lead.country,
        "state": lead.province or None,
        "lifecyclestage": stage,
        "hs_lead_status": _STATUS[lead.status],
        "hs_latest_source": _SOURCES[lead.source],
        "first_conversion_event_name": f"Trade program: {lead.form}",
        "num_conversion_events": "1",
        "associatedcompanyid": str(COMPANIES + company.id) if company else None,
    }
    links = {"companies": (COMPANIES + company.id,), "deals": deals} if company else {}
    return Thing(
        number,
        lead.created_at,
        max(times),
        lead.deleted_at,
        properties,
        links,
        merged_into=LEADS + lead.merged_into if lead.merged_into else 0,
    )


def _colleague(contact: CrmContact, companies: Mapping[int, CrmCompany]) -> Thing:
    number = COLLEAGUES + contact.id
    company = companies[contact.company_id]
    changed = max(contact.updated_at, company.updated_at)
    if contact.deleted_at is not None:
        changed = contact.updated_at
    properties: Values = {
        **_every(number, contact.created_at, changed, contact.owner_id, "lastmodifieddate"),
        "hs_analytics_source": "OFFLINE",
        "hs_analytics_source_data_1": "CRM_UI",
        "hs_analytics_source_data_2": None,
        "email": contact.email,
        "firstname": contact.first_name,
        "lastname": contact.last_name,
        "phone": contact.phone,
        "jobtitle": contact.title,
        "company": company.name,
        "country": contact.country,
        "state": contact.province or None,
        "lifecyclestage": "customer" if company.customer else "opportunity",
        "hs_lead_status": None,
        "hs_latest_source": "OFFLINE",
        "first_conversion_event_name": None,
        "num_conversion_events": "0",
        "associatedcompanyid": str(COMPANIES + company.id),
    }
    links = {"companies": (COMPANIES + company.id,)}
    return Thing(number, contact.created_at, changed, contact.deleted_at, properties, links)


_MAKERS: Final[Mapping[str, Callable[[World, datetime], list[Thing]]]] = {
    "deals": _deals,
    "companies": _companies,
    "contacts": _contacts,
}


def record(thing: Thing) -> dict[str, Any]:
    """A record with everything it has, before a request picks from it."""
    found: dict[str, Any] = {
        "id": str(thing.id),
        "properties": thing.properties,
        "createdAt": time_text(thing.created),
        "updatedAt": time_text(thing.updated),
        "archived": thing.archived is not None,
    }
    if thing.archived is not None:
        found["archivedAt"] = time_text(thing.archived)
    return found
