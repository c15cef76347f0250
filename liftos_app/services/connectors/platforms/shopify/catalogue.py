"""Products and their variants, read whole; abandoned checkouts, counted by day."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from liftos_app.services.connectors import rows
from liftos_app.services.connectors.client import Client
from liftos_app.services.connectors.paging import walk
from liftos_app.services.connectors.platforms.shopify.gql import (
    ask_sized,
    money,
    next_cursor,
    notes,
    short,
)
from liftos_app.services.connectors.platforms.shopify.order_rows import local_day
from liftos_app.services.connectors.read import listed, make_page, make_rows
from liftos_app.services.connectors.spec import Page, Row, Task

PRODUCTS = """
query Products($first: Int!, $after: String) {
  products(first: $first, after: $after) {
    pageInfo { hasNextPage endCursor }
    nodes { id title handle status productType vendor createdAt updatedAt }
  }
}
"""
VARIANTS = """
query Variants($first: Int!, $after: String) {
  productVariants(first: $first, after: $after) {
    pageInfo { hasNextPage endCursor }
    nodes { id title sku price updatedAt product { id } }
  }
}
"""
CHECKOUTS = """
query Checkouts($first: Int!, $after: String, $query: String!) {
  abandonedCheckouts(first: $first, after: $after, query: $query) {
    pageInfo { hasNextPage endCursor }
    nodes { id createdAt completedAt totalPriceSet { shopMoney { amount } } }
  }
}
"""


def read_products(client: Client, task: Task) -> Iterator[Page]:  # noqa: ARG001
    """All products."""
    yield from _whole(client, PRODUCTS, "products", product_row)


def read_variants(client: Client, task: Task) -> Iterator[Page]:  # noqa: ARG001
    """All variants."""
    yield from _whole(client, VARIANTS, "productVariants", variant_row)


def product_row(node: Any) -> Row:
    """A product."""
    return {
        "external_id": short(node["id"]),
        "level": rows.PRODUCT,
        "name": rows.text(node.get("title"), 400),
        "status": rows.text(node.get("status"), 40).lower(),
        "attrs": {
            "handle": rows.text(node.get("handle"), 200),
            "type": rows.text(node.get("productType"), 200),
            "vendor": rows.text(node.get("vendor"), 200),
        },
    }


def variant_row(node: Any) -> Row:
    """A variant, below its product."""
    return {
        "external_id": short(node["id"]),
        "level": rows.VARIANT,
        "parent_id": short(node["product"]["id"]),
        "name": rows.text(node.get("title"), 400),
        "attrs": {
            "sku": rows.text(node.get("sku"), 120),
            "price_micros": rows.micros(node["price"]),
        },
    }


def read_checkouts(client: Client, task: Task) -> Iterator[Page]:
    """Checkouts that were begun and not finished, as one figure per day of the shop."""
    zone = ZoneInfo(task.account.time_zone)
    start = datetime(task.start.year, task.start.month, task.start.day, tzinfo=zone)
    after_end = task.end + timedelta(days=1)
    end = datetime(after_end.year, after_end.month, after_end.day, tzinfo=zone)
    search = " AND ".join(
        f"created_at:{sign}'{at.astimezone(UTC).strftime('%Y-%m-%dT%H:%M:%SZ')}'"
        for sign, at in ((">=", start), ("<", end))
    )

    def make(node: Any) -> Row | None:
        day = local_day(rows.moment(node["createdAt"]), zone)
        if node.get("completedAt") or not task.holds(day):
            return None
        return {"day": day, "value": money(node["totalPriceSet"])}

    counts: Counter[str] = Counter()
    worth: Counter[str] = Counter()
    page = Page(rows=[])
    for answer in _pages(client, CHECKOUTS, "abandonedCheckouts", {"query": search}):
        nodes = listed(answer.data["data"]["abandonedCheckouts"]["nodes"])
        found, rejected, skipped = make_rows(nodes, make, day_key="createdAt")
        for row in found:
            counts[row["day"]] += 1
            worth[row["day"]] += row["value"]
        page.rejected.extend(rejected)
        page.read_count += len(nodes)
        page.skipped += skipped + len(found)
        page.bytes_read += answer.size
    page.rows = [
        {
            "entity_id": task.account.external_id,
            "day": day,
            "extra": {"abandoned_checkouts": n * 1_000_000, "abandoned_value": worth[day]},
        }
        for day, n in sorted(counts.items())
    ]
    page.skipped -= len(page.rows)  # one record of each day stands for its row
    yield page


def _whole(client: Client, query: str, name: str, make: Any) -> Iterator[Page]:
    for answer in _pages(client, query, name, {}):
        nodes = answer.data["data"][name]["nodes"]
        yield make_page(nodes, make, answer=answer, notes=notes(client, answer))


def _pages(client: Client, query: str, name: str, variables: dict[str, Any]) -> Iterator[Any]:
    def turn(after: str) -> Any:
        return ask_sized(client, query, {**variables, "after": after or None}, kind=name, first=100)

    def following(data: Any) -> str | None:
        return next_cursor(data["data"][name])

    yield from walk(turn, following, records_of=lambda d: d["data"][name]["nodes"])
