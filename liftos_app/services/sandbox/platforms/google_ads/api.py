"""googleads.googleapis.com: versions, access through managers, queries, envelopes."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any

from starlette.responses import Response

from liftos_app.services.sandbox.call import Call, Target, json_answer
from liftos_app.services.sandbox.platforms.google_ads import (
    evaluate,
    failures,
    field_service,
    gaql,
    pages,
    quota,
    signin,
    view,
    wire,
)
from liftos_app.services.sandbox.platforms.google_ads.evaluate import Answer
from liftos_app.services.sandbox.platforms.google_ads.failures import GoogleAdsError
from liftos_app.services.sandbox.platforms.google_ads.metrics import METRICS
from liftos_app.services.sandbox.tokens import TokenProblem
from liftos_app.services.sandbox.trouble import Fault
from liftos_app.services.sandbox.world.shapes import AdAccount

LIVE = ("v26", "v25", "v24", "v23")
_STREAMS = {"campaign": "campaigns", "ad_group": "ad_groups", "ad_group_ad": "ads",
            "customer": "account", "customer_client": "clients",
            "campaign_budget": "budgets"}  # fmt: skip
_DAILY = {"customer": "daily_total", "ad_group_ad": "daily.ad"}  # with metrics, else "daily"
_FROM = re.compile(rb"(?i)\bfrom\s+([a-z_]+)")
_ID = re.compile(r"[0-9]{10}")
MAX_QUERY = 500_000  # characters; an IN list may hold 20,000 values


def list_accessible(call: Call) -> Response:
    """The customers this user reaches directly, managers and closed ones too."""

    def run(_request_id: str) -> Any:
        _spend(call)
        return {"resourceNames": [f"customers/{i}" for i in view.reachable(call)]}

    return _answer(call, run)


def search(call: Call) -> Response:
    """One page of at most 10,000 rows."""
    return _answer(call, lambda _request_id: _search(call))


def search_stream(call: Call) -> Response:
    """All rows, in an array of chunks; refusals come in an array too."""
    return _answer(call, lambda request_id: _stream(call, request_id))


def fields_search(call: Call) -> Response:
    """The field service: what a name is and whether it can be selected."""

    def run(_request_id: str) -> Any:
        _spend(call)
        return field_service.search(_query_text(_body(call)))

    return _answer(call, run)


def fields_get(call: Call) -> Response:
    """One field by its name."""
    return _answer(call, lambda _request_id: field_service.get(call.params["name"]))


def refuse_change(call: Call) -> Response:
    """Everything that is not a read: the invented user has a read-only role."""

    def run(_request_id: str) -> Any:
        raise GoogleAdsError(
            403,
            "authorizationError",
            "ACTION_NOT_PERMITTED",
            "The caller has a read-only role in this account, or the method is not imitated.",
        )

    return _answer(call, run)


def otherwise(call: Call) -> Response:
    """A path nobody serves; an old version is told so."""
    if re.match(r"/v\d+/", call.path):
        return refuse_change(call)
    return json_answer({"error": {"code": 404, "message": "Not Found", "status": "NOT_FOUND"}}, 404)


def _answer(call: Call, run: Callable[[str], Any]) -> Response:
    """Check version, token and scope, run, and write refusals in the envelope of the method."""
    request_id = secrets.token_urlsafe(16)
    version = call.path.split("/")[1]
    headers = {"request-id": request_id, "cache-control": "private", "vary": "Origin, X-Origin"}
    try:
        if version not in LIVE:
            raise failures.unsupported_version(version)
        _authenticate(call)
        data = run(request_id)
    except gaql.GaqlError as error:
        return _refused(call, failures.of_query(error), headers)
    except GoogleAdsError as error:
        return _refused(call, error, headers)
    return json_answer(data, headers=headers)


def _refused(call: Call, error: GoogleAdsError, headers: Mapping[str, str]) -> Response:
    version = call.path.split("/")[1]
    body = error.body(
        version if version in LIVE else LIVE[0],
        headers["request-id"],
        in_array=call.path.endswith(":searchStream"),
    )
    return json_answer(body, error.status, headers={**headers, **error.headers})


def _authenticate(call: Call) -> None:
    if not call.bearer():
        raise failures.token("OAUTH_TOKEN_HEADER_INVALID")
    try:
        grant = signin.access_grant(call)
    except TokenProblem as problem:
        names = {"expired": "OAUTH_TOKEN_EXPIRED", "revoked": "OAUTH_TOKEN_REVOKED"}
        raise failures.token(names.get(problem.reason, "OAUTH_TOKEN_INVALID")) from None
    if not grant.has(signin.ADWORDS):
        raise failures.scope_missing()


def _spend(call: Call) -> None:
    """Count one operation of the day. Raises RESOURCE_EXHAUSTED."""
    kept: quota.Operations = call.memory.setdefault("operations", quota.Operations())
    wait = kept.use(call.now.timestamp())
    if wait > 0:
        raise failures.quota("RESOURCE_EXHAUSTED", wait)


def _customer(call: Call) -> AdAccount:
    """The customer of the path, when the caller reaches it in the way asked."""
    wanted = call.params["customer"]
    if not _ID.fullmatch(wanted):
        raise GoogleAdsError(
            400, "requestError", "INVALID_CUSTOMER_ID", f"Invalid customer ID '{wanted[:40]}'."
        )
    login = call.headers.get("login-customer-id", "").strip()
    if login and not _ID.fullmatch(login):
        raise GoogleAdsError(
            400,
            "headerError",
            "INVALID_LOGIN_CUSTOMER_ID",
            "The login customer ID must be ten digits without dashes.",
        )
    record = call.account(wanted)
    direct = view.reachable(call)
    if record is None or (login or wanted) not in direct:
        raise failures.denied()
    if login and not view.path_holds(call, login, wanted):
        raise GoogleAdsError(
            403,
            "authorizationError",
            "INVALID_LOGIN_CUSTOMER_ID_SERVING_CUSTOMER_ID_COMBINATION",
            "The customer is not managed by the login customer.",
        )
    if record.status == "cancelled":
        raise GoogleAdsError(
            403,
            "authorizationError",
            "CUSTOMER_NOT_ENABLED",
            "The customer account can't be accessed because it is not yet enabled or has been "
            "deactivated.",
        )
    if record.status == "disabled":
        raise GoogleAdsError(
            403,
            "authorizationError",
            "ACTION_NOT_PERMITTED_FOR_SUSPENDED_ACCOUNT",
            "The account is suspended.",
        )
    return record


def _body(call: Call) -> dict[str, Any]:
    try:
        found = call.json() if call.body else {}
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise GoogleAdsError(
            400, "requestError", "REQUIRED_FIELD_MISSING", "The body must be a JSON object."
        )
    if "pageSize" in found or "page_size" in found:
        raise GoogleAdsError(
            400,
            "requestError",
            "PAGE_SIZE_NOT_SUPPORTED",
            "Setting the page size is not supported. Search pages hold 10,000 rows.",
        )
    return found


def _query_text(body: Mapping[str, Any]) -> str:
    query = body.get("query")
    if not isinstance(query, str) or not query.strip():
        raise GoogleAdsError(
            400, "requestError", "REQUIRED_FIELD_MISSING", "The field 'query' is required."
        )
    if len(query) > MAX_QUERY:
        raise gaql.GaqlError("QUERY_ERROR", "The query is too long.")
    return query


def _run(call: Call, record: AdAccount, text: str, as_of: datetime) -> tuple[Answer, list[Any]]:
    """The answer and its rows on the wire, with the row trouble that is aimed here."""
    customer = view.Customer(call, record, as_of, shows_currency="currency_code" in text.lower())
    answer = evaluate.run(gaql.parse(text), customer)
    rows = wire.results(answer, 0, len(answer.rows))
    rows = call.bend(_stream_name(answer), rows, account=record.id, day_of=_day_of)
    return answer, rows


def _stream_name(answer: Answer) -> str:
    has_metrics = any(f.prefix in {"metrics", "segments"} for f in answer.fields)
    if not has_metrics:
        return _STREAMS[answer.resource]
    return _DAILY.get(answer.resource, "daily")


def _day_of(row: Mapping[str, Any]) -> date | None:
    day = row.get("segments", {}).get("date")
    return date.fromisoformat(day) if day else None


def _search(call: Call) -> dict[str, Any]:
    body = _body(call)
    text = _query_text(body)
    record = _customer(call)
    first, as_of = 0, call.now
    if body.get("pageToken"):
        first, as_of = pages.read(str(body["pageToken"]), text, record.id, call.now)
    else:
        _spend(call)
    answer, rows = _run(call, record, text, as_of)
    if body.get("validateOnly") is True:
        return {}
    settings = body.get("searchSettings")
    settings = settings if isinstance(settings, dict) else {}
    out: dict[str, Any] = {}
    shown = rows[first : first + pages.SIZE]
    if shown and not settings.get("omitResults"):
        out["results"] = shown
    if first + pages.SIZE < len(rows):
        out["nextPageToken"] = pages.write(text, record.id, first + pages.SIZE, as_of)
    if settings.get("returnTotalResultsCount"):
        out["totalResultsCount"] = str(len(rows))
    out["fieldMask"] = wire.field_mask(answer.fields)
    if settings.get("returnSummaryRow") and "nextPageToken" not in out:
        out["summaryRow"] = _summary(call, record, text, as_of)
    out["queryResourceConsumption"] = str(_consumption(rows))
    return out


def _stream(call: Call, request_id: str) -> list[dict[str, Any]]:
    body = _body(call)
    text = _query_text(body)
    record = _customer(call)
    _spend(call)
    answer, rows = _run(call, record, text, call.now)
    mask = wire.field_mask(answer.fields)
    chunks: list[dict[str, Any]] = [
        {"results": rows[at : at + pages.SIZE], "fieldMask": mask, "requestId": request_id}
        for at in range(0, len(rows), pages.SIZE)
    ] or [{"fieldMask": mask, "requestId": request_id}]
    wish = body.get("summaryRowSetting")
    if wish in {"SUMMARY_ROW_WITH_RESULTS", "SUMMARY_ROW_ONLY"}:
        chunks = [] if wish == "SUMMARY_ROW_ONLY" else chunks
        summary = _summary(call, record, text, call.now)
        chunks.append({"fieldMask": mask, "summaryRow": summary, "requestId": request_id})
    chunks[-1]["queryResourceConsumption"] = str(_consumption(rows))
    return chunks


def _consumption(rows: list[Any]) -> int:
    return 10 + len(rows)


def _summary(call: Call, record: AdAccount, text: str, as_of: datetime) -> dict[str, Any]:
    """The selected metrics over everything the query covers."""
    query = gaql.parse(text)
    if not any(f.lower().startswith("metrics.") for f in query.select):
        raise GoogleAdsError(
            400,
            "requestError",
            "CANNOT_RETURN_SUMMARY_ROW_FOR_REQUEST_WITHOUT_METRICS",
            "A summary row needs a metric in SELECT.",
        )
    total = evaluate.total(query, view.Customer(call, record, as_of))
    row = {f"metrics.{n}": f(total) for n, f in METRICS.items()}
    chosen = tuple(f for f in evaluate.selected(query) if f.prefix == "metrics")
    whole = Answer(chosen, query.resource, [row], keep_names=False)
    return wire.results(whole, 0, 1)[0]


def fault(call: Call, trouble: Fault) -> Response:
    """Scripted trouble in the vendor's envelope. No rate-limit headers: the vendor has none."""
    headers = {"request-id": secrets.token_urlsafe(16)}
    return _refused(call, failures.of_fault(trouble), headers)


def classify(call: Call) -> Target:
    """What a call is about: the customer in the path and the stream of its query."""
    if call.path.startswith("/o/oauth2/"):
        return Target(kind="consent")
    if not re.match(r"/v\d+/", call.path):
        return Target(kind="token")
    found = re.match(r"/v\d+/customers/(\d+)/", call.path)
    customer = found.group(1) if found else ""
    asked = _FROM.search(call.body[:20_000])
    resource = asked.group(1).decode().lower() if asked else ""
    stream = _STREAMS.get(resource, "")
    selected = call.body[: asked.start()].lower() if asked else b""
    if b"metrics." in selected or b"segments." in selected:
        stream = _DAILY.get(resource, "daily")
    return Target(account=customer, stream=stream)
