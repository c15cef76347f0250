"""Lists of records: what may be asked for, filters, order, and pages behind opaque cursors."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import partial
from typing import Any

from liftos_app.services.sandbox.call import Call
from liftos_app.services.sandbox.platforms.x_ads import view
from liftos_app.services.sandbox.platforms.x_ads.refusals import Refusal, invalid, missing
from liftos_app.services.sandbox.platforms.x_ads.view import Record
from liftos_app.services.sandbox.world.shapes import AdAccount

DEFAULT, MOST, MOST_IDS = 200, 1000, 200
_ALWAYS = frozenset({"count", "cursor", "sort_by", "with_deleted", "with_total_count"})
# list -> filters by id: parameter -> field of the record
FILTERS: Mapping[str, Mapping[str, str]] = {
    "accounts": {"account_ids": "id"},
    "funding_instruments": {"funding_instrument_ids": "id"},
    "campaigns": {"campaign_ids": "id", "funding_instrument_ids": "funding_instrument_id"},
    "line_items": {"line_item_ids": "id", "campaign_ids": "campaign_id"},
    "promoted_tweets": {"promoted_tweet_ids": "id", "line_item_ids": "line_item_id"},
    "tweets": {"tweet_ids": "tweet_id"},
}
_MORE: Mapping[str, frozenset[str]] = {
    "accounts": frozenset({"q"}),
    "campaigns": frozenset({"q", "draft_only", "with_draft"}),
    "line_items": frozenset({"q", "draft_only", "with_draft"}),
    "tweets": frozenset({"tweet_type", "timeline_type", "trim_user", "user_id"}),
}
_SORTS = ("created_at", "updated_at", "name", "id")


def accounts(call: Call) -> dict[str, Any]:
    """Every account the person has a role on."""
    rows = [view.account_record(a) for a in call.accounts()]
    return _answer(call, "accounts", rows, None)


def of_account(call: Call, a: AdAccount, name: str) -> dict[str, Any]:
    """One list of an account. Raises Refusal."""
    if name == "tweets" and call.query.get("tweet_type") not in {"PUBLISHED", "SCHEDULED", "DRAFT"}:
        if "tweet_type" not in call.query:
            raise missing("tweet_type")
        raise invalid("tweet_type", call.query["tweet_type"], "PUBLISHED, SCHEDULED or DRAFT")
    rows = view.LISTS[name](call, a)
    if name == "tweets":
        if call.query["tweet_type"] != "PUBLISHED":
            rows = []
        if flag(call, "trim_user"):
            rows = [{k: v for k, v in row.items() if k != "user"} for row in rows]
    return _answer(call, name, rows, a)


def one(call: Call, rows: list[Record], ident: str, name: str) -> Record:
    """A single record of a list. Raises Refusal (404)."""
    _known(call, frozenset({"with_deleted"}))
    for row in rows:
        if row["id"] == ident and (not row["deleted"] or flag(call, "with_deleted")):
            return row
    raise Refusal(404, f"{name.upper().removesuffix('S')}_NOT_FOUND", "It was not found")


def flag(call: Call, name: str) -> bool:
    """A yes or no. Raises Refusal."""
    value = call.query.get(name, "false").lower()
    if value not in {"true", "false"}:
        raise invalid(name, value, "boolean")
    return value == "true"


def whole(call: Call, name: str, default: int, low: int, high: int) -> int:
    """A number within bounds. Raises Refusal."""
    text = call.query.get(name, str(default))
    if not text.isdecimal() or len(text) > 9 or not low <= int(text) <= high:
        raise invalid(name, text, f"integer between {low} and {high}")
    return int(text)


def ids(call: Call, name: str, most: int = MOST_IDS) -> list[str]:
    """A comma-separated list of ids. Raises Refusal for too many."""
    found = [i for i in call.query.get(name, "").split(",") if i]
    if len(found) > most:
        raise invalid(name, f"{len(found)} ids", f"at most {most} ids")
    return found


def _answer(call: Call, name: str, rows: list[Record], a: AdAccount | None) -> dict[str, Any]:
    filters = FILTERS[name]
    _known(call, _ALWAYS | frozenset(filters) | _MORE.get(name, frozenset()))
    if flag(call, "with_total_count") and call.query.get("cursor"):
        raise Refusal(
            400, "EXCLUSIVE_PARAMETERS", "with_total_count and cursor cannot be used together"
        )
    if not flag(call, "with_deleted"):
        rows = [r for r in rows if not r["deleted"]]
    for parameter, key in filters.items():
        wanted = ids(call, parameter)
        if wanted:
            rows = [r for r in rows if r[key] in wanted]
    if call.query.get("q"):
        rows = [r for r in rows if r["name"].lower().startswith(call.query["q"].lower())]
    rows = call.bend(name, _sorted(call, rows), account=a.id if a else "")
    page, following = _page(call, rows)
    answer: dict[str, Any] = {"request": {"params": params(call, a)}, "next_cursor": following}
    if flag(call, "with_total_count"):
        answer["total_count"] = len(rows)
    return answer | {"data": page}


def params(call: Call, a: AdAccount | None) -> dict[str, Any]:
    """The request as the server understood it: lists, numbers and flags instead of texts."""
    found: dict[str, Any] = {"account_id": a.id} if a else {}
    for name, value in call.query.items():
        if name.endswith("_ids") or name in {"sort_by", "metric_groups"}:
            found[name] = value.split(",")
        elif name.startswith("with_"):
            found[name] = value.lower() == "true"
        else:
            found[name] = int(value) if name == "count" else value
    return found


def _known(call: Call, names: frozenset[str]) -> None:
    for name, value in call.query_pairs:
        if name not in names:
            raise invalid(name, value, "no such parameter")


def _sorted(call: Call, rows: list[Record]) -> list[Record]:
    for wish in reversed([w for w in call.query.get("sort_by", "").split(",") if w]):
        key, _, direction = wish.partition("-")
        if key not in _SORTS or direction not in {"asc", "desc", ""}:
            raise invalid("sort_by", wish, "attribute-direction")
        by = partial(_text, key)
        rows = sorted(rows, key=by, reverse=direction == "desc")
    return rows


def _text(key: str, row: Record) -> str:
    return str(row.get(key) or "")


def _page(call: Call, rows: list[Record]) -> tuple[list[Record], str | None]:
    count = whole(call, "count", DEFAULT, 1, MOST)
    start = 0
    if call.query.get("cursor"):
        start = _offset(call, len(rows))
    end = start + count
    return rows[start:end], _cursor(call, end) if end < len(rows) else None


def _cursor(call: Call, offset: int) -> str:
    mark = hashlib.sha256(f"{call.path.lstrip('/').partition('/')[2]} {offset}".encode())
    return f"c-{offset:x}{mark.hexdigest()[:8]}"


def _offset(call: Call, length: int) -> int:
    text = call.query["cursor"]
    digits = text[2:-8]
    try:
        offset = int(digits, 16)
    except ValueError:
        offset = -1
    if not 0 <= offset <= length or text != _cursor(call, offset):
        raise invalid("cursor", text, "a cursor of this list")
    return offset
