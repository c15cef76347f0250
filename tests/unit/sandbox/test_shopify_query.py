"""Shopify's query layer without a world: schema, search, cursors, cost, versions, bulk plans."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLError,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    build_schema,
    parse,
)
from hypothesis import given
from hypothesis import strategies as st

from liftos_app.services.sandbox.platforms.shopify import bulk_plan, cost, paging, search, versions
from liftos_app.services.sandbox.platforms.shopify.schema import schema

VENDOR = Path(__file__).parents[2] / "vendor_data" / "contracts" / "shopify.schema.graphql"
ZONE = ZoneInfo("America/New_York")
FIELDS = {
    "updated_at": search.Field("time", lambda n: n["updated"]),
    "financial_status": search.Field("word", lambda n: n["status"]),
    "test": search.Field("bool", lambda n: n["test"]),
    "id": search.Field("id", lambda n: n["number"]),
    "tag": search.Field("words", lambda n: n["tags"]),
    search.DEFAULT: search.Field("word", lambda n: n["name"]),
}


def order(**values: Any) -> dict[str, Any]:
    return {
        "number": 7,
        "status": "PAID",
        "test": False,
        "tags": ["vip"],
        "name": "#1042",
        "updated": datetime(2026, 11, 1, 12, tzinfo=UTC),
        **values,
    }


def finds(text: str, **values: Any) -> bool:
    return search.parse(text, FIELDS, ZONE).matches(order(**values))


@pytest.fixture(scope="module")
def vendor() -> GraphQLSchema:
    return build_schema(VENDOR.read_text(), assume_valid=True)


def test_every_field_the_vendor_also_has_has_the_same_type_and_arguments(
    vendor: GraphQLSchema,
) -> None:
    compared = 0
    for name, ours in schema().type_map.items():
        theirs = vendor.type_map.get(name)
        if name.startswith("__") or theirs is None:
            continue
        if isinstance(ours, (GraphQLObjectType, GraphQLInterfaceType)):
            for field, definition in ours.fields.items():
                other = theirs.fields.get(field)  # type: ignore[attr-defined]
                if other is None:
                    continue
                compared += 1
                assert str(definition.type) == str(other.type), f"{name}.{field}"
                assert {k: str(a.type) for k, a in definition.args.items()} == {
                    k: str(a.type) for k, a in other.args.items()
                }, f"{name}.{field}"
        elif isinstance(ours, GraphQLEnumType):
            assert isinstance(theirs, GraphQLEnumType)
            assert set(ours.values) <= set(theirs.values), name
            if name != "CurrencyCode":
                assert set(ours.values) == set(theirs.values), name
    assert compared > 250


def test_attribution_is_unknown_before_2026_07() -> None:
    assert "attribution" in schema().type_map["Order"].fields  # type: ignore[attr-defined]
    older = schema(has_attribution=False)
    assert "attribution" not in older.type_map["Order"].fields  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("updated_at:>='2026-11-01T12:00:00Z'", True),
        ("updated_at:>'2026-11-01T12:00:00Z'", False),
        ("updated_at:<'2026-11-01T12:00:00Z'", False),
        ("updated_at:<=2026-11-01T12:00:00Z", True),
        ("updated_at:>='2026-11-01T00:00:00Z' AND updated_at:<'2026-11-02T00:00:00Z'", True),
        ("updated_at:>='2026-11-01T00:00:00Z' updated_at:<'2026-11-01T06:00:00Z'", False),
        ('updated_at:>="2026-11-01T07:00:00"', True),
        ('updated_at:>="2026-11-01T07:00:01"', False),
        ("updated_at:2026-11-01", True),
        ("updated_at:2026-11-02", False),
        ("financial_status:paid", True),
        ("financial_status:refunded OR test:false", True),
        ("financial_status:refunded OR (test:false AND financial_status:voided)", False),
        ("NOT financial_status:paid", False),
        ("-financial_status:paid", False),
        ("test:true", False),
        ("id:7", True),
        ("id:>7", False),
        ("tag:vip", True),
        ("#1042", True),
        ("#99", False),
    ],
)
def test_search_text_selects_orders(text: str, found: bool) -> None:
    assert finds(text) is found


def test_dates_without_zone_are_read_in_shop_time() -> None:
    late_evening = datetime(2026, 11, 2, 3, 0, tzinfo=UTC)  # 22:00 on 1 November in New York
    assert finds("updated_at:2026-11-01", updated=late_evening)
    assert not finds("updated_at:2026-11-02", updated=late_evening)


def test_unknown_search_field_is_left_out_with_a_warning() -> None:
    found = search.parse("colour:red AND id:8", FIELDS, ZONE)
    assert [w["field"] for w in found.warnings] == ["colour"]
    assert not found.matches(order())


def test_search_tells_the_span_an_index_may_use() -> None:
    found = search.parse(
        "updated_at:>='2026-11-01T00:00:00Z' AND updated_at:<'2026-11-02T00:00:00Z'", FIELDS, ZONE
    )
    assert found.bounds["updated_at"] == search.Bounds(
        datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 2, tzinfo=UTC)
    )
    assert not search.parse("updated_at:>='2026-11-01' OR test:true", FIELDS, ZONE).bounds


@given(st.text(max_size=60))
def test_no_search_text_breaks_the_parser(text: str) -> None:
    assert search.parse(text, FIELDS, ZONE).matches(order()) in {True, False}


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 40)), unique=True, max_size=30),
    st.integers(1, 8),
    st.booleans(),
    st.booleans(),
)
def test_walking_pages_sees_each_row_once_in_order(
    rows: list[tuple[int, int]], size: int, reverse: bool, backwards: bool
) -> None:
    rows = sorted(rows)
    seen: list[tuple[int, int]] = []
    cursor = None
    for _ in range(40):
        args = {
            "reverse": reverse,
            "last" if backwards else "first": size,
            "before" if backwards else "after": cursor,
        }
        page = paging.connection(rows, args, key=lambda r: r, node=lambda r: r)
        seen = page["nodes"] + seen if backwards else seen + page["nodes"]
        more = page["pageInfo"]["hasPreviousPage" if backwards else "hasNextPage"]
        cursor = page["pageInfo"]["startCursor" if backwards else "endCursor"]
        assert [e["node"] for e in page["edges"]] == page["nodes"]
        if not more:
            break
    assert seen == (rows[::-1] if reverse else rows)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({}, "one of first or last"),
        ({"first": 251}, "cannot exceed 250"),
        ({"first": -1}, "positive"),
        ({"first": 1, "last": 1}, "both first and last"),
        ({"first": 1, "after": "nonsense"}, "Invalid cursor"),
        ({"first": 1, "after": paging.encode(("text", 3))}, "Invalid cursor"),
    ],
)
def test_bad_paging_arguments_are_refused(args: dict[str, Any], message: str) -> None:
    with pytest.raises(GraphQLError, match=message):
        paging.connection([(1, 1)], args, key=lambda r: r, node=lambda r: r)


def price(text: str, **variables: Any) -> int:
    document = parse(text)
    operation = document.definitions[0]
    assert isinstance(operation, OperationDefinitionNode)
    return cost.price(schema(), document, operation).requested(variables)


def test_cost_follows_the_documented_rule() -> None:
    assert (
        price(
            "{ shop { name primaryDomain { url } plan { shopifyPlus } } "
            "currentAppInstallation { accessScopes { handle } } }"
        )
        == 3
    )
    assert price("{ orders(first: 10) { nodes { id } pageInfo { hasNextPage } } }") == 12
    assert price("query($n: Int!) { orders(first: $n) { edges { cursor node { id } } } }", n=7) == 9
    assert price("{ orders(first: 10) { nodes { lineItems(first: 5) { nodes { id } } } } }") == 82
    assert (
        price(
            "{ orders(last: 2) { ...F } } fragment F on OrderConnection "
            "{ nodes { customer { id } } }"
        )
        == 6
    )


def test_bucket_leaks_at_its_rate_and_never_overflows() -> None:
    bucket = cost.Bucket(size=100, rate=10)
    assert bucket.take(80, now=0)
    assert not bucket.take(80, now=1)
    assert bucket.status()["currentlyAvailable"] == 30
    assert bucket.take(80, now=6)
    assert bucket.take(0, now=1000)
    assert bucket.status()["currentlyAvailable"] == 100
    bucket.give_back(50)
    assert bucket.status()["currentlyAvailable"] == 100


def test_versions_follow_the_calendar() -> None:
    today = date(2026, 11, 22)
    assert versions.supported(today) == ["2026-01", "2026-04", "2026-07", "2026-10"]
    assert versions.serving("2026-10", today) == "2026-10"
    assert versions.serving("2024-10", today) == "2026-01"
    assert versions.serving("2027-01", today) == "2027-01"
    assert versions.serving("2027-04", today) is None
    assert versions.serving("2026-02", today) is None
    assert versions.serving("unstable", today) == "unstable"
    handles = {str(v["handle"]): v["supported"] for v in versions.public(today)}
    assert handles["2026-10"] is True
    assert handles["2027-01"] is False


ALL = frozenset({"read_orders", "read_products", "read_customers", "read_all_orders"})


def test_bulk_plan_writes_children_as_own_lines() -> None:
    inner = bulk_plan.read(
        schema(),
        '{ orders(query: "test:false") { edges { node { id total: totalPriceSet { shopMoney '
        "{ amount } } lineItems { nodes { id sku } } } } } }",
        ALL,
    )
    node = {
        "id": "gid://shopify/Order/1",
        "totalPriceSet": {"shopMoney": {"amount": "9.5"}},
        "lineItems": paging.Children(lambda: [{"id": "gid://shopify/LineItem/2", "sku": "K"}]),
    }
    assert inner.name == "orders"
    assert inner.args == {"query": "test:false"}
    assert list(inner.plan.lines(node)) == [
        {"id": "gid://shopify/Order/1", "total": {"shopMoney": {"amount": "9.5"}}},
        {"id": "gid://shopify/LineItem/2", "sku": "K", "__parentId": "gid://shopify/Order/1"},
    ]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{ shop { name } }", "connection"),
        ("{ orders { nodes { id } } products { nodes { id } } }", "exactly one top-level"),
        ("{ orders { pageInfo { hasNextPage } } }", "select nodes"),
        ("{ orders { nodes { name lineItems { nodes { id } } } } }", "select its id"),
        (
            "{ orders { nodes { id refunds { id refundLineItems { nodes { quantity } } } } } }",
            "list field",
        ),
        ("{ orders { nodes { colour } } }", "Cannot query field"),
        ("{ orders {", "Invalid bulk query"),
        ('mutation { bulkOperationCancel(id: "1") { userErrors { message } } }', "exactly one"),
        (
            "{ orders { nodes { id a: lineItems { nodes { id } } b: lineItems { nodes { id } } "
            "c: lineItems { nodes { id } } d: lineItems { nodes { id } } "
            "e: lineItems { nodes { id } } } } }",
            "more than 5",
        ),
    ],
)
def test_bulk_query_outside_the_rules_is_refused(text: str, why: str) -> None:
    with pytest.raises(bulk_plan.NotBulk, match=why):
        bulk_plan.read(schema(), text, ALL)


def test_bulk_plan_notes_the_first_field_the_scopes_forbid() -> None:
    text = "{ orders { nodes { id customer { id } } } }"
    assert bulk_plan.read(schema(), text, ALL).denied == ""
    assert bulk_plan.read(schema(), text, {"read_orders"}).denied == "customer"


def test_bulk_keeps_finished_jobs_seven_days() -> None:
    from liftos_app.services.sandbox.platforms.shopify.bulk import KEPT, Jobs

    moment = datetime(2026, 11, 22, tzinfo=UTC)
    jobs = Jobs(key=b"k")
    inner = bulk_plan.read(schema(), "{ orders { nodes { id } } }", ALL)
    job = jobs.start(
        shop="s",
        app="a",
        query="q",
        inner=inner,
        source=lambda *_: iter([{"id": "1"}]),
        now=lambda: moment,
    )
    assert job is not None
    for _ in range(1000):
        if job.status == "COMPLETED":
            break
        import time

        time.sleep(0.002)
    address = jobs.address(job, "http://x")
    expires = address.split("Expires=")[1].split("&")[0]
    signature = address.split("Signature=")[1]
    assert jobs.download(job.number, expires, signature, moment) is job
    assert jobs.download(job.number, expires, "0" * 64, moment) is None
    assert jobs.download(job.number, expires, signature, moment + KEPT + timedelta(hours=1)) is None
