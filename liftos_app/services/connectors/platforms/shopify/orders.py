"""Orders: by the day they were placed for spans, by their last change for increments.

Small spans are paged, large ones prepared by Shopify as one file. Every order is checked against
the span again on our side, and read whole: all lines, all refunds.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from liftos_app.errors import Fix
from liftos_app.services.connectors.client import Client
from liftos_app.services.connectors.paging import dig, walk
from liftos_app.services.connectors.platforms.shopify import bulk, order_query
from liftos_app.services.connectors.platforms.shopify.errors import TooCostly
from liftos_app.services.connectors.platforms.shopify.gql import (
    ask,
    ask_sized,
    next_cursor,
    notes,
    refused,
)
from liftos_app.services.connectors.platforms.shopify.order_rows import order_row
from liftos_app.services.connectors.platforms.shopify.shop import orders_reach
from liftos_app.services.connectors.read import listed, make_page
from liftos_app.services.connectors.rows import moment
from liftos_app.services.connectors.spec import Page, Row, Task

PAGE = 50
_SHAPE = "shopify.shape"
BULK_FROM = 500  # orders in a span from which a prepared file is cheaper than pages
BULK_DAYS = 3
FORMAT = "%Y-%m-%dT%H:%M:%SZ"


def read(client: Client, task: Task) -> Iterator[Page]:
    """See the contract in spec.py."""
    if task.changes:
        yield from _changes(client, task)
    else:
        yield from _span(client, task)


def _span(client: Client, task: Task) -> Iterator[Page]:
    """All orders placed in the days of the task, by the shop's calendar."""
    oldest = task.today - timedelta(days=orders_reach(task.account))
    if task.start < oldest:
        raise Fix(
            "Shopify hides orders older than 60 days from this app.",
            why="The permission read_all_orders was not given.",
            fix="Give the app read_all_orders and sign in again, or read fewer days.",
            cause="permission",
            owner="your_platform_admin",
            oldest=oldest.isoformat(),
        )
    zone = ZoneInfo(task.account.time_zone)
    search = _between(
        "processed_at", _midnight(task.start, zone), _midnight(task.end + timedelta(days=1), zone)
    )

    def make(node: Any, refused: frozenset[str] = frozenset()) -> Row | None:
        row = order_row(node, zone, task.salt, refused)
        return row if task.holds(row["day"]) else None

    long = (task.end - task.start).days + 1 >= BULK_DAYS
    if long and _count(client, search) >= BULK_FROM:
        nodes = bulk.orders(client, search)
        if nodes is not None:
            yield from _made(client, nodes, make)
            return
    for page, _ in _paged(client, search, "PROCESSED_AT", make):
        yield page


def _changes(client: Client, task: Task) -> Iterator[Page]:
    """All orders changed since the cursor, which moves to the newest change seen."""
    zone = ZoneInfo(task.account.time_zone)
    since = moment(task.cursor) - timedelta(seconds=task.stream.overlap_seconds)
    newest = moment(task.cursor)

    def make(node: Any, refused: frozenset[str] = frozenset()) -> Row | None:
        row = order_row(node, zone, task.salt, refused)
        if task.before is not None and row["day"] >= task.before.isoformat():
            return None  # read with its day
        return row if row["updated_at"] >= since else None  # search has returned older ones

    last: Page | None = None
    search = f"updated_at:>='{since.astimezone(UTC).strftime(FORMAT)}'"
    if task.before is not None:
        search += f" AND processed_at:<'{_midnight(task.before, zone).strftime(FORMAT)}'"
    for page, nodes in _paged(client, search, "UPDATED_AT", make):
        newest = max([newest, *_times(nodes)])
        if last is not None:
            yield last
        last = page
    if last is not None:
        last.cursor = newest.astimezone(UTC).strftime(FORMAT)
        yield last


def _times(nodes: list[Any]) -> Iterator[datetime]:
    for node in nodes:
        try:
            yield moment(node["updatedAt"])
        except (KeyError, TypeError, ValueError):
            continue


def _paged(client: Client, search: str, sort: str, make: Any) -> Iterator[tuple[Page, list[Any]]]:
    """Pages of a search; what is too long for a page is completed order by order."""

    def turn(after: str) -> Any:
        variables = {"after": after or None, "query": search, "sort": sort}
        try:
            return _sized(client, variables)
        except TooCostly:
            if _shape(client) is order_query.SMALL:
                raise
            client.kept[_SHAPE] = order_query.SMALL
            return _sized(client, variables)

    def following(data: Any) -> str | None:
        return next_cursor(data["data"]["orders"])

    for answer in walk(turn, following, records_of=lambda d: d["data"]["orders"]["nodes"]):
        nodes = listed(answer.data["data"]["orders"]["nodes"])
        for node in nodes:
            _complete(client, node)
        made = partial(make, refused=refused(answer, "orders"))
        yield (
            make_page(
                nodes, made, answer=answer, day_key="processedAt", notes=notes(client, answer)
            ),
            nodes,
        )


def _sized(client: Client, variables: Mapping[str, Any]) -> Any:
    shape = {**variables, **_shape(client)}
    return ask_sized(client, order_query.PAGE, shape, kind="orders", first=PAGE)


def _shape(client: Client) -> Mapping[str, int]:
    """How many children are read with each order of this shop."""
    found: Mapping[str, int] = client.kept.get(_SHAPE, order_query.WIDE)
    return found


def _complete(client: Client, node: Any) -> None:
    """Read the lines and refunds that did not fit into the page."""
    if not isinstance(node, dict):
        return
    lines = node.get("lineItems") or {}
    after = next_cursor(lines)
    if after:
        rest = _rest(client, order_query.MORE_LINES, node["id"], "order.lineItems", after)
        lines["nodes"].extend(rest)
    refunds = node.get("refunds") or []
    if len(refunds) >= _shape(client)["refunds"]:
        node["refunds"] = refunds = refunds_of(client, node["id"])
    for refund in refunds:
        complete_refund(client, refund)


def refunds_of(client: Client, order_id: str) -> list[Any]:
    """The refunds of one order, as many as the shop's limits let us ask for at once."""
    for first, lines in ((50, 3), (5, 1)):
        variables = {"id": order_id, "first": first, "refundLines": lines}
        try:
            answer = ask(client, order_query.REFUNDS_OF, variables)
        except TooCostly:
            if lines == 1:
                raise
        else:
            return listed(answer.data["data"]["order"]["refunds"])
    return []


def complete_refund(client: Client, refund: Mapping[str, Any]) -> None:
    """All lines of a long refund, so that its goods part is exact."""
    items = refund.get("refundLineItems") or {}
    if not (items.get("pageInfo") or {}).get("hasNextPage"):
        return
    lines = _rest(client, order_query.REFUND_LINES_OF, refund["id"], "node.refundLineItems")
    items["nodes"] = list(lines)


def _rest(client: Client, query: str, ident: str, path: str, first: str = "") -> Iterator[Any]:
    """The lines of one order or refund from a cursor on; `path` is their connection."""

    def turn(after: str) -> Any:
        return ask(client, query, {"id": ident, "after": after or None})

    def following(data: Any) -> str | None:
        return next_cursor(dig(data["data"], path))

    def nodes(data: Any) -> Any:
        return dig(data["data"], path)["nodes"]

    for answer in walk(turn, following, records_of=nodes, first=first):
        yield from nodes(answer.data)


def _made(client: Client, nodes: list[Any], make: Any) -> Iterator[Page]:
    """Pages of a prepared file; refunds of refunded orders get their goods part first."""
    refunded = [n for n in nodes if isinstance(n, dict) and n.get("refunds")]
    for start in range(0, len(refunded), order_query.MANY):
        _fill_refunds(client, refunded[start : start + order_query.MANY])
    for start in range(0, len(nodes), 1000):
        yield make_page(nodes[start : start + 1000], make, day_key="processedAt")


def _fill_refunds(client: Client, batch: list[dict[str, Any]]) -> None:
    """The refunds of some orders, with the lines that a prepared file cannot hold."""
    query = order_query.refunds_of_many(len(batch))
    try:
        found = ask(client, query, {f"id{i}": n["id"] for i, n in enumerate(batch)}).data["data"]
    except TooCostly:
        found = {f"o{i}": {"refunds": refunds_of(client, n["id"])} for i, n in enumerate(batch)}
    for i, node in enumerate(batch):
        full = found.get(f"o{i}") or {}
        if full.get("refunds"):
            node["refunds"] = full["refunds"]
        if len(node["refunds"]) >= order_query.WIDE["refunds"]:
            node["refunds"] = refunds_of(client, node["id"])
        for refund in node["refunds"]:
            complete_refund(client, refund)


def _count(client: Client, search: str) -> int:
    """How many orders a search finds; -1 when Shopify does not say."""
    found = ask(client, order_query.COUNT, {"query": search}).data["data"].get("ordersCount")
    return int(found["count"]) if isinstance(found, dict) else -1


def _midnight(day: dt.date, zone: ZoneInfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def _between(name: str, start: datetime, end: datetime) -> str:
    """A half-open span; always with `Z` and quotes, else Shopify reads it in shop time."""
    return f"{name}:>='{start.strftime(FORMAT)}' AND {name}:<'{end.strftime(FORMAT)}'"
