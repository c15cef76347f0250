"""Signing in with TikTok: no standard OAuth. A code of one hour becomes a token without an end.

There is no scope, PKCE, expiry or refresh token: the app's permissions are fixed in TikTok's
portal, and the token dies only when the access is withdrawn.
"""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from liftos_app.services.connectors.client import Credential, Request
from liftos_app.services.connectors.grants import Desk
from liftos_app.services.connectors.platforms.tiktok_ads.version import ROOT
from liftos_app.services.connectors.spec import AuthMethod, Input, OAuth2, Scope, TokenSet

HOST = "https://business-api.tiktok.com"
TOKEN_URL = f"{HOST}{ROOT}/oauth2/access_token/"
REVOKE_URL = f"{HOST}{ROOT}/oauth2/revoke_token/"
# TikTok numbers its permissions; these are the ones we need, in words.
PERMISSIONS = {1: "ad_accounts", 2: "ads", 4: "reporting"}


def authorize(request: Request, credential: Credential) -> None:
    """The token in TikTok's own header; a bearer header is not understood."""
    request.headers["Access-Token"] = credential.text("access_token")


def consent(inputs: Mapping[str, str], state: str, redirect_uri: str) -> dict[str, str]:
    """The query of TikTok's consent page."""
    return {"app_id": inputs["client_id"], "state": state, "redirect_uri": redirect_uri}


def exchange(desk: Desk, code: str) -> TokenSet:
    """A token for the code of the consent page. The answer names what was really granted."""
    data = _ask(desk, TOKEN_URL, auth_code=code).get("data")
    found = data if isinstance(data, dict) else {}
    numbers = found.get("scope")
    names = [_name(n) for n in numbers] if isinstance(numbers, list) else []
    return desk.tokens({"access_token": found.get("access_token"), "scope": ",".join(names)})


def revoke(desk: Desk) -> None:
    """Withdraw the token."""
    token = desk.text("access_token")
    if token:
        _ask(desk, REVOKE_URL, token=token, access_token=token)


def _ask(desk: Desk, url: str, *, token: str = "", **values: str) -> dict[str, object]:
    """One JSON request of the app to a token endpoint."""
    body = {"app_id": desk.text("client_id"), "secret": desk.text("client_secret"), **values}
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Access-Token"] = token
    return desk.ask(
        "POST", desk.addresses.server(url), headers=headers, body=orjson.dumps(body)
    )


def _name(number: object) -> str:
    known = PERMISSIONS.get(number) if isinstance(number, int) else None
    return known or f"permission_{number}"


SCOPES = (
    Scope(
        name="ad_accounts",
        reason="See which ad accounts there are, with currency and time zone. Choose reading only.",
        without="No account can be found.",
    ),
    Scope(
        name="ads",
        reason="Read the names and states of campaigns, ad groups and ads. Choose reading only.",
        without="Results have no names.",
    ),
    Scope(
        name="reporting", reason="Read daily results.", without="No results can be read at all.",
    ),
)

_APP_ID = Input(
    name="client_id",
    label="App id",
    help="On business-api.tiktok.com, My apps, your app, Basic information.",
    placeholder="19 digits",
    pattern=r"\d{10,25}",
    wrong="An app id is a number, mostly of 19 digits.",
    refuse=((r"^[0-9a-f]{40}$", "This is the secret or a token. The app id has only digits."),),
)
_SECRET = Input(
    name="client_secret",
    label="Secret",
    help="On the same page as the app id: press the eye to show it.",
    secret=True,
    placeholder="40 letters and digits",
    pattern=r"[0-9a-f]{20,100}",
    wrong="A secret has only 0 to 9 and a to f, mostly 40 of them.",
    refuse=((r"^\d{15,25}$", "This is the app id. The secret is shown below it."),),
)
_STEPS = (
    "On business-api.tiktok.com, register as a developer and create an app.",
    "Ask for the permissions to read ad accounts, to read ads, and for reporting.",
    "Add the redirect address below to the app's advertiser redirect URLs, character by character.",
    "When TikTok has approved the app, copy its app id and secret into the fields here.",
)

OAUTH = AuthMethod(
    id="oauth",
    kind="oauth2",
    title="Sign in with TikTok",
    summary="For most people: you choose the ad accounts on TikTok's own page.",
    inputs=(_APP_ID, _SECRET),
    oauth=OAuth2(
        authorize_url=f"{HOST}/portal/auth",
        token_url=TOKEN_URL,
        without_pkce="TikTok's Marketing interface has its own sign-in and offers no PKCE.",
        client_auth="json",
        consent=consent,
        exchange=exchange,
        revoke=revoke,
    ),
    access_life="Without end, until the access is withdrawn in TikTok.",
    renewal="never",
    steps=_STEPS,
)

TOKEN = AuthMethod(
    id="token",
    kind="key",
    title="Paste a long-term token",
    summary="For people who already have an app's long-term access token.",
    inputs=(
        _APP_ID,
        _SECRET,
        Input(
            name="access_token",
            label="Access token",
            help="The access_token that TikTok's Marketing interface gave to this app.",
            secret=True,
            placeholder="40 letters and digits",
            pattern=r"[0-9a-f]{30,128}",
            wrong="A long-term token has only 0 to 9 and a to f, mostly 40 of them.",
            refuse=(
                (r"^(act|rft|clt)\.", "This token is for TikTok's log-in and video interfaces, "
                 "which end after a day. Ads need a long-term token of the Marketing interface."),
                (r"^\d{15,25}$", "This is an app id or an account's number, not a token."),
            ),
        ),
    ),
    access_life="Without end, until the access is withdrawn in TikTok.",
)
