"""Signing in with Zoho: its consent page in the person's data centre, or a pasted grant code.

Zoho lives in data centres that know nothing of each other: consent begins at one of them, the way
back names the right one, and the token answer names the host of the data.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from liftos_app.errors import SignInAgain
from liftos_app.services.connectors.client import Credential, Request
from liftos_app.services.connectors.spec import AuthMethod, Input, Kept, OAuth2, Scope, TokenSet

if TYPE_CHECKING:
    from liftos_app.services.connectors.grants import Desk

_HEX = r"[0-9a-f]{20,100}"
_ZONES = r"(com|eu|in|com\.au|jp|com\.cn|sa|uk|ae)"
ACCOUNTS_FORM = rf"accounts\.zoho\.{_ZONES}|accounts\.zohocloud\.ca"
ACCOUNTS = Kept(
    name="accounts_host",
    pattern=ACCOUNTS_FORM,
    callback="accounts-server",
    default="accounts.zoho.com",
)
DATA = Kept(
    name="data_host",
    pattern=r"(www|sandbox|developer)\.zohoapis\.(com|eu|in|com\.au|jp|com\.cn|ca|sa|uk|ae)",
    answer="api_domain",
)
_TOKEN_URL = "https://{accounts_host}/oauth/v2/token"  # noqa: S105
_REVOKE_URL = "https://{accounts_host}/oauth/v2/token/revoke"
_CENTRES = {
    "us": "accounts.zoho.com", "com": "accounts.zoho.com", "eu": "accounts.zoho.eu",
    "in": "accounts.zoho.in", "au": "accounts.zoho.com.au", "jp": "accounts.zoho.jp",
    "cn": "accounts.zoho.com.cn", "ca": "accounts.zohocloud.ca", "sa": "accounts.zoho.sa",
    "uk": "accounts.zoho.uk", "ae": "accounts.zoho.ae",
}  # fmt: skip


def authorize(request: Request, credential: Credential) -> None:
    """Zoho has a scheme of its own, though it calls its tokens Bearer."""
    request.headers["Authorization"] = f"Zoho-oauthtoken {credential.text('access_token')}"


def clean_host(text: str) -> str:
    """The accounts server from what people paste: a data centre, or an address of Zoho there."""
    host = re.sub(r"^https?://", "", text.strip().lower()).split("/")[0]
    host = re.sub(r"^(crm|api-console|www|one)\.(zoho(cloud)?\.)", r"accounts.\2", host)
    return _CENTRES.get(host, host)


def clean_secrets(text: str) -> str:
    """A line for each data centre, its accounts server and its secret, from what people paste."""
    lines = (line.replace("=", " ").replace(": ", " ").split() for line in text.splitlines())
    return "\n".join(" ".join([clean_host(found[0]), *found[1:]]) for found in lines if found)


def secret(desk: Desk) -> str:
    """The client secret of the data centre that is asked: its own where one was entered."""
    host = (desk.addresses.values or {}).get(ACCOUNTS.name, "")
    own = (line.split() for line in desk.text("centre_secrets").splitlines())
    return next((text for centre, text in own if centre == host), desk.text("client_secret"))


def revoke(desk: Desk) -> None:
    """Give the refresh token back, which ends its access tokens too."""
    found = desk.text("refresh_token") or desk.text("access_token")
    desk.ask("POST", desk.addresses.server(_REVOKE_URL), params=[("token", found)])


def by_grant_code(desk: Desk) -> TokenSet:
    """Turn a code from the API console into tokens. Raises SignInAgain when it is used or old."""
    try:
        answer = desk.authlib.fetch_token(
            desk.addresses.server(_TOKEN_URL),
            grant_type="authorization_code",
            code=desk.text("grant_code"),
        )
    except SignInAgain as error:
        raise SignInAgain(
            "Zoho does not take this code.",
            why="A code lives for some minutes, works once, and only in its own data centre.",
            fix="Generate a new one in the API console and paste it at once.",
            renew=False,
        ) from error
    return desk.tokens(answer)


def _scope(name: str, reason: str, without: str, *, required: bool = True) -> Scope:
    return Scope(name=f"ZohoCRM.{name}.READ", reason=reason, without=without, required=required)


SCOPES = (
    _scope("modules.leads", "Read leads.", "Leads are missing."),
    _scope("modules.contacts", "Read contacts, without names.", "Contacts are missing."),
    _scope("modules.accounts", "Read companies.", "Companies are missing."),
    _scope("modules.deals", "Read deals.", "Deals are missing."),
    _scope("modules.campaigns", "Read campaigns.", "Campaigns are missing."),
    _scope("settings.modules", "See which modules there are.", "Modules are not told apart."),
    _scope("settings.fields", "See which fields there are.", "No field can be asked for."),
    _scope("org", "Read the company's time zone and currency.", "Days and amounts have no place."),
    _scope("coql", "Ask for what changed.", "Changes cannot be read."),
    _scope("bulk", "Read large first loads as files.", "First loads take longer.", required=False),
    _scope("users", "Tell owners apart, without names.", "Owners are numbers.", required=False),
)
_CLIENT_ID = Input(
    name="client_id",
    label="Client id",
    help="In Zoho's API console, your client, Client Secret.",
    placeholder="1000.ABCDEFGHIJKLMNOPQRSTUV",
    pattern=r"1000\.[A-Z0-9]{20,}",
    wrong="A client id begins with 1000. and goes on with capital letters and digits.",
    refuse=(
        (r"^1000\.[0-9a-f]+\.[0-9a-f]+$", "This is a token or a code. The client id is shorter."),
    ),
)
_SECRET = Input(
    name="client_secret",
    label="Client secret",
    help="On the same page as the client id; with several data centres, that of yours.",
    secret=True,
    pattern=_HEX,
    wrong="A client secret has only digits and the letters a to f.",
    refuse=((r"^1000\.", "This is an id, a code or a token. The secret has no dots."),),
)

_CENTRE_SECRETS = Input(
    name="centre_secrets",
    label="Secrets of other data centres",
    help="With Multi-DC each data centre can have a secret of its own: one line for each, such as "
    "eu and its secret. Zoho says after the sign-in which one counts.",
    secret=True,
    required=False,
    multiline=True,
    placeholder="eu 0123abcd...",
    pattern=rf"(({ACCOUNTS_FORM}) {_HEX}(\n|$))+",
    wrong="Each line is a data centre such as eu, a space, and its secret.",
    clean=clean_secrets,
)


def _home(*, required: bool) -> Input:
    return Input(
        name="accounts_host",
        label="Data centre",
        help="Where you sign in to Zoho: us, eu, in, au, jp, cn, ca, sa, uk, ae, or the address of "
        "its sign-in page.",
        required=required,
        placeholder="eu",
        pattern=ACCOUNTS_FORM,
        wrong="Enter a data centre such as eu, or an address such as accounts.zoho.eu.",
        clean=clean_host,
    )


OAUTH = AuthMethod(
    id="oauth",
    kind="oauth2",
    title="Sign in with Zoho",
    summary="For servers Zoho's page can send you back to.",
    inputs=(_CLIENT_ID, _SECRET, _CENTRE_SECRETS, _home(required=False)),
    oauth=OAuth2(
        authorize_url="https://{accounts_host}/oauth/v2/auth",
        token_url=_TOKEN_URL,
        scope_separator=",",
        without_pkce="Zoho does not have it for server-based clients, which have a secret.",
        authorize_extra={"access_type": "offline", "prompt": "consent"},
        secret=secret,
        revoke=revoke,
    ),
    access_life="1 h, renewed by itself; connecting more than 20 times ends the oldest sign-in.",
    renewal="refresh_token",
    steps=(
        "Open api-console.zoho.com (or .eu, .in ...) and add a Server-based Application.",
        "Add the redirect address below to its authorized redirect URIs.",
        "Under Settings switch on Multi-DC when people of other data centres will sign in.",
        "Copy client id and client secret into the fields here, with Multi-DC also the secrets "
        "that Settings shows for other data centres.",
    ),
)

SELF_CLIENT = AuthMethod(
    id="self_client",
    kind="client_credentials",
    title="Paste a grant code",
    summary="For servers Zoho's page cannot reach: a self client of your own.",
    inputs=(
        _home(required=True),
        _CLIENT_ID,
        _SECRET,
        Input(
            name="grant_code",
            label="Grant code",
            help="In the API console, Self Client, Generate Code: choose ten minutes and paste it "
            "at once.",
            secret=True,
            placeholder="1000.0123abcd...",
            pattern=r"1000\.[0-9a-f]+\.[0-9a-f]+",
            wrong="A grant code begins with 1000. and has two long parts behind it.",
            refuse=((r"^1000\.[A-Z0-9]{20,}$", "This is the client id. The code is longer."),),
        ),
    ),
    oauth=OAuth2(
        token_url=_TOKEN_URL,
        scope_separator=",",
        without_pkce="There is no consent page here.",
        obtain=by_grant_code,
        revoke=revoke,
    ),
    access_life="1 h, renewed by itself.",
    renewal="refresh_token",
    steps=(
        "Open the API console of your data centre and add a Self Client.",
        "Under Generate Code choose ten minutes and paste as scope: "
        f"{','.join(s.name for s in SCOPES)}",
        "Copy client id, client secret and the code into the fields here within that time.",
    ),
)
