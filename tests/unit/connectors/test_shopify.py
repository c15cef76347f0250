"""Shopify: the shop's day, refunds with their goods part, no person's data, the vendor's schema."""

from __future__ import annotations

import functools
import json
import re
from typing import Any

import httpx
import pytest
from graphql import GraphQLSchema, build_schema, extend_schema, parse, validate

from liftos_app.errors import Fix, GiveUp, Quota
from liftos_app.services.connectors import registry
from liftos_app.services.connectors.client import Client
from liftos_app.services.connectors.platforms.shopify import catalogue, order_query
from liftos_app.services.connectors.platforms.shopify import shop as shop_queries
from liftos_app.services.connectors.platforms.shopify.order_rows import stripped
from tests.unit.connectors.helper import (
    VENDOR,
    Edge,
    account,
    answers,
    example,
    make_client,
    read,
    reply,
    task,
)

SHOP = registry.get("shopify")
KITE = account(
    external_id="548380009", name="Kite & Co", currency="USD", time_zone="America/New_York",
    extra={"all_orders": True},
)
SALT = "5f" * 32
# The trimmed schema leaves these entry points out; their fields are the vendor's own types.
MORE = """
interface Node { id: ID! }
type ProductConnection { nodes: [Product!]! pageInfo: PageInfo! }
type ProductVariantConnection { nodes: [ProductVariant!]! pageInfo: PageInfo! }
type AbandonedCheckout {
  id: ID! createdAt: DateTime! completedAt: DateTime totalPriceSet: MoneyBag!
}
type AbandonedCheckoutConnection { nodes: [AbandonedCheckout!]! pageInfo: PageInfo! }
extend type Refund implements Node
extend type QueryRoot {
  node(id: ID!): Node
  products(after: String, first: Int, query: String): ProductConnection!
  productVariants(after: String, first: Int, query: String): ProductVariantConnection!
  abandonedCheckouts(after: String, first: Int, query: String): AbandonedCheckoutConnection!
}
"""


@functools.cache
def schema() -> GraphQLSchema:
    text = (VENDOR / "contracts" / "shopify.schema.graphql").read_text(encoding="utf-8")
    return extend_schema(build_schema(text, assume_valid=True), parse(MORE), assume_valid=True)


def client(handler: Any, **more: Any) -> tuple[Client, Edge]:
    """A client whose every query is held to the vendor's schema."""

    def checked(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("graphql.json"):
            body = json.loads(request.content)
            assert validate(schema(), parse(body["query"])) == []
            assert request.url.path == "/admin/api/2026-10/graphql.json"
            assert request.headers["x-shopify-access-token"] == "shpat_1"
            assert "authorization" not in request.headers
        found: httpx.Response = handler(request)
        return found

    return make_client(SHOP, checked, {"access_token": "shpat_1"}, **more)


def body(edge: Edge, index: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(edge.requests[index].content)
    return found


def money(amount: str) -> dict[str, Any]:
    return {"shopMoney": {"amount": amount, "currencyCode": "USD"}}


def order(number: int = 1, **more: Any) -> dict[str, Any]:
    base: dict[str, Any] = example("shopify", "orders_page")["body"]["data"]["orders"]["nodes"][0]
    base["id"] = f"gid://shopify/Order/{number}"
    base["lineItems"] = {"pageInfo": {"hasNextPage": False}, "nodes": [{
        "id": f"gid://shopify/LineItem/{number}01", "title": "Kite", "sku": "KITE-1",
        "quantity": 2, "product": {"id": "gid://shopify/Product/5"},
        "discountedTotalSet": money("90.0"),
    }]}
    base["refunds"][0]["id"] = f"gid://shopify/Refund/{number}9"
    base["refunds"][0]["totalRefundedSet"] = money("32.4")
    base["refunds"][0]["refundLineItems"] = {
        "pageInfo": {"hasNextPage": False}, "nodes": [{"subtotalSet": money("30.0")}]
    }
    return base | more


def page(*nodes: dict[str, Any], cursor: str = "") -> dict[str, Any]:
    info = {"hasNextPage": bool(cursor), "endCursor": cursor or None}
    return {"data": {"orders": {"pageInfo": info, "nodes": list(nodes)}}}


def span(**more: Any) -> Any:
    found = {"start": "2026-11-01", "end": "2026-11-02", "account": KITE, "salt": SALT, **more}
    return task(SHOP, "orders", **found)


QUERIES = {
    "page": order_query.PAGE, "count": order_query.COUNT, "lines": order_query.MORE_LINES,
    "refunds": order_query.REFUNDS_OF, "refund lines": order_query.REFUND_LINES_OF,
    "many": order_query.refunds_of_many(3), "bulk": order_query.bulk_query("processed_at:>='x'"),
    "bulk run": order_query.BULK_RUN, "bulk state": order_query.BULK_STATE,
    "shop": shop_queries.SHOP, "test": shop_queries.TEST, "products": catalogue.PRODUCTS,
    "variants": catalogue.VARIANTS, "checkouts": catalogue.CHECKOUTS,
}
PERSONAL = (
    "email", "phone", "address", "displayName", "clientIp", "note", "customAttributes",
    "statusPageUrl", "firstName", "lastName", "staffMember",
)


@pytest.mark.parametrize("name", QUERIES)
def test_queries_are_valid_in_the_vendors_schema(name: str) -> None:
    assert validate(schema(), parse(QUERIES[name])) == []


@pytest.mark.parametrize("name", QUERIES)
def test_queries_ask_for_no_personal_field(name: str) -> None:
    words = set(re.findall(r"[A-Za-z]+", QUERIES[name]))
    allowed = {"displayName"} if "attribution {" in QUERIES[name] else set()
    assert not words & set(PERSONAL) - allowed


def test_an_order_becomes_a_row_in_shop_currency_on_the_shops_day() -> None:
    one, edge = client(answers(page(order())))
    row = read(one, span()).rows[0]
    assert row["external_id"] == "1"
    assert row["day"] == "2026-11-01"
    assert row["currency"] == "USD"
    assert (row["gross_micros"], row["subtotal_micros"], row["discount_micros"],
            row["shipping_micros"], row["tax_micros"], row["refunded_micros"]) == (
        97_200_000, 90_000_000, 10_000_000, 0, 7_200_000, 32_400_000)
    assert row["financial_status"] == "partially_refunded"
    assert row["customer_order_index"] == 2
    assert (row["utm_source"], row["utm_medium"], row["utm_campaign"]) == ("google", "cpc", "brand")
    assert row["source"] == "web"
    assert row["attrs"]["presentment_currency"] == "EUR"
    assert row["lines"] == [{"external_id": "101", "product_id": "5", "title": "Kite",
                             "sku": "KITE-1", "quantity": 2, "amount_micros": 90_000_000}]
    refund = row["refunds"][0]
    assert (refund["external_id"], refund["day"], refund["amount_micros"],
            refund["goods_micros"]) == ("19", "2026-11-09", 32_400_000, 30_000_000)
    assert body(edge)["variables"] == {
        "first": 50, "after": None, "sort": "PROCESSED_AT",
        "lines": 8, "refunds": 2, "refundLines": 4,
        "query": "processed_at:>='2026-11-01T04:00:00Z' AND processed_at:<'2026-11-03T05:00:00Z'",
    }  # the clocks change on the first of November 2026 in New York


def test_days_are_cut_in_the_shops_zone_and_strangers_left_out() -> None:
    late = order(2, processedAt="2026-11-02T04:59:59Z")  # still the first, in New York
    early = order(3, processedAt="2026-11-01T03:59:59Z")  # the day before
    one, _ = client(answers(page(late, early)))
    found = read(one, span())
    assert [(r["external_id"], r["day"]) for r in found.rows] == [("2", "2026-11-01")]
    assert found.skipped == 1


def test_the_customer_is_a_keyed_hash_and_nothing_without_a_key() -> None:
    one, _ = client(answers(page(order())))
    ref = read(one, span()).rows[0]["customer_ref"]
    assert re.fullmatch(r"[0-9a-f]{64}", ref)
    other = read(one, span(salt="a7" * 32)).rows[0]["customer_ref"]
    assert other != ref
    assert read(one, span(salt="")).rows[0]["customer_ref"] == ""
    guest, _ = client(answers(page(order(customer=None))))
    assert read(guest, span()).rows[0]["customer_ref"] == ""


@pytest.mark.parametrize(("url", "kept"), [
    ("https://www.example.com/p?email=a@b.c&utm_source=x&gclid=1&ref=2",
     "www.example.com/p?utm_source=x&gclid=1"),
    ("https://www.example.com/u/a@b.c?utm_source=x", "www.example.com/?utm_source=x"),
    ("https://www.example.com/u/a%40b.c", "www.example.com/"),
    ("https://user:pw@www.example.com/p#frag", "www.example.com/p"),
    ("https://www.example.com/?utm_term=a@b.c", "www.example.com/"),
    (None, ""), ("", ""), ("http://[broken", ""),
])
def test_landing_pages_keep_no_person(url: Any, kept: str) -> None:
    assert stripped(url) == kept


def test_an_order_without_a_visit_is_fine() -> None:
    bare = order(customerJourneySummary=None, attribution=None, sourceName="pos",
                 totalTaxSet=None, totalDiscountsSet=None, subtotalPriceSet=None)
    one, _ = client(answers(page(bare)))
    row = read(one, span()).rows[0]
    assert (row["utm_source"], row["source"], row["customer_order_index"]) == ("", "pos", None)
    assert row["subtotal_micros"] == 97_200_000


def test_the_only_order_of_a_customer_is_the_first_also_at_a_till() -> None:
    till = {"customerJourneySummary": None}
    one, _ = client(answers(page(
        order(1, **till, customer={"id": "gid://shopify/Customer/1", "numberOfOrders": "1"}),
        order(2, **till, customer={"id": "gid://shopify/Customer/2", "numberOfOrders": "4"}),
    )))
    assert [r["customer_order_index"] for r in read(one, span()).rows] == [1, None]


@pytest.mark.parametrize(("change", "words"), [
    ({"totalPriceSet": money("NaN")}, "not a number"),
    ({"processedAt": "yesterday"}, "not a time"),
    ({"totalPriceSet": None}, "another form"),
    ({"id": None}, "not an id"),
    ({"totalPriceSet": {"shopMoney": {"amount": "1", "currencyCode": "EURO"}}}, "not a currency"),
])
def test_a_broken_order_is_rejected_alone(change: dict[str, Any], words: str) -> None:
    one, _ = client(answers(page(order(1), order(2) | change)))
    found = read(one, span())
    assert [r["external_id"] for r in found.rows] == ["1"]
    assert words in found.rejected[0].reason


def test_L105_changes_are_read_from_before_the_cursor_and_move_it() -> None:
    old = order(3, updatedAt="2026-11-08T00:00:00Z")
    one, edge = client(answers(
        page(order(1, updatedAt="2026-11-09T08:02:10Z"), cursor="c1"),
        page(order(2, updatedAt="2026-11-09T09:00:00Z", processedAt="2026-01-05T10:00:00Z"), old),
    ))
    found = read(one, span(cursor="2026-11-09T08:00:00Z"))
    assert [(r["external_id"], r["day"]) for r in found.rows] == [
        ("1", "2026-11-01"), ("2", "2026-01-05"),
    ]
    assert found.skipped == 1  # the search returned one that had not changed
    assert found.cursor == "2026-11-09T09:00:00Z"
    assert body(edge)["variables"]["query"] == "updated_at:>='2026-11-09T07:30:00Z'"
    assert body(edge)["variables"]["sort"] == "UPDATED_AT"
    assert body(edge, 1)["variables"]["after"] == "c1"


def test_no_changes_keep_the_cursor() -> None:
    one, _ = client(answers(page()))
    assert read(one, span(cursor="2026-11-09T08:00:00Z")).cursor == "2026-11-09T08:00:00Z"


def test_a_query_that_costs_too_much_is_made_smaller_and_remembered() -> None:
    costly = {"errors": [{"message": "m", "extensions": {"code": "MAX_COST_EXCEEDED"}}]}
    one, edge = client(answers(costly, costly, page(order(), cursor="x"), page()))
    read(one, span())
    assert [body(edge, i)["variables"]["first"] for i in range(4)] == [50, 25, 12, 12]


def test_a_throttled_query_waits_for_its_points_and_goes_on() -> None:
    one, edge = client(answers(reply("shopify", "throttled_200"), page(order())))
    assert len(read(one, span()).rows) == 1
    assert 3.7 <= edge.waited <= 6
    stuck, _ = client(answers(httpx.Response(430, json={"errors": "x"})), tries=1)
    with pytest.raises(Quota):
        read(stuck, span())


def test_refused_fields_leave_the_rest_and_are_told_once() -> None:
    denied = example("shopify", "access_denied_200")["body"]
    denied["data"] = page(order(customer=None), cursor="x")["data"]
    one, _ = client(answers(denied, {**denied, "data": page(order(2))["data"]}))
    found = read(one, span())
    assert len(found.rows) == 2
    [note] = found.notes
    assert note.startswith("Shopify left out orders.customer: a permission is missing for it.")
    refused, whole = found.rows
    assert "customer_ref" not in refused  # unknown, which is not "a guest"
    assert refused["customer_order_index"] == whole["customer_order_index"]  # the visit says it
    assert whole["customer_ref"]


def test_what_only_a_refused_field_says_is_left_out_of_the_row() -> None:
    denied = example("shopify", "access_denied_200")["body"]
    paths = [["orders", "nodes", 0, "customer"], ["orders", "nodes", 0, "customerJourneySummary"]]
    denied["errors"] = [{**denied["errors"][0], "path": p} for p in paths]
    denied["data"] = page(order(customer=None, customerJourneySummary=None))["data"]
    one, _ = client(answers(denied))
    [row] = read(one, span()).rows
    missing = {"customer_ref", "customer_order_index", "utm_source", "utm_medium", "attrs"}
    assert not missing & set(row)
    guest, _ = client(answers(page(order(customer=None))))
    assert read(guest, span()).rows[0]["customer_ref"] == ""


def test_another_version_than_asked_for_is_told() -> None:
    other = httpx.Response(
        200, json=page(order()), headers={"X-Shopify-API-Version": "2026-07"}
    )
    one, _ = client(answers(other))
    assert read(one, span()).notes == ("Shopify answered with version 2026-07 instead of 2026-10.",)


def test_a_shop_with_few_points_is_asked_for_one_order_and_few_children() -> None:
    tiny = {"errors": [{"message": "m", "extensions": {"code": "THROTTLED"}}], "extensions": {
        "cost": {"requestedQueryCost": 60, "throttleStatus": {
            "maximumAvailable": 40, "currentlyAvailable": 40, "restoreRate": 2}}}}
    one, edge = client(answers(*[tiny] * 6, page(order(refunds=[]))))
    assert len(read(one, span()).rows) == 1
    asked = [body(edge, i)["variables"] for i in range(7)]
    assert [a["first"] for a in asked] == [50, 25, 12, 6, 3, 1, 1]
    assert (asked[6]["lines"], asked[6]["refunds"]) == (2, 1)


def test_long_orders_are_read_to_the_last_line_and_refund() -> None:
    long = order()
    long["lineItems"]["pageInfo"] = {"hasNextPage": True, "endCursor": "L1"}
    refund = long["refunds"][0]
    long["refunds"] = [{**refund, "id": f"gid://shopify/Refund/{i}"} for i in range(5)]
    line = {**long["lineItems"]["nodes"][0], "id": "gid://shopify/LineItem/2"}
    more_lines = {"data": {"order": {"lineItems": {
        "pageInfo": {"hasNextPage": False, "endCursor": "L2"}, "nodes": [line]}}}}
    six = [{**refund, "id": f"gid://shopify/Refund/{i}"} for i in range(6)]
    six[5]["refundLineItems"] = {"pageInfo": {"hasNextPage": True}, "nodes": []}
    refunds = {"data": {"order": {"refunds": six}}}
    rest = {"data": {"node": {"refundLineItems": {
        "pageInfo": {"hasNextPage": False, "endCursor": None},
        "nodes": [{"subtotalSet": money("10.0")}, {"subtotalSet": money("5.5")}]}}}}
    one, _ = client(answers(page(long), more_lines, refunds, rest))
    row = read(one, span()).rows[0]
    assert [entry["external_id"] for entry in row["lines"]] == ["101", "2"]
    assert len(row["refunds"]) == 6
    assert row["refunds"][5]["goods_micros"] == 15_500_000


@pytest.mark.parametrize("place", ["L1", None])
def test_lines_that_never_end_are_no_order(place: str | None) -> None:
    long = order()
    long["lineItems"]["pageInfo"] = {"hasNextPage": True, "endCursor": place}
    again = {"data": {"order": {"lineItems": {
        "pageInfo": {"hasNextPage": True, "endCursor": place}, "nodes": long["lineItems"]["nodes"],
    }}}}
    one, edge = client(answers(page(long), again))
    with pytest.raises(GiveUp, match="no end|cannot be followed"):
        read(one, span())
    assert len(edge.requests) <= 3


def test_days_that_are_hidden_are_said_to_be_hidden_never_empty() -> None:
    small = account(time_zone="America/New_York", extra={"all_orders": False})
    one, edge = client(answers(page()))
    with pytest.raises(Fix, match="hides orders") as caught:
        read(one, span(account=small, start="2026-09-01", end="2026-09-10"))
    assert caught.value.cause == "permission"
    assert edge.requests == []
    stream = SHOP.stream("orders")
    assert stream.history_days(small) == 60
    assert stream.history_days(KITE) == 3650


def bulk_script(*lines: dict[str, Any], state: dict[str, Any] | None = None, **first: Any) -> Any:
    done = {"id": "gid://shopify/BulkOperation/1", "status": "COMPLETED", "errorCode": None,
            "objectCount": "2", "url": "https://storage.example.com/x.jsonl?sig=1",
            "partialDataUrl": None, **(state or {})}
    states = [{**done, "status": "RUNNING", "url": None}, done]
    started = {"bulkOperation": {"id": done["id"], "status": "CREATED"}, "userErrors": [], **first}

    def handler(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            assert "x-shopify-access-token" not in request.headers
            text = "\n".join(json.dumps(line) for line in lines)
            return httpx.Response(200, text=text)
        query = json.loads(request.content)["query"]
        if "ordersCount" in query:
            return httpx.Response(200, json={"data": {"ordersCount": {"count": 9000}}})
        if "bulkOperationRunQuery" in query:
            inner = json.loads(request.content)["variables"]["query"]
            assert validate(schema(), parse(inner)) == []
            return httpx.Response(200, json={"data": {"bulkOperationRunQuery": started}})
        if "bulkOperation(" in query:
            found = states.pop(0) if len(states) > 1 else states[0]
            return httpx.Response(200, json={"data": {"bulkOperation": found}})
        if "query Refunds(" in query:
            return httpx.Response(200, json={"data": {"o0": {
                "id": "x", "refunds": order()["refunds"]}}})
        return httpx.Response(200, json=page(order(7)))

    return handler


def flat(number: int) -> dict[str, Any]:
    node = order(number)
    del node["lineItems"]
    for refund in node["refunds"]:
        del refund["refundLineItems"]
    return node


LINE = {"id": "gid://shopify/LineItem/2", "title": "Kite", "sku": "K", "quantity": 1,
        "product": None, "discountedTotalSet": money("5"), "__parentId": "gid://shopify/Order/1"}


def test_a_large_span_is_read_from_a_prepared_file_children_before_parents() -> None:
    one, edge = client(bulk_script(LINE, flat(1), flat(2) | {"refunds": []}))
    found = read(one, span(end="2026-11-10"))
    assert [r["external_id"] for r in found.rows] == ["1", "2"]
    assert found.rows[0]["lines"][0]["amount_micros"] == 5_000_000
    assert found.rows[0]["lines"][0]["product_id"] == ""
    assert found.rows[0]["refunds"][0]["goods_micros"] == 30_000_000
    assert str(edge.requests[-2].url) == "https://storage.example.com/x.jsonl?sig=1"


def test_a_prepared_file_without_orders_has_no_address() -> None:
    one, _ = client(bulk_script(state={"url": None, "objectCount": "0"}))
    assert read(one, span(end="2026-11-10")).rows == []


@pytest.mark.parametrize("script", [
    {"userErrors": [{"field": None, "message": "m", "code": "OPERATION_IN_PROGRESS"}],
     "bulkOperation": None},
    {"state": {"status": "FAILED", "errorCode": "TIMEOUT"}},
    {"state": {"status": "FAILED", "errorCode": "ACCESS_DENIED"}},  # pages tell which field it is
])
def test_when_no_file_can_be_prepared_the_span_is_paged(script: dict[str, Any]) -> None:
    one, _ = client(bulk_script(flat(1), **script))
    assert [r["external_id"] for r in read(one, span(end="2026-11-10")).rows] == ["7"]


def test_a_file_in_a_private_network_is_not_fetched() -> None:
    one, edge = client(bulk_script(flat(1), state={"url": "http://169.254.169.254/x"}))
    with pytest.raises(Fix, match="not called"):
        read(one, span(end="2026-11-10"))
    assert all(r.method == "POST" for r in edge.requests)


def test_discovery_finds_the_shop_and_what_the_app_may_read() -> None:
    one, _ = client(answers(reply("shopify", "shop_info")))
    found = SHOP.discover(one)[0]
    assert (found.external_id, found.name, found.currency, found.time_zone) == (
        "548380009", "Kite & Co", "USD", "America/New_York",
    )
    assert found.extra["all_orders"] is False
    assert SHOP.granted
    assert SHOP.granted(one) == ["read_orders", "read_products"]


def test_the_test_reads_an_order_and_names_the_limit() -> None:
    data = {"data": {"shop": {"name": "Kite & Co", "currencyCode": "USD",
                              "ianaTimezone": "America/New_York"}, "orders": {"nodes": []}}}
    one, _ = client(answers(data))
    assert SHOP.test(one, KITE) == "Shopify answers for Kite & Co: USD, America/New_York."
    assert "60 days" in SHOP.test(one, account(extra={}))


def test_products_variants_and_checkouts() -> None:
    info = {"hasNextPage": False, "endCursor": None}
    one, _ = client(answers({"data": {"products": {"pageInfo": info, "nodes": [
        {"id": "gid://shopify/Product/5", "title": "Kite", "handle": "kite", "status": "ACTIVE",
         "productType": "Toy", "vendor": "K"}]}}}))
    assert read(one, task(SHOP, "products", account=KITE)).rows[0]["status"] == "active"
    one, _ = client(answers({"data": {"productVariants": {"pageInfo": info, "nodes": [
        {"id": "gid://shopify/ProductVariant/6", "title": "Red", "sku": "K-R", "price": "12.50",
         "product": {"id": "gid://shopify/Product/5"}}]}}}))
    found = read(one, task(SHOP, "variants", account=KITE)).rows[0]
    assert (found["parent_id"], found["attrs"]["price_micros"]) == ("5", 12_500_000)
    nodes = [
        {"id": "1", "createdAt": f"2026-11-0{d}T12:00:00Z", "completedAt": done,
         "totalPriceSet": money("10.0")}
        for d, done in ((1, None), (1, None), (2, None), (2, "2026-11-02T13:00:00Z"), (5, None))
    ]
    one, _ = client(answers({"data": {"abandonedCheckouts": {"pageInfo": info, "nodes": nodes}}}))
    page_ = read(one, task(SHOP, "abandoned_checkouts", account=KITE, end="2026-11-02"))
    assert [(r["day"], r["extra"]) for r in page_.rows] == [
        ("2026-11-01", {"abandoned_checkouts": 2_000_000, "abandoned_value": 20_000_000}),
        ("2026-11-02", {"abandoned_checkouts": 1_000_000, "abandoned_value": 10_000_000}),
    ]
