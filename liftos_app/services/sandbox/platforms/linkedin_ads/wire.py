"""What every LinkedIn resource goes through: token, version, limits, protocol, permission."""

from __future__ import annotations

import base64
import binascii
import functools
import secrets
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from starlette.responses import Response

from liftos_app.services.sandbox.call import Call, json_answer
from liftos_app.services.sandbox.platforms.linkedin_ads import signin, versions
from liftos_app.services.sandbox.platforms.linkedin_ads.restli import BadQuery, parse_query
from liftos_app.services.sandbox.platforms.linkedin_ads.signin import Refusal
from liftos_app.services.sandbox.tokens import Grant

FORM = "application/x-www-form-urlencoded"
LONGEST_URL = 8_000
DAILY_LIMIT = 10_000  # calls a day and resource, refused only when limits are enforced


@dataclass(frozen=True, slots=True)
class Ask:
    """A request that may be answered: its query, parsed, and who asks."""

    call: Call
    query: dict[str, Any]
    grant: Grant

    def only(self, known: Collection[str]) -> None:
        """Refuse a parameter that the resource does not have."""
        for name in self.query:
            if name not in known:
                raise invalid(f"Query parameter {name} is not supported", "QUERY_PARAM_NOT_ALLOWED")

    def finder(self, *known: str) -> str:
        """The finder that was asked for."""
        if self.query.get("q") not in known:
            raise invalid("The finder in q is missing or unknown", "INVALID_FINDER")
        return str(self.query["q"])


Answer = Callable[[Ask], Any]


def invalid(message: str, code: str = "INVALID_PARAM") -> Refusal:
    """A request LinkedIn cannot read."""
    detail = {"inputErrors": [{"code": code, "description": message}]}
    return Refusal(
        400, f"Invalid param. {message}", code=code,
        more={"errorDetailType": "com.linkedin.common.error.BadRequest", "errorDetails": detail},
    )


def forbidden(resource: str) -> Refusal:
    """No permission for a resource."""
    return Refusal(
        403, f"Not enough permissions to access: {resource}", service=100, code="ACCESS_DENIED"
    )


def served(scope: str, resource: str, answer: Answer) -> Callable[[Call], Response]:
    """Makes a handler of a function that returns a document or raises Refusal."""

    @functools.wraps(answer)
    def handler(call: Call) -> Response:
        try:
            grant = signin.authenticate(call)
            _check_version(call)
            _count(call, resource)
            if not signin.has(grant, scope):
                raise forbidden(resource)
            return json_answer(answer(Ask(call, _query(call), grant)))
        except Refusal as refusal:
            return refusal.answer()

    return handler


def _check_version(call: Call) -> None:
    version = call.headers.get("linkedin-version", "")
    if not version:
        raise Refusal(
            400, "A version must be present. Please specify a version by adding the "
            "LinkedIn-Version header.", code="VERSION_MISSING",
        )
    month, _, minor = version.partition(".")
    if not versions.is_served(month, call.now.date()):
        raise Refusal(
            426, f"Requested version {month}{minor or '01'} is not active",
            code="NONEXISTENT_VERSION",
        )
    protocol = call.headers.get("x-restli-protocol-version", "2.0.0")
    if protocol != "2.0.0":
        raise invalid(f"Rest.li protocol {protocol} is not supported here", "PROTOCOL_VERSION")


def _query(call: Call) -> dict[str, Any]:
    """The parsed query, of the address or of a tunnelled body. Raises Refusal."""
    raw = call.query_string
    if call.method == "POST":
        if call.headers.get("x-http-method-override", "").upper() != "GET":
            raise Refusal(405, "The method POST is not allowed here", code="METHOD_NOT_ALLOWED")
        if not call.content_type.startswith(FORM):
            raise Refusal(415, "The content type is not supported", code="UNSUPPORTED_MEDIA")
        raw = call.body.decode("latin-1")
    elif len(raw) > LONGEST_URL:
        raise Refusal(414, "Request URI too long", code="URI_TOO_LONG")
    try:
        return parse_query(raw)
    except BadQuery as problem:
        raise invalid(f"Invalid query parameters passed to request: {problem}") from None


def _count(call: Call, resource: str) -> None:
    """Count calls by day, app and resource; over the limit until 00:00 UTC."""
    counts = call.memory.setdefault("calls", {})
    key = (call.now.date(), resource)
    used = counts.get(key, 0)
    if call.memory.get("enforce_limits") and used >= call.memory.get("daily_limit", DAILY_LIMIT):
        raise throttled()
    counts[key] = used + 1


def throttled() -> Refusal:
    """Too many calls; no header says for how long."""
    return Refusal(
        429, "Resource level throttle limit for calls to this resource is reached.", service=101
    )


def paged(ask: Ask, rows: Sequence[Any], *, most: int = 1000) -> dict[str, Any]:
    """A page by opaque token. A token of another list is refused."""
    size = whole(ask.query.get("pageSize", "100"), "pageSize")
    if not 1 <= size <= most:
        raise invalid(f"pageSize must be between 1 and {most}")
    start = _offset(ask, ask.query.get("pageToken"))
    metadata: dict[str, Any] = {}
    if start + size < len(rows):
        text = f"{ask.call.path}|{start + size}"
        metadata["nextPageToken"] = base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
    return {"elements": list(rows[start : start + size]), "metadata": metadata}


def _offset(ask: Ask, token: Any) -> int:
    if token is None:
        return 0
    try:
        text = base64.urlsafe_b64decode(str(token) + "=" * (-len(str(token)) % 4)).decode()
        path, _, start = text.partition("|")
        if path == ask.call.path:
            return int(start)
    except (ValueError, binascii.Error):
        pass
    raise invalid("The page token is not valid", "INVALID_PAGE_TOKEN")


def whole(value: Any, name: str) -> int:
    """A whole number from a query. Raises Refusal."""
    if not isinstance(value, str) or not value.isdigit():
        raise invalid(f"{name} must be a number")
    return int(value)


def numbers(value: Any, kind: str, name: str) -> list[str]:
    """The digits of a list of URNs of one kind. Raises Refusal."""
    if not isinstance(value, list) or not value:
        raise invalid(f"{name} must be a list of URNs")
    found = []
    for one in value:
        prefix, _, number = str(one).rpartition(":")
        if prefix != f"urn:li:{kind}" or not number.isdigit():
            raise invalid(f"{name}: {one} is not a {kind} URN")
        found.append(number)
    return found


def day(value: Any, name: str) -> date:
    """A date object (year, month, day). Raises Refusal."""
    if not isinstance(value, dict) or set(value) != {"year", "month", "day"}:
        raise invalid(f"{name} must have year, month and day")
    try:
        return date(*(whole(value[n], name) for n in ("year", "month", "day")))
    except ValueError:
        raise invalid(f"{name} is no day of the calendar") from None


def headers(_call: Call, answer: Response) -> Response:
    """The ids by which LinkedIn's support finds a request."""
    answer.headers["x-li-uuid"] = base64.b64encode(secrets.token_bytes(12)).decode()
    answer.headers["x-li-fabric"] = "prod-lva1"
    answer.headers["x-restli-protocol-version"] = "2.0.0"
    return answer
