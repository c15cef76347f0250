"""Three ways into a portal: a service key, an installed app, a private app from before 2026-10."""

from __future__ import annotations

from liftos_app.services.connectors.client import Credential, Request
from liftos_app.services.connectors.platforms.hubspot.version import VERSION
from liftos_app.services.connectors.spec import AuthMethod, Input, OAuth2, Scope


def authorize(request: Request, credential: Credential) -> None:
    """The same header for all three."""
    request.headers["Authorization"] = f"Bearer {credential.text('access_token')}"


SCOPES = (
    Scope(
        name="oauth",
        reason="Sign in at all; HubSpot wants it of every app, keys do not have it.",
        without="The app cannot be installed.",
    ),
    Scope(
        name="crm.objects.deals.read",
        reason="Read deals: amount, stage, close date, where they came from.",
        without="No pipeline and no won revenue can be shown.",
    ),
    Scope(
        name="crm.objects.contacts.read",
        reason="Count contacts by source and stage. No names, e-mail addresses or phone numbers.",
        without="Leads cannot be counted.",
    ),
    Scope(
        name="crm.objects.companies.read",
        reason="Read companies, to which deals belong.",
        without="Deals stand without their company.",
    ),
    Scope(
        name="crm.objects.owners.read",
        reason="Read who is responsible for a deal, by number and team.",
        without="Owners are not named.",
    ),
    Scope(
        name="crm.schemas.deals.read",
        reason="Read pipelines, stages and the list of deal properties.",
        without="Stages are shown by their inner names.",
    ),
    Scope(
        name="content",
        reason="Read marketing e-mails and their statistics. Needs Marketing Hub.",
        required=False,
        without="E-mails of HubSpot cannot be shown.",
        asked=False,
    ),
    Scope(
        name="marketing.campaigns.read",
        reason="Read campaigns, their budgets and results. Needs Marketing Hub Professional.",
        required=False,
        without="Campaigns of HubSpot cannot be shown.",
        asked=False,
    ),
    Scope(
        name="marketing.campaigns.revenue.read",
        reason="Read the revenue HubSpot credits to campaigns.",
        required=False,
        without="Campaigns are shown without revenue.",
        asked=False,
    ),
)
OPTIONAL = " ".join(s.name for s in SCOPES if not s.asked)

_HAPIKEY = (
    r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$",
    "This is an old API key (hapikey), which HubSpot switched off in 2022. Make a service key.",
)
_CLIENT = (
    r"^https?://",
    "This is an address. The key is a long text that HubSpot shows once.",
)

SERVICE_KEY = AuthMethod(
    id="service_key",
    kind="key",
    title="Service key",
    summary="The quickest way for one portal of your own.",
    inputs=(
        Input(
            name="access_token",
            label="Service key",
            help="In HubSpot: Settings or Development, Keys, Service keys.",
            secret=True,
            pattern=r"[\x21-\x7e]{20,400}",
            wrong="A service key is one text without spaces, at least 20 characters long.",
            refuse=(_HAPIKEY, _CLIENT),
        ),
    ),
    access_life="Until it is rotated or deleted in HubSpot.",
    steps=(
        "In HubSpot, open Settings or Development, then Keys, then Service keys.",
        "Create a key with the read permissions listed on this page.",
        "Copy the key into the field here.",
    ),
)

OAUTH = AuthMethod(
    id="oauth",
    kind="oauth2",
    title="Sign in with HubSpot",
    summary="For agencies and shared servers: an app that other portals install.",
    inputs=(
        Input(
            name="client_id",
            label="Client id",
            help="In HubSpot, Development, your app, Auth.",
            placeholder="36 letters, digits and dashes",
            pattern=r"[A-Za-z0-9-]{8,64}",
            wrong="A client id has only letters, digits and dashes.",
            refuse=((r"^pat-", "This is a private app's token, for which there is another way."),),
        ),
        Input(
            name="client_secret",
            label="Client secret",
            help="On the same page as the client id.",
            secret=True,
            pattern=r"\S{8,300}",
            wrong="A client secret has no spaces.",
            refuse=((r"^pat-", "This is a private app's token, not the secret of an app."),),
        ),
    ),
    oauth=OAuth2(
        authorize_url="https://app.hubspot.com/oauth/authorize",
        token_url=f"https://api.hubapi.com/oauth/{VERSION}/token",
        revoke_url=f"https://api.hubapi.com/oauth/{VERSION}/token/revoke",
        without_pkce="HubSpot does not document it for apps that hold a secret.",
        authorize_extra={"optional_scope": OPTIONAL},
    ),
    access_life="30 min, renewed by itself for as long as the app is installed.",
    renewal="refresh_token",
    steps=(
        "In HubSpot, open Development and create an app.",
        "Add the redirect address below to its redirect URLs.",
        "Give it the permissions listed on this page; those of marketing as optional ones.",
        "Copy its client id and secret into the fields here.",
    ),
)

PRIVATE_APP = AuthMethod(
    id="private_app",
    kind="key",
    title="Private app token",
    summary="For portals with a private app made before 26 October 2026; no new ones can be made.",
    inputs=(
        Input(
            name="access_token",
            label="Access token",
            help="In HubSpot: Settings, Integrations, Private apps, your app, Auth.",
            secret=True,
            placeholder="pat-na1-...",
            pattern=r"pat-[a-z0-9]+-[0-9a-f-]{36}",
            wrong="A private app's token begins with pat- and the region, such as pat-na1-.",
            refuse=(_HAPIKEY, _CLIENT),
        ),
    ),
    access_life="Until it is rotated in HubSpot, which ends private apps in September 2027.",
    steps=(
        "In HubSpot, open Settings, Integrations, Private apps, and your app.",
        "Check that it has the read permissions listed on this page.",
        "Copy its access token into the field here.",
    ),
)
