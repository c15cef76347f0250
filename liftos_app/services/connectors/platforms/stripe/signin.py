"""Signing in with Stripe: a restricted key, a secret key, or Connect on behalf of an account."""

from __future__ import annotations

from liftos_app.services.connectors.client import Credential, Request
from liftos_app.services.connectors.grants import Desk
from liftos_app.services.connectors.platforms.stripe.version import VERSION
from liftos_app.services.connectors.spec import AuthMethod, Input, OAuth2, Scope

ACCOUNT_HEADER = "Stripe-Account"
_DEAUTHORIZE = "https://connect.stripe.com/oauth/deauthorize"
_ACCOUNT = "https://api.stripe.com/v1/account"


def authorize(request: Request, credential: Credential) -> None:
    """The version goes with every request, or each account would answer in its own.

    With Connect the platform's key reads on behalf of the account named in a header; only the
    question which account it is goes with the account's own token.
    """
    if credential.method != "oauth":
        key = credential.text("api_key")
    elif ACCOUNT_HEADER in request.headers:
        key = credential.text("client_secret")
    else:
        key = credential.text("access_token")
    request.headers["Authorization"] = f"Bearer {key}"
    request.headers["Stripe-Version"] = VERSION


def is_test(credential: Credential) -> bool:
    """Whether the credential sees test data."""
    name = "access_token" if credential.method == "oauth" else "api_key"
    return "_test_" in credential.text(name)[:12]


def _revoke(desk: Desk) -> None:
    """Let go of the account: Stripe wants its id, which only the account's token tells."""
    token, secret = desk.text("access_token"), desk.text("client_secret")
    headers = {"Authorization": f"Bearer {token}", "Stripe-Version": VERSION}
    found = desk.ask("GET", desk.addresses.server(_ACCOUNT), headers=headers)
    if not found.get("id"):
        return  # nothing to let go of: access was taken back already
    form = f"client_id={desk.text('client_id')}&stripe_user_id={found['id']}"
    desk.ask(
        "POST", desk.addresses.server(_DEAUTHORIZE), body=form.encode(),
        headers={
            "Authorization": f"Bearer {secret}",
            "Content-Type": "application/x-www-form-urlencoded",
        },
    )  # fmt: skip


# Names as Stripe's Dashboard writes them where a restricted key is made; `asked` is for Connect.
SCOPES = (
    Scope(
        name="Balance transaction sources",
        reason="Read every movement of the balance: amounts, fees and what is left.",
        without="Revenue, fees and refunds as settled cannot be shown.",
        asked=False,
    ),
    Scope(
        name="Charges and Refunds",
        reason="Read charges and refunds as customers see them.",
        without="Charges and refunds cannot be shown.",
        asked=False,
    ),
    Scope(
        name="PaymentIntents",
        reason="Read attempts to pay, failed ones too.",
        required=False,
        without="Attempts that were given up are not counted.",
        asked=False,
    ),
    Scope(
        name="Invoices",
        reason="Read what subscriptions billed.",
        required=False,
        without="Invoices cannot be shown.",
        asked=False,
    ),
    Scope(
        name="Subscriptions",
        reason="Read subscriptions, their prices and how they end.",
        required=False,
        without="Recurring revenue cannot be shown.",
        asked=False,
    ),
    Scope(
        name="Disputes",
        reason="Read what buyers' banks contest.",
        required=False,
        without="Disputes are seen in the balance only.",
        asked=False,
    ),
    Scope(
        name="Payouts",
        reason="Read what went to the bank.",
        required=False,
        without="Payouts are seen in the balance only.",
        asked=False,
    ),
    Scope(
        name="Events",
        reason="Find out what changed since the last sync.",
        required=False,
        without="The last 30 days (120 for refunds and disputes) are read again at each sync, and "
        "later changes of older records are missed.",
        asked=False,
    ),
    Scope(
        name="Account",
        reason="Read the account's name, currency and time zone.",
        required=False,
        without="Days are cut in UTC instead of the account's time zone.",
        asked=False,
    ),
    Scope(
        name="read_only",
        reason="With Connect: read the account's payments, never change them.",
        required=False,
        without="Nothing can be read with Connect; keys do not need it.",
    ),
)

_MIX_UPS = (
    (r"^pk_(live|test)_", "This is a publishable key, which cannot read anything. A restricted "
     "key begins with rk_."),
    (r"^whsec_", "This is the secret of a webhook. A restricted key begins with rk_."),
    (r"^ca_", "This is the client id of a Connect platform. A restricted key begins with rk_."),
    (r"^acct_", "This is the id of an account. A restricted key begins with rk_."),
    (r"^sk_org_|^rk_org_", "This is a key of an organization. Make one in the account itself."),
    (r"^pk_[A-Za-z0-9]{20,}$", "This looks like a key of Klaviyo. Stripe's begins with rk_."),
)  # fmt: skip

RESTRICTED_KEY = AuthMethod(
    id="restricted_key",
    kind="key",
    title="Restricted key",
    summary="For an account of your own: a key that may only read. The best choice.",
    inputs=(
        Input(
            name="api_key",
            label="Restricted key",
            help="In Stripe's Dashboard, Developers, API keys: create a restricted key.",
            secret=True,
            placeholder="rk_live_...",
            pattern=r"rk_(live|test)_[A-Za-z0-9]{10,}",
            wrong="A restricted key begins with rk_live_ or rk_test_ and goes on with letters and "
            "digits.",
            refuse=(
                *_MIX_UPS,
                (r"^sk_(live|test)_", "This is a secret key, which may also move money. Make a "
                 "restricted key, or choose the way to sign in with a secret key."),
            ),
        ),
    ),
    access_life="Until it is rolled or deleted in Stripe.",
    steps=(
        "In Stripe's Dashboard, open Developers, API keys, and create a restricted key.",
        "Set these to Read, and leave all others at None: Balance transaction sources, Charges and "
        "Refunds, PaymentIntents, Invoices, Subscriptions, Disputes, Payouts, Events, Account.",
        "Copy the key; a live one is shown once.",
    ),
)  # fmt: skip

SECRET_KEY = AuthMethod(
    id="secret_key",
    kind="key",
    title="Secret key",
    summary="Careful: a secret key may also move money. Take a restricted key where you can.",
    inputs=(
        Input(
            name="api_key",
            label="Secret key",
            help="In Stripe's Dashboard, Developers, API keys: the secret key.",
            secret=True,
            placeholder="sk_live_...",
            pattern=r"(sk|rk)_(live|test)_[A-Za-z0-9]{10,}",
            wrong="A secret key begins with sk_live_ or sk_test_ and goes on with letters and "
            "digits.",
            refuse=_MIX_UPS,
        ),
    ),
    access_life="Until it is rolled in Stripe.",
    steps=(
        "In Stripe's Dashboard, open Developers, API keys.",
        "Reveal the secret key and copy it. LiftOS only reads, but whoever holds this key can do "
        "everything in the account.",
    ),
)

OAUTH = AuthMethod(
    id="oauth",
    kind="oauth2",
    title="Connect",
    summary="For agencies that have a Connect platform of their own with read-only access.",
    inputs=(
        Input(
            name="client_id",
            label="Client id",
            help="In your platform's Dashboard, Settings, Connect, Onboarding options, OAuth.",
            placeholder="ca_...",
            pattern=r"ca_[A-Za-z0-9]{10,}",
            wrong="A client id begins with ca_ and goes on with letters and digits.",
            refuse=((r"^(sk|rk|pk)_", "This is a key. The client id begins with ca_."),),
        ),
        Input(
            name="client_secret",
            label="Secret key of the platform",
            help="In your platform's Dashboard, Developers, API keys.",
            secret=True,
            placeholder="sk_live_...",
            pattern=r"sk_(live|test)_[A-Za-z0-9]{10,}",
            wrong="The platform's secret key begins with sk_live_ or sk_test_.",
            refuse=(
                (r"^rk_", "This is a restricted key. Connect needs the platform's secret key."),
                *_MIX_UPS[:4],
            ),
        ),
    ),
    oauth=OAuth2(
        authorize_url="https://connect.stripe.com/oauth/authorize",
        token_url="https://connect.stripe.com/oauth/token",  # noqa: S106
        without_pkce="Stripe does not have it.",
        revoke=_revoke,
    ),
    access_life="Until the account takes it back.",
    renewal="refresh_token",
    steps=(
        "In your platform's Dashboard, open Settings, Connect, and switch OAuth on.",
        "Add the redirect address below to its redirect URIs.",
        "Copy the client id and the platform's secret key into the fields here.",
    ),
)
