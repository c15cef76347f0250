"""The account, its campaigns, ad sets, ads and creatives, with names, status and settings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import orjson

from liftos_app.services.connectors import rows
from liftos_app.services.connectors.client import Answer, Client
from liftos_app.services.connectors.faults import check_open
from liftos_app.services.connectors.paging import walk
from liftos_app.services.connectors.platforms.meta_business.accounts import STATUS, after_of, info
from liftos_app.services.connectors.platforms.meta_business.errors import TooMuch
from liftos_app.services.connectors.platforms.meta_business.version import VERSION
from liftos_app.services.connectors.read import make_page
from liftos_app.services.connectors.spec import Page, Row, Task

# Currencies whose smallest unit on Meta is the whole unit; all others count in hundredths.
WHOLE_CURRENCIES = frozenset(
    {"CLP", "COP", "CRC", "HUF", "IDR", "ISK", "JPY", "KRW", "PYG", "TWD", "VND"}
)
CAMPAIGN_STATES = ("ACTIVE", "ARCHIVED", "DELETED", "IN_PROCESS", "PAUSED", "WITH_ISSUES")
ADSET_STATES = (*CAMPAIGN_STATES, "CAMPAIGN_PAUSED")
AD_STATES = (
    *ADSET_STATES,
    "ADSET_PAUSED",
    "DISAPPROVED",
    "PENDING_BILLING_INFO",
    "PENDING_REVIEW",
    "PREAPPROVED",
)
ACCOUNT_FIELDS = (
    "id",
    "account_id",
    "name",
    "currency",
    "timezone_name",
    "account_status",
    "amount_spent",
)
CAMPAIGN_FIELDS = (
    "id",
    "name",
    "objective",
    "status",
    "effective_status",
    "buying_type",
    "bid_strategy",
    "daily_budget",
    "lifetime_budget",
    "start_time",
    "stop_time",
    "created_time",
    "updated_time",
)
ADSET_FIELDS = (
    "id",
    "name",
    "campaign_id",
    "status",
    "effective_status",
    "optimization_goal",
    "billing_event",
    "daily_budget",
    "lifetime_budget",
    "attribution_spec",
    "start_time",
    "end_time",
    "updated_time",
)
AD_FIELDS = (
    "id",
    "name",
    "adset_id",
    "campaign_id",
    "status",
    "effective_status",
    "creative{id}",
    "created_time",
    "updated_time",
)
CREATIVE_FIELDS = (
    "id",
    "name",
    "title",
    "body",
    "object_type",
    "thumbnail_url",
    "image_url",
    "video_id",
)
LIMIT, SMALLEST_LIMIT = 200, 25
_PLAIN = (
    "objective",
    "buying_type",
    "bid_strategy",
    "optimization_goal",
    "billing_event",
    "start_time",
    "stop_time",
    "end_time",
    "created_time",
    "attribution_spec",
    "title",
    "object_type",
    "video_id",
)
_MONEY = ("daily_budget", "lifetime_budget", "amount_spent")


def minor_to_micros(value: Any, currency: str) -> int:
    """An amount in the currency's smallest unit on Meta, in micro-units. Raises ValueError."""
    amount = rows.micros(value)
    return amount if currency in WHOLE_CURRENCIES else int(Decimal(amount) / 100)


def row(record: Any, task: Task, *, level: int, parent: str = "") -> Row:
    """An entity row; budgets become micro-units of the account's currency."""
    attrs: dict[str, Any] = {n: record[n] for n in _PLAIN if record.get(n) not in (None, "")}
    for name in _MONEY:
        if record.get(name) not in (None, ""):
            attrs[f"{name}_micros"] = minor_to_micros(record[name], task.account.currency)
    creative = record.get("creative")
    if isinstance(creative, dict) and creative.get("id"):
        attrs["creative_id"] = rows.ident(creative["id"])
    if record.get("body"):
        attrs["body"] = rows.text(record["body"], 500)
    return {
        "external_id": rows.ident(record["id"]),
        "level": level,
        "parent_id": rows.ident(record[parent]) if parent else "",
        "name": rows.text(record.get("name"), 400),
        "status": rows.text(record.get("effective_status") or record.get("status"), 40).lower(),
        "attrs": attrs,
    }


def read_account(client: Client, task: Task) -> Iterator[Page]:
    """The ad account itself, as one row."""
    account = task.account.external_id
    answer = client.get(
        f"/{VERSION}/act_{account}", params={"fields": ",".join(ACCOUNT_FIELDS)}, lane=account
    )
    check_open("Meta", info({"account_id": account, **answer.data}))
    yield make_page(
        [answer.data],
        lambda record: {
            **row(record, task, level=rows.ACCOUNT),
            "external_id": account,
            "status": STATUS.get(record.get("account_status"), ""),
        },
        answer=answer,
    )


def reader(
    edge: str,
    fields: tuple[str, ...],
    *,
    level: int,
    states: tuple[str, ...] = (),
    parent: str = "",
) -> Callable[[Client, Task], Iterator[Page]]:
    """The `read` of one list. Archived and deleted objects are named, else Meta leaves them out."""
    always = frozenset(name.partition("{")[0] for name in fields)

    def read(client: Client, task: Task) -> Iterator[Page]:
        account = task.account.external_id
        params: dict[str, Any] = {"fields": ",".join(fields)}
        if states:
            condition = {"field": "effective_status", "operator": "IN", "value": states}
            params["filtering"] = orjson.dumps([condition]).decode()
        limit = LIMIT

        def ask(after: str) -> Answer:
            nonlocal limit
            while True:
                try:
                    return client.get(
                        f"/{VERSION}/act_{account}/{edge}",
                        params={**params, "limit": limit, "after": after or None},
                        lane=account,
                    )
                except TooMuch:
                    if limit <= SMALLEST_LIMIT:
                        raise
                    limit //= 2

        for answer in walk(ask, after_of, records_of=lambda data: data.get("data")):
            yield make_page(
                answer.data.get("data"),
                lambda record: row(record, task, level=level, parent=parent),
                answer=answer,
                always=always,
            )

    return read
