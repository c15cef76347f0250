"""What a platform is: frozen data plus small functions. Knows neither HTTP nor the database.

A platform file exports `PLATFORM`. Data first; a hook is a plain function, used only where data
cannot say it. Everything the wizard, the catalogue, the engine, the docs and REST show about a
platform is read from here.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from liftos_app.services.connectors.client import Client

Row = dict[str, Any]


class Lands(StrEnum):
    """The unified table a stream lands in. Row shapes are listed in connectors/rows.py."""

    FACTS = "facts"
    ENTITIES = "entities"
    ORDERS = "orders"
    MAIL = "mail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One value a person types. Secret inputs go to the vault, others to `Connection.options`."""

    name: str  # client_id, client_secret, api_key, shop, access_token, login_customer_id
    label: str
    help: str  # where to find it
    secret: bool = False
    required: bool = True
    placeholder: str = ""
    pattern: str = ""  # full match, else `wrong`; length alone is never a reason to refuse
    wrong: str = ""  # what it should look like
    refuse: tuple[tuple[str, str], ...] = ()  # (pattern, sentence): known mix-ups, checked first
    clean: Callable[[str], str] | None = None  # strips dashes, a pasted https://


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """One permission, in words."""

    name: str
    reason: str
    required: bool = True
    read_only: bool = True
    without: str = ""  # what breaks without it


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuth2:
    """Authorization code. Addresses may hold {placeholders} filled from the connection's inputs."""

    authorize_url: str
    token_url: str
    scope_separator: str = " "
    pkce: bool = False
    client_auth: Literal["body", "basic", "json"] = "body"
    authorize_extra: Mapping[str, str] = field(default_factory=dict)
    exchange: Callable[..., Any] | None = None  # platform's own exchange, see oauth.py
    refresh: Callable[..., Any] | None = None  # platform's own renewal (Meta, client credentials)
    verify_callback: Callable[..., None] | None = None  # Shopify's hmac


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthMethod:
    """One way to sign in. `kind` decides what the wizard shows."""

    id: str  # oauth, api_key, token, client_credentials
    kind: Literal["oauth2", "key", "client_credentials"]
    title: str  # "Sign in with Meta"
    summary: str  # for whom it is right
    inputs: tuple[Input, ...]
    oauth: OAuth2 | None = None
    access_life: str = ""  # in words: "1 h, renewed by itself"
    steps: tuple[str, ...] = ()  # numbered instructions on the platform's side


@dataclass(frozen=True, slots=True, kw_only=True)
class Prerequisite:
    """Something needed before the wizard can end well."""

    text: str
    who: Literal["you", "your platform admin", "the platform"]
    wait: str = ""  # "2 to 5 working days"
    link: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Daily reports: how many days one request may span and how many are re-read each sync."""

    days_per_request: int
    reread_days: int  # look-back: the platform restates these
    latency_hours: float  # published delay of the platform
    settle_days: int  # a day older than this no longer changes
    history_days: int  # how far back the platform answers


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """A group of records with one shape and one primary key.

    `window` set: read by day windows. `cursor` True: read by an update cursor (inclusive, with
    `overlap_seconds`), and each day of the window is still covered. Neither: read whole each time.
    """

    name: str
    title: str
    grain: str  # "campaign x day"
    lands: Lands
    level: int = 0  # models.facts.Level
    key: tuple[str, ...]
    required: tuple[str, ...] = ()  # row fields that must not be null (field coverage)
    window: Window | None = None
    cursor: bool = False
    overlap_seconds: int = 0
    default: bool = True  # chosen unless a person says otherwise
    pii: bool = False
    sums_to: str = ""  # stream one level up whose totals it must meet
    read: Callable[[Client, Task], Iterator[Page]]


@dataclass(frozen=True, slots=True)
class AccountInfo:
    """An account as discovery found it."""

    external_id: str
    name: str
    currency: str = ""
    time_zone: str = "UTC"
    status: str = ""
    usable: bool = True
    reason: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One unit of reading: one stream of one account, for one span of days (both inclusive)."""

    stream: Stream
    account: AccountInfo
    start: dt.date
    end: dt.date
    today: dt.date  # in the account's time zone
    cursor: str = ""  # last committed cursor, empty at first
    options: Mapping[str, Any] = field(default_factory=dict)
    salt: str = ""  # per-installation salt for pseudonyms (customer ids)


@dataclass(frozen=True, slots=True)
class Rejected:
    """A source record that could not become a row, with the reason for people."""

    record: Any
    reason: str
    day: str = ""


@dataclass(slots=True)
class Page:
    """One answer of the platform, made into rows of `rows.py` shape.

    read_count counts source records: it must equal len(rows) + len(rejected) + skipped.
    """

    rows: list[Row]
    rejected: list[Rejected] = field(default_factory=list)
    read_count: int = 0
    skipped: int = 0  # known not to count (rows outside the span after client-side filtering)
    columns: frozenset[str] = frozenset()  # source columns seen, for drift
    cursor: str = ""  # set on the last page of a cursor stream
    bytes_read: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """Everything LiftOS knows about a platform."""

    slug: str
    name: str
    category: Literal["Ads", "Mail", "Store", "CRM", "Payments", "Warehouse", "Other"]
    tier: int
    summary: str  # what it brings, one line
    hosts: Mapping[str, str]  # name -> https origin, may hold {placeholders}; keys: api, auth...
    api_version: str
    version_ends: dt.date | None
    auth: tuple[AuthMethod, ...]
    scopes: tuple[Scope, ...]
    streams: tuple[Stream, ...]
    prerequisites: tuple[Prerequisite, ...]
    setup_minutes: tuple[int, int]
    needs_app: bool  # self-hosters bring their own OAuth app
    history: str  # "37 months"
    latency: str  # "up to 3 h"
    role_needed: str  # on the platform
    docs_url: str
    requests_per_minute: int
    concurrency: int = 2
    never: tuple[str, ...] = ()  # what we never do, in words
    discover: Callable[[Client], Sequence[AccountInfo]]
    test: Callable[[Client, AccountInfo], str]  # raises PlatformFault; returns a sentence
    granted: Callable[[Client], Sequence[str] | None] | None = None  # scopes really granted
    fault: Callable[..., Exception | None]  # (status, headers, body) -> LiftOSError or None
    authorize: Callable[..., Any]  # puts the credential on a request, see client.py
    demo_inputs: Mapping[str, str] = field(default_factory=dict)  # non-secret defaults in the sandbox

    def stream(self, name: str) -> Stream:
        """A stream by name. Raises KeyError."""
        return next(s for s in self.streams if s.name == name)

    def method(self, method_id: str) -> AuthMethod:
        """A sign-in method by id. Raises KeyError."""
        for method in self.auth:
            if method.id == method_id:
                return method
        raise KeyError(method_id)
