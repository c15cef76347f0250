"""The data interface: pages of records, queries, deleted ids, credits, faults.

Settings in the platform's memory: `credits` (of 24 hours), `hidden` ({module: fields that are not
there}), `off` (modules that are not there), `page_size` (records on a page at most).
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from starlette.responses import Response

from liftos_app.services.sandbox.call import Call, Target, json_answer
from liftos_app.services.sandbox.platforms.zoho_crm import coql, signin, values
from liftos_app.services.sandbox.platforms.zoho_crm.finding import check_field, ordered, test_of
from liftos_app.services.sandbox.platforms.zoho_crm.modules import (
    MODULES,
    TRUE_ZONE,
    Module,
    ident,
)
from liftos_app.services.sandbox.platforms.zoho_crm.refusals import (
    Refusal,
    bad_data,
    invalid_token,
    missing,
    too_many,
    wrong_scope,
)
from liftos_app.services.sandbox.trouble import Fault

COMPANY: Final = "20086012345"
CREDITS: Final = 62_000
PER_PAGE, WALL, MOST_FIELDS = 200, 2000, 50
TOKEN_LIFE: Final = timedelta(hours=24)
BIN: Final = timedelta(days=60)
_SORTS: Final = frozenset({"id", "Created_Time", "Modified_Time"})
Act = Callable[[Call], Response]


@dataclass(slots=True)
class Walk:
    """A result that goes on behind a page token."""

    made: datetime
    fields: tuple[str, ...]
    rows: list[dict[str, Any]]
    start: int
    info: dict[str, Any]


@dataclass(slots=True)
class Desk:
    """What the company remembers between calls."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    day: str = ""
    used: int = 0
    walks: dict[str, Walk] = field(default_factory=dict)
    built: dict[tuple[str, int, datetime], list[dict[str, Any]]] = field(default_factory=dict)


def desk(call: Call) -> Desk:
    """The desk of this sandbox."""
    found: Desk = call.memory.setdefault("desk", Desk())
    return found


def guarded(act: Act, scope: str, price: int = 1) -> Act:
    """Only with a living token that has the scope, and while there are credits."""

    def answer(call: Call) -> Response:
        try:
            grant = signin.caller(call)
            if "module" in call.params:
                module_of(call, call.params["module"])
            named = f"ZohoCRM.{scope.format(module=call.params.get('module', '').lower())}.READ"
            if not grant.has(named):
                raise wrong_scope()
            spend(call, price)
            return act(call)
        except Refusal as refusal:
            return refusal.answer()

    return answer


def spend(call: Call, price: int) -> None:
    """Take credits of the day. Raises Refusal (429)."""
    place, today = desk(call), call.now.date().isoformat()
    with place.lock:
        if place.day != today:
            place.day, place.used = today, 0
        if place.used + price > _credits(call):
            raise too_many()
        place.used += price


def records(call: Call) -> Response:
    """GET /{module}: 2,000 records by page number, all others by token."""
    module = module_of(call, call.params["module"])
    token = call.query.get("page_token", "")
    if token:
        if "page" in call.query:
            raise bad_data("page", "page and page_token cannot be used together")
        return _go_on(call, module, token)
    names = _asked_fields(call, module)
    size, page = per_page(call), whole(call, "page", 1)
    if page * size > WALL:
        raise Refusal(
            400, "DISCRETE_PAGINATION_LIMIT_EXCEEDED",
            "You can only get the first 2000 records without using page_token param",
            {"limit": WALL},
        )  # fmt: skip
    sort, down = call.query.get("sort_by", "id"), call.query.get("sort_order", "desc") == "desc"
    if sort not in _SORTS:
        raise bad_data("sort_by")
    rows = _visible(call, module)
    since = call.headers.get("if-modified-since", "")
    if since:
        rows = [r for r in rows if r["Modified_Time"] >= _moment(since)]
        if not rows:
            return Response(b"", 304)
    found = bent(call, module, names, ordered(rows, [(sort, down)]))
    info = {"per_page": size, "sort_by": sort, "sort_order": "desc" if down else "asc"}
    return _part(Walk(call.now, names, found, (page - 1) * size, info), call, module, page)


def query(call: Call) -> Response:
    """POST /coql."""
    try:
        asked = coql.parse(coql.select_query(call.json()))
    except ValueError:
        raise bad_data("body", "the body is not JSON") from None
    spend(call, 0 if asked.limit <= 200 else 1 if asked.limit <= 1000 else 2)  # beside the one
    module = module_of(call, asked.module)
    hidden = hidden_in(call, module)
    names = tuple(check_field(module, f, hidden) for f in asked.fields)
    fits = test_of(asked.where, module, hidden)
    for name, _ in asked.order:
        check_field(module, name, hidden)
    rows = built(call, module)
    if "Converted__s" in module.fields and not asked.mentions("Converted__s"):
        rows = [r for r in rows if not r["Converted__s"]]
    kept = ordered([r for r in rows if fits(r)], asked.order)
    found = bent(call, module, names, kept)
    limit = min(asked.limit, int(call.memory.get("page_size") or asked.limit))
    part = found[asked.offset : asked.offset + limit]
    if not part:
        return Response(b"", 204)
    more = len(found) > asked.offset + limit
    return json_answer({
        "data": [values.record(_shown(names, r), r) for r in part],
        "info": {"count": len(part), "more_records": more},
    })  # fmt: skip


def deleted(call: Call) -> Response:
    """GET /{module}/deleted?type=: ids of what is gone, newest first."""
    module = module_of(call, call.params["module"])
    kind = call.query.get("type", "all")
    if kind not in {"all", "recycle", "permanent"}:
        raise bad_data("type")
    since = call.headers.get("if-modified-since", "")
    found = []
    for gone, at, name in module.deleted(call.world, call.now):
        where = "recycle" if call.now - at < BIN else "permanent"
        if kind in {"all", where} and (not since or at >= _moment(since)):
            found.append((at, gone, name, where))
    found.sort(reverse=True)
    size, page = per_page(call), whole(call, "page", 1)
    part = found[(page - 1) * size : page * size]
    if not part:
        return Response(b"", 304 if since else 204)
    by = {"name": "Robin Larkspur", "id": ident("users", 1)}
    return json_answer({
        "data": [
            {"id": gone, "display_name": name, "type": where, "deleted_by": by, "created_by": by,
             "deleted_time": values.json_value(at)}
            for at, gone, name, where in part
        ],
        "info": {"per_page": size, "count": len(part), "page": page,
                 "more_records": len(found) > page * size},
    })  # fmt: skip


def module_of(call: Call, name: str) -> Module:
    """A module that is there. Raises Refusal."""
    found = MODULES.get(name)
    if found is None or name in (call.memory.get("off") or ()):
        raise Refusal(400, "INVALID_MODULE", "the module name given seems to be invalid",
                      {"resource_path_index": 0})  # fmt: skip
    return found


def built(call: Call, module: Module) -> list[dict[str, Any]]:
    """All records of a module at this moment, converted leads too."""
    key = (module.name, id(call.world), call.now.replace(microsecond=0))
    place = desk(call)
    with place.lock:
        found = place.built.get(key)
    if found is None:
        found = module.build(call.world, call.now)
        with place.lock:
            while len(place.built) >= 2 * len(MODULES):
                del place.built[next(iter(place.built))]
            place.built[key] = found
    return found


def bent(
    call: Call, module: Module, names: tuple[str, ...], rows: list[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """The asked fields of records, after planted trouble."""
    picked = [{"id": r["id"], **{n: r[n] for n in names}} for r in rows]
    return call.bend(module.name, picked, account=COMPANY)


def wrap(call: Call, answer: Response) -> Response:
    """Credits are told once half of them are used."""
    most, used = _credits(call), desk(call).used
    if "/crm/" in call.path and used * 2 >= most:
        answer.headers["x-api-credits-remaining"] = str(max(0, most - used))
    return answer


def classify(call: Call) -> Target:
    """What a call is about; the stream is its module."""
    if call.path.endswith("/oauth/v2/auth"):
        return Target(kind="consent")
    if "/oauth/" in call.path:
        return Target(kind="token")
    text = call.path + call.query_string + call.body.decode("utf-8", "replace")
    return Target(account=COMPANY, stream=next((m for m in MODULES if m in text), ""))


def fault(_call: Call, trouble: Fault) -> Response:
    """A wire fault in Zoho's own words; it never names a waiting time."""
    match trouble.kind:
        case "token_expired" | "token_revoked":
            return invalid_token().answer()
        case "missing_scope":
            return wrong_scope().answer()
        case "rate_limited" | "rate_limited_silent":
            return too_many().answer()
        case "quota_exhausted":
            return too_many().answer({"x-api-credits-remaining": "0"})
    return Refusal(trouble.status, "INTERNAL_ERROR", "Internal Server Error").answer()


def lost(_call: Call) -> Response:
    """Any other path."""
    words = "Please check if the URL trying to access is a correct one"
    return Refusal(404, "INVALID_URL_PATTERN", words).answer()


def _visible(call: Call, module: Module) -> list[Mapping[str, Any]]:
    """Converted leads are left out unless they are asked for."""
    rows: list[Mapping[str, Any]] = [*built(call, module)]
    if "Converted__s" not in module.fields:
        return rows
    match call.query.get("converted", "false"):
        case "both":
            return rows
        case "true":
            return [r for r in rows if r["Converted__s"]]
    return [r for r in rows if not r["Converted__s"]]


def _asked_fields(call: Call, module: Module) -> tuple[str, ...]:
    names = [n.strip() for n in call.query.get("fields", "").split(",") if n.strip()]
    if not names:
        raise missing("fields")
    if len(names) > MOST_FIELDS:
        raise Refusal(400, "LIMIT_EXCEEDED", "only 50 fields are allowed", {"limit": MOST_FIELDS})
    hidden = hidden_in(call, module)
    return tuple(n for n in names if n in module.fields and n not in hidden)


def _part(walk: Walk, call: Call, module: Module, page: int) -> Response:
    size = walk.info["per_page"]
    part = walk.rows[walk.start : walk.start + size]
    if not part:
        return Response(b"", 204)
    more = len(walk.rows) > walk.start + size
    token = None
    if more:
        token = secrets.token_hex(16)
        following = Walk(walk.made, walk.fields, walk.rows, walk.start + size, walk.info)
        with desk(call).lock:
            desk(call).walks[f"{module.name}/{token}"] = following
    info = {
        **walk.info, "count": len(part), "page": page, "more_records": more,
        "next_page_token": token, "previous_page_token": None,
        "page_token_expiry": values.json_value(walk.made + TOKEN_LIFE) if more else None,
    }  # fmt: skip
    return json_answer(
        {"data": [values.record(_shown(walk.fields, r), r) for r in part], "info": info}
    )


def _go_on(call: Call, module: Module, token: str) -> Response:
    with desk(call).lock:
        walk = desk(call).walks.get(f"{module.name}/{token}")
    if walk is None or call.now - walk.made > TOKEN_LIFE:
        raise Refusal(400, "INVALID_DATA", "the page_token is invalid or expired",
                      {"param_name": "page_token"})  # fmt: skip
    _asked_fields(call, module)
    return _part(walk, call, module, walk.start // walk.info["per_page"] + 1)


def _shown(names: tuple[str, ...], row: Mapping[str, Any]) -> tuple[str, ...]:
    """The asked fields, and what a planted fault put beside them."""
    return tuple(n for n in row if n in names or n not in {"id"})


def per_page(call: Call) -> int:
    """How many records a page may have. Raises Refusal."""
    size = whole(call, "per_page", PER_PAGE)
    if size > PER_PAGE:
        raise bad_data("per_page")
    return min(size, int(call.memory.get("page_size") or size))


def whole(call: Call, name: str, usual: int) -> int:
    """A parameter that is a number above zero. Raises Refusal."""
    text = call.query.get(name, str(usual))
    if not text.isdigit() or not int(text):
        raise bad_data(name)
    return int(text)


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise bad_data("If-Modified-Since") from None
    return found if found.tzinfo else found.replace(tzinfo=ZoneInfo(TRUE_ZONE))


def hidden_in(call: Call, module: Module) -> frozenset[str]:
    """Fields that are not there for this person."""
    return frozenset((call.memory.get("hidden") or {}).get(module.name, ()))


def _credits(call: Call) -> int:
    return int(call.memory.get("credits") or CREDITS)
