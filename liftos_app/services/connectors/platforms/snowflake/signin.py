"""Signing in to Snowflake: a key pair, a programmatic access token, or OAuth with PKCE."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from liftos_app.errors import Fix
from liftos_app.services.connectors.client import Credential, Request
from liftos_app.services.connectors.spec import AuthMethod, Input, OAuth2, Scope, TokenSet
from liftos_app.services.connectors.stated_end import ENDS_ON

KEY_PAIR_ID: Final = "key_pair"
LIFE: Final = timedelta(minutes=55)  # Snowflake takes at most 60
_KINDS: Final = {
    KEY_PAIR_ID: "KEYPAIR_JWT", "token": "PROGRAMMATIC_ACCESS_TOKEN", "oauth": "OAUTH",
}
_HOSTS = (".snowflakecomputing.com", ".snowflakecomputing.cn")
_ARMOUR = re.compile(
    r"-----BEGIN (ENCRYPTED )?PRIVATE KEY-----(?P<body>[A-Za-z0-9+/=\s]+)"
    r"-----END (ENCRYPTED )?PRIVATE KEY-----\s*"
)


def authorize(request: Request, credential: Credential) -> None:
    """The token and what kind it is; every request asks for JSON."""
    request.headers["Authorization"] = f"Bearer {credential.text('access_token')}"
    request.headers["X-Snowflake-Authorization-Token-Type"] = _KINDS[credential.method]
    request.headers["Accept"] = "application/json"


def clean_account(text: str) -> str:
    """The account identifier of a pasted address, in small letters."""
    found = text.strip().lower()
    if "://" in found:
        found = urlsplit(found).hostname or ""
    found = found.partition("/")[0].partition(":")[0]
    for end in _HOSTS:
        found = found.removesuffix(end)
    return found


def clean_name(text: str) -> str:
    """A name as Snowflake stores it: upper case unless it is quoted."""
    found = text.strip()
    if len(found) > 2 and found.startswith('"') and found.endswith('"'):
        return found[1:-1].replace('""', '"')
    return found.upper()


def clean_key(text: str) -> str:
    """A private key with the line breaks a paste may have lost. Raises ValueError."""
    found = _ARMOUR.search(text)
    if found is None:
        raise ValueError(
            "This is not a private key: it begins with -----BEGIN PRIVATE KEY----- or "
            "-----BEGIN ENCRYPTED PRIVATE KEY-----."
        )
    kind = "ENCRYPTED PRIVATE KEY" if found[1] else "PRIVATE KEY"
    body = "".join(found["body"].split())
    lines = "\n".join(body[i:i + 64] for i in range(0, len(body), 64))
    return f"-----BEGIN {kind}-----\n{lines}\n-----END {kind}-----\n"


def load_key(text: str, passphrase: str) -> rsa.RSAPrivateKey:
    """The key of a PEM text. Raises Fix in words for people."""
    try:
        key = serialization.load_pem_private_key(
            text.encode(), passphrase.encode() if passphrase else None
        )
    except TypeError:
        raise _wrong_key(
            "The private key is encrypted." if not passphrase else "The key is not encrypted.",
            "Enter its passphrase." if not passphrase else "Leave the passphrase empty.",
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise _wrong_key(
            "It cannot be opened: the passphrase is wrong, or the text is damaged.",
            "Paste the whole file rsa_key.p8 again and check the passphrase.",
        ) from None
    if not isinstance(key, rsa.RSAPrivateKey) or key.key_size < 2048:
        raise _wrong_key(
            "Snowflake takes RSA keys of at least 2048 bits.",
            "Make a new key as the steps say.",
        )
    return key


def fingerprint(key: rsa.RSAPrivateKey) -> str:
    """The public key's fingerprint as `DESC USER` shows it in RSA_PUBLIC_KEY_FP."""
    public = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return "SHA256:" + base64.b64encode(hashlib.sha256(public).digest()).decode()


def fingerprint_of(credential: Credential) -> str:
    """The fingerprint of a credential's key, to compare with DESC USER; "" when there is none."""
    text = credential.text("private_key")
    if credential.method != KEY_PAIR_ID or not text:
        return ""
    try:
        return fingerprint(load_key(text, credential.text("passphrase")))
    except Fix:
        return ""


def account_claim(account: str) -> str:
    """The account as a token names it: without region and cloud, in capitals."""
    head = account.partition("-")[0] if ".global" in account else account.partition(".")[0]
    return head.upper()


def sign_token(
    account: str, user: str, key: rsa.RSAPrivateKey, now: datetime
) -> tuple[str, datetime]:
    """A signed token for 55 minutes, and its end."""
    subject = f"{account_claim(account)}.{user.upper()}"
    end = now + LIFE
    claims = {
        "iss": f"{subject}.{fingerprint(key)}", "sub": subject, "iat": int(now.timestamp()),
        "exp": int(end.timestamp()),
    }
    signed = f"{_part({'alg': 'RS256', 'typ': 'JWT'})}.{_part(claims)}"
    signature = key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{signed}.{_text(signature)}", end


def obtain(desk: Any) -> TokenSet:
    """A token made here, for grants.obtain: nothing is asked of Snowflake."""
    key = load_key(desk.text("private_key"), desk.text("passphrase"))
    token, end = sign_token(desk.text("account"), desk.text("user"), key, desk.now)
    return TokenSet(access_token=token, expires_at=end)


def _part(data: dict[str, Any]) -> str:
    return _text(json.dumps(data, separators=(",", ":")).encode())


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _wrong_key(why: str, fix: str) -> Fix:
    return Fix("The private key cannot be used.", why=why, fix=fix, cause="credential",
               owner="you", field="private_key")


SCOPES = (
    Scope(
        name="refresh_token",
        reason="Stay signed in: Snowflake's access tokens live ten minutes.",
        required=False,
        without="Every sync would need a person.",
        methods=("oauth",),
    ),
)

_ACCOUNT = Input(
    name="account",
    label="Account identifier",
    help="In Snowsight, your name, Account, View account details: organization, dash, account. "
    "A pasted address works too.",
    placeholder="myorg-myaccount",
    pattern=r"[a-z0-9_-]+(\.[a-z0-9_-]+)*",
    wrong="An account identifier looks like myorg-myaccount, or xy12345.eu-central-1.",
    refuse=((r"@", "This holds an @. Enter the account identifier, not a user."),),
    clean=clean_account,
)
_USER = Input(
    name="user",
    label="User",
    help="The login name of the service user, as SHOW USERS lists it.",
    placeholder="LIFTOS_SVC",
    pattern=r"[^\s\"']{1,255}",
    wrong="A user name has no spaces or quotes.",
    clean=clean_name,
)
_WAREHOUSE = Input(
    name="warehouse",
    label="Warehouse",
    help="The warehouse that runs our queries; an X-Small one that suspends after a minute does.",
    placeholder="LIFTOS_WH",
    pattern=r"[^\"\x00-\x1f]{1,255}",
    wrong="A warehouse name has no quotes.",
    clean=clean_name,
)
_ROLE = Input(
    name="role",
    label="Role",
    help="The role that may read your tables. Empty takes the user's default role.",
    required=False,
    placeholder="LIFTOS_READER",
    pattern=r"[^\"\x00-\x1f]{1,255}",
    wrong="A role name has no quotes.",
    refuse=((r"(?i)^\"?(accountadmin|securityadmin|orgadmin)\"?$",
             "This role may do everything. Make one that can only read, as the steps say."),),
    clean=clean_name,
)
_GRANTS = (
    "In a worksheet: CREATE ROLE LIFTOS_READER; GRANT USAGE ON WAREHOUSE, DATABASE and SCHEMA, "
    "and SELECT on the tables LiftOS may read.",
)

KEY_PAIR = AuthMethod(
    id=KEY_PAIR_ID,
    kind="client_credentials",
    title="Key pair",
    summary="For most: a service user that signs with a private key. No password anywhere.",
    inputs=(
        _ACCOUNT, _USER,
        Input(
            name="private_key",
            label="Private key",
            help="The whole content of rsa_key.p8.",
            secret=True,
            multiline=True,
            placeholder="-----BEGIN ENCRYPTED PRIVATE KEY-----",
            refuse=(
                (r"BEGIN PUBLIC KEY", "This is the public key. Paste the private one, rsa_key.p8."),
                (r"BEGIN RSA PRIVATE KEY",
                 "This key is in the older PKCS#1 form. Convert it: openssl pkcs8 -topk8."),
                (r"BEGIN OPENSSH", "This is an SSH key. Make one with openssl as the steps say."),
            ),
            clean=clean_key,
        ),
        Input(
            name="passphrase",
            label="Passphrase",
            help="Only when the key is encrypted.",
            secret=True,
            required=False,
        ),
        _WAREHOUSE, _ROLE,
    ),
    oauth=OAuth2(
        token_url="https://{account}.snowflakecomputing.com/",  # noqa: S106  (never asked)
        obtain=obtain,
        without_pkce="There is no consent page here.",
    ),
    access_life="55 min, signed anew by itself.",
    renewal="client_credentials",
    steps=(
        "Make a key: openssl genrsa 2048 | openssl pkcs8 -topk8 -v2 aes256 -out rsa_key.p8, then "
        "openssl rsa -in rsa_key.p8 -pubout -out rsa_key.pub.",
        *_GRANTS,
        "CREATE USER LIFTOS_SVC TYPE=SERVICE DEFAULT_ROLE=LIFTOS_READER RSA_PUBLIC_KEY='...' with "
        "the lines between BEGIN and END of rsa_key.pub; GRANT ROLE LIFTOS_READER TO USER.",
        "Paste rsa_key.p8 here. DESC USER LIFTOS_SVC shows the fingerprint to compare.",
    ),
)
TOKEN = AuthMethod(
    id="token",
    kind="key",
    title="Programmatic access token",
    summary="For a quick start, or where keys are not allowed.",
    inputs=(
        _ACCOUNT,
        Input(
            name="access_token",
            label="Programmatic access token",
            help="It was shown once, when it was made.",
            secret=True,
            pattern=r"[A-Za-z0-9._~+/=-]{20,4000}",
            wrong="A token is one long word without spaces.",
            refuse=((r"-----BEGIN", "This is a key. For a key, choose the key pair."),),
        ),
        ENDS_ON, _WAREHOUSE, _ROLE,
    ),
    access_life="As many days as it was made for, at most 365; Snowflake does not tell us when, so "
    "enter its last day to be warned 14, 7, 3 and 1 day before.",
    steps=(
        *_GRANTS,
        "ALTER USER ... ADD PROGRAMMATIC ACCESS TOKEN LIFTOS ROLE_RESTRICTION='LIFTOS_READER' "
        "DAYS_TO_EXPIRY=90; copy the token.",
        "The user must be under a network policy that lets this machine in, else the token is "
        "refused.",
    ),
)
OAUTH = AuthMethod(
    id="oauth",
    kind="oauth2",
    title="Sign in with Snowflake",
    summary="With a person's own login, through a security integration your administrator makes.",
    inputs=(
        _ACCOUNT,
        Input(
            name="client_id",
            label="Client id",
            help="From SYSTEM$SHOW_OAUTH_CLIENT_SECRETS of the integration.",
            pattern=r"[A-Za-z0-9+/=_-]{8,200}",
            wrong="A client id has no spaces.",
        ),
        Input(
            name="client_secret",
            label="Client secret",
            help="Beside the client id.",
            secret=True,
            pattern=r"\S{8,300}",
            wrong="A client secret has no spaces.",
        ),
        _WAREHOUSE, _ROLE,
    ),
    oauth=OAuth2(
        authorize_url="https://{account}.snowflakecomputing.com/oauth/authorize",
        token_url="https://{account}.snowflakecomputing.com/oauth/token-request",  # noqa: S106
        pkce=True,
        client_auth="basic",
    ),
    access_life="10 min, renewed by itself; the integration says how long, mostly 90 days.",
    renewal="refresh_token",
    renew_early=120,
    steps=(
        "CREATE SECURITY INTEGRATION LIFTOS TYPE=OAUTH OAUTH_CLIENT=CUSTOM "
        "OAUTH_CLIENT_TYPE='CONFIDENTIAL' OAUTH_ISSUE_REFRESH_TOKENS=TRUE OAUTH_REDIRECT_URI='...' "
        "with the redirect address below.",
        "Give the person's default role the right to read your tables; administrator roles are "
        "refused by Snowflake.",
        "SELECT SYSTEM$SHOW_OAUTH_CLIENT_SECRETS('LIFTOS'); copy id and secret.",
    ),
)
