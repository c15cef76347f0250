"""Finds orders and abandoned checkouts: search, the 60-day limit, keyset pages, row trouble."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from liftos_app.services.sandbox.call import Call
from liftos_app.services.sandbox.platforms.shopify import paging, search
from liftos_app.services.sandbox.platforms.shopify.search import Bounds, Field, Search

if TYPE_CHECKING:
    from liftos_app.services.sandbox.world.shapes import Order
    from liftos_app.services.sandbox.world.shop import Sort

WINDOW = timedelta(days=60)
_CHUNK = 250
SCAN = 4_000  # orders read for one page
_START, _END = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
_SORTS: Mapping[str, Sort] = {
    "UPDATED_AT": "updated",
    "CREATED_AT": "created",
    "PROCESSED_AT": "created",
}
Node = dict[str, Any]


def _status(order: Order) -> list[str]:
    if order.cancelled_at is not None:
        return ["cancelled", "closed", "any"]
    done = order.fulfilled_at is not None
    return ["closed", "any"] if done else ["open", "not_closed", "any"]


ORDER_FIELDS: Mapping[str, Field] = {
    "updated_at": Field("time", lambda o: o.updated_at),
    "created_at": Field("time", lambda o: o.created_at),
    "processed_at": Field("time", lambda o: o.processed_at),
    "financial_status": Field("word", lambda o: o.financial_status),
    "fulfillment_status": Field("word", lambda o: o.fulfillment_status),
    "status": Field("words", _status),
    "test": Field("bool", lambda o: o.test),
    "id": Field("id", lambda o: o.id),
    "name": Field("words", lambda o: [f"#{o.number}", str(o.number)]),
    "customer_id": Field("id", lambda o: o.customer_id),
    "source_name": Field("word", lambda o: o.source_name),
    "sales_channel": Field("word", lambda o: o.source_name),
    "tag": Field("words", lambda o: o.tags),
    "discount_code": Field("words", lambda o: o.discount_codes),
    "sku": Field("words", lambda o: [x.sku for x in o.lines]),
    "total_price": Field("number", lambda o: o.total / 100),
    search.DEFAULT: Field("word", lambda o: f"#{o.number}"),
}


@dataclass(frozen=True, slots=True)
class Finder:
    """Looks into the orders of the world as they stand now."""

    call: Call
    zone: ZoneInfo
    sees_all: bool  # read_all_orders
    node: Callable[[Order], Node]
    warn: Callable[[str, str, list[dict[str, str]]], None]
    account: str

    def page(self, **args: Any) -> Node:
        """The `orders` connection."""
        asked = paging.window(args)
        reverse = bool(args.get("reverse"))
        found = search.parse(args.get("query"), ORDER_FIELDS, self.zone)
        self.warn("orders", str(args.get("query") or ""), found.warnings)
        sort = _SORTS.get(str(args.get("sortKey")), "id")
        ids = self.ids(found, sort)
        forwards = asked.backwards == reverse
        start, end = self._between(ids, asked.cursor, sort, forwards=forwards)
        rows, last, more = self._filled(ids[start:end], found.matches, asked.size, forwards)
        beyond = start > 0 if forwards else end < len(ids)
        later, earlier = (more, beyond) if forwards else (beyond, more)
        if reverse:
            rows.reverse()
            later, earlier = earlier, later
        body = self._connection(rows, sort, has_next=later, has_previous=earlier)
        if more and last is not None and len(rows) < asked.size:
            body["pageInfo"]["startCursor" if asked.backwards else "endCursor"] = paging.encode(
                _key(last, sort)
            )
        return body

    def _filled(
        self, ids: Sequence[int], matches: Callable[[Any], bool], size: int, forwards: bool
    ) -> tuple[list[Order], Order | None, bool]:  # fmt: skip
        """Up to `size` matching orders in ascending order, the last one read, and if there is more.

        Reading stops after SCAN orders: a rare match gives a short page with a cursor to go on
        from, never an answer that takes minutes.
        """
        rows: list[Order] = []
        last: Order | None = None
        more = False
        for count, order in enumerate(self._orders(ids, forwards=forwards, chunk=size + 1)):
            if len(rows) == size or count == SCAN:
                more = True
                break
            last = order
            if matches(order):
                rows.append(order)
        if not forwards:
            rows.reverse()
        return rows, last, more

    def every(self, **args: Any) -> Iterator[Node]:
        """All nodes of a bulk job, row trouble included."""
        found = search.parse(args.get("query"), ORDER_FIELDS, self.zone)
        ids = self.ids(found, _SORTS.get(str(args.get("sortKey")), "created"))
        chunk: list[Node] = []
        for order in self._orders(ids, forwards=not args.get("reverse")):
            if found.matches(order):
                chunk.append(self.node(order))
            if len(chunk) == _CHUNK:
                yield from self.bend(chunk)
                chunk = []
        yield from self.bend(chunk)

    def one(self, order_id: int) -> Node | None:
        """One order, None when it is unknown or too old for the scopes."""
        order = self.call.world.order(order_id, as_of=self.call.now)
        return None if order is None or not self._is_seen(order) else self.node(order)

    def count(self, text: str | None, limit: int | None) -> Node:
        """The `ordersCount` answer."""
        found = search.parse(text, ORDER_FIELDS, self.zone)
        ids = self.ids(found, "id")
        if found.only_bounds and "processed_at" not in found.bounds:
            number = len(ids)
        else:
            most = None if limit is None else limit + 1
            kept = (o for o in self._orders(ids, forwards=True) if found.matches(o))
            number = sum(1 for _ in islice(kept, most))
        if limit is not None and number > limit:
            return {"count": limit, "precision": "AT_LEAST"}
        return {"count": number, "precision": "EXACT"}

    def ids(self, found: Search, sort: Sort) -> Sequence[int]:
        """Ids of the orders inside the time bounds, in the order of `sort`."""
        ids = self._spanned(found.bounds, sort)
        if not found.numbers:
            return ids
        by_id = ids if sort != "updated" else sorted(ids)
        for name, number in found.numbers.items():
            place = bisect.bisect_left(by_id, number, key=partial(self._number, name))
            by_id = by_id[place : place + 1]
        return by_id

    def _number(self, name: str, order_id: int) -> float:
        if name == "id":
            return order_id
        order = self.call.world.order(order_id, as_of=self.call.now)
        return order.number if order is not None else 0

    def _spanned(self, bounds: Mapping[str, Bounds], sort: Sort) -> Sequence[int]:
        created = _span(bounds.get("created_at", Bounds()))
        processed = bounds.get("processed_at")
        if processed is not None:  # the world has no index by it; the predicate cuts exactly
            low, high = _span(processed)
            day = timedelta(days=1)
            created = max(created[0], low - day), min(created[1], high + day)
        if not self.sees_all:
            created = max(created[0], self.call.now - WINDOW), created[1]
        return self.call.world.find_orders(
            as_of=self.call.now, updated=_span(bounds.get("updated_at", Bounds())),
            created=created, sort=sort,
        )  # fmt: skip

    def bend(self, nodes: list[Node]) -> list[Node]:
        """Row trouble aimed at orders; a day is that of processedAt in the shop's zone."""
        return self.call.bend("orders", nodes, account=self.account, day_of=self._day)

    def _day(self, node: Node) -> date | None:
        text = node.get("processedAt")
        if not isinstance(text, str):
            return None
        return datetime.fromisoformat(text).astimezone(self.zone).date()

    def _is_seen(self, order: Order) -> bool:
        return self.sees_all or order.created_at >= self.call.now - WINDOW

    def _orders(
        self, ids: Sequence[int], *, forwards: bool, chunk: int = _CHUNK
    ) -> Iterator[Order]:
        step = max(1, min(chunk, _CHUNK))
        for start in range(0, len(ids), step):
            part = ids[start : start + step]
            if not forwards:
                end = len(ids) - start
                part = list(reversed(ids[max(0, end - step) : end]))
            yield from self.call.world.orders(part, as_of=self.call.now)

    def _between(
        self, ids: Sequence[int], cursor: paging.Key | None, sort: str, *, forwards: bool
    ) -> tuple[int, int]:
        if cursor is None:
            return 0, len(ids)

        def position(order_id: int) -> paging.Key:
            order = self.call.world.order(order_id, as_of=self.call.now)
            return ("", 0) if order is None else _key(order, sort)

        try:
            if forwards:
                return bisect.bisect_right(ids, cursor, key=position), len(ids)
            return 0, bisect.bisect_left(ids, cursor, key=position)
        except TypeError:
            raise paging.bad_request("Invalid cursor for current pagination sort.") from None

    def _connection(
        self, rows: list[Order], sort: str, *, has_next: bool, has_previous: bool
    ) -> Node:
        cursors = {row.id: paging.encode(_key(row, sort)) for row in rows}
        nodes = self.bend([self.node(row) for row in rows])
        ends = [cursors[row.id] for row in (rows[0], rows[-1])] if rows else [None, None]
        by_id = {str(row.id): cursors[row.id] for row in rows}
        return {
            "nodes": nodes,
            "edges": [
                {"cursor": by_id.get(str(n.get("legacyResourceId")), ends[1]), "node": n}
                for n in nodes
            ],
            "pageInfo": {
                "hasNextPage": has_next, "hasPreviousPage": has_previous,
                "startCursor": ends[0], "endCursor": ends[1],
            },
        }  # fmt: skip


def _key(order: Order, sort: str) -> paging.Key:
    if sort == "id":
        return (order.id, order.id)
    moment = order.updated_at if sort == "updated" else order.created_at
    return (moment.isoformat(timespec="microseconds"), order.id)


def _span(bounds: Bounds) -> tuple[datetime, datetime]:
    return bounds.low or _START, bounds.high or _END
