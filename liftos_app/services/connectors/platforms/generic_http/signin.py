"""Ways to sign in with a system of one's own: Basic, a token, a key in a header, or none."""

from __future__ import annotations

import base64
import re
from urllib.parse import urlsplit

from liftos_app.errors import Fix
from liftos_app.services.connectors.client import Credential, Request
from liftos_app.services.connectors.spec import AuthMethod, Input

_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,60}")
# Set by the client itself, or able to change where a request goes.
_OURS = frozenset({"host", "content-length", "connection", "transfer-encoding", "cookie"})


def clean_address(text: str) -> str:
    """An address without a trailing slash. Raises ValueError with a sentence for people."""
    value = text.strip().rstrip("/")
    try:
        parts = urlsplit(value)
        host, _port = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError("This is no web address. Write it as https://erp.example.com.") from None
    if parts.username is not None or "@" in parts.netloc:
        raise ValueError(
            "The address holds a user name or password. Enter these in their own fields, where "
            "they are kept sealed, and leave them out of the address."
        )
    if parts.scheme not in {"https", "http"} or not host or parts.query or parts.fragment:
        raise ValueError(
            "Write the address with https:// and without ? or #, such as https://erp.example.com. "
            "Paths and parameters belong to the streams."
        )
    return f"{parts.scheme}://{parts.netloc.lower()}{parts.path}"


def clean_user(text: str) -> str:
    """A user name for Basic. Raises ValueError when it holds a colon (RFC 7617)."""
    if ":" in text:
        raise ValueError("A user name for Basic cannot hold a colon.")
    return text


def clean_header(text: str) -> str:
    """A header's name. Raises ValueError."""
    if not _HEADER.fullmatch(text) or text.lower() in _OURS:
        raise ValueError("A header name has letters, digits and dashes, such as X-Api-Key.")
    return text


_ADDRESS = Input(
    name="base_url",
    label="Address of the system",
    help="Scheme and host, with a path if all exports share one.",
    placeholder="https://erp.example.com",
    clean=clean_address,
)
_PLAIN = Input(
    name="allow_http",
    label="Without encryption",
    help="Only for an address that begins with http://: everything, the credential included, "
    "can be read on the way.",
    required=False,
    choices=(("", "Never (https only)"), ("yes", "Yes, send the credential unencrypted")),
)


def _secret(name: str, label: str, text: str, *, required: bool = True) -> Input:
    return Input(
        name=name, label=label, help=text, secret=True, required=required,
        pattern=r"[^\r\n]{1,4000}", wrong=f"{label} has no line breaks.",
    )


BASIC = AuthMethod(
    id="basic",
    kind="key",
    title="User name and password (Basic)",
    summary="What most legacy systems speak.",
    inputs=(
        _ADDRESS,
        Input(
            name="username", label="User name", help="A user that may only read.",
            clean=clean_user,
        ),
        _secret("password", "Password", "It is kept sealed and never shown again."),
        Input(
            name="auth_charset", label="Character set of the sign-in", required=False,
            help="Old servers want Latin-1 for names with accents.",
            choices=(("", "UTF-8"), ("latin-1", "Latin-1")),
        ),
        _PLAIN,
    ),
    access_life="Until the password changes.",
    steps=(
        "Ask the system's administrator for a user that may only read the exports.",
        "Ask which addresses bring the data, in which form (JSON, CSV), and how they page.",
    ),
)
BEARER = AuthMethod(
    id="bearer",
    kind="key",
    title="Token (Bearer)",
    summary="For systems that hand out a token.",
    inputs=(_ADDRESS, _secret("access_token", "Token", "Sent as Authorization: Bearer."), _PLAIN),
    access_life="Until the token ends.",
    steps=("Ask the system's administrator for a token that may only read.",),
)
HEADER = AuthMethod(
    id="header",
    kind="key",
    title="Key in a header",
    summary="For systems that take a key under a name of their own.",
    inputs=(
        _ADDRESS,
        Input(
            name="header_name", label="Name of the header", help="Such as X-Api-Key.",
            placeholder="X-Api-Key", clean=clean_header,
        ),
        _secret("api_key", "Key", "Sent in that header with each request."),
        _PLAIN,
    ),
    access_life="Until the key is withdrawn.",
    steps=("Ask the system's administrator for a key that may only read, and for its header.",),
)
NONE = AuthMethod(
    id="none",
    kind="key",
    title="No sign-in",
    summary="For an address that anyone may read.",
    inputs=(_ADDRESS,),
    access_life="There is none.",
)


def authorize(request: Request, credential: Credential) -> None:
    """Put the credential on a request; never in the address. Raises Fix for a wrong character."""
    try:
        if credential.method == "basic":
            charset = credential.text("auth_charset") or "utf-8"
            pair = f"{credential.text('username')}:{credential.text('password')}"
            text = base64.b64encode(pair.encode(charset)).decode()
            request.headers["Authorization"] = f"Basic {text}"
        elif credential.method == "bearer":
            request.headers["Authorization"] = f"Bearer {_ascii(credential, 'access_token')}"
        elif credential.method == "header":
            request.headers[credential.text("header_name")] = _ascii(credential, "api_key")
    except UnicodeEncodeError:
        raise Fix(
            "The sign-in holds a character that cannot be sent.",
            why="The character set that was chosen does not have it.",
            fix="Choose UTF-8, or ask for a password of plain letters.",
            cause="bad_configuration", owner="you", action="settings",
        ) from None
    request.headers.setdefault("Accept", "*/*")


def _ascii(credential: Credential, name: str) -> str:
    return credential.text(name).encode("ascii").decode()
