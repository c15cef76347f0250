"""Signing in with Meta: a code becomes a short token, which becomes one of about 60 days."""

from __future__ import annotations

import hashlib
import hmac
from urllib.parse import urlencode

from liftos_app.errors import SignInAgain
from liftos_app.services.connectors.client import Credential, Request
from liftos_app.services.connectors.grants import Desk
from liftos_app.services.connectors.platforms.meta_business.version import VERSION
from liftos_app.services.connectors.spec import AuthMethod, Input, OAuth2, Scope, TokenSet

TOKEN_URL = f"https://graph.facebook.com/{VERSION}/oauth/access_token"
DAY = 24 * 3600


def authorize(request: Request, credential: Credential) -> None:
    """The token in a header, never in the address, and the proof that our app is asking."""
    token, secret = credential.text("access_token"), credential.text("client_secret")
    request.headers["Authorization"] = f"Bearer {token}"
    if secret:
        request.set_param("appsecret_proof", proof(secret, token))


def proof(secret: str, token: str) -> str:
    """HMAC-SHA256 of the token under the app secret, in hex."""
    return hmac.new(secret.encode(), token.encode(), hashlib.sha256).hexdigest()


def lengthen(desk: Desk, short: TokenSet) -> TokenSet:
    """A long-lived token for a short-lived one, or for a long-lived one that is still alive."""
    form = {
        "grant_type": "fb_exchange_token",
        "client_id": desk.text("client_id"),
        "client_secret": desk.text("client_secret"),
        "fb_exchange_token": short.access_token,
    }
    answer = desk.ask("GET", f"{desk.addresses.server(TOKEN_URL)}?{urlencode(form)}")
    return desk.tokens(answer)


def renew(desk: Desk) -> TokenSet:
    """Meta has no refresh token: a living token is exchanged for a newer one."""
    token = desk.text("access_token")
    if not token:
        raise SignInAgain(
            "There is no sign-in with Meta.",
            why="No token is stored.",
            fix="Sign in with Meta.",
            renew=False,
        )
    return lengthen(desk, TokenSet(access_token=token))


def revoke(desk: Desk) -> None:
    """Take all permissions back from our app for this person."""
    token, secret = desk.text("access_token"), desk.text("client_secret")
    if not token:
        return
    url = desk.addresses.server(f"https://graph.facebook.com/{VERSION}/me/permissions")
    params = [("appsecret_proof", proof(secret, token))] if secret else []
    desk.ask("DELETE", url, params=params, headers={"Authorization": f"Bearer {token}"})


SCOPES = (
    Scope(
        name="ads_read",
        reason="Read ad accounts, campaigns and their daily results.",
        without="Nothing can be read at all.",
    ),
)

_SECRET = Input(
    name="client_secret",
    label="App secret",
    help="On developers.facebook.com, your app, App settings, Basic: press Show.",
    secret=True,
    placeholder="32 letters and digits",
    pattern=r"[0-9a-f]{32}",
    wrong="An app secret has 32 characters, only 0 to 9 and a to f.",
    refuse=((r"^EAA", "This is an access token. The app secret is on App settings, Basic."),),
    clean=lambda text: text.strip().lower() if len(text.strip()) == 32 else text.strip(),
)

OAUTH = AuthMethod(
    id="oauth",
    kind="oauth2",
    title="Sign in with Meta",
    summary="For most people: you sign in on Meta's own page and allow reading.",
    inputs=(
        Input(
            name="client_id",
            label="App id",
            help="On developers.facebook.com, at the top of your app's dashboard.",
            placeholder="15 to 17 digits",
            pattern=r"\d{13,19}",
            wrong="An app id is a number of 15 to 17 digits.",
            refuse=((r"^act_", "This is an ad account id. The app id is on the app's dashboard."),),
        ),
        _SECRET,
    ),
    oauth=OAuth2(
        authorize_url=f"https://www.facebook.com/{VERSION}/dialog/oauth",
        token_url=TOKEN_URL,
        scope_separator=",",
        without_pkce="Meta offers PKCE only for its identity log-in, not for ads tokens.",
        by_get=True,
        authorize_extra={"auth_type": "rerequest"},
        then=lengthen,
        renew=renew,
        revoke=revoke,
    ),
    access_life="About 60 days, renewed by itself while it lives.",
    renewal="access_token",
    renew_early=30 * DAY,
    steps=(
        "Open developers.facebook.com and create an app of type Business.",
        "Add the product Marketing API, and Facebook Login for Business.",
        "In Facebook Login, Settings, add the redirect address below to the valid ones.",
        "Copy the app id and the app secret from App settings, Basic, into the fields here.",
    ),
)

TOKEN = AuthMethod(
    id="token",
    kind="key",
    title="Paste a system user token",
    summary="For servers: a system user's token from Business settings, which can be without end.",
    inputs=(
        Input(
            name="access_token",
            label="Access token",
            help="In Business settings, Users, System users: generate a token with ads_read.",
            secret=True,
            placeholder="EAA...",
            pattern=r"EAA[A-Za-z0-9_\-]{17,}",
            wrong="A Meta token begins with EAA and has no spaces.",
            refuse=(
                (r"^[0-9a-f]{32}$", "This is an app secret. The token begins with EAA."),
                (r"^\d+\|", "This is an app token. A system user's token begins with EAA."),
            ),
        ),
        Input(
            name=_SECRET.name,
            label=_SECRET.label,
            help="Only if your app demands proof of the app with each request.",
            secret=True,
            required=False,
            placeholder=_SECRET.placeholder,
            pattern=_SECRET.pattern,
            wrong=_SECRET.wrong,
            refuse=_SECRET.refuse,
            clean=_SECRET.clean,
        ),
    ),
    access_life="As chosen when it was made; often without end.",
)
