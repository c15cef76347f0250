"""The account, what pays, campaigns, line items and promoted posts: names, status, settings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from liftos_app.errors import Fix
from liftos_app.services.connectors import rows
from liftos_app.services.connectors.client import Client
from liftos_app.services.connectors.platforms.x_ads.accounts import lists, look
from liftos_app.services.connectors.platforms.x_ads.version import VERSION
from liftos_app.services.connectors.read import listed, make_page
from liftos_app.services.connectors.redaction import said
from liftos_app.services.connectors.spec import Page, Row, Task

TWEETS_AT_ONCE = 200
NAME_LENGTH = 120
_PLAIN = (
    "type", "objective", "goal", "product_type", "placements", "bid_strategy", "pay_by",
    "budget_optimization", "funding_instrument_id", "servable", "reasons_not_servable",
    "start_time", "end_time", "created_at", "updated_at", "currency", "tweet_id",
    "approval_status", "entity_status",
)  # fmt: skip
_MONEY = {  # X's -> ours
    "daily_budget_amount_local_micro": "daily_budget_micros",
    "total_budget_amount_local_micro": "total_budget_micros",
    "bid_amount_local_micro": "bid_micros",
    "credit_remaining_local_micro": "credit_remaining_micros",
    "funded_amount_local_micro": "funded_micros",
}


def row(record: Any, *, level: int, parent: str = "", name: str = "") -> Row:
    """An entity row. X's amounts are micro-units of the account's currency, for every currency."""
    attrs: dict[str, Any] = {n: record[n] for n in _PLAIN if record.get(n) not in (None, "", [])}
    for theirs, ours in _MONEY.items():
        if record.get(theirs) is not None:
            attrs[ours] = rows.whole(record[theirs])
    status = rows.text(record.get("effective_status") or record.get("entity_status"), 40).lower()
    return {
        "external_id": rows.ident(record["id"]),
        "level": level,
        "parent_id": rows.ident(record[parent]) if parent else "",
        "name": rows.text(record.get("name"), 400) or name,
        "status": "deleted" if record.get("deleted") is True else status,
        "attrs": attrs,
    }


def read_account(client: Client, task: Task) -> Iterator[Page]:
    """The ad account itself, as one row."""
    answer = look(client, task.account)
    yield make_page(
        [answer.data.get("data")],
        lambda record: {
            **row(record, level=rows.ACCOUNT),
            "status": rows.text(record.get("approval_status"), 40).lower(),
        },
        answer=answer,
        notes=warning(client, answer.headers),
    )


def reader(name: str, *, level: int, parent: str = "") -> Callable[[Client, Task], Iterator[Page]]:
    """The `read` of one list. Deleted records are named, else old results could not be."""

    def read(client: Client, task: Task) -> Iterator[Page]:
        for answer in lists(client, task.account.external_id, name):
            yield make_page(
                answer.data.get("data"),
                lambda record: row(
                    record, level=level, parent=parent, name=rows.text(record.get("description"))
                ),
                answer=answer,
                notes=warning(client, answer.headers),
            )

    return read


def read_ads(client: Client, task: Task) -> Iterator[Page]:
    """Promoted posts. They have no name of their own: their post's name or words stand for it."""
    account = task.account.external_id
    for answer in lists(client, account, "promoted_tweets"):
        records = listed(answer.data.get("data"))
        names, notes = _names(client, account, records)
        yield make_page(
            records,
            partial(_ad, names),
            answer=answer,
            notes=(*warning(client, answer.headers), *notes),
        )


def _ad(names: Mapping[str, str], record: Any) -> Row:
    name = names.get(str(record.get("tweet_id")), "")
    return row(record, level=rows.AD, parent="line_item_id", name=name)


def _names(
    client: Client, account: str, records: list[Any]
) -> tuple[Mapping[str, str], tuple[str, ...]]:
    """Names of the posts behind ads, by post id. Without permission ads stay without a name."""
    wanted = list(dict.fromkeys(str(r["tweet_id"]) for r in records if _has_tweet(r)))
    found: dict[str, str] = {}
    for start in range(0, len(wanted), TWEETS_AT_ONCE):
        params = {
            "tweet_type": "PUBLISHED",
            "tweet_ids": ",".join(wanted[start : start + TWEETS_AT_ONCE]),
            "trim_user": "true",
            "count": TWEETS_AT_ONCE,
        }
        path = f"/{VERSION}/accounts/{account}/tweets"
        try:
            answer = client.get(path, params=params, lane=f"{account}/tweets")
        except Fix as error:
            return found, (f"Ads have no names: {error.why}",)
        for tweet in listed(answer.data.get("data")):
            ident = str(tweet.get("tweet_id") or tweet.get("id_str") or "")
            words = tweet.get("name") or tweet.get("full_text") or tweet.get("text")
            found[ident] = said(words, NAME_LENGTH)
    return found, ()


def _has_tweet(record: Any) -> bool:
    return isinstance(record, dict) and bool(record.get("tweet_id"))


def warning(client: Client, headers: Mapping[str, str]) -> tuple[str, ...]:
    """What X says about the end of a version or endpoint, once a sync."""
    words = said(headers.get("x-api-warn", ""))
    if not words or client.kept.get("x_ads.warned"):
        return ()
    client.kept["x_ads.warned"] = True
    return (f"X warns: {words}",)
