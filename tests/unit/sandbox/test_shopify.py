"""The imitated shop over HTTP: contract, sign-in, totals, limits, bulk jobs, trouble."""

from __future__ import annotations

import gzip
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit
from zoneinfo import ZoneInfo

import httpx
import pytest
from graphql import (
    build_client_schema,
    build_schema,
    get_introspection_query,
    parse,
    validate,
)

from liftos_app.services.sandbox.credentials import DEMO, SPARE
from liftos_app.services.sandbox.credentials.shopify import SHOP
from tests.sandbox_server import NOW, RunningSandbox, running_sandbox

VENDOR = Path(__file__).parents[2] / "vendor_data" / "contracts" / "shopify.schema.graphql"
EXAMPLES = Path(__file__).parents[2] / "vendor_data" / "examples" / "shopify"
TOKEN = DEMO["shopify"]["token"]["access_token"]
APP = DEMO["shopify"]["oauth"]
ZONE = ZoneInfo("America/New_York")
CALLBACK = "http://127.0.0.1:8000/api/v1/platform-connections/oauth/callback"

MONEY = "{ shopMoney { amount currencyCode } presentmentMoney { amount currencyCode } }"
VISIT = (
    "{ occurredAt landingPage referrerUrl source sourceType "
    "utmParameters { source medium campaign term content } }"
)
ORDER_FIELDS = f"""
  id legacyResourceId name createdAt processedAt updatedAt cancelledAt cancelReason test sourceName
  currencyCode presentmentCurrencyCode displayFinancialStatus displayFulfillmentStatus taxesIncluded
  discountCodes tags subtotalLineItemsQuantity
  totalPriceSet {MONEY} subtotalPriceSet {MONEY} totalDiscountsSet {MONEY} totalTaxSet {MONEY}
  totalShippingPriceSet {MONEY} totalRefundedSet {MONEY} netPaymentSet {MONEY}
  currentTotalPriceSet {MONEY}
  customer {{ id numberOfOrders }} attribution {{ handle displayName }}
  customerJourneySummary {{ ready customerOrderIndex daysToConversion
    firstVisit {VISIT} lastVisit {VISIT} }}
  refunds {{ id createdAt processedAt updatedAt totalRefundedSet {MONEY} }}
"""
SHOP_QUERY = """{
  shop { id name myshopifyDomain primaryDomain { host url } currencyCode ianaTimezone timezoneOffset
    plan { publicDisplayName shopifyPlus partnerDevelopment } taxesIncluded createdAt }
  currentAppInstallation { accessScopes { handle } }
}"""
ORDERS = f"""query Orders($first: Int!, $after: String, $query: String) {{
  orders(first: $first, after: $after, query: $query, sortKey: UPDATED_AT) {{
    pageInfo {{ hasNextPage endCursor }} nodes {{ {ORDER_FIELDS} }}
  }}
}}"""
DETAILS = f"""query Details($id: ID!) {{
  order(id: $id) {{
    id
    lineItems(first: 10) {{ edges {{ cursor node {{
      id title sku quantity originalTotalSet {MONEY} discountedTotalSet {MONEY}
      totalDiscountSet {MONEY} }} }} pageInfo {{ hasNextPage }} }}
    transactions(first: 5) {{ id kind status amountSet {MONEY} fees {{ amount {{ amount }} }}
      processedAt gateway test }}
    refunds(first: 5) {{ id refundLineItems(first: 10) {{ nodes {{ quantity subtotalSet {MONEY}
      totalTaxSet {MONEY} lineItem {{ id }} }} }} }}
  }}
}}"""
BULK_RUN = """mutation Run($query: String!) {
  bulkOperationRunQuery(query: $query, groupObjects: false) {
    bulkOperation { id status } userErrors { field message code }
  }
}"""
BULK_POLL = """query Poll($id: ID!) {
  bulkOperation(id: $id) { id status errorCode objectCount rootObjectCount fileSize url
    partialDataUrl createdAt completedAt }
}"""
CATALOGUE = """{
  products(first: 50) { nodes { id title handle vendor productType status updatedAt
    variants(first: 5) { nodes { id sku price } } } pageInfo { hasNextPage } }
}"""
OWN_FORMS = {
    "shop": SHOP_QUERY,
    "orders": ORDERS,
    "details": DETAILS,
    "run": BULK_RUN,
    "poll": BULK_POLL,
    "versions": "{ publicApiVersions { handle displayName supported } }",
    "count": "{ ordersCount(query: \"created_at:>'2026-11-20T00:00:00Z' AND test:true\") "
    "{ count precision } }",
}


@pytest.fixture(scope="module")
def box() -> Iterator[RunningSandbox]:
    with running_sandbox(plant=False) as running:
        yield running


@pytest.fixture(autouse=True)
def _fresh(box: RunningSandbox) -> None:
    box.reset()


@pytest.fixture
def web(box: RunningSandbox) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=box.platform("shopify"), timeout=60) as client:
        yield client


Ask = Callable[..., dict[str, Any]]


@pytest.fixture
def ask(web: httpx.Client) -> Ask:
    """One query; answers the body. `token`, `version` and `shop` as named arguments."""

    def run(
        text: str, /, *, token: str = TOKEN, version: str = "2026-10", **variables: Any
    ) -> dict[str, Any]:
        answer = web.post(
            f"/admin/api/{version}/graphql.json",
            headers={"X-Shopify-Access-Token": token},
            json={"query": text, "variables": variables},
        )
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    return run


def walk(ask: Ask, query: str = "", first: int = 100) -> list[dict[str, Any]]:
    """Every order of a search, page by page."""
    found: list[dict[str, Any]] = []
    after = None
    for _ in range(200):
        page = ask(ORDERS, first=first, after=after, query=query)["data"]["orders"]
        found += page["nodes"]
        if not page["pageInfo"]["hasNextPage"]:
            return found
        assert page["pageInfo"]["endCursor"] != after
        after = page["pageInfo"]["endCursor"]
    raise AssertionError("The walk does not end.")


def shop_money(node: dict[str, Any], name: str) -> Decimal:
    return Decimal(node[name]["shopMoney"]["amount"])


def day_span(first: date, last: date) -> str:
    start = datetime(first.year, first.month, first.day, tzinfo=ZONE).astimezone(UTC)
    after = last + timedelta(days=1)
    end = datetime(after.year, after.month, after.day, tzinfo=ZONE).astimezone(UTC)
    return f"created_at:>='{start:%Y-%m-%dT%H:%M:%SZ}' AND created_at:<'{end:%Y-%m-%dT%H:%M:%SZ}'"


# The contract -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OWN_FORMS)
def test_queries_we_answer_are_valid_in_the_vendors_schema(
    ask: Ask, box: RunningSandbox, name: str
) -> None:
    vendor = build_schema(VENDOR.read_text(), assume_valid=True)
    assert validate(vendor, parse(OWN_FORMS[name])) == []
    order_id = box.world.find_orders(as_of=NOW, sort="id")[-1]
    search = (
        "{ products { edges { node { id } } } }"
        if name == "run"
        else "created_at:>'2026-11-22T00:00:00Z'"
    )
    body = (
        ask(OWN_FORMS[name], first=3, query=search, id=f"gid://shopify/Order/{order_id}")
        if name != "poll"
        else ask(OWN_FORMS[name], id="gid://shopify/BulkOperation/1")
    )
    assert "errors" not in body
    assert body["data"]


@pytest.mark.parametrize("name", ["orders_page", "shop_info"])
def test_answers_have_the_shape_of_the_examples(ask: Ask, name: str) -> None:
    example = json.loads((EXAMPLES / f"{name}.json").read_text())["body"]
    body = ask(SHOP_QUERY if name == "shop_info" else ORDERS, first=50)

    def shape(example: Any, ours: Any, path: str) -> None:
        if isinstance(example, dict) and ours is not None:
            for key in example.keys() & ours.keys():
                shape(example[key], ours[key], f"{path}.{key}")
            missing = example.keys() - ours.keys() - {"currentSubtotalPriceSet"}
            assert not missing or "shopMoney" in path, f"{path}: {missing}"
        elif isinstance(example, list) and example and ours:
            shape(example[0], ours[0], f"{path}[]")
        elif example is not None and ours is not None and not isinstance(ours, (list, dict)):
            assert type(example) is type(ours), path

    shape(example, body, name)


def test_amounts_are_decimal_strings_that_drop_the_trailing_zero(ask: Ask) -> None:
    amounts = [
        n[k]["shopMoney"]["amount"]
        for n in walk(ask, day_span(date(2026, 11, 1), date(2026, 11, 4)))
        for k in ("totalPriceSet", "totalTaxSet", "totalDiscountsSet")
    ]
    assert len(amounts) > 300
    assert all(isinstance(a, str) and "." in a for a in amounts)
    assert "0.0" in amounts
    assert not any(len(a.split(".")[1]) > 2 or a.endswith("00") for a in amounts)


# Totals and paging --------------------------------------------------------------------------


def test_every_order_of_a_week_adds_up_to_the_worlds_figures(ask: Ask, box: RunningSandbox) -> None:
    first, last = date(2026, 11, 2), date(2026, 11, 8)
    found = walk(ask, f"{day_span(first, last)} AND test:false", first=37)
    truth = box.world.store_total(first, last, as_of=NOW)
    assert len(found) == len({n["id"] for n in found}) == truth.orders
    assert sum(shop_money(n, "totalPriceSet") for n in found) == Decimal(truth.total) / 100
    assert sum(shop_money(n, "subtotalPriceSet") for n in found) == Decimal(truth.subtotal) / 100
    assert sum(shop_money(n, "totalDiscountsSet") for n in found) == Decimal(truth.discounts) / 100
    assert sum(shop_money(n, "totalTaxSet") for n in found) == Decimal(truth.tax) / 100
    assert sum(n["subtotalLineItemsQuantity"] for n in found) == truth.units
    assert sum(n["cancelledAt"] is not None for n in found) == truth.cancelled


def test_refunds_booked_on_their_day_add_up_to_the_worlds_figures(
    ask: Ask, box: RunningSandbox
) -> None:
    first, last = date(2026, 11, 9), date(2026, 11, 15)
    refunded = Decimal()
    for node in walk(ask, "updated_at:>='2026-11-08T00:00:00Z' AND test:false", first=250 // 2):
        for refund in node["refunds"]:
            day = datetime.fromisoformat(refund["processedAt"]).astimezone(ZONE).date()
            if first <= day <= last:
                refunded += shop_money(refund, "totalRefundedSet")
    truth = box.world.store_total(first, last, as_of=NOW)
    assert refunded == Decimal(truth.refunds) / 100


def test_updated_window_returns_only_rows_inside_it(ask: Ask) -> None:
    query = "updated_at:>='2026-11-10T00:00:00Z' AND updated_at:<'2026-11-11T00:00:00Z'"
    found = walk(ask, query, first=50)
    assert len(found) > 50
    moments = [n["updatedAt"] for n in found]
    assert moments == sorted(moments)
    assert all(m.startswith("2026-11-10T") for m in moments)


def test_edges_and_nodes_and_reversed_walks_agree(ask: Ask) -> None:
    text = """query($after: String, $before: String, $first: Int, $last: Int, $reverse: Boolean) {
      orders(first: $first, last: $last, after: $after, before: $before, reverse: $reverse,
             query: "created_at:2026-11-10", sortKey: CREATED_AT) {
        edges { cursor node { id } } nodes { id } pageInfo { hasNextPage hasPreviousPage
        startCursor endCursor } } }"""
    whole = ask(text, first=250)["data"]["orders"]
    ids = [n["id"] for n in whole["nodes"]]
    assert [e["node"]["id"] for e in whole["edges"]] == ids
    assert len(ids) > 20
    backwards = ask(text, first=250, reverse=True)["data"]["orders"]
    assert [n["id"] for n in backwards["nodes"]] == ids[::-1]
    middle = whole["edges"][9]["cursor"]
    after = ask(text, first=3, after=middle)["data"]["orders"]
    assert [n["id"] for n in after["nodes"]] == ids[10:13]
    assert after["pageInfo"]["hasPreviousPage"]
    before = ask(text, last=3, before=middle)["data"]["orders"]
    assert [n["id"] for n in before["nodes"]] == ids[6:9]
    assert before["pageInfo"]["hasNextPage"]


def test_line_items_transactions_and_refund_lines_explain_the_order(ask: Ask) -> None:
    orders = walk(
        ask, "financial_status:partially_refunded AND updated_at:>='2026-11-14T00:00:00Z'"
    )
    assert orders
    for order in orders[:5]:
        node = ask(DETAILS, id=order["id"])["data"]["order"]
        lines = [e["node"] for e in node["lineItems"]["edges"]]
        assert sum(shop_money(x, "discountedTotalSet") for x in lines) == shop_money(
            order, "subtotalPriceSet"
        )
        kinds = [t["kind"] for t in node["transactions"]]
        assert kinds == ["SALE", "REFUND"]
        assert shop_money(node["transactions"][0], "amountSet") == shop_money(
            order, "totalPriceSet"
        )
        back = node["refunds"][0]["refundLineItems"]["nodes"]
        assert {x["lineItem"]["id"] for x in back} < {x["id"] for x in lines} or len(lines) == 1
        assert sum(shop_money(x, "subtotalSet") + shop_money(x, "totalTaxSet") for x in back) == (
            shop_money(order, "totalRefundedSet")
        )


def test_every_order_of_a_month_runs_without_an_error_in_any_field(ask: Ask) -> None:
    text = f"""query($after: String) {{ orders(first: 40, after: $after, sortKey: CREATED_AT,
      query: "created_at:>='2026-10-01T00:00:00Z' AND created_at:<'2026-10-06T00:00:00Z'") {{
      pageInfo {{ hasNextPage endCursor }} nodes {{ {ORDER_FIELDS} number confirmed closed closedAt
      returnStatus fullyPaid unpaid currentSubtotalPriceSet {MONEY} currentTotalTaxSet {MONEY}
      currentTotalDiscountsSet {MONEY} currentShippingPriceSet {MONEY} totalReceivedSet {MONEY}
      totalOutstandingSet {MONEY} transactionsCount {{ count }} app {{ name }}
      lineItems(first: 3) {{ nodes {{ id product {{ id title }} variant {{ id price }} }} }}
      }} }} }}"""
    after, seen = None, 0
    while True:
        body = ask(text, after=after)
        assert "errors" not in body, body["errors"][:1]
        page = body["data"]["orders"]
        seen += len(page["nodes"])
        if not page["pageInfo"]["hasNextPage"]:
            break
        after = page["pageInfo"]["endCursor"]
    assert seen > 300


def test_rows_updated_during_a_walk_are_seen_again(ask: Ask, box: RunningSandbox) -> None:
    box.clock.now = NOW - timedelta(days=3)
    query = "updated_at:>='2026-11-19T00:00:00Z'"
    first = ask(ORDERS, first=60, query=query)["data"]["orders"]
    box.clock.advance(days=3)
    seen = [n["id"] for n in first["nodes"]]
    after = first["pageInfo"]["endCursor"]
    while after:
        page = ask(ORDERS, first=100, after=after, query=query)["data"]["orders"]
        seen += [n["id"] for n in page["nodes"]]
        after = page["pageInfo"]["endCursor"] if page["pageInfo"]["hasNextPage"] else None
    assert len(seen) > len(set(seen))
    assert set(seen) >= {n["id"] for n in walk(ask, query)}


def test_the_schema_can_be_introspected(ask: Ask) -> None:
    body = ask(get_introspection_query())
    assert build_client_schema(body["data"]).type_map["Order"]


def test_catalogue_checkouts_and_customers_are_there(ask: Ask, box: RunningSandbox) -> None:
    body = ask(CATALOGUE)
    products = body["data"]["products"]["nodes"]
    assert len(products) == len(box.world.products(as_of=NOW))
    assert products[0]["variants"]["nodes"][0]["price"].count(".") == 1
    found = ask("{ productVariants(first: 250) { nodes { id displayName } } }")["data"]
    assert len(found["productVariants"]["nodes"]) == sum(
        len(p.variants) for p in box.world.products(as_of=NOW)
    )
    body = ask(
        "{ abandonedCheckouts(first: 20) { nodes { id createdAt updatedAt completedAt "
        f"abandonedCheckoutUrl totalPriceSet {MONEY} }} pageInfo {{ hasNextPage }} }} }}"
    )
    assert len(body["data"]["abandonedCheckouts"]["nodes"]) == 20
    body = ask("{ customers(first: 5) { nodes { id numberOfOrders amountSpent { amount } } } }")
    assert all(int(c["numberOfOrders"]) >= 1 for c in body["data"]["customers"]["nodes"])


def test_shopifyql_answers_sales_by_day(ask: Ask, box: RunningSandbox) -> None:
    text = (
        "query($q: String!) { shopifyqlQuery(query: $q) "
        "{ tableData { columns { name dataType } rows } parseErrors } }"
    )
    body = ask(
        text,
        q="FROM sales SHOW orders, total_sales TIMESERIES day "
        "SINCE 2026-11-02 UNTIL 2026-11-08 ORDER BY day",
    )["data"]["shopifyqlQuery"]
    assert body["parseErrors"] == []
    assert [c["name"] for c in body["tableData"]["columns"]] == ["day", "orders", "total_sales"]
    truth = box.world.store_days(date(2026, 11, 2), date(2026, 11, 8), as_of=NOW)
    assert [
        (r["day"], int(r["orders"]), Decimal(r["total_sales"])) for r in body["tableData"]["rows"]
    ] == [(str(d.day), d.orders, Decimal(d.total - d.refunds) / 100) for d in truth]
    wrong = ask(text, q="FROM inventory SHOW stock")["data"]["shopifyqlQuery"]
    assert wrong["tableData"] is None
    assert wrong["parseErrors"]


def test_an_order_is_found_by_name_and_by_id(ask: Ask, box: RunningSandbox) -> None:
    order = box.world.order(box.world.find_orders(as_of=NOW, sort="id")[30_000], as_of=NOW)
    assert order is not None
    for query in (
        f"name:#{order.number}",
        f"name:{order.number}",
        f"#{order.number}",
        f"id:{order.id}",
        f"id:{order.id} AND name:#{order.number}",
    ):
        found = ask(ORDERS, first=5, query=query)["data"]["orders"]["nodes"]
        assert [n["name"] for n in found] == [f"#{order.number}"], query
    assert ask(ORDERS, first=5, query=f"NOT id:{order.id}")["data"]["orders"]["nodes"]
    assert ask(ORDERS, first=5, query="-name:#1")["data"]["orders"]["nodes"]


def test_rare_matches_come_in_short_pages_that_end(ask: Ask, box: RunningSandbox) -> None:
    query = "test:true AND created_at:>='2026-09-15T00:00:00Z'"
    found = walk(ask, query, first=50)
    assert found
    assert all(n["test"] for n in found)
    ids = box.world.find_orders(as_of=NOW, created=(datetime(2026, 9, 15, tzinfo=UTC), None))
    assert len(found) == sum(o.test for o in box.world.orders(ids, as_of=NOW))


# Errors -------------------------------------------------------------------------------------


def code_of(body: dict[str, Any]) -> str:
    return str(body["errors"][0]["extensions"]["code"])


def test_query_mistakes_are_answers_with_status_200(ask: Ask) -> None:
    assert code_of(ask("{ shop { colour } }")) == "GRAPHQL_VALIDATION_FAILED"
    assert code_of(ask("{ shop {")) == "GRAPHQL_PARSE_FAILED"
    assert code_of(ask(ORDERS)) == "INVALID_VARIABLE"
    body = ask("{ orders(first: 251) { nodes { id } } }")
    assert body["data"] is None
    assert "250" in body["errors"][0]["message"]
    assert "errors" in ask("{ orders { nodes { id } } }")
    assert "errors" in ask('{ orders(first: 1, after: "nonsense") { nodes { id } } }')
    body = ask("query A { shop { id } } query B { shop { name } }")
    assert code_of(body) == "GRAPHQL_VALIDATION_FAILED"


def test_too_expensive_query_is_refused_before_it_runs(ask: Ask) -> None:
    body = ask("{ orders(first: 250) { nodes { lineItems(first: 250) { nodes { id } } } } }")
    assert code_of(body) == "MAX_COST_EXCEEDED"
    assert "data" not in body


def test_wrong_token_is_a_401_with_a_text(web: httpx.Client) -> None:
    for headers in (
        {},
        {"X-Shopify-Access-Token": "shpat_" + "0" * 32},
        {"Authorization": f"Bearer {TOKEN}"},
        {"X-Shopify-Access-Token": APP["client_secret"]},
    ):
        answer = web.post(
            "/admin/api/2026-10/graphql.json", headers=headers, json={"query": SHOP_QUERY}
        )
        assert answer.status_code == 401
        assert isinstance(answer.json()["errors"], str)


def test_unknown_shop_version_and_path_are_404(web: httpx.Client) -> None:
    headers = {"X-Shopify-Access-Token": TOKEN}
    for path in (
        "/other.myshopify.com/admin/api/2026-10/graphql.json",
        "/admin/api/2027-04/graphql.json",
        "/admin/api/2026-10/orders.json",
    ):
        answer = web.post(path, headers=headers, json={"query": SHOP_QUERY})
        assert (answer.status_code, answer.json()) == (404, {"errors": "Not Found"})
    assert web.get("/admin/api/2026-10/graphql.json", headers=headers).status_code == 405
    for body in (b"not json", b"{}", b"[1]", b'{"query": 3}'):
        answer = web.post("/admin/api/2026-10/graphql.json", headers=headers, content=body)
        assert answer.status_code == 400


@pytest.mark.parametrize("shop", ["larkspur-home.myshopify.com", "larkspur-home"])
def test_shop_in_the_path_is_served_like_the_default(web: httpx.Client, shop: str) -> None:
    answer = web.post(
        f"/{shop}/admin/api/2026-10/graphql.json",
        json={"query": SHOP_QUERY},
        headers={"X-Shopify-Access-Token": TOKEN},
    )
    assert answer.json()["data"]["shop"]["myshopifyDomain"] == SHOP


def test_expired_version_falls_forward_and_says_so(web: httpx.Client) -> None:
    for asked, served in (("2024-10", "2026-01"), ("2026-10", "2026-10"), ("unstable", "unstable")):
        answer = web.post(
            f"/admin/api/{asked}/graphql.json",
            json={"query": SHOP_QUERY},
            headers={"X-Shopify-Access-Token": TOKEN},
        )
        assert answer.headers["X-Shopify-API-Version"] == served


def test_attribution_is_refused_before_2026_07(ask: Ask) -> None:
    text = "{ orders(first: 1) { nodes { attribution { handle } } } }"
    assert "errors" not in ask(text, version="2026-07")
    assert code_of(ask(text, version="2026-04")) == "GRAPHQL_VALIDATION_FAILED"


def test_unknown_search_field_is_warned_about(ask: Ask) -> None:
    body = ask('{ orders(first: 1, query: "colour:red") { nodes { id } } }')
    assert body["extensions"]["search"][0]["warnings"][0]["field"] == "colour"


def test_personal_fields_are_null_with_access_denied(ask: Ask) -> None:
    body = ask("{ orders(first: 1) { nodes { id email } } }")
    assert body["data"]["orders"]["nodes"][0]["email"] is None
    assert code_of(body) == "ACCESS_DENIED"


@pytest.mark.parametrize(
    "text",
    [
        "{ shop " * 400 + "}" * 400,
        "{ orders(first: 1) { nodes { " + "lineItems(first: 1) { nodes { " * 150 + "}" * 303,
        "{ orders(first: 99999999999) { nodes { id } } }",
        '{ orders(first: 1, after: "eyJsYXN0X2lkIjoxZTQwMCwibGFzdF92YWx1ZSI6W119") '
        "{ nodes { id } } }",
        '{ orders(first: 1, after: "eyJsYXN0X2lkIjoxLCJsYXN0X3ZhbHVlIjpbXX0=") { nodes { id } } }',
        '{ order(id: "gid://shopify/Product/1") { id } }',
        '{ node(id: "gid://shopify/Nothing/1") { id } }',
        "{ shop { ...A } } fragment A on Shop { ...A }",
        "subscription { shop { id } }",
        "query($a: Int) { orders(first: $a) { nodes { id } } }",
    ],
)
def test_odd_queries_are_errors_not_failures(ask: Ask, text: str) -> None:
    body = ask(text)
    assert body["errors"]
    assert all(e["message"] and e["extensions"]["code"] for e in body["errors"])


@pytest.mark.parametrize(
    "search",
    [
        "(" * 5000,
        "updated_at:9999-12-31",
        "created_at:<0001-01-01 OR )",
        "processed_at:>=0001-01-01",
        "id:abc",
        "name:",
        "total_price:>x",
        "tag:'",
        "updated_at:>='",
        "status:any",
        "-",
        "NOT",
    ],
)
def test_odd_searches_are_answered(ask: Ask, search: str) -> None:
    body = ask(ORDERS, first=2, query=search)
    assert "errors" not in body


# Rate limits --------------------------------------------------------------------------------


def test_bucket_of_the_standard_plan_throttles_and_refills(ask: Ask, box: RunningSandbox) -> None:
    ask(SHOP_QUERY)
    box.sandbox.memories["shopify"]["enforce_limits"] = True
    throttled: dict[str, Any] = {}
    for _ in range(60):
        body = ask(ORDERS, first=100)
        cost = body["extensions"]["cost"]
        assert cost["throttleStatus"]["maximumAvailable"] == 2000.0
        assert cost["throttleStatus"]["restoreRate"] == 100.0
        if "errors" in body:
            throttled = body
            break
        assert cost["actualQueryCost"] <= cost["requestedQueryCost"]
    assert code_of(throttled) == "THROTTLED"
    assert "data" not in throttled
    cost = throttled["extensions"]["cost"]
    assert cost["actualQueryCost"] is None
    missing = cost["requestedQueryCost"] - cost["throttleStatus"]["currentlyAvailable"]
    assert missing > 0
    box.clock.advance(seconds=missing / 100 + 0.1)
    assert "errors" not in ask(ORDERS, first=100)


def test_without_enforcement_a_long_walk_is_not_throttled(ask: Ask) -> None:
    for _ in range(12):
        body = ask(ORDERS, first=100)
        assert "errors" not in body
        assert body["extensions"]["cost"]["throttleStatus"]["currentlyAvailable"] > 90_000


# Scopes -------------------------------------------------------------------------------------


class Form(HTMLParser):
    """The inputs of a page's form, as a browser would send them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.values: dict[str, str] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        is_sent = found.get("type") != "checkbox" or "checked" in found
        if tag == "input" and found.get("name") and is_sent:
            self.values[str(found["name"])] = found.get("value") or ""


def signed_in(web: httpx.Client, scopes: str, *, expiring: str = "1") -> dict[str, Any]:
    """The road of an installed app: consent, callback, code exchange."""
    asked = {
        "client_id": APP["client_id"],
        "scope": scopes,
        "redirect_uri": CALLBACK,
        "state": "s-1",
        "grant_options[]": "",
    }
    page = web.get("/admin/oauth/authorize", params=asked)
    assert page.status_code == 200
    assert "Shopify" in page.text
    answer = web.post(
        "/admin/oauth/authorize", data={**Form(page.text).values, "decision": "approve"}
    )
    assert answer.status_code == 303
    params = dict(parse_qsl(urlsplit(answer.headers["location"]).query))
    check_callback(params)
    body = {
        "client_id": APP["client_id"],
        "client_secret": APP["client_secret"],
        "code": params["code"],
    } | ({"expiring": expiring} if expiring else {})
    token = web.post("/admin/oauth/access_token", json=body)
    assert token.status_code == 200, token.text
    again = web.post("/admin/oauth/access_token", json=body)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    found: dict[str, Any] = token.json()
    assert found["scope"] == scopes
    return found


def check_callback(params: dict[str, str]) -> None:
    assert params["shop"] == SHOP
    assert params["state"] == "s-1"
    assert params["timestamp"].isdecimal()
    assert params["host"]
    given = params.pop("hmac")
    message = "&".join(f"{k}={v}" for k, v in sorted(params.items()))
    secret = APP["client_secret"].encode()
    assert given == hmac.new(secret, message.encode(), hashlib.sha256).hexdigest()
    assert (
        given
        == hmac.new(secret, urlencode(sorted(params.items())).encode(), hashlib.sha256).hexdigest()
    )


def test_authorization_code_gives_an_expiring_pair(web: httpx.Client, ask: Ask) -> None:
    found = signed_in(web, "read_orders,read_products")
    assert set(found) == {
        "access_token",
        "expires_in",
        "refresh_token",
        "refresh_token_expires_in",
        "scope",
    }
    assert found["expires_in"] == 3600
    assert found["refresh_token_expires_in"] == 90 * 86400
    assert len(found["access_token"]) == 38
    assert found["access_token"].startswith("shpat_")
    scopes = ask(SHOP_QUERY, token=found["access_token"])["data"]["currentAppInstallation"]
    assert [s["handle"] for s in scopes["accessScopes"]] == ["read_orders", "read_products"]


def test_access_without_scope_is_denied_field_by_field(web: httpx.Client, ask: Ask) -> None:
    token = signed_in(web, "read_orders,read_products")["access_token"]
    body = ask("{ orders(first: 2) { nodes { id customer { id } } } }", token=token)
    assert all(n["id"] and n["customer"] is None for n in body["data"]["orders"]["nodes"])
    assert code_of(body) == "ACCESS_DENIED"
    assert body["errors"][0]["path"] == ["orders", "nodes", 0, "customer"]
    token = signed_in(web, "read_products")["access_token"]
    body = ask("{ orders(first: 2) { nodes { id } } }", token=token)
    assert body["data"] is None
    assert code_of(body) == "ACCESS_DENIED"


def test_orders_older_than_60_days_do_not_exist_without_the_scope(
    web: httpx.Client, ask: Ask, box: RunningSandbox
) -> None:
    token = signed_in(web, "read_orders")["access_token"]
    text = (
        "{ orders(first: 1, sortKey: CREATED_AT) { nodes { id createdAt } } "
        "ordersCount(limit: null) { count } }"
    )
    body = ask(text, token=token)["data"]
    oldest = datetime.fromisoformat(body["orders"]["nodes"][0]["createdAt"])
    assert timedelta(days=59) < NOW - oldest <= timedelta(days=60)
    whole = ask(text)["data"]
    assert whole["ordersCount"]["count"] > 5 * body["ordersCount"]["count"]
    old = whole["orders"]["nodes"][0]["id"]
    by_id = "query($id: ID!) { order(id: $id) { id } }"
    assert ask(by_id, id=old)["data"]["order"]["id"] == old
    assert ask(by_id, token=token, id=old)["data"]["order"] is None


# Tokens -------------------------------------------------------------------------------------


def grant(web: httpx.Client, **body: str) -> httpx.Response:
    return web.post(
        "/admin/oauth/access_token",
        json={"client_id": APP["client_id"], "client_secret": APP["client_secret"], **body},
    )


def test_client_credentials_give_a_day_without_refresh(
    web: httpx.Client, ask: Ask, box: RunningSandbox
) -> None:
    found = grant(web, grant_type="client_credentials").json()
    assert found["expires_in"] == 86399
    assert set(found) == {"access_token", "scope", "expires_in"}
    assert "read_all_orders" in found["scope"].split(",")
    ask(SHOP_QUERY, token=found["access_token"])
    box.clock.advance(hours=24)
    answer = web.post(
        "/admin/api/2026-10/graphql.json",
        json={"query": SHOP_QUERY},
        headers={"X-Shopify-Access-Token": found["access_token"]},
    )
    assert answer.status_code == 401


def test_refresh_rotates_and_the_old_one_may_be_retried_until_the_new_is_used(
    web: httpx.Client, ask: Ask, box: RunningSandbox
) -> None:
    first = signed_in(web, "read_orders")
    box.clock.advance(hours=2)
    answer = web.post(
        "/admin/api/2026-10/graphql.json",
        json={"query": SHOP_QUERY},
        headers={"X-Shopify-Access-Token": first["access_token"]},
    )
    assert answer.status_code == 401

    def refresh(token: str) -> httpx.Response:
        return grant(web, grant_type="refresh_token", refresh_token=token)

    second = refresh(first["refresh_token"]).json()
    assert second["refresh_token"] != first["refresh_token"]
    ask(SHOP_QUERY, token=second["access_token"])
    box.clock.advance(minutes=1)
    retried = refresh(first["refresh_token"])
    assert retried.status_code == 200
    third = refresh(second["refresh_token"])
    assert third.status_code == 200
    dead = refresh(first["refresh_token"])
    assert (dead.status_code, dead.json()["error"]) == (400, "invalid_grant")
    box.clock.advance(days=91)
    assert refresh(third.json()["refresh_token"]).json()["error"] == "invalid_grant"


def test_old_token_can_be_exchanged_and_dies(web: httpx.Client, ask: Ask) -> None:
    old = signed_in(web, "read_orders", expiring="")
    assert "expires_in" not in old
    kind = "urn:shopify:params:oauth:token-type:offline-access-token"
    body = {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token": old["access_token"],
        "subject_token_type": kind,
        "requested_token_type": kind,
        "expiring": "1",
    }
    found = grant(web, **body)
    assert found.status_code == 200, found.text
    assert found.json()["refresh_token"].startswith("shprt_")
    ask(SHOP_QUERY, token=found.json()["access_token"])
    answer = web.post(
        "/admin/api/2026-10/graphql.json",
        json={"query": SHOP_QUERY},
        headers={"X-Shopify-Access-Token": old["access_token"]},
    )
    assert answer.status_code == 401
    assert grant(web, **body).json() == found.json()


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"grant_type": "client_credentials", "client_secret": "shpss_wrong"}, "invalid_client"),
        ({"grant_type": "client_credentials", "client_id": "nobody"}, "invalid_client"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({}, "invalid_request"),
        ({"code": "made-up"}, "invalid_grant"),
        ({"grant_type": "refresh_token", "refresh_token": "shprt_x"}, "invalid_grant"),
    ],
)
def test_token_endpoint_refuses_with_400(
    web: httpx.Client, body: dict[str, str], error: str
) -> None:
    answer = grant(web, **body)
    assert (answer.status_code, answer.json()["error"]) == (400, error)


def test_refused_consent_and_wrong_redirect(web: httpx.Client) -> None:
    asked = {
        "client_id": APP["client_id"],
        "scope": "read_orders",
        "redirect_uri": CALLBACK,
        "state": "s-1",
    }
    answer = web.post("/admin/oauth/authorize", data={**asked, "decision": "refuse"})
    assert "error=access_denied" in answer.headers["location"]
    bad = web.get(
        "/admin/oauth/authorize", params={**asked, "redirect_uri": "https://evil.example"}
    )
    assert bad.status_code == 400


# Bulk ---------------------------------------------------------------------------------------


def finished(ask: Ask, text: str, token: str = TOKEN) -> dict[str, Any]:
    started = ask(BULK_RUN, token=token, query=text)["data"]["bulkOperationRunQuery"]
    assert started["userErrors"] == []
    assert started["bulkOperation"]["status"] == "CREATED"
    for _ in range(600):
        job: dict[str, Any] = ask(BULK_POLL, token=token, id=started["bulkOperation"]["id"])[
            "data"
        ]["bulkOperation"]
        if job["status"] not in {"CREATED", "RUNNING"}:
            return job
        time.sleep(0.05)
    raise AssertionError("The job does not end.")


def test_bulk_file_holds_every_order_and_line(
    ask: Ask, box: RunningSandbox, web: httpx.Client
) -> None:
    span = day_span(date(2026, 11, 2), date(2026, 11, 8))
    job = finished(
        ask,
        f'{{ orders(query: "{span} AND test:false") {{ edges {{ node {{ {ORDER_FIELDS} lineItems '
        "{ edges { node { id sku quantity } } } } } } }",
    )
    assert (job["status"], job["errorCode"]) == ("COMPLETED", None)
    answer = httpx.get(job["url"])
    assert answer.status_code == 200
    assert "content-encoding" not in answer.headers
    assert answer.content[:2] != gzip.compress(b"")[:2]
    lines = [json.loads(x) for x in answer.text.splitlines()]
    assert len(lines) == int(job["objectCount"])
    assert len(answer.content) == int(job["fileSize"])
    roots = [x for x in lines if "__parentId" not in x]
    children = [x for x in lines if "__parentId" in x]
    truth = box.world.store_total(date(2026, 11, 2), date(2026, 11, 8), as_of=NOW)
    assert len(roots) == int(job["rootObjectCount"]) == truth.orders
    assert sum(shop_money(x, "totalPriceSet") for x in roots) == Decimal(truth.total) / 100
    assert sum(x["quantity"] for x in children) == truth.units
    assert {x["__parentId"] for x in children} <= {x["id"] for x in roots}
    page = {n["id"]: n for n in walk(ask, f"{span} AND test:false")}
    assert all(page[x["id"]] == x for x in roots)


def test_bulk_address_is_signed_and_ends_after_seven_days(ask: Ask, box: RunningSandbox) -> None:
    job = finished(ask, "{ products { edges { node { id variants { edges { node { id } } } } } } }")
    assert httpx.get(job["url"]).status_code == 200
    assert httpx.get(job["url"][:-1] + ("0" if job["url"][-1] != "0" else "1")).status_code == 403
    assert httpx.get(job["url"].split("?")[0]).status_code == 403
    box.clock.advance(days=8)
    assert httpx.get(job["url"]).status_code == 403


def test_bulk_without_rows_has_no_address(ask: Ask) -> None:
    job = finished(ask, '{ orders(query: "created_at:>2030-01-01") { edges { node { id } } } }')
    assert (job["status"], job["objectCount"], job["url"]) == ("COMPLETED", "0", None)


def test_bulk_scope_trouble_shows_only_in_the_job(web: httpx.Client, ask: Ask) -> None:
    token = signed_in(web, "read_orders")["access_token"]
    job = finished(ask, "{ orders { edges { node { id customer { id } } } } }", token=token)
    assert (job["status"], job["errorCode"]) == ("FAILED", "ACCESS_DENIED")


def test_bulk_refuses_a_sixth_job_and_a_query_without_connection(ask: Ask) -> None:
    text = "{ orders { edges { node { id name lineItems { edges { node { id } } } } } } }"
    answers = [ask(BULK_RUN, query=text)["data"]["bulkOperationRunQuery"] for _ in range(6)]
    assert [a["userErrors"] for a in answers[:5]] == [[]] * 5
    assert answers[5]["userErrors"][0]["code"] == "LIMIT_REACHED"
    refused = ask(BULK_RUN, query="{ shop { name } }")["data"]["bulkOperationRunQuery"]
    assert refused["userErrors"][0]["code"] == "INVALID"
    for answer in answers[:5]:
        ask(
            "mutation($id: ID!) { bulkOperationCancel(id: $id) { bulkOperation { status } "
            "userErrors { message } } }",
            id=answer["bulkOperation"]["id"],
        )
    current = ask(
        "{ currentBulkOperation { id status } bulkOperations(first: 10) { nodes { id } } }"
    )
    assert current["data"]["currentBulkOperation"]["id"] == answers[4]["bulkOperation"]["id"]


# Trouble ------------------------------------------------------------------------------------


def post(web: httpx.Client, query: str = SHOP_QUERY) -> httpx.Response:
    return web.post(
        "/admin/api/2026-10/graphql.json",
        json={"query": query},
        headers={"X-Shopify-Access-Token": TOKEN},
    )


def test_expired_and_revoked_tokens(web: httpx.Client, box: RunningSandbox, ask: Ask) -> None:
    pair = signed_in(web, "read_orders")
    box.tokens.expire_all("shopify")
    assert post(web).status_code == 401
    renewed = grant(web, grant_type="refresh_token", refresh_token=pair["refresh_token"])
    ask(SHOP_QUERY, token=renewed.json()["access_token"])
    box.tokens.revoke_all("shopify")
    dead = grant(web, grant_type="refresh_token", refresh_token=pair["refresh_token"])
    assert dead.json()["error"] == "invalid_grant"
    ask(SHOP_QUERY, token=SPARE["shopify"]["access_token"])
    box.trouble.add("token_expired", "shopify")
    answer = post(web)
    assert (answer.status_code, type(answer.json()["errors"])) == (401, str)


def test_rate_trouble_comes_as_throttled_as_429_and_as_430(
    web: httpx.Client, box: RunningSandbox
) -> None:
    box.trouble.add("rate_limited", "shopify", retry_after=3)
    answer = post(web)
    assert answer.status_code == 200
    assert code_of(answer.json()) == "THROTTLED"
    box.trouble.add("rate_limited", "shopify", retry_after=3, detail={"form": "http"})
    answer = post(web)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "3.0")
    box.trouble.add("rate_limited_silent", "shopify")
    answer = post(web)
    assert answer.status_code == 429
    assert "Retry-After" not in answer.headers
    box.trouble.add("server_error", "shopify", status=430)
    assert post(web).status_code == 430


@pytest.mark.parametrize("status", [402, 403, 404, 423, 500, 502, 503, 504, 520])
def test_status_trouble_carries_a_text(web: httpx.Client, box: RunningSandbox, status: int) -> None:
    box.trouble.add("server_error", "shopify", status=status)
    answer = post(web)
    assert answer.status_code == status
    assert isinstance(answer.json()["errors"], str)
    assert post(web).status_code == 200


def test_internal_error_can_come_with_status_200(web: httpx.Client, box: RunningSandbox) -> None:
    box.trouble.add("server_error", "shopify", status=200)
    assert code_of(post(web).json()) == "INTERNAL_SERVER_ERROR"


def test_missing_scope_trouble_leaves_partial_data(web: httpx.Client, box: RunningSandbox) -> None:
    box.trouble.add("missing_scope", "shopify")
    body = post(web, "{ orders(first: 1) { nodes { id customer { id } } } }").json()
    assert body["data"]["orders"]["nodes"][0]["customer"] is None
    assert code_of(body) == "ACCESS_DENIED"


def test_row_trouble_bends_pages(ask: Ask, box: RunningSandbox) -> None:
    query = day_span(date(2026, 11, 2), date(2026, 11, 4))
    clean = walk(ask, query)
    box.trouble.add(
        "missing_day", "shopify", count=None, stream="orders", detail={"day": "2026-11-03"}
    )
    days = {
        datetime.fromisoformat(n["processedAt"]).astimezone(ZONE).date() for n in walk(ask, query)
    }
    assert days == {date(2026, 11, 2), date(2026, 11, 4)}
    box.trouble.clear()
    box.trouble.add("duplicated_rows", "shopify", stream="orders")
    twice = walk(ask, query)
    assert len(twice) == len(clean) + 1
    assert {n["id"] for n in twice} == {n["id"] for n in clean}
    box.trouble.add("truncated_page", "shopify", stream="orders")
    assert len(walk(ask, query)) < len(clean)
    assert len(walk(ask, query)) == len(clean)
    box.trouble.add("currency_change", "shopify", detail={"currency": "CAD"})
    assert ask(SHOP_QUERY)["data"]["shop"]["currencyCode"] == "CAD"


def test_cut_and_slow_answers(web: httpx.Client, box: RunningSandbox) -> None:
    box.trouble.add("cut", "shopify")
    with pytest.raises(httpx.HTTPError):
        post(web)
    box.trouble.add("slow", "shopify", seconds=0.3)
    began = time.monotonic()
    assert post(web).status_code == 200
    assert time.monotonic() - began >= 0.3


def test_journey_of_a_new_order_is_not_ready_yet(ask: Ask, box: RunningSandbox) -> None:
    ids = box.world.find_orders(as_of=NOW, created=(NOW - timedelta(days=2), NOW), sort="created")
    order = next(o for o in reversed(box.world.orders(ids, as_of=NOW)) if o.last_visit)
    box.clock.now = order.created_at + timedelta(minutes=2)
    text = (
        "query($id: ID!) { order(id: $id) { customerJourneySummary "
        "{ ready lastVisit { source } } } }"
    )
    gid = f"gid://shopify/Order/{order.id}"
    summary = ask(text, id=gid)["data"]["order"]["customerJourneySummary"]
    assert summary == {"ready": False, "lastVisit": None}
    box.clock.advance(minutes=20)
    assert ask(text, id=gid)["data"]["order"]["customerJourneySummary"]["ready"] is True
