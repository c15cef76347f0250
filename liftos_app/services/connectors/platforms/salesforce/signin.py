"""Signing in with Salesforce: its consent page with PKCE, or an app that signs in for itself."""

from __future__ import annotations

import re

from liftos_app.services.connectors.client import Credential, Request
from liftos_app.services.connectors.spec import AuthMethod, Input, Kept, OAuth2, Scope

SESSION_SECONDS = 7200  # an access token names no end; this is what an organization starts with
_LOGINS = {"login": "login.salesforce.com", "production": "login.salesforce.com",
           "sandbox": "test.salesforce.com", "test": "test.salesforce.com"}  # fmt: skip
_KINDS = r"(\.(sandbox|develop|trailblaze|scratch|demo|patch))?"
_MY_DOMAIN = rf"[a-z0-9][a-z0-9-]{{0,79}}{_KINDS}\.my\.salesforce\.com"

# Older organizations still name an instance such as eu47.salesforce.com.
INSTANCE = Kept(
    name="instance",
    pattern=rf"{_MY_DOMAIN}|[a-z]{{2,5}}[0-9]{{1,4}}\.salesforce\.com|"
    r"[a-z0-9][a-z0-9-]{0,79}\.my\.salesforce\.(mil|us)",
    answer="instance_url",
)


def authorize(request: Request, credential: Credential) -> None:
    """A bearer token."""
    request.headers["Authorization"] = f"Bearer {credential.text('access_token')}"


def clean_host(text: str) -> str:
    """The sign-in host from what people paste: a word, a name, an address of any of its pages."""
    host = re.sub(r"^https?://", "", text.strip().lower()).split("/")[0].split("?")[0]
    host = re.sub(r"\.lightning\.force\.com$", ".my.salesforce.com", host)
    host = re.sub(r"\.my\.salesforce-setup\.com$", ".my.salesforce.com", host)
    if "." in host:
        return host
    return _LOGINS.get(host) or f"{host}.my.salesforce.com"


SCOPES = (
    Scope(
        name="api",
        reason="Read leads, contacts, accounts, opportunities and campaigns.",
        without="Nothing can be read.",
    ),
    Scope(
        name="refresh_token",
        reason="Stay signed in after the session ends, about two hours later.",
        without="A person has to sign in again every two hours.",
    ),
)
_MIXED_UP = (
    (r"@", "This holds an @. Enter the address of the sign-in page only."),
)
_LOGIN_HOST = Input(
    name="login_host",
    label="Sign-in address",
    help="login.salesforce.com, test.salesforce.com for a sandbox, or your My Domain as shown in "
    "Setup, My Domain.",
    placeholder="your-company.my.salesforce.com",
    pattern=rf"(login|test)\.salesforce\.com|{_MY_DOMAIN}",
    wrong="The address is login.salesforce.com, test.salesforce.com, or it ends in "
    ".my.salesforce.com.",
    refuse=_MIXED_UP,
    clean=clean_host,
)
_MY_DOMAIN_HOST = Input(
    name="login_host",
    label="My Domain",
    help="In Setup, My Domain: the address that ends in .my.salesforce.com.",
    placeholder="your-company.my.salesforce.com",
    pattern=_MY_DOMAIN,
    wrong="An app signs in for itself at My Domain only, which ends in .my.salesforce.com.",
    refuse=_MIXED_UP,
    clean=clean_host,
)
_CLIENT_ID = Input(
    name="client_id",
    label="Consumer key",
    help="In Setup, External Client App Manager, your app, Settings, OAuth.",
    placeholder="3MVG9...",
    pattern=r"[A-Za-z0-9._]{20,300}",
    wrong="A consumer key is long, has only letters, digits, dots and underscores, and mostly "
    "begins with 3MVG.",
    refuse=((r"^00D[A-Za-z0-9]{12,15}!", "This is an access token. The consumer key is needed."),),
)
_SECRET = Input(
    name="client_secret",
    label="Consumer secret",
    help="On the same page as the consumer key.",
    secret=True,
    pattern=r"[A-Za-z0-9]{16,128}",
    wrong="A consumer secret has only letters and digits.",
    refuse=((r"^3MVG", "This is the consumer key. The secret stands below it."),),
)
_CURRENCY = Input(
    name="currency",
    label="Currency, if Salesforce does not tell it",
    help="Leave it empty at first. In Setup, Company Information: the organization's currency.",
    required=False,
    placeholder="EUR",
    pattern=r"[A-Z]{3}",
    wrong="A currency has three letters, such as EUR.",
    clean=str.upper,
)
_APPROVE = (
    "An administrator opens Setup, External Client App Manager, the app, Policies, and allows the "
    "app for your profile or permission set. Then sign in again."
)
REFUSALS = {
    "OAUTH_APP_BLOCKED": ("An administrator of Salesforce has blocked it.", _APPROVE),
    "OAUTH_EC_APP_NOT_FOUND": ("It is not installed in this organization.", _APPROVE),
    "OAUTH_APPROVAL_ERROR_GENERIC": (
        "It is not approved for this person: since September 2025 apps that are not installed "
        "are blocked.",
        _APPROVE,
    ),
}
_TOKEN_URL = "https://{login_host}/services/oauth2/token"  # noqa: S105
_REVOKE_URL = "https://{login_host}/services/oauth2/revoke"

OAUTH = AuthMethod(
    id="oauth",
    kind="oauth2",
    title="Sign in with Salesforce",
    summary="For most: a person of yours allows reading on Salesforce's own page.",
    inputs=(_LOGIN_HOST, _CLIENT_ID, _SECRET, _CURRENCY),
    oauth=OAuth2(
        authorize_url="https://{login_host}/services/oauth2/authorize",
        token_url=_TOKEN_URL,
        revoke_url=_REVOKE_URL,
        pkce=True,
        authorize_extra={"prompt": "login consent"},
        life=SESSION_SECONDS,
        refusals=REFUSALS,
    ),
    access_life="About 2 h, renewed by itself; an app's policy may end it after 30 days unused.",
    renewal="refresh_token",
    steps=(
        "In Setup, open External Client App Manager and create an External Client App. "
        "Connected Apps can no longer be made since Spring '26; one you have keeps working.",
        "Enable OAuth, add the redirect address below as callback URL, and choose the scopes "
        "api and refresh_token.",
        "Leave PKCE on, and refresh token rotation too if your company asks for it.",
        "Under Policies allow the app for the integration user's profile.",
        "Copy consumer key and consumer secret into the fields here.",
    ),
)

CLIENT_CREDENTIALS = AuthMethod(
    id="client_credentials",
    kind="client_credentials",
    title="Let the app sign in for itself",
    summary="For servers: no consent page; the app runs as one integration user.",
    inputs=(_MY_DOMAIN_HOST, _CLIENT_ID, _SECRET, _CURRENCY),
    oauth=OAuth2(
        token_url=_TOKEN_URL,
        life=SESSION_SECONDS,
        without_pkce="There is no consent page here.",
    ),
    access_life="About 2 h, renewed by itself.",
    renewal="client_credentials",
    steps=(
        "In Setup, open External Client App Manager and create an External Client App.",
        "Enable OAuth with the scope api, and enable the client credentials flow.",
        "Under Policies name the integration user the app runs as.",
        "Copy consumer key and consumer secret into the fields here.",
    ),
)
