"""The HTTP side of the imitated Admin API: versions, tokens, the endpoint, faults, files."""

from __future__ import annotations

import re
import threading
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.responses import Response, StreamingResponse

from liftos_app.services.sandbox.call import Call, Target, json_answer
from liftos_app.services.sandbox.elapsed import Elapsed
from liftos_app.services.sandbox.platforms.shopify import auth, bulk, cost, execute, versions
from liftos_app.services.sandbox.platforms.shopify.root import root_value
from liftos_app.services.sandbox.platforms.shopify.schema import schema
from liftos_app.services.sandbox.platforms.shopify.shops import default_shop, shop_of, wrong_shop
from liftos_app.services.sandbox.tokens import TokenProblem
from liftos_app.services.sandbox.trouble import Fault

STANDARD = (2_000.0, 100.0)  # bucket and points per second of the standard plan
RELAXED = (100_000.0, 10_000.0)  # used unless memory["enforce_limits"]: demo syncs need not wait
HAS_ATTRIBUTION = "2026-07"
BAD_TOKEN = "[API] Invalid API key or access token (unrecognized login or wrong password)"  # noqa: S105
_FIRST_FIELD = re.compile(r"\b([a-z][A-Za-z]+)\s*[({]")
_STATUS_WORDS = {
    402: "Unavailable Shop", 403: "Forbidden", 404: "Not Found", 423: "Locked",
    430: "Shopify Security Rejection",
}  # fmt: skip


@dataclass(slots=True)
class Desk:
    """What the platform remembers between calls."""

    jobs: bulk.Jobs
    elapsed: Elapsed = field(default_factory=Elapsed)
    buckets: dict[tuple[str, str, float], cost.Bucket] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


def desk(call: Call) -> Desk:
    """The desk of this sandbox."""
    made = call.memory.get("desk")
    if made is None:
        _, secret = auth.client(call)
        made = call.memory.setdefault("desk", Desk(bulk.Jobs(key=secret.encode())))
    found: Desk = made
    return found


def classify(call: Call) -> Target:
    """What a call is about; the stream is the first root field of the query."""
    shop = default_shop(call)
    if call.path.endswith("/oauth/authorize"):
        return Target(kind="consent", account=shop)
    if call.path.endswith("/oauth/access_token"):
        return Target(kind="token", account=shop)
    if "/storage/" in call.path:
        return Target(kind="file", account=shop, stream="bulk")
    text = call.body.decode("utf-8", errors="replace")
    start = text.find("{", text.find('"query"') + 1 if '"query"' in text else 0)
    match = _FIRST_FIELD.search(text, max(0, start))
    return Target(account=shop, stream=match[1] if match else "")


def graphql(call: Call) -> Response:
    """POST /admin/api/{version}/graphql.json."""
    return _graphql(call)


def _graphql(
    call: Call, *, without: frozenset[str] = frozenset(), throttle: float | None = None
) -> Response:
    shop = shop_of(call)
    version = versions.serving(call.params.get("version", ""), call.now.date())
    if shop is None or version is None:
        return wrong_shop()
    token = call.headers.get("x-shopify-access-token", "")
    try:
        grant = auth.read(call, token)
    except TokenProblem:
        return json_answer({"errors": BAD_TOKEN}, 401)
    try:
        asked = _asked(call)
    except ValueError as error:
        return json_answer({"errors": {"query": str(error)}}, 400, headers=_headers(version))
    app = "app" if grant.kind == "access" else "custom"
    scopes = frozenset(grant.scopes) - without
    served = schema(has_attribution=version >= HAS_ATTRIBUTION or version == versions.UNSTABLE)
    root, notes = root_value(
        call,
        shop=shop,
        app=app,
        scopes=scopes,
        jobs=desk(call).jobs,
        text=call.body.decode("utf-8", "replace"),
    )
    with_bucket = _bucket(call, shop, app)
    body = execute.run(asked, execute.Runtime(
        schema=served, root=root, scopes=scopes, bucket=with_bucket,
        seconds=desk(call).elapsed(call.now), throttle=throttle,
    ))  # fmt: skip
    if notes and "extensions" in body:
        body["extensions"]["search"] = notes
    return json_answer(body, headers=_headers(version))


def _headers(version: str) -> dict[str, str]:
    return {"X-Shopify-API-Version": version, "X-Request-Id": str(uuid.uuid4())}


def _bucket(call: Call, shop: str, app: str) -> cost.Bucket:
    size, rate = STANDARD if call.memory.get("enforce_limits") else RELAXED
    place = desk(call)
    with place.lock:
        return place.buckets.setdefault((shop, app, size), cost.Bucket(size, rate))


def _asked(call: Call) -> execute.Asked:
    """The GraphQL request. Raises ValueError."""
    if call.content_type.startswith("application/graphql"):
        return execute.Asked(call.body.decode("utf-8", errors="replace"), {})
    body = call.json()
    query = body.get("query") if isinstance(body, Mapping) else None
    if not isinstance(query, str) or not query.strip():
        raise ValueError("Required parameter missing or invalid")
    variables = body.get("variables") or {}
    name = body.get("operationName") or None
    if not isinstance(variables, dict) or not isinstance(name, str | None):
        raise ValueError("variables must be an object, operationName a string")  # noqa: TRY004
    return execute.Asked(query, variables, name)


def download(call: Call) -> Response:
    """GET of a bulk file: a signed address, no token, not compressed."""
    number = call.params["number"]
    job = desk(call).jobs.download(
        int(number) if number.isdecimal() and len(number) < 12 else -1,
        call.query.get("Expires", ""), call.query.get("Signature", ""), call.now,
    )  # fmt: skip
    if job is None:
        return json_answer({"error": "AccessDenied"}, 403)
    return FileAnswer(bulk.stream(job), job.size)


class FileAnswer(StreamingResponse):
    """A streamed file; `body` is its beginning, for an answer that is cut off."""

    def __init__(self, pieces: Iterator[bytes], size: int) -> None:
        self.body = next(pieces, b"")
        first = self.body
        super().__init__(
            _after(first, pieces), media_type="application/jsonl",
            headers={"content-length": str(size)},
        )  # fmt: skip


def _after(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def fault(call: Call, trouble: Fault) -> Response:
    """A wire fault in the shop's own words.

    rate_limited is THROTTLED with status 200 (detail form=http: 429 with Retry-After), its silent
    twin a bare 429; a missing scope runs the query without it; server_error takes any status, 200
    (INTERNAL_SERVER_ERROR in the body) included.
    """
    if trouble.kind in {"token_expired", "token_revoked"}:
        return json_answer({"errors": BAD_TOKEN}, 401)
    if trouble.kind == "missing_scope":
        return _graphql(call, without=frozenset({trouble.detail.get("scope", "read_customers")}))
    if trouble.kind == "rate_limited" and trouble.detail.get("form") != "http":
        return _graphql(call, throttle=float(trouble.retry_after or 2))
    if trouble.kind in {"rate_limited", "rate_limited_silent", "quota_exhausted"}:
        wait = trouble.retry_after or (60 if trouble.kind == "quota_exhausted" else 2)
        named = {} if trouble.kind == "rate_limited_silent" else {"Retry-After": f"{wait}.0"}
        words = "Exceeded the call limit of the API client. Reduce request rates to resume."
        return json_answer({"errors": words}, 429, headers=named)
    if trouble.status == 200:
        extensions = {"code": "INTERNAL_SERVER_ERROR", "requestId": str(uuid.uuid4())}
        error = {"message": "Internal error on the platform's side.", "extensions": extensions}
        return json_answer({"errors": [error]})
    words = _STATUS_WORDS.get(trouble.status, "Internal Server Error")
    return json_answer({"errors": words}, trouble.status)


def lost(_call: Call) -> Response:
    """Any other path: the REST Admin API is not served."""
    return json_answer({"errors": "Not Found"}, 404)


def wrong_method(_call: Call) -> Response:
    """GET of the graphql endpoint and the like."""
    body: dict[str, Any] = {"errors": "Method Not Allowed"}
    return json_answer(body, 405, headers={"Allow": "POST"})
