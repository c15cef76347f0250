"""Signing in to Databricks: a service principal, a person's consent with PKCE, or a token."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from liftos_app.services.connectors.client import Credential, Request
from liftos_app.services.connectors.spec import AuthMethod, Input, OAuth2, Scope, TokenSet
from liftos_app.services.connectors.stated_end import ENDS_ON

TOKEN_URL = "https://{workspace}/oidc/v1/token"  # noqa: S105
_PATH = re.compile(r"/?sql/1\.0/(?:warehouses|endpoints)/([0-9a-f]+)/?")


def authorize(request: Request, credential: Credential) -> None:
    """Every method ends in a bearer token."""
    request.headers["Authorization"] = f"Bearer {credential.text('access_token')}"


def clean_workspace(text: str) -> str:
    """The host of a pasted workspace address."""
    found = text.strip().lower()
    if "://" in found:
        found = urlsplit(found).hostname or ""
    return found.partition("/")[0].partition("?")[0].partition(":")[0]


def clean_warehouse(text: str) -> str:
    """The warehouse id of a pasted HTTP path."""
    found = text.strip().lower()
    path = _PATH.fullmatch(found)
    return path[1] if path else found


def obtain(desk: Any) -> TokenSet:
    """A token for the service principal, for grants.obtain."""
    found: TokenSet = desk.tokens(desk.authlib.fetch_token(
        desk.addresses.server(TOKEN_URL), grant_type="client_credentials", scope="all-apis"
    ))
    return found


SCOPES = (
    Scope(
        name="sql",
        reason="Run queries on the SQL warehouse you name.",
        without="Nothing can be read.",
    ),
    Scope(
        name="offline_access",
        reason="Stay signed in: access tokens live an hour.",
        required=False,
        without="Every sync would need a person.",
    ),
)
_WORKSPACE = Input(
    name="workspace",
    label="Workspace address",
    help="The address in your browser when you are in the workspace.",
    placeholder="dbc-a1b2c3d4-e5f6.cloud.databricks.com",
    pattern=(
        r"dbc-[0-9a-z-]+\.cloud\.databricks\.com|adb-\d+\.\d+\.azuredatabricks\.net|"
        r"\d+\.\d+\.gcp\.databricks\.com|[a-z0-9][a-z0-9-]*\.cloud\.databricks\.com"
    ),
    wrong="A workspace address ends in cloud.databricks.com, azuredatabricks.net or "
    "gcp.databricks.com.",
    refuse=((r"^(https://)?accounts\.",
             "This is the account console. Open the workspace itself and copy its address."),),
    clean=clean_workspace,
)
_WAREHOUSE = Input(
    name="warehouse_id",
    label="SQL warehouse",
    help="In the workspace, SQL Warehouses, yours, Connection details: the HTTP path.",
    placeholder="/sql/1.0/warehouses/0123456789abcdef",
    pattern=r"[0-9a-f]{8,32}",
    wrong="An HTTP path looks like /sql/1.0/warehouses/0123456789abcdef.",
    clean=clean_warehouse,
)
_SECRET = Input(
    name="client_secret",
    label="Secret",
    help="It was shown once, when it was made.",
    secret=True,
    pattern=r"\S{8,300}",
    wrong="A secret has no spaces.",
    refuse=((r"^dapi", "This is an access token. For a token, choose that way to sign in."),),
)
_GRANTS = (
    "Give it CAN USE on one SQL warehouse, and USE CATALOG, USE SCHEMA and SELECT on the tables "
    "LiftOS may read.",
)

SERVICE_PRINCIPAL = AuthMethod(
    id="service_principal",
    kind="client_credentials",
    title="Service principal",
    summary="For most: a machine's own sign-in with rights of its own.",
    inputs=(
        _WORKSPACE,
        Input(
            name="client_id",
            label="Client id",
            help="The service principal's application id.",
            placeholder="11111111-2222-3333-4444-555555555555",
            pattern=r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}",
            wrong="An application id has 32 digits and letters a to f, with four dashes.",
        ),
        _SECRET, _WAREHOUSE,
    ),
    oauth=OAuth2(
        token_url=TOKEN_URL, client_auth="basic", obtain=obtain,
        without_pkce="There is no consent page here.",
    ),
    access_life="1 h, renewed by itself; the secret ends after two years at most.",
    renewal="client_credentials",
    steps=(
        "In the workspace, Settings, Identity and access, Service principals: add one.",
        "On its page, Secrets, generate a secret; copy it and the client id.",
        *_GRANTS,
    ),
)
OAUTH = AuthMethod(
    id="oauth",
    kind="oauth2",
    title="Sign in with Databricks",
    summary="With a person's own login, through an app connection of the account.",
    inputs=(
        _WORKSPACE,
        Input(
            name="client_id",
            label="Client id",
            help="Of the app connection.",
            pattern=r"[A-Za-z0-9-]{8,100}",
            wrong="A client id has only letters, digits and dashes.",
        ),
        _SECRET, _WAREHOUSE,
    ),
    oauth=OAuth2(
        authorize_url="https://{workspace}/oidc/v1/authorize",
        token_url=TOKEN_URL,
        pkce=True,
        client_auth="basic",
    ),
    access_life="1 h, renewed by itself as long as the app connection allows.",
    renewal="refresh_token",
    steps=(
        "In the account console, Settings, App connections: add one with the redirect address "
        "below and the scopes sql and offline_access, and let it generate a secret.",
        "Copy its client id and secret. The person who signs in needs the rights named here.",
        *_GRANTS,
    ),
)
TOKEN = AuthMethod(
    id="token",
    kind="key",
    title="Personal access token",
    summary="Where nothing else is allowed; it carries all rights of a person.",
    inputs=(
        _WORKSPACE,
        Input(
            name="access_token",
            label="Personal access token",
            help="In the workspace, Settings, Developer, Access tokens.",
            secret=True,
            placeholder="dapi...",
            pattern=r"dapi[0-9a-f]{32}(-\d+)?",
            wrong="A token begins with dapi, with 32 digits and letters a to f after it.",
            refuse=((r"^dose", "This is the secret of a service principal. Choose that way."),),
        ),
        ENDS_ON, _WAREHOUSE,
    ),
    access_life="As many days as it was made for; 90 days without use end it. Enter its last day "
    "to be warned 14, 7, 3 and 1 day before.",
    steps=("Open Settings, Developer, Access tokens, and generate a token.", *_GRANTS),
)
