"""One request to an imitated platform, and the small answers every platform needs."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import orjson
from starlette.datastructures import Headers
from starlette.responses import Response

if TYPE_CHECKING:
    from liftos_app.services.sandbox.tokens import Tokens
    from liftos_app.services.sandbox.trouble import Trouble
    from liftos_app.services.sandbox.world import AdAccount, World

MAX_BODY = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Call:
    """A request as a platform's handler sees it; handlers run in a worker thread."""

    platform: str  # "meta_business"
    method: str
    path: str  # inside the platform, "/v26.0/me"
    params: Mapping[str, str]  # from the route's pattern
    query_string: str
    headers: Headers
    body: bytes
    base: str  # "https://host/sandbox/meta_business", as the caller reached it
    now: datetime  # aware UTC, the sandbox's clock
    world: World
    trouble: Trouble
    tokens: Tokens
    demo: Mapping[str, Mapping[str, str]]  # sign-in method id -> inputs, of this platform
    memory: dict[str, Any] = field(default_factory=dict)  # of this platform, lives with the app
    target: Target | None = None

    @cached_property
    def query(self) -> dict[str, str]:
        """Query parameters; of a repeated one the last."""
        return dict(parse_qsl(self.query_string, keep_blank_values=True))

    @cached_property
    def query_pairs(self) -> tuple[tuple[str, str], ...]:
        """Query parameters in order, repeated ones kept."""
        return tuple(parse_qsl(self.query_string, keep_blank_values=True))

    @cached_property
    def form(self) -> dict[str, str]:
        """The form body, empty when there is none."""
        if not self.content_type.startswith("application/x-www-form-urlencoded"):
            return {}
        text = self.body.decode("utf-8", errors="replace")
        return dict(parse_qsl(text, keep_blank_values=True))

    @cached_property
    def form_pairs(self) -> tuple[tuple[str, str], ...]:
        """The form body in order, repeated names kept."""
        if not self.form:
            return ()
        text = self.body.decode("utf-8", errors="replace")
        return tuple(parse_qsl(text, keep_blank_values=True))

    @property
    def content_type(self) -> str:
        """Media type of the body, lower case."""
        return self.headers.get("content-type", "").lower()

    def json(self) -> Any:
        """The JSON body. Raises ValueError."""
        return orjson.loads(self.body)

    @property
    def origin(self) -> str:
        """Scheme and host of `base`."""
        scheme, _, rest = self.base.partition("://")
        return f"{scheme}://{rest.split('/', 1)[0]}"

    @property
    def url(self) -> str:
        """The absolute address of this call without its query."""
        return self.base + self.path

    def account(self, ident: str) -> AdAccount | None:
        """An ad account of the platform as it stands now; None for one that is gone."""
        return next((a for a in self.accounts() if a.id == ident), None)

    def accounts(self) -> tuple[AdAccount, ...]:
        """The ad accounts of the platform as they stand now."""
        found = []
        for one in self.world.accounts(self.platform):
            there, status = self.trouble.stands(self.platform, one.id)
            if there:
                closed = replace(one, status="disabled" if status == "disabled" else "cancelled")
                found.append(closed if status else one)
        return tuple(found)

    def bearer(self, scheme: str = "Bearer") -> str:
        """What follows the scheme in Authorization, or ""."""
        given, _, rest = self.headers.get("authorization", "").partition(" ")
        return rest.strip() if given.lower() == scheme.lower() else ""

    def basic(self) -> tuple[str, str]:
        """User and password of HTTP Basic, or two empty texts."""
        try:
            text = base64.b64decode(self.bearer("Basic"), validate=True).decode("utf-8")
        except (binascii.Error, UnicodeDecodeError):
            return "", ""
        user, _, password = text.partition(":")
        return user, password

    def bend(
        self,
        stream: str,
        rows: Sequence[dict[str, Any]],
        *,
        account: str = "",
        day_of: Callable[[dict[str, Any]], date | None] | None = None,
    ) -> list[dict[str, Any]]:
        """Rows after the row-level trouble that is planted or asked for (see trouble.py).

        Call it on the complete result of a request, before paging. Without trouble the same rows
        come back. `day_of` tells the day of a row and is needed for a missing day.
        """
        return self.trouble.bend(
            self.platform, stream, rows, account=account, day_of=day_of, now=self.now
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a call is about, so that trouble can be aimed: a platform's `classify` says it."""

    kind: str = "api"  # "api", "token", "consent", "file"
    account: str = ""
    stream: str = ""


def json_answer(
    data: Any,
    status: int = 200,
    *,
    headers: Mapping[str, str] | None = None,
    content_type: str = "application/json; charset=utf-8",
) -> Response:
    """JSON as bytes; a dict keeps its order."""
    return Response(orjson.dumps(data), status, dict(headers or {}), content_type)


def text_answer(
    text: str | bytes,
    status: int = 200,
    *,
    content_type: str = "text/plain; charset=utf-8",
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Text or bytes as they are."""
    return Response(text, status, dict(headers or {}), content_type)


def html_answer(
    html: str,
    status: int = 200,
    *,
    form_targets: Iterable[str] = (),
) -> Response:
    """A page without scripts. `form_targets` are origins a form's answer may lead to."""
    policy = (
        "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; base-uri 'none'; "
        "frame-ancestors 'none'; form-action 'self' " + " ".join(form_targets)
    )
    headers = {
        "content-security-policy": policy.strip(),
        "cache-control": "no-store",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
    }
    return Response(html, status, headers, "text/html; charset=utf-8")


def redirect(address: str, status: int = 303) -> Response:
    """Send the browser on."""
    return Response(b"", status, {"location": address, "cache-control": "no-store"})
