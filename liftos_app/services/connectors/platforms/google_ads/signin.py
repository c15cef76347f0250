"""Signing in with Google: code with PKCE, an hour's token, a refresh token that stays."""

from __future__ import annotations

import re

from liftos_app.services.connectors.client import Credential, Request
from liftos_app.services.connectors.spec import AuthMethod, Input, OAuth2, Scope


def authorize(request: Request, credential: Credential) -> None:
    """The access token, and the old developer token where someone still has one."""
    request.headers["Authorization"] = f"Bearer {credential.text('access_token')}"
    legacy = credential.text("developer_token")
    if legacy:
        request.headers["developer-token"] = legacy


def digits(text: str) -> str:
    """A customer id as typed, `123-456-7890`, without its dashes. Raises ValueError."""
    plain = re.sub(r"[\s-]", "", text)
    if not re.fullmatch(r"\d{10}", plain):
        raise ValueError("A customer id has ten digits, such as 123-456-7890.")
    return plain


SCOPES = (
    Scope(
        name="https://www.googleapis.com/auth/adwords",
        reason="Read Ads accounts, campaigns and their daily results.",
        read_only=False,
        without="Nothing can be read at all. Google has no smaller permission for Ads: give your "
        "login a read-only role in the account, and nothing more is possible.",
    ),
)

OAUTH = AuthMethod(
    id="oauth",
    kind="oauth2",
    title="Sign in with Google",
    summary="You sign in on Google's own page and allow access to Google Ads.",
    inputs=(
        Input(
            name="client_id",
            label="Client id",
            help="In Google Cloud, APIs and services, Credentials, your OAuth client.",
            placeholder="1234-abc.apps.googleusercontent.com",
            pattern=r"[A-Za-z0-9._-]+\.apps\.googleusercontent\.com",
            wrong="A client id ends in .apps.googleusercontent.com.",
            refuse=((r"^GOCSPX-", "This is the client secret. The client id is shown above it."),),
        ),
        Input(
            name="client_secret",
            label="Client secret",
            help="On the same page as the client id.",
            secret=True,
            placeholder="GOCSPX-...",
            pattern=r"\S{8,200}",
            wrong="A client secret has no spaces and begins with GOCSPX-.",
            refuse=(
                (
                    r"\.apps\.googleusercontent\.com$",
                    "This is the client id. The client secret begins with GOCSPX-.",
                ),
            ),
        ),
        Input(
            name="login_customer_id",
            label="Manager account",
            help="Only when several managers reach the same accounts: the ten digits of one.",
            required=False,
            placeholder="123-456-7890",
            pattern=r"\d{10}",
            wrong="A customer id has ten digits, such as 123-456-7890.",
            clean=digits,
        ),
        Input(
            name="developer_token",
            label="Developer token (old)",
            help="Leave empty. Google has ignored it since September 2026; what your Cloud "
            "project may read is its access level.",
            secret=True,
            required=False,
            placeholder="leave empty",
            pattern=r"[A-Za-z0-9_-]{22}",
            wrong="A developer token has 22 characters. It may be left empty.",
        ),
    ),
    oauth=OAuth2(
        authorize_url="https://accounts.google.com/o/oauth2/v2/auth",
        token_url="https://oauth2.googleapis.com/token",  # noqa: S106
        revoke_url="https://oauth2.googleapis.com/revoke",
        pkce=True,
        authorize_extra={"access_type": "offline", "prompt": "consent"},
    ),
    access_life="1 h, renewed by itself. While the app is in Testing, all ends after 7 days.",
    renewal="refresh_token",
    steps=(
        "In Google Cloud, create a project and switch on the Google Ads API.",
        "Set up the consent screen and publish it: in Testing, every sign-in dies after 7 days.",
        "Create an OAuth client of type Web application.",
        "Add the redirect address below to its authorised redirect URIs.",
        "Copy its client id and client secret into the fields here.",
    ),
)
