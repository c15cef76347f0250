"""The data interface: versions, limits, describe, queries with locators, deleted ids, faults.

Settings in the platform's memory: `daily_limit` (calls in 24 hours), `page_size` (records on a page
at most), `hidden` ({object: fields the user may not read}), `single_currency` (True: one currency).
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from starlette.responses import Response

from liftos_app.services.sandbox.call import Call, Target, json_answer
from liftos_app.services.sandbox.credentials.salesforce import MY_DOMAIN
from liftos_app.services.sandbox.platforms.salesforce import records, signin, values
from liftos_app.services.sandbox.platforms.salesforce.evaluate import find_object, run
from liftos_app.services.sandbox.platforms.salesforce.ids import ORGANIZATION, make
from liftos_app.services.sandbox.platforms.salesforce.objects import OBJECTS, Sobject
from liftos_app.services.sandbox.platforms.salesforce.refusals import (
    Refusal,
    not_found,
    session_expired,
)
from liftos_app.services.sandbox.platforms.salesforce.soql import parse
from liftos_app.services.sandbox.trouble import Fault

VERSIONS: Final = {f"{n}.0": label for n, label in (
    (60, "Spring '24"), (61, "Summer '24"), (62, "Winter '25"), (63, "Spring '25"),
    (64, "Summer '25"), (65, "Winter '26"), (66, "Spring '26"), (67, "Summer '26"),
    (68, "Winter '27"),
)}  # fmt: skip
DAILY: Final = 112_000
LARGEST_PAGE, SMALLEST_PAGE = 2000, 200
OPEN_LOCATORS: Final = 10
LOCATOR_LIFE: Final = timedelta(days=2)
_FROM = re.compile(r"\bFROM\s+(\w+)", re.IGNORECASE)
_OBJECT = re.compile(r"/sobjects/(\w+)/")
_FAULTS: Final = {
    "missing_scope": (
        403, "INSUFFICIENT_ACCESS", "insufficient access rights on cross-reference id"
    ),
    "rate_limited_silent": (
        403, "REQUEST_LIMIT_EXCEEDED", "ConcurrentPerOrgLongTxn Limit exceeded."
    ),
    "quota_exhausted": (403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."),
}  # fmt: skip
Act = Callable[[Call], Response]


@dataclass(slots=True)
class Cursor:
    """An open result: what was found when it was asked for."""

    made: datetime
    object: str
    rows: list[dict[str, Any]]


@dataclass(slots=True)
class Desk:
    """What the organization remembers between calls."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    day: str = ""
    calls: int = 0
    made: int = 0  # locators so far
    open: dict[str, Cursor] = field(default_factory=dict)
    built: dict[tuple[str, int, datetime, bool], list[dict[str, Any]]] = field(
        default_factory=dict
    )


@dataclass(frozen=True, slots=True)
class Found:
    """A query's result before it is cut into pages; `fields` is empty for COUNT()."""

    object: Sobject
    fields: tuple[str, ...]
    rows: list[dict[str, Any]]


def desk(call: Call) -> Desk:
    """The desk of this sandbox."""
    found: Desk = call.memory.setdefault("desk", Desk())
    return found


def multi(call: Call) -> bool:
    """Whether the organization has several currencies."""
    return not call.memory.get("single_currency")


def guarded(act: Act) -> Act:
    """Only for a known host, version and session, and only while there are calls left."""

    def answer(call: Call) -> Response:
        try:
            if call.params.get("host") != MY_DOMAIN:
                raise not_found()
            _known_version(call)
            signin.caller(call)
            _count(call)
            return act(call)
        except Refusal as refusal:
            return refusal.answer()

    return answer


def versions(call: Call) -> Response:
    """GET /services/data/: needs no session."""
    if call.params["host"] != MY_DOMAIN:
        return not_found().answer()
    return json_answer([
        {"label": label, "url": f"/services/data/v{number}", "version": number}
        for number, label in VERSIONS.items()
    ])  # fmt: skip


def limits(call: Call) -> Response:
    """GET /limits."""
    most = _daily(call)
    return json_answer({
        "DailyApiRequests": {"Max": most, "Remaining": max(0, most - desk(call).calls)},
        "DailyBulkV2QueryJobs": {"Max": 10_000, "Remaining": 10_000},
        "DailyBulkV2QueryFileStorageMB": {"Max": 976_562, "Remaining": 976_562},
    })  # fmt: skip


def organization(call: Call) -> Response:
    """GET /connect/organization."""
    several = multi(call)
    features = {
        "chatter": True, "multiCurrency": several,
        "defaultCurrencyIsoCode": None if several else "USD",
    }  # fmt: skip
    return json_answer({
        "accessTimeout": 30, "features": features, "name": "Larkspur Home Trade",
        "orgId": ORGANIZATION,
    })  # fmt: skip


def sobjects(call: Call) -> Response:
    """GET /sobjects."""
    several = multi(call)
    names = [n for n in OBJECTS if several or n != "CurrencyType"]
    return json_answer({
        "encoding": "UTF-8", "maxBatchSize": 200,
        "sobjects": [
            {k: v for k, v in OBJECTS[n].describe(multi=several).items() if k != "fields"}
            for n in names
        ],
    })  # fmt: skip


def describe(call: Call) -> Response:
    """GET /sobjects/{name}/describe: a field the user may not read is not in it."""
    one = find_object(call.params["name"], multi=multi(call))
    told, hidden = one.describe(multi=multi(call)), _hidden(call, one)
    told["fields"] = [f for f in told["fields"] if f["name"] not in hidden]
    return json_answer(told)


def deleted(call: Call) -> Response:
    """GET /sobjects/{name}/deleted/?start&end, at most 30 days back."""
    one = find_object(call.params["name"], multi=multi(call))
    try:
        start, end = (_moment(call.query[n]) for n in ("start", "end"))
    except (KeyError, ValueError):
        raise Refusal(400, "INVALID_REPLICATION_DATE", "start and end must be dateTimes") from None
    if start < call.now - timedelta(days=30) or end <= start:
        raise Refusal(400, "INVALID_REPLICATION_DATE", "startDate before org replication enabled")
    found = [
        {"id": ident, "deletedDate": values.json_value(at)}
        for ident, at in records.deleted(call.world, one.name, now=call.now) if start <= at < end
    ]  # fmt: skip
    return json_answer({
        "deletedRecords": found,
        "earliestDateAvailable": values.json_value(call.now - timedelta(days=30)),
        "latestDateCovered": values.json_value(end),
    })  # fmt: skip


def query(call: Call) -> Response:
    """GET /query and /queryAll."""
    everything = "/queryAll" in call.path
    found = find(call, call.query.get("q", ""), everything=everything)
    if not found.fields:
        return json_answer({"totalSize": len(found.rows), "done": True, "records": []})
    return _page(call, found.object, found.rows, start=0, locator="")


def more(call: Call) -> Response:
    """GET /query/{locator}-{offset}."""
    locator, _, offset = call.params["locator"].rpartition("-")
    gone = Refusal(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
    place = desk(call)
    with place.lock:
        cursor = place.open.get(locator)
    if cursor is None or not offset.isdigit() or int(offset) >= len(cursor.rows):
        raise gone
    if call.now - cursor.made > LOCATOR_LIFE:
        raise gone
    one = OBJECTS[cursor.object]
    return _page(call, one, cursor.rows, start=int(offset), locator=locator)


def find(call: Call, text: str, *, everything: bool) -> Found:
    """Run a query. Raises Refusal."""
    asked = parse(text)
    several = multi(call)
    one = find_object(asked.object, multi=several)
    rows = _built(call, one.name)
    if not everything:
        rows = [r for r in rows if not r.get("IsDeleted")]
    fields, kept = run(asked, one, rows, multi=several, hidden=_hidden(call, one))
    picked = [{name: row[name] for name in fields} for row in kept]
    return Found(one, fields, call.bend(one.name, picked, account=ORGANIZATION))


def wrap(call: Call, answer: Response) -> Response:
    """Every answer of the data interface says how many calls are used."""
    if re.search(r"/services/data/v\d", call.path):
        answer.headers["sforce-limit-info"] = f"api-usage={desk(call).calls}/{_daily(call)}"
    return answer


def classify(call: Call) -> Target:
    """What a call is about; the stream is the object it asks for."""
    if call.path.endswith("/oauth2/authorize"):
        return Target(kind="consent")
    if "/services/oauth2/" in call.path:
        return Target(kind="token")
    text = call.query.get("q", "") or call.body.decode("utf-8", "replace")
    match = _FROM.search(text) or _OBJECT.search(call.path)
    return Target(account=ORGANIZATION, stream=match[1] if match else "")


def fault(call: Call, trouble: Fault) -> Response:
    """A wire fault in Salesforce's own words; `rate_limited` is 429 of its edge."""
    most, used = _daily(call), desk(call).calls
    if trouble.kind in {"token_expired", "token_revoked"}:
        return session_expired().answer()
    if trouble.kind == "rate_limited":
        wait = {"retry-after": str(trouble.retry_after)} if trouble.retry_after else {}
        return json_answer([], 429, headers=wait)
    if trouble.kind == "server_error" and trouble.status == 410:
        return Response(b"", 410)
    used = most if trouble.kind == "quota_exhausted" else used
    status, code, words = _FAULTS.get(
        trouble.kind, (
            trouble.status, trouble.detail.get("code", "SERVER_UNAVAILABLE"),
            trouble.detail.get("message", "Server is too busy"),
        )
    )
    usage = {"sforce-limit-info": f"api-usage={used}/{most}"}
    return Refusal(status, code, words).answer(usage)


def lost(call: Call) -> Response:
    """Any other path."""
    _ = call
    return not_found().answer()


def _moment(text: str) -> datetime:
    """A time with its zone. Raises ValueError."""
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError(text)
    return found


def _page(
    call: Call, one: Sobject, rows: list[dict[str, Any]], *, start: int, locator: str
) -> Response:
    size = _page_size(call)
    part, end = rows[start : start + size], start + size
    version = call.params["version"]
    body: dict[str, Any] = {"totalSize": len(rows), "done": end >= len(rows)}
    if not body["done"]:
        locator = locator or _open(call, one, rows)
        body["nextRecordsUrl"] = f"/services/data/v{version}/query/{locator}-{end}"
    elif locator:
        with desk(call).lock:
            desk(call).open.pop(locator, None)
    body["records"] = [values.record(one, version, row) for row in part]
    return json_answer(body)


def _open(call: Call, one: Sobject, rows: list[dict[str, Any]]) -> str:
    """A new locator; with more than ten the oldest is forgotten."""
    place = desk(call)
    with place.lock:
        place.made += 1
        name = make("Locator", 1_000_000 + place.made)
        place.open[name] = Cursor(call.now, one.name, rows)
        while len(place.open) > OPEN_LOCATORS:
            del place.open[next(iter(place.open))]
    return name


def _page_size(call: Call) -> int:
    asked = re.search(r"batchSize=(\d+)", call.headers.get("sforce-query-options", ""))
    size = int(asked[1]) if asked else LARGEST_PAGE
    size = min(max(size, SMALLEST_PAGE), LARGEST_PAGE)
    return min(size, int(call.memory.get("page_size") or size))


def _built(call: Call, name: str) -> list[dict[str, Any]]:
    """The records of an object at this moment, kept for the next queries of the same moment."""
    key = (name, id(call.world), call.now.replace(microsecond=0), multi(call))
    place = desk(call)
    with place.lock:
        found = place.built.get(key)
    if found is None:
        found = records.build(call.world, name, now=call.now, multi=key[3])
        with place.lock:
            while len(place.built) >= 2 * len(OBJECTS):
                del place.built[next(iter(place.built))]
            place.built[key] = found
    return found


def _hidden(call: Call, one: Sobject) -> frozenset[str]:
    return frozenset((call.memory.get("hidden") or {}).get(one.name, ()))


def _known_version(call: Call) -> None:
    if call.params.get("version") not in VERSIONS:
        number = call.params.get("version", "").partition(".")[0]
        gone = number.isdigit() and int(number) < int(min(VERSIONS).partition(".")[0])
        if gone:
            raise Refusal(410, "UNSUPPORTED_API_VERSION", "This API version is retired")
        raise not_found()


def _count(call: Call) -> None:
    place, today = desk(call), call.now.date().isoformat()
    with place.lock:
        if place.day != today:
            place.day, place.calls = today, 0
        place.calls += 1
        used = place.calls
    if used > _daily(call):
        raise Refusal(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")


def _daily(call: Call) -> int:
    return int(call.memory.get("daily_limit") or DAILY)

