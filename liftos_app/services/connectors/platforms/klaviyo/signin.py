"""Signing in with Klaviyo: a private key, or its consent page with PKCE."""

from __future__ import annotations

from liftos_app.services.connectors.client import Credential, Request
from liftos_app.services.connectors.platforms.klaviyo.version import HEADERS
from liftos_app.services.connectors.spec import AuthMethod, Input, OAuth2, Scope


def authorize(request: Request, credential: Credential) -> None:
    """Klaviyo's own scheme for keys, Bearer for tokens; the revision goes with every request."""
    key = credential.text("api_key")
    if credential.method == "api_key":
        request.headers["Authorization"] = f"Klaviyo-API-Key {key}"
    else:
        request.headers["Authorization"] = f"Bearer {credential.text('access_token')}"
    request.headers.update(HEADERS)
    if request.body is not None:
        request.headers["Content-Type"] = "application/vnd.api+json"


SCOPES = (
    Scope(
        name="accounts:read",
        reason="Read the account's name, time zone and currency.",
        without="Days and amounts cannot be placed: time zone and currency stay unknown.",
    ),
    Scope(
        name="metrics:read",
        reason="Read revenue by day and message.",
        without="No revenue of mail can be shown.",
    ),
    Scope(
        name="campaigns:read",
        reason="Read campaigns and their results.",
        without="Campaigns cannot be shown.",
    ),
    Scope(
        name="flows:read",
        reason="Read flows and their results.",
        without="Automatic mails cannot be shown.",
    ),
    Scope(
        name="lists:read",
        reason="Read the names of lists.",
        required=False,
        without="Lists are not named.",
    ),
    Scope(
        name="segments:read",
        reason="Read the names of segments.",
        required=False,
        without="Segments are not named.",
    ),
)

API_KEY = AuthMethod(
    id="api_key",
    kind="key",
    title="Private key",
    summary="The quickest way for one account of your own.",
    inputs=(
        Input(
            name="api_key",
            label="Private API key",
            help="In Klaviyo, Settings, API keys: create a private key with read access.",
            secret=True,
            placeholder="pk_...",
            pattern=r"pk_[A-Za-z0-9_]{20,}",
            wrong="A private key begins with pk_ and has more than 20 letters and digits after it.",
            refuse=(
                (
                    r"^pk_(live|test)_",
                    "This is a Stripe publishable key. Klaviyo's key comes from Klaviyo.",
                ),
                (
                    r"^[A-Za-z0-9]{6}$",
                    "This is the public site id. A private key is needed; it begins with pk_.",
                ),
                (r"^sk_", "This is a Stripe secret key. Klaviyo's key begins with pk_."),
            ),
        ),
    ),
    access_life="Until it is deleted in Klaviyo.",
    steps=(
        "In Klaviyo, open Settings, API keys, and create a private key.",
        "Choose read access for accounts, campaigns, flows, lists, metrics and segments. "
        "It cannot be changed later.",
        "Copy the key; Klaviyo shows it once.",
    ),
)

OAUTH = AuthMethod(
    id="oauth",
    kind="oauth2",
    title="Sign in with Klaviyo",
    summary="For agencies and shared servers: an app with limits of its own.",
    inputs=(
        Input(
            name="client_id",
            label="Client id",
            help="In Klaviyo, Integrations, Manage apps, your app.",
            placeholder="36 letters, digits and dashes",
            pattern=r"[A-Za-z0-9-]{8,64}",
            wrong="A client id has only letters, digits and dashes.",
            refuse=(
                (r"^pk_", "This is a private key. For a key, choose the other way to sign in."),
            ),
        ),
        Input(
            name="client_secret",
            label="Client secret",
            help="It was shown once, when the app was made.",
            secret=True,
            pattern=r"\S{8,300}",
            wrong="A client secret has no spaces.",
        ),
    ),
    oauth=OAuth2(
        authorize_url="https://www.klaviyo.com/oauth/authorize",
        token_url="https://a.klaviyo.com/oauth/token",  # noqa: S106
        revoke_url="https://a.klaviyo.com/oauth/revoke",
        pkce=True,
        client_auth="basic",
    ),
    access_life="1 h, renewed by itself; 90 days without use end it.",
    renewal="refresh_token",
    steps=(
        "In Klaviyo, open Integrations, Manage apps, and create an app.",
        "Add the redirect address below to its redirect URLs.",
        "Give it the read permissions listed in the next step.",
        "Copy its client id and secret into the fields here.",
    ),
)
