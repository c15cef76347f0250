"""What a platform is: frozen data plus small functions. Knows neither HTTP nor the database.

A platform module exports `PLATFORM`. Data first; a hook is a plain function, used only where data
cannot say it. Everything the wizard, the catalogue, the engine, the docs and REST show about a
platform is read from here.

How a stream is read (`Stream.read(client, task) -> pages`):

- Whole stream (no `window`, no `cursor`): everything there is; the span of the task means nothing.
- Span of days (`task.cursor` empty): every record of the days `start..end`, both inclusive, in the
  account's time zone, and no other. Records the platform sends beside them are left out and
  counted in `Page.skipped`. Afterwards each day of the span is known completely, also when empty.
- Changes (`stream.cursor` and `task.cursor` given): every record that changed since the cursor
  (inclusive, minus the overlap); its rows may have any day. The last page carries the new cursor,
  never behind the one given; cursors.py has the two kinds. Such a reading completes every day since
  the last one, once the spans have reached its day: until then spans are read, not changes.

A reading may raise any `errors.PlatformFault`, and `client.Stopped` when asked to stop in a wait.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal

from liftos_app.services.connectors.cursors import CursorKind

if TYPE_CHECKING:
    from liftos_app.errors import PlatformFault
    from liftos_app.services.connectors.client import Client, Credential, Request
    from liftos_app.services.connectors.defined import Definition
    from liftos_app.services.connectors.writing import Writer

Category = Literal["Ads", "Mail", "Store", "CRM", "Payments", "Warehouse", "Other"]

Row = dict[str, Any]
# (status, lower-case headers, parsed body or None) -> the error it means, None when it is none.
FaultHook = Callable[[int, Mapping[str, str], Any], "PlatformFault | None"]
# The same three -> seconds to hold back the next request of the same lane.
PaceHook = Callable[[int, Mapping[str, str], Any], float]


UNKNOWN_ACCOUNT = "unknown"  # the id of an account that a key may not name
STREAM_OF = "defined_stream"  # in AccountInfo.extra: the defined stream an account was made for


class Lands(StrEnum):
    """The unified table a stream lands in. Row shapes are listed in connectors/rows.py."""

    FACTS = "facts"
    ENTITIES = "entities"
    ORDERS = "orders"
    MAIL = "mail"
    CRM = "crm"
    PAYMENTS = "payments"

    @property
    def records(self) -> bool:
        """Whether rows are things with an id that live on, rather than figures of a day."""
        return self in (Lands.ORDERS, Lands.CRM, Lands.PAYMENTS)

    @property
    def daily(self) -> bool:
        """Whether rows are figures of an entity and a day."""
        return self in (Lands.FACTS, Lands.MAIL)


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
    multiline: bool = False  # a key file pasted whole; line breaks are kept
    choices: tuple[tuple[str, str], ...] = ()  # (value, label): chosen, not typed


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """One permission, in words."""

    name: str
    reason: str
    required: bool = True
    read_only: bool = True
    without: str = ""  # what breaks without it
    asked: bool = True  # on the consent page; False: named for people, not asked for by default
    methods: tuple[str, ...] = ()  # ways to sign in that need it; empty: all


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A host that the platform names while signing in. It is kept with the tokens and called from
    then on; under a sandbox or an operator's address it becomes the first part of the path.
    """

    name: str  # its {placeholder} in hosts and token addresses, and its vault field
    pattern: str  # full match of the host; one that does not fit ends the sign-in
    answer: str = ""  # where a token answer names it, as an origin
    callback: str = ""  # where the way back from the consent page names it
    default: str = ""  # the host until it was named; empty: every sign-in names it


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenSet:
    """What a token endpoint gave. Times are aware UTC; None means it named no end."""

    access_token: str = field(repr=False)
    refresh_token: str | None = field(default=None, repr=False)
    expires_at: datetime | None = None
    refresh_expires_at: datetime | None = None
    scopes: tuple[str, ...] = ()  # as the answer says; empty when it says nothing
    beside: Mapping[str, str] = field(default_factory=dict, repr=False)  # further sealed values

    def values(self) -> dict[str, str]:
        """The vault fields to write: access_token, refresh_token if any, and what is beside."""
        found = {**self.beside, "access_token": self.access_token}
        if self.refresh_token:
            found["refresh_token"] = self.refresh_token
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuth2:
    """The addresses and habits of a platform's token endpoint; grants.py does the talking.

    Addresses are the real ones; they may hold {placeholders} filled from the inputs.
    """

    authorize_url: str = ""  # empty: no consent page (client credentials)
    token_url: str
    revoke_url: str = ""  # empty: the platform offers no revocation we use
    scope_separator: str = " "
    pkce: bool = False
    without_pkce: str = ""  # why not, when it is False
    client_auth: Literal["body", "basic", "json"] = "body"
    by_get: bool = False  # the token endpoint is asked by GET (Meta)
    authorize_extra: Mapping[str, str] = field(default_factory=dict)
    exchange_extra: Mapping[str, str] = field(default_factory=dict)
    # (inputs in clear, state, redirect address): the query of a consent page unlike others (TikTok)
    consent: Callable[[Mapping[str, str], str, str], Mapping[str, str]] | None = None
    # (desk, code): an exchange of the platform's own kind (TikTok)
    exchange: Callable[..., TokenSet] | None = None
    # (desk): the client secret where the host named on the way back decides which (Zoho)
    secret: Callable[..., str] | None = None
    settle: float = 0.0  # seconds for which a token that was just renewed may still be refused
    life: int = 0  # seconds to count on where the answer names no end; 0: no end is assumed
    # Errors on the way back that only an administrator can mend: name -> (why, what to do).
    refusals: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    obtain: Callable[..., TokenSet] | None = None  # a first token of the platform's own kind (Zoho)
    then: Callable[..., TokenSet] | None = None  # a second exchange after the first (Meta)
    renew: Callable[..., TokenSet] | None = None  # a renewal of the platform's own kind (Meta)
    revoke: Callable[..., None] | None = None  # a revocation of the platform's own kind (Meta)
    # (inputs in clear, query parameters, now): Shopify signs its callback
    verify_callback: Callable[[Mapping[str, str], Mapping[str, str], datetime], None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuth1:
    """The addresses of an OAuth 1.0a consent (RFC 5849); grants_oauth1.py does the talking.

    The inputs are called client_id and client_secret as with OAuth 2. The access token's own
    secret is kept beside it as `access_token_secret`.
    """

    request_url: str  # gives a request token for our return address
    authorize_url: str
    access_url: str  # turns an approved request token into an access token
    revoke_url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthMethod:
    """One way to sign in. `kind` decides what the wizard shows."""

    id: str  # oauth, api_key, token, client_credentials
    kind: Literal["oauth2", "oauth1", "key", "client_credentials"]
    title: str  # "Sign in with Meta"
    summary: str  # for whom it is right
    inputs: tuple[Input, ...]
    oauth: OAuth2 | None = None
    oauth1: OAuth1 | None = None
    access_life: str = ""  # in words: "1 h, renewed by itself"
    renewal: Literal["never", "refresh_token", "access_token", "client_credentials"] = "never"
    renew_early: int = 300  # seconds before the end at which to renew
    steps: tuple[str, ...] = ()  # numbered instructions on the platform's side

    @property
    def has_consent(self) -> bool:
        """Whether a person signs in on the platform's own page and comes back."""
        return self.kind in ("oauth2", "oauth1")


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
    late_days: int = 0  # numbers may trickle in up to this age: read weekly; 0: settle_days


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """A group of records with one shape and one primary key.

    `window` set: read by spans of days. `cursor` set: spans first, then changes since the cursor.
    Neither: read whole each time. The module's docstring has the contract.
    """

    name: str
    title: str
    grain: str  # "campaign x day"
    lands: Lands
    level: int = 0  # models.facts.Level
    key: tuple[str, ...]
    kind: str = ""  # CRM and PAYMENTS: the one kind of its rows (rows.CRM_KINDS, PAYMENT_KINDS)
    required: tuple[str, ...] = ()  # row fields that must not be null (field coverage)
    window: Window | None = None
    cursor: CursorKind = ""
    overlap_seconds: int = 0
    default: bool = True  # chosen unless a person says otherwise
    pii: bool = False
    sums_to: str = ""  # stream one level up whose totals it must meet
    sums_except: tuple[str, ...] = ()  # attrs["channel_type"] of parents that have no rows here
    about: str = ""  # what a person should know before trusting it
    reach: Callable[[AccountInfo], int] | None = None  # see history_days
    defined: bool = False  # by a person (defined.py); read for accounts of its own only
    read: Callable[[Client, Task], Iterator[Page]]

    def fits(self, account: AccountInfo | None) -> bool:
        """Whether an account has this stream: a defined one belongs to the accounts made for it."""
        owner = str(account.extra.get(STREAM_OF, "")) if account is not None else ""
        return owner == (self.name if self.defined else "")

    def history_days(self, account: AccountInfo) -> int:
        """How many days back this account can be asked for; days before are unknown, not empty."""
        limit = self.window.history_days if self.window else 3650
        return min(limit, self.reach(account)) if self.reach else limit


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
    before: dt.date | None = None  # with a cursor: records of this day and later may be left out
    options: Mapping[str, Any] = field(default_factory=dict)
    salt: str = ""  # the organization's salt for pseudonyms (customer ids)

    @property
    def changes(self) -> bool:
        """Whether to read what changed since the cursor instead of a span of days."""
        return bool(self.stream.cursor and self.cursor)

    def holds(self, day: str) -> bool:
        """Whether an ISO day lies in the span."""
        return self.start.isoformat() <= day <= self.end.isoformat()


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
    `columns` is empty when the answer held no record: nothing is known then.
    """

    rows: list[Row]
    rejected: list[Rejected] = field(default_factory=list)
    read_count: int = 0
    skipped: int = 0  # known not to count: outside the span, or folded into another row
    columns: frozenset[str] = frozenset()  # source columns seen, for drift
    cursor: str = ""  # set on the last page of a cursor stream, see above
    bytes_read: int = 0
    notes: tuple[str, ...] = ()  # what a person should know: a field refused, a version changed
    source: Sequence[Any] = ()  # the untouched record of each row, beside `rows`; or empty
    gone: frozenset[str] = frozenset()  # CRM ids the platform reports as deleted
    alive: frozenset[str] | None = None  # all CRM ids there are: stored ones beside them are gone


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceObject:
    """What a stream can be defined on: a table or view, or a folder that holds such."""

    id: str  # goes into a definition's `object`, or back into `Platform.objects`
    name: str
    kind: Literal["folder", "table", "view"]
    about: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceColumn:
    """A column of a source, its type in plain words beside the platform's own."""

    name: str
    type: Literal["number", "text", "day", "time", "flag", "other"] = "text"
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The first records of a source as they would be read; values are JSON."""

    columns: tuple[SourceColumn, ...]
    records: tuple[Mapping[str, Any], ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """Everything LiftOS knows about a platform.

    Streams that a person defines: `define` makes them of `options["streams"]` (defined.py checks
    those), `objects(client, folder)` lists what they can be defined on ("" is the top),
    `preview(client, definition)` brings up to 20 records, `stream_inputs` are what a person types
    for each of them beside the mapping; they arrive in `Definition.source`.
    """

    slug: str
    name: str
    category: Category
    tier: int
    summary: str  # what it brings, one line
    hosts: Mapping[str, str]  # name -> https origin, may hold {placeholders}; one is "api"
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
    fault: FaultHook
    authorize: Callable[[Request, Credential], None]  # puts the credential on a request
    pace: PaceHook | None = None
    define: Callable[[Mapping[str, Any]], tuple[Stream, ...]] | None = None
    objects: Callable[[Client, str], Sequence[SourceObject]] | None = None
    preview: Callable[[Client, Definition], Sample] | None = None
    stream_inputs: tuple[Input, ...] = ()
    writer: Callable[[Client, str], Writer] | None = None  # (client, database or catalog)
    keeps: tuple[Kept, ...] = ()  # hosts named while signing in
    demo_inputs: Mapping[str, str] = field(
        default_factory=dict
    )  # non-secret defaults in the sandbox

    def stream(self, name: str) -> Stream:
        """A stream by name. Raises KeyError."""
        for stream in self.streams:
            if stream.name == name:
                return stream
        raise KeyError(name)

    def method(self, method_id: str) -> AuthMethod:
        """A sign-in method by id. Raises KeyError."""
        for method in self.auth:
            if method.id == method_id:
                return method
        raise KeyError(method_id)
