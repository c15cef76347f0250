"""Salesforce: leads, contacts, accounts, opportunities, campaigns and their members."""

from __future__ import annotations

from liftos_app.services.connectors import rows
from liftos_app.services.connectors.platforms.salesforce import accounts, streams
from liftos_app.services.connectors.platforms.salesforce.errors import fault, pace
from liftos_app.services.connectors.platforms.salesforce.signin import (
    CLIENT_CREDENTIALS,
    INSTANCE,
    OAUTH,
    SCOPES,
    authorize,
)
from liftos_app.services.connectors.platforms.salesforce.version import ENDS, VERSION
from liftos_app.services.connectors.spec import Lands, Platform, Prerequisite, Stream, Window

_WINDOW = Window(
    days_per_request=92, reread_days=0, latency_hours=0.25, settle_days=90, history_days=3650
)


def _records(one: streams.Object, *, name: str, title: str, about: str) -> Stream:
    return Stream(
        name=name,
        title=title,
        grain=one.kind.replace("_", " "),
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
        streams.LEAD,
        name="leads",
        title="Leads",
        about="By the day a lead was made, in the organization's time zone. Converted leads stay.",
    ),
    _records(
        streams.CONTACT,
        name="contacts",
        title="Contacts",
        about="People are known by a scrambled number only.",
    ),
    _records(
        streams.ACCOUNT,
        name="accounts",
        title="Accounts",
        about="Where person accounts are in use, names of accounts are not read.",
    ),
    _records(
        streams.OPPORTUNITY,
        name="opportunities",
        title="Opportunities",
        about="Amounts are in the opportunity's own currency. The close date is what sales "
        "expects until the opportunity is closed.",
    ),
    _records(
        streams.MEMBER,
        name="campaign_members",
        title="Campaign members",
        about="Salesforce deletes members without a trace: those that are gone are found once a "
        "week.",
    ),
    Stream(
        name="campaigns",
        title="Campaigns",
        grain="campaign",
        lands=Lands.ENTITIES,
        level=rows.CRM_CAMPAIGN,
        key=("external_id",),
        required=("name",),
        about="With the counts and sums Salesforce keeps of them, as of the reading.",
        read=streams.read_whole,
    ),
)

PLATFORM = Platform(
    slug="salesforce",
    name="Salesforce",
    category="CRM",
    tier=2,
    summary="Leads, opportunities and campaigns: what marketing turned into sales.",
    hosts={"api": "https://{instance}", "login": "https://{login_host}"},
    api_version=VERSION,
    version_ends=ENDS,
    auth=(OAUTH, CLIENT_CREDENTIALS),
    scopes=SCOPES,
    streams=_STREAMS,
    prerequisites=(
        Prerequisite(
            text="An External Client App, made and allowed by an administrator.",
            who="your platform admin",
            wait="minutes; hours where apps are reviewed",
            link="https://help.salesforce.com/s/articleView?id=xcloud.external_client_apps.htm",
        ),
        Prerequisite(
            text="An integration user with API Enabled, View All on the six objects and read "
            "access to their fields. Without View All there are silently fewer records.",
            who="your platform admin",
        ),
    ),
    setup_minutes=(10, 30),
    needs_app=True,
    history="everything the user can see",
    latency="minutes",
    role_needed="An administrator once; afterwards a user who may only read",
    docs_url="https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/",
    requests_per_minute=300,
    concurrency=1,
    never=(
        "We never read names, e-mail addresses, phone numbers or postal addresses of people.",
        "We never use more than 80 % of the organization's calls of a day.",
        "We never change anything in Salesforce.",
    ),
    keeps=(INSTANCE,),
    discover=accounts.discover,
    test=accounts.test,
    fault=fault,
    authorize=authorize,
    pace=pace,
)
