"""Signing in with LinkedIn: a token of 60 days, renewed for at most a year where the app may."""

from __future__ import annotations

from liftos_app.services.connectors.client import Credential, Request
from liftos_app.services.connectors.platforms.linkedin_ads.version import VERSION
from liftos_app.services.connectors.spec import AuthMethod, Input, OAuth2, Scope

DAY = 24 * 3600
CONSENT = "https://www.linkedin.com"


def authorize(request: Request, credential: Credential) -> None:
    """Token, version and protocol: without the last two LinkedIn answers nothing or wrongly."""
    request.headers["Authorization"] = f"Bearer {credential.text('access_token')}"
    request.headers["LinkedIn-Version"] = VERSION
    request.headers["X-Restli-Protocol-Version"] = "2.0.0"


SCOPES = (
    Scope(
        name="r_ads",
        reason="Read ad accounts, campaign groups, campaigns and creatives.",
        without="No account can be found.",
    ),
    Scope(
        name="r_ads_reporting",
        reason="Read daily results.",
        without="Accounts are listed, but their results are refused.",
    ),
)

_CLIENT_ID = Input(
    name="client_id",
    label="Client id",
    help="On linkedin.com/developers/apps, your app, Auth.",
    placeholder="14 letters and digits",
    pattern=r"[0-9a-z]{10,24}",
    wrong="A client id has small letters and digits only, mostly 14.",
    refuse=((r"^WPL_AP", "This is the client secret. The client id is shown above it."),),
)
_SECRET = Input(
    name="client_secret",
    label="Primary client secret",
    help="On the same page as the client id.",
    secret=True,
    placeholder="WPL_AP1...",
    pattern=r"\S{12,200}",
    wrong="A client secret has no spaces; newer ones begin with WPL_AP1.",
    refuse=(
        (r"^[0-9a-z]{14}$", "This is the client id. The client secret is shown below it."),
        (r"^AQ[A-Za-z0-9_-]{60,}$", "This is an access token, not the client secret."),
    ),
)

OAUTH = AuthMethod(
    id="oauth",
    kind="oauth2",
    title="Sign in with LinkedIn",
    summary="For most people: you sign in on LinkedIn's own page and allow reading.",
    inputs=(_CLIENT_ID, _SECRET),
    oauth=OAuth2(
        authorize_url=f"{CONSENT}/oauth/v2/authorization",
        token_url=f"{CONSENT}/oauth/v2/accessToken",
        without_pkce="LinkedIn offers PKCE only to apps on phones and desktops.",
        settle=10.0,
    ),
    access_life="60 days, renewed by itself for a year where LinkedIn lets the app; then sign in "
    "again.",
    renewal="refresh_token",
    renew_early=7 * DAY,
    steps=(
        "On linkedin.com/developers/apps, create an app for your company page.",
        "Under Products, ask for the Advertising API and wait for its approval.",
        "Under Auth, add the redirect address below to the authorized redirect URLs.",
        "Copy the client id and the primary client secret into the fields here.",
    ),
)

TOKEN = AuthMethod(
    id="token",
    kind="key",
    title="Paste a token",
    summary="For a first look: a token from LinkedIn's token generator, which ends after 60 days.",
    inputs=(
        _CLIENT_ID,
        _SECRET,
        Input(
            name="access_token",
            label="Access token",
            help="On linkedin.com/developers/tools/oauth, Create token, with r_ads and "
            "r_ads_reporting.",
            secret=True,
            placeholder="AQ...",
            pattern=r"AQ[A-Za-z0-9_\-]{30,2000}",
            wrong="A LinkedIn token begins with AQ and has no spaces.",
            refuse=((r"^WPL_AP", "This is a client secret. The token begins with AQ."),),
        ),
    ),
    access_life="60 days; then create another one.",
)
