"""Three ways into a shop: the merchant's own app, an installed app, a token from before 2026."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import urlencode

from liftos_app.errors import SignInAgain
from liftos_app.services.connectors.client import Credential, Request
from liftos_app.services.connectors.spec import AuthMethod, Input, OAuth2, Scope

TOKEN_URL = "https://{shop}/admin/oauth/access_token"  # noqa: S105
CALLBACK_SECONDS = 600


def authorize(request: Request, credential: Credential) -> None:
    """Shopify has a header of its own for the token."""
    request.headers["X-Shopify-Access-Token"] = credential.text("access_token")


def clean_shop(text: str) -> str:
    """The shop's own host from what people paste: an address, an admin address, a bare name."""
    host = re.sub(r"^https?://", "", text.strip().lower()).split("/")[0].split("?")[0]
    admin = re.match(r"https?://admin\.shopify\.com/store/([a-z0-9-]+)", text.strip().lower())
    if admin:
        host = admin[1]
    return host if "." in host else f"{host}.myshopify.com"


def verify_callback(inputs: Mapping[str, str], params: Mapping[str, str], now: datetime) -> None:
    """Check Shopify's signature over the callback, its age, and that it speaks of our shop.

    Raises SignInAgain. Both ways of writing the signed text are accepted: plain, and as a query.
    """
    rest = sorted((k, v) for k, v in params.items() if k not in {"hmac", "signature"})
    key = inputs.get("client_secret", "").encode()
    texts = ("&".join(f"{k}={v}" for k, v in rest), urlencode(rest))
    given = params.get("hmac", "").lower().encode("utf-8", "replace")
    signed = any(
        hmac.compare_digest(hmac.new(key, t.encode(), hashlib.sha256).hexdigest().encode(), given)
        for t in texts
    )
    if not key or not signed:
        raise _untrusted("Its signature is wrong.")
    if params.get("shop", "").lower() != inputs.get("shop", "").lower():
        raise _untrusted("It speaks of another shop than the one you entered.")
    stamp = params.get("timestamp", "")
    if not stamp.isascii() or not stamp.isdigit() or len(stamp) > 12:
        raise _untrusted("It has no time.")
    if abs(now.timestamp() - int(stamp)) > CALLBACK_SECONDS:
        raise _untrusted("It is too old.")


def _untrusted(why: str) -> SignInAgain:
    return SignInAgain(
        "The answer from Shopify's consent page cannot be trusted.",
        why=why,
        fix="Start the sign-in again from LiftOS.",
        renew=False,
    )


SCOPES = (
    Scope(
        name="read_orders",
        reason="Read orders and refunds: revenue, day, products, where the visit came from.",
        without="No revenue can be shown.",
    ),
    Scope(
        name="read_all_orders",
        reason="Read orders older than 60 days.",
        required=False,
        without="History ends 60 days back; days before are shown as not known, never as zero.",
        asked=False,
    ),
    Scope(
        name="read_products",
        reason="Read products and their variants, to name what was sold.",
        required=False,
        without="Order lines keep their title, but products are not listed.",
    ),
    Scope(
        name="read_customers",
        reason="Tell first orders from later ones. Only a scrambled number is kept.",
        required=False,
        without="New customers cannot be told from returning ones.",
    ),
)

_SHOP = Input(
    name="shop",
    label="Shop address",
    help="In the shop's admin, Settings, Domains: the address that ends in .myshopify.com.",
    placeholder="your-shop.myshopify.com",
    pattern=r"[a-z0-9][a-z0-9-]{0,62}\.myshopify\.com",
    wrong="The shop address ends in .myshopify.com; a domain of your own does not work here.",
    refuse=((r"@", "This holds an @. Enter the shop's address only."),),
    clean=clean_shop,
)
_CLIENT_ID = Input(
    name="client_id",
    label="Client id",
    help="In the Dev Dashboard, your app, Settings.",
    placeholder="32 letters and digits",
    pattern=r"[A-Za-z0-9]{16,64}",
    wrong="A client id has only letters and digits, mostly 32.",
    refuse=((r"^shp[a-z]{2}_", "This is a secret or a token. The client id has no underscore."),),
)
_SECRET = Input(
    name="client_secret",
    label="Client secret",
    help="On the same page as the client id.",
    secret=True,
    placeholder="shpss_...",
    pattern=r"[A-Za-z0-9_]{16,128}",
    wrong="A client secret has no spaces and mostly begins with shpss_.",
    refuse=((r"^shp(at|ca|pa)_", "This is an access token. The secret begins with shpss_."),),
)

CLIENT_CREDENTIALS = AuthMethod(
    id="client_credentials",
    kind="client_credentials",
    title="Your own app on your own shop",
    summary="For most shops: an app of your own in the Dev Dashboard, installed on your shop.",
    inputs=(_SHOP, _CLIENT_ID, _SECRET),
    oauth=OAuth2(
        token_url=TOKEN_URL, client_auth="json", without_pkce="There is no consent page here."
    ),
    access_life="24 h, renewed by itself.",
    renewal="client_credentials",
    steps=(
        "Open dev.shopify.com and create an app for your shop.",
        "Give it read_orders, read_all_orders, read_products and read_customers.",
        "Release the version and install the app on your shop.",
        "Copy the client id and secret from the app's settings into the fields here.",
    ),
)

OAUTH = AuthMethod(
    id="oauth",
    kind="oauth2",
    title="Sign in with Shopify",
    summary="For agencies: an app that other shops install.",
    inputs=(_SHOP, _CLIENT_ID, _SECRET),
    oauth=OAuth2(
        authorize_url="https://{shop}/admin/oauth/authorize",
        token_url=TOKEN_URL,
        scope_separator=",",
        without_pkce="Shopify does not have it; it signs the callback instead, which is checked.",
        client_auth="json",
        exchange_extra={"expiring": "1"},
        verify_callback=verify_callback,
    ),
    access_life="1 h, renewed by itself; a shop unused for 90 days asks for a new sign-in.",
    renewal="refresh_token",
    steps=(
        "Open dev.shopify.com and create an app.",
        "Add the redirect address below to its allowed redirect addresses.",
        "Give it read_orders, read_products and read_customers.",
        "Copy the client id and secret into the fields here.",
    ),
)

TOKEN = AuthMethod(
    id="token",
    kind="key",
    title="Paste an access token",
    summary="For shops with a custom app made before 2026; no new ones can be made.",
    inputs=(
        _SHOP,
        Input(
            name="access_token",
            label="Admin API access token",
            help="It was shown once, when the custom app was installed.",
            secret=True,
            placeholder="shpat_...",
            pattern=r"shp(at|ca|pa|ua)_[A-Za-z0-9]{8,}",
            wrong="An access token begins with shpat_.",
            refuse=(
                (r"^shpss_", "This is the app's secret. The token begins with shpat_."),
                (r"^shprt_", "This is a refresh token. The token begins with shpat_."),
            ),
        ),
    ),
    access_life="Without end.",
)
