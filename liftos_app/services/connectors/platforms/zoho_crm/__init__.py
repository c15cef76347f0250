"""Zoho CRM: leads, contacts, companies, deals and campaigns."""

from __future__ import annotations

from liftos_app.services.connectors import rows
from liftos_app.services.connectors.platforms.zoho_crm import accounts, streams
from liftos_app.services.connectors.platforms.zoho_crm.errors import fault, pace
from liftos_app.services.connectors.platforms.zoho_crm.signin import (
    ACCOUNTS,
    DATA,
    OAUTH,
    SCOPES,
    SELF_CLIENT,
    authorize,
)
from liftos_app.services.connectors.platforms.zoho_crm.version import VERSION
from liftos_app.services.connectors.spec import Lands, Platform, Prerequisite, Stream, Window

_WINDOW = Window(
    days_per_request=92, reread_days=0, latency_hours=0.25, settle_days=90, history_days=3650
)


def _records(one: streams.Module, *, name: str, title: str, about: str = "") -> Stream:
    return Stream(
        name=name,
        title=title,
        grain=one.kind,
        lands=Lands.CRM,
        kind=one.kind,
        key=("external_id",),
        required=("created_at", "updated_at"),
        window=_WINDOW,
        cursor="time",
        overlap_seconds=streams.OVERLAP_SECONDS,
        about=about,
        read=streams.reader(one),
    )


_STREAMS = (
    _records(
        streams.LEADS,
        name="leads",
        title="Leads",
        about="By the day a lead was made, in the company's time zone. Converted leads stay.",
    ),
    _records(
        streams.CONTACTS,
        name="contacts",
        title="Contacts",
        about="People are known by a scrambled number only.",
    ),
    _records(streams.ACCOUNTS, name="accounts", title="Accounts"),
    _records(
        streams.DEALS,
        name="deals",
        title="Deals",
        about="Amounts are in the deal's own currency. The closing date is what sales expects "
        "until the deal is closed.",
    ),
    Stream(
        name="campaigns",
        title="Campaigns",
        grain="campaign",
        lands=Lands.ENTITIES,
        level=rows.CRM_CAMPAIGN,
        key=("external_id",),
        required=("name",),
        read=streams.read_campaigns,
    ),
    Stream(
        name="owners",
        title="Owners",
        grain="person",
        lands=Lands.ENTITIES,
        level=rows.OWNER,
        key=("external_id",),
        required=("name",),
        default=False,
        about="Roles and numbers of the people who own records; their names are not kept.",
        read=streams.read_owners,
    ),
)

PLATFORM = Platform(
    slug="zoho_crm",
    name="Zoho CRM",
    category="CRM",
    tier=4,
    summary="Leads, deals and campaigns: what marketing turned into sales.",
    hosts={"api": "https://{data_host}", "accounts": "https://{accounts_host}"},
    api_version=VERSION,
    version_ends=None,
    auth=(OAUTH, SELF_CLIENT),
    scopes=SCOPES,
    streams=_STREAMS,
    prerequisites=(
        Prerequisite(
            text="A client of your own in Zoho's API console.",
            who="you",
            link="https://api-console.zoho.com",
        ),
        Prerequisite(
            text="A person whose profile may read the modules and their fields through the API.",
            who="your platform admin",
        ),
    ),
    setup_minutes=(5, 15),
    needs_app=True,
    history="everything the person can see",
    latency="minutes",
    role_needed="A user whose profile has API access and sees all records",
    docs_url="https://www.zoho.com/crm/developer/docs/api/v8/",
    requests_per_minute=120,
    concurrency=1,
    never=(
        "We never read names, e-mail addresses, phone numbers or postal addresses of people.",
        "We never use the last 500 credits of a day.",
        "We never change anything in Zoho CRM.",
    ),
    keeps=(ACCOUNTS, DATA),
    discover=accounts.discover,
    test=accounts.test,
    fault=fault,
    authorize=authorize,
    pace=pace,
)
