"""Shopify's own Python library as the client of the sandbox."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import shopify

from liftos_app.services.sandbox.credentials import DEMO
from tests.contract.connect import consent
from tests.sandbox_server import RunningSandbox, running_sandbox

SLUG = "shopify"
VERSION = "2026-10"
KEY, APP = DEMO[SLUG]["token"], DEMO[SLUG]["oauth"]
BACK = "http://localhost:8000/oauth/callback/shopify"
ORDERS = """
query($after: String) {
  orders(first: 40, after: $after, sortKey: PROCESSED_AT,
         query: "processed_at:>='2026-11-20T00:00:00Z' AND processed_at:<'2026-11-21T00:00:00Z'") {
    edges { node { id test totalPriceSet { shopMoney { amount currencyCode } } } }
    pageInfo { hasNextPage endCursor }
  }
}
"""


@pytest.fixture(scope="module")
def box() -> Iterator[RunningSandbox]:
    with running_sandbox(plant=False) as running:
        yield running


@pytest.fixture
def ask(box: RunningSandbox) -> Iterator[Any]:
    """The library's GraphQL call with an admin token, pointed at the sandbox."""
    box.reset()
    if VERSION not in shopify.ApiVersion.versions:
        shopify.ApiVersion.define_version(shopify.Release(VERSION))
    shopify.ShopifyResource.activate_session(
        shopify.Session(KEY["shop"], VERSION, KEY["access_token"])
    )
    shopify.ShopifyResource.set_site(f"{box.platform(SLUG)}/{KEY['shop']}/admin/api/{VERSION}")

    def execute(query: str, **variables: Any) -> Any:
        return json.loads(shopify.GraphQL().execute(query, variables=variables))

    yield execute
    shopify.ShopifyResource.clear_session()


def test_the_orders_of_a_day_are_the_worlds(ask: Any, box: RunningSandbox) -> None:
    found, after = [], None
    while True:
        page = ask(ORDERS, after=after)["data"]["orders"]
        found += [e["node"] for e in page["edges"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    start, end = datetime(2026, 11, 20, tzinfo=UTC), datetime(2026, 11, 21, tzinfo=UTC)
    now = box.clock()
    since = (start - timedelta(days=2), None)
    ids = box.world.find_orders(as_of=now, created=since, sort="created")
    everything = box.world.orders(ids, as_of=now)
    there = [o for o in everything if start <= o.processed_at < end]
    assert len(found) == len(there) > 40
    cents = sum(round(float(o["totalPriceSet"]["shopMoney"]["amount"]) * 100) for o in found)
    assert cents == sum(o.total for o in there)


def test_wrong_queries_and_limits_come_inside_the_answer(ask: Any, box: RunningSandbox) -> None:
    assert "nothing" in ask("{ nothing }")["errors"][0]["message"]
    box.trouble.add("rate_limited", SLUG)
    assert ask("{ shop { name } }")["errors"][0]["extensions"]["code"] == "THROTTLED"
    assert ask("{ shop { name } }")["data"]["shop"]["name"] == "Larkspur Home"


def test_the_librarys_check_of_the_way_back_accepts_the_sandboxs_signature(
    box: RunningSandbox,
) -> None:
    box.reset()
    shopify.Session.setup(api_key=APP["client_id"], secret=APP["client_secret"])
    session = shopify.Session(APP["shop"], VERSION)
    real = session.create_permission_url(["read_orders", "read_products"], BACK, "state-123")
    assert real.startswith(f"https://{APP['shop']}/admin/oauth/authorize?")
    page = f"{box.platform(SLUG)}/{APP['shop']}/admin/oauth/authorize?{real.partition('?')[2]}"
    back = consent(page)
    assert back["state"] == "state-123"
    # The library also asks that the answer be a day old at most, by this machine's clock.
    assert shopify.Session.validate_hmac(dict(back))
    assert not shopify.Session.validate_hmac({**back, "shop": "other.myshopify.com"})
