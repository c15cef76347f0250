"""The account, its campaigns, ad groups and ads: deleted ones too, and those of Smart+.

TikTok hides what was deleted unless it is asked for, and Smart+ objects may be missing in the
classic lists; they have lists of their own. Times are UTC without saying so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from liftos_app.errors import Fix
from liftos_app.services.connectors import rows
from liftos_app.services.connectors.client import Client
from liftos_app.services.connectors.platforms.tiktok_ads import accounts
from liftos_app.services.connectors.platforms.tiktok_ads.listing import as_json, pages, records
from liftos_app.services.connectors.read import make_page
from liftos_app.services.connectors.spec import Page, Row, Task

PAGE = 1000
SMART_PAGE = 100
CAMPAIGN_FIELDS = (
    "campaign_id", "campaign_name", "objective_type", "operation_status", "secondary_status",
    "budget", "budget_mode", "create_time", "modify_time",
)
ADGROUP_FIELDS = (
    "adgroup_id", "adgroup_name", "campaign_id", "operation_status", "secondary_status",
    "optimization_goal", "billing_event", "bid_price", "budget", "budget_mode",
    "schedule_start_time", "create_time", "modify_time",
)
AD_FIELDS = (
    "ad_id", "ad_name", "adgroup_id", "campaign_id", "ad_text", "operation_status",
    "secondary_status", "create_time", "modify_time",
)
SMART_AD_FIELDS = (
    "smart_plus_ad_id", "ad_name", "adgroup_id", "campaign_id", "operation_status",
    "secondary_status", "create_time", "modify_time",
)
STATES = {"ENABLE": "active", "DISABLE": "paused"}
_TIMES = {"create_time": "created_time", "modify_time": "updated_time",
          "schedule_start_time": "start_time"}
_PLAIN = ("objective_type", "optimization_goal", "billing_event")
_BUDGETS = {
    "BUDGET_MODE_DAY": "daily_budget_micros", "BUDGET_MODE_TOTAL": "lifetime_budget_micros",
    "BUDGET_MODE_DYNAMIC_DAILY_BUDGET": "daily_budget_micros",
}


def read_account(client: Client, task: Task) -> Iterator[Page]:
    """The ad account itself, as one row."""
    _, answer = accounts.look(client, task.account.external_id)

    def make(record: Any) -> Row:
        created = record.get("create_time")
        return {
            "external_id": rows.ident(record["advertiser_id"]),
            "level": rows.ACCOUNT,
            "name": rows.text(record.get("name"), 400),
            "status": accounts.words(rows.text(record.get("status"), 60)),
            "attrs": {} if created is None else {"created_unix": rows.whole(created)},
        }

    yield make_page(records(answer.data), make, answer=answer, always=frozenset(accounts.FIELDS))


def reader(
    kind: str, fields: tuple[str, ...], *, level: int, parent: str = "",
    smart_fields: tuple[str, ...] = (),
) -> Callable[[Client, Task], Iterator[Page]]:
    """The `read` of one kind of object: its classic list, then what only its Smart+ list has."""

    def read(client: Client, task: Task) -> Iterator[Page]:
        seen: set[str] = set()

        def make(record: Any) -> Row:
            return row(record, kind, level=level, parent=parent)

        def make_new(record: Any) -> Row | None:
            found = make(record)
            return None if found["external_id"] in seen else found

        classic = {"secondary_status": f"{kind.upper()}_STATUS_ALL"}
        for page in _list(
            client, task, f"/{kind}/get/", make, fields, filtering=classic, size=PAGE
        ):
            seen.update(r["external_id"] for r in page.rows)
            yield page
        try:
            yield from _list(
                client, task, f"/smart_plus/{kind}/get/", make_new, smart_fields or fields,
                filtering={"primary_status": "STATUS_ALL"}, size=SMART_PAGE,
            )
        except Fix as error:
            yield Page(rows=[], notes=(f"Smart+ was not read: {error.sentence()}",))

    return read


def _list(
    client: Client, task: Task, path: str, make: Callable[[Any], Row | None],
    fields: tuple[str, ...], *, filtering: dict[str, str], size: int,
) -> Iterator[Page]:
    account = task.account.external_id
    params = {
        "advertiser_id": account, "fields": as_json(fields), "filtering": as_json(filtering),
    }
    for answer in pages(client, path, params, size=size, lane=account):
        yield make_page(records(answer.data), make, answer=answer, always=frozenset(fields))


def row(record: Any, kind: str, *, level: int, parent: str = "") -> Row:
    """An entity row; budgets become micro-units of the account's currency."""
    ident = record.get(f"smart_plus_{kind}_id") or record[f"{kind}_id"]
    attrs: dict[str, Any] = {n: rows.text(record[n], 60) for n in _PLAIN if record.get(n)}
    attrs |= {to: utc(record[n]) for n, to in _TIMES.items() if record.get(n)}
    budget = _BUDGETS.get(str(record.get("budget_mode")))
    if budget and record.get("budget") not in (None, ""):
        attrs[budget] = rows.micros(record["budget"])
    if record.get("bid_price"):
        attrs["bid_micros"] = rows.micros(record["bid_price"])
    if record.get("ad_text"):
        attrs["body"] = rows.text(record["ad_text"], 500)
    if record.get(f"smart_plus_{kind}_id"):
        attrs["smart_plus"] = True
    return {
        "external_id": rows.ident(ident),
        "level": level,
        "parent_id": rows.ident(record[parent]) if parent else "",
        "name": rows.text(record.get(f"{kind}_name"), 400),
        "status": state(record),
        "attrs": attrs,
    }


def state(record: Any) -> str:
    """Deleted, or what its owner set it to; TikTok's own word where that is unknown."""
    second = rows.text(record.get("secondary_status"), 80)
    if second.endswith("_DELETE"):
        return "deleted"
    word = rows.text(record.get("operation_status"), 40)
    return STATES.get(word) or (word or second).lower()[:40]


def utc(value: object) -> str:
    """A time of TikTok's lists, which is UTC without a mark, with its mark. Raises ValueError."""
    if not isinstance(value, str):
        raise ValueError(f"not a time: {rows.shown(value)}")  # noqa: TRY004
    return datetime.fromisoformat(value).strftime("%Y-%m-%dT%H:%M:%SZ")
