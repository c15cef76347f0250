"""Daily results: one row per day and account, campaign, ad set or ad.

Meta sends every number as a text. Rows without delivery are absent. Values keep changing for 28
days. What Meta finds too large to answer directly is read as a report that it prepares, and what
is too large for that in halves.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any

import orjson

from liftos_app.errors import Fix, Retry
from liftos_app.services.connectors.client import Answer, Client
from liftos_app.services.connectors.paging import walk
from liftos_app.services.connectors.platforms.meta_business.accounts import after_of
from liftos_app.services.connectors.platforms.meta_business.errors import (
    FAILED,
    ReportFailed,
    TooMuch,
    rule_of,
)
from liftos_app.services.connectors.platforms.meta_business.version import VERSION
from liftos_app.services.connectors.read import Make, make_page
from liftos_app.services.connectors.rows import day, ident, micros, text, whole
from liftos_app.services.connectors.spec import Page, Row, Task

# One purchase appears under several types at once: the first of these that is there counts.
PURCHASES = ("omni_purchase", "purchase", "offsite_conversion.fb_pixel_purchase")
WINDOWS = ("7d_click", "1d_view")
SETTING = "meta_7d_click_1d_view"
NUMBERS = (
    "date_start",
    "date_stop",
    "impressions",
    "reach",
    "clicks",
    "inline_link_clicks",
    "spend",
    "actions",
    "action_values",
)
SPARSE = frozenset({"actions", "action_values", "reach", "clicks", "inline_link_clicks"})
DIRECT_DAYS = 7  # longer spans of ad sets and ads may become a prepared report
LIMIT, SMALLEST_LIMIT = 500, 25
POLLS = (
    0.25,
    0.5,
    1.0,
    2.0,
    3.0,
    5.0,
    8.0,
    13.0,
    20.0,
)  # seconds between looks; the last one goes on
REPORT_SECONDS = 3600

# level -> (field of its id, further fields, field of the parent's id, field of the name)
LEVELS = {
    "account": ("account_id", (), "", ""),
    "campaign": ("campaign_id", ("campaign_name",), "account_id", "campaign_name"),
    "adset": ("adset_id", ("campaign_id",), "campaign_id", ""),
    "ad": ("ad_id", ("campaign_id", "adset_id"), "adset_id", ""),
}


def reader(level: str) -> Callable[[Client, Task], Iterator[Page]]:
    """The `read` of the daily stream of one level."""

    def read(client: Client, task: Task) -> Iterator[Page]:
        yield from _span(client, task, level, start=task.start, end=task.end)

    return read


def _span(
    client: Client, task: Task, level: str, *, start: dt.date, end: dt.date
) -> Iterator[Page]:
    """A span of days, halved as often as Meta finds it too large."""
    length = (end - start).days + 1
    params = _params(task, level, start, end)
    make = row_maker(task, level, start, end)
    may_prepare = level in {"adset", "ad"} and length > DIRECT_DAYS
    try:
        # All of it before anything is handed on: a half that is read again must not come twice.
        pages = (_either if may_prepare else _direct)(client, task, params, make)
    except (TooMuch, ReportFailed):
        if length == 1:
            raise
        middle = start + dt.timedelta(days=length // 2)
        yield from _span(client, task, level, start=middle, end=end)
        yield from _span(client, task, level, start=start, end=middle - dt.timedelta(days=1))
        return
    yield from pages


def _params(task: Task, level: str, start: dt.date, end: dt.date) -> dict[str, Any]:
    ident_field, more, _, _ = LEVELS[level]
    fields = dict.fromkeys(("account_id", ident_field, *more, *NUMBERS))
    return {
        "level": level,
        "time_increment": 1,
        "time_range": orjson.dumps({"since": start.isoformat(), "until": end.isoformat()}).decode(),
        "fields": ",".join(fields),
        "action_attribution_windows": orjson.dumps(WINDOWS).decode(),
        "action_report_time": str(task.options.get("action_report_time") or "impression"),
    }


def _either(client: Client, task: Task, params: dict[str, Any], make: Make) -> list[Page]:
    """Directly: one request where a prepared report takes five or more. Once Meta finds that too
    much of an account, its longer spans are prepared for the rest of the run.
    """
    large = f"meta_business.large.{task.account.external_id}"
    if not client.kept.get(large):
        try:
            return _direct(client, task, params, make, smallest=LIMIT)
        except TooMuch:
            client.kept[large] = True
    return _prepared(client, task, params, make)


def _direct(
    client: Client, task: Task, params: dict[str, Any], make: Make,
    *, smallest: int = SMALLEST_LIMIT,
) -> list[Page]:
    path = f"/{VERSION}/act_{task.account.external_id}/insights"
    lane = task.account.external_id
    return list(_pages(client, path, params, make, lane=lane, smallest=smallest))


def _prepared(client: Client, task: Task, params: dict[str, Any], make: Make) -> list[Page]:
    """Order a report, wait until it is wholly done, read its pages."""
    lane = task.account.external_id
    form = {**params, "fields": orjson.dumps(params["fields"].split(",")).decode()}
    answer = client.post(f"/{VERSION}/act_{lane}/insights", form=form, lane=lane)
    run = ident(answer.data.get("report_run_id"))
    wait_for(client, run, lane)
    return list(_pages(client, f"/{VERSION}/{run}/insights", {}, make, lane=lane))


def wait_for(client: Client, run: str, lane: str) -> None:
    """Wait for a report. Raises ReportFailed, and Retry after an hour."""
    waited = 0.0
    fields = "async_status,async_percent_completion,error_code,error_subcode,error_message"
    for turn in range(REPORT_SECONDS):
        state = client.get(f"/{VERSION}/{run}", params={"fields": fields}, lane=lane).data
        status = state.get("async_status")
        # At 100 % with another status the pages are still incomplete.
        if status == "Job Completed" and int(state.get("async_percent_completion") or 0) == 100:
            return
        if status in {"Job Failed", "Job Skipped"}:
            known = rule_of(
                int(state.get("error_code") or -2), int(state.get("error_subcode") or 0)
            )
            if known is not None and issubclass(known.kind, TooMuch | Retry | Fix):
                raise known.error(words=str(state.get("error_message") or ""), report=run)
            raise FAILED.error(words=str(state.get("error_message") or ""), report=run)
        if waited >= REPORT_SECONDS:
            break
        step = POLLS[min(turn, len(POLLS) - 1)]
        client.pause(step)
        waited += step
    raise Retry(
        "Meta did not finish a report.",
        why="It was not ready after an hour.",
        fix="Nothing to do: it is asked for again at the next sync.",
        report=run,
        again=False,
    )


def _pages(
    client: Client, path: str, params: dict[str, Any], make: Make, *, lane: str,
    smallest: int = SMALLEST_LIMIT,
) -> Iterator[Page]:
    """All pages of a list; a page that is too large is asked for again with half its rows."""
    limit = LIMIT

    def ask(after: str) -> Answer:
        nonlocal limit
        while True:
            try:
                return client.get(
                    path, params={**params, "limit": limit, "after": after or None}, lane=lane
                )
            except TooMuch:
                if limit <= smallest:
                    raise
                limit //= 2

    for answer in walk(ask, after_of, records_of=lambda data: data.get("data")):
        yield make_page(
            answer.data.get("data"), make, answer=answer, day_key="date_start", always=SPARSE
        )


def row_maker(task: Task, level: str, start: dt.date, end: dt.date) -> Make:
    """From a record of Meta to a row of ours, for one level and span."""
    ident_field, _, parent_field, name_field = LEVELS[level]
    days = {(start + dt.timedelta(days=i)).isoformat() for i in range((end - start).days + 1)}
    wanted = str(task.options.get("purchase_action_type") or "")
    types = {name: rank for rank, name in enumerate((wanted,) if wanted else PURCHASES)}

    def make(record: Any) -> Row | None:
        date = day(record["date_start"])
        if record.get("date_stop", date) != date:
            raise ValueError("the record covers more than one day")
        if date not in days:
            return None
        get = record.get
        bought = _chosen(get("actions"), types)
        worth = _of_type(get("action_values"), bought["action_type"]) if bought else None
        row = {
            "entity_id": ident(record[ident_field]),
            "day": date,
            "setting": SETTING,
            "impressions": whole(record["impressions"]),
            "clicks": whole(get("clicks") or 0),
            "spend_micros": micros(record["spend"]),
            "conversions_micros": _amount(bought),
            "value_micros": _amount(worth),
            "extra": {
                "reach": None if get("reach") is None else micros(get("reach")),
                "link_clicks": micros(get("inline_link_clicks") or 0),
                "conversions_7d_click": micros(bought.get("7d_click", 0)) if bought else 0,
                "conversions_1d_view": micros(bought.get("1d_view", 0)) if bought else 0,
            },
        }
        if parent_field:
            row["parent_id"] = ident(record[parent_field])
        if name_field:
            row["entity_name"] = text(get(name_field), 400)
        return row

    return make


def _chosen(actions: Any, types: dict[str, int]) -> dict[str, Any] | None:
    """The one purchase entry that counts; types are alternatives and are never added up."""
    best, rank = None, len(types)
    for action in actions or ():
        place = types.get(action.get("action_type"), rank)
        if place < rank:
            best, rank = action, place
    return best


def _of_type(actions: Any, action_type: str) -> dict[str, Any] | None:
    for action in actions or ():
        if action.get("action_type") == action_type:
            found: dict[str, Any] = action
            return found
    return None


def _amount(action: dict[str, Any] | None) -> int:
    """Both windows together in micro-units; Meta leaves out what is zero."""
    if action is None:
        return 0
    if "7d_click" in action or "1d_view" in action:
        return micros(action.get("7d_click", 0)) + micros(action.get("1d_view", 0))
    return micros(action["value"])
