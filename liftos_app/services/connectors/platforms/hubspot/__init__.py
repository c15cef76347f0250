"""HubSpot: deals, contacts, companies, marketing e-mails and campaigns of a portal."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from liftos_app.services.connectors import rows
from liftos_app.services.connectors.platforms.hubspot import entities, portal, records, results
from liftos_app.services.connectors.platforms.hubspot.errors import fault, pace
from liftos_app.services.connectors.platforms.hubspot.signin import (
    OAUTH,
    PRIVATE_APP,
    SCOPES,
    SERVICE_KEY,
    authorize,
)
from liftos_app.services.connectors.platforms.hubspot.version import VERSION
from liftos_app.services.connectors.spec import Lands, Platform, Prerequisite, Stream, Window

_HISTORY = 3650


def _records(
    name: str,
    title: str,
    kind: str,
    read: portal.Read,
    *,
    days: int,
    about: str,
    required: tuple[str, ...],
) -> Stream:
    return Stream(
        name=name,
        title=title,
        grain=kind,
        lands=Lands.CRM,
        kind=kind,
        key=("kind", "external_id"),
        required=required,
        window=Window(
            days_per_request=days,
            reread_days=0,
            latency_hours=0.25,
            settle_days=90,
            history_days=_HISTORY,
        ),
        cursor="time",
        overlap_seconds=900,  # the search index lags seconds to minutes
        about=about,
        read=read,
    )


_STREAMS = (
    Stream(
        name="pipelines",
        title="Pipelines and stages",
        grain="pipeline or stage",
        lands=Lands.ENTITIES,
        level=rows.PIPELINE,
        key=("level", "external_id"),
        required=("name",),
        read=entities.read_pipelines,
    ),
    Stream(
        name="owners",
        title="Owners",
        grain="owner",
        lands=Lands.ENTITIES,
        level=rows.OWNER,
        key=("external_id",),
        required=("name", "status"),
        about="By number and team. Names and e-mail addresses are not kept.",
        read=entities.read_owners,
    ),
    _records(
        "deals",
        "Deals",
        "deal",
        records.read_deals,
        days=92,
        about="Amounts are in the deal's own currency. Won revenue counts on the close date, which "
        "people may change or set into the future. Names of deals are not read.",
        required=("currency", "stage"),
    ),
    _records(
        "contacts",
        "Contacts",
        "contact",
        records.read_contacts,
        days=31,  # there are many more of them, and a span is stored as one
        about="Source, stage and country only; a contact is known by a scrambled number.",
        required=("person_ref",),
    ),
    _records(
        "companies",
        "Companies",
        "company",
        records.read_companies,
        days=92,
        about="Name, domain, industry and country.",
        required=("name",),
    ),
    Stream(
        name="properties",
        title="Properties of deals",
        grain="property",
        lands=Lands.ENTITIES,
        level=rows.FIELD,
        key=("external_id",),
        required=("name",),
        default=False,
        read=entities.read_properties,
    ),
    Stream(
        name="emails",
        title="Marketing e-mails",
        grain="e-mail",
        lands=Lands.ENTITIES,
        level=rows.MAIL_MESSAGE,
        key=("external_id",),
        required=("name", "status"),
        default=False,
        about="Needs Marketing Hub.",
        read=entities.read_mails,
    ),
    Stream(
        name="email_results",
        title="Results of e-mails",
        grain="e-mail x send day",
        lands=Lands.MAIL,
        level=rows.MAIL_MESSAGE,
        key=("account", "entity_id", "day"),
        required=("recipients", "delivered", "opens_unique", "clicks_unique"),
        window=Window(
            days_per_request=92,
            reread_days=30,
            latency_hours=1.0,
            settle_days=30,
            history_days=1095,
        ),
        default=False,
        about="Everything an e-mail brought counts on the day it was sent. Needs Marketing Hub.",
        read=results.read,
    ),
    Stream(
        name="campaigns",
        title="Campaigns",
        grain="campaign",
        lands=Lands.ENTITIES,
        level=rows.CRM_CAMPAIGN,
        key=("external_id",),
        required=("name",),
        default=False,
        about="Budget, spend and what HubSpot credits over the campaign's whole life (linear "
        "model). Needs Marketing Hub Professional; two requests for each campaign.",
        read=entities.read_campaigns,
    ),
)

PLATFORM = Platform(
    slug="hubspot",
    name="HubSpot",
    category="CRM",
    tier=2,
    summary="Deals, won revenue and where leads came from; marketing e-mails and campaigns.",
    hosts={"api": "https://api.hubapi.com", "consent": "https://app.hubspot.com"},
    api_version=VERSION,
    version_ends=dt.date(2028, 3, 8),  # 18 months after its release on 2026-09-08
    auth=(SERVICE_KEY, OAUTH, PRIVATE_APP),
    scopes=SCOPES,
    streams=tuple(replace(s, read=portal.until_reset(s.read)) for s in _STREAMS),
    prerequisites=(
        Prerequisite(
            text="A service key, made by a super admin or a person with developer access.",
            who="your platform admin",
        ),
        Prerequisite(
            text="Marketing Hub, only for e-mails and campaigns.",
            who="your platform admin",
        ),
    ),
    setup_minutes=(3, 15),
    needs_app=False,
    history="everything the portal holds; deleted records for 90 days",
    latency="minutes",
    role_needed="Super admin, or developer access",
    docs_url="https://developers.hubspot.com/docs",
    requests_per_minute=570,  # half of the 190 in ten seconds a portal shares between its apps
    concurrency=1,
    never=(
        "We never read names, e-mail addresses, phone numbers or postal addresses of contacts.",
        "We never read names of deals, because they often hold a person's name.",
        "We never store a contact's number as it is: it is scrambled with a key of your own.",
        "We never change anything in the portal.",
    ),
    discover=portal.discover,
    test=portal.test,
    fault=fault,
    authorize=authorize,
    pace=pace,
)
