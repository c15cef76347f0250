"""A platform that says again and again that there is more: every walk ends soon, with a fault.

The sandbox answers the first request; from then on its answer comes again, bent so that it names
a page to follow: the same one, a new one each time, or none at all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import orjson
import pytest

from liftos_app.errors import GiveUp
from liftos_app.services.connectors.client import Client
from liftos_app.services.connectors.spec import Task
from tests.contract.conftest import PLATFORMS, Bench, read
from tests.contract.test_bad_input import explained, with_body

SAME, NEW, LOST = "same", "new", "lost"
MOST = 10  # requests until a walk must have noticed
DISCOVERY, OBJECTS = "discovery", "objects"


@dataclass(frozen=True)
class Told:
    """What an answer is bent to say: `name` is the place that follows, "" when none is named."""

    name: str
    number: int  # of this page; always 1 when the same place is named
    request: httpx.Request


@dataclass(frozen=True)
class Loop:
    """How a platform says that there is more. `more` bends the data and may give headers."""

    stream: str  # or DISCOVERY, OBJECTS
    where: str  # pattern, in the address of the pages
    more: Callable[[Any, Told], Mapping[str, str] | None]
    kinds: tuple[str, ...] = (SAME, NEW)
    only: str = ""  # in the body, where one address serves all
    cursor: str = ""  # reads changes since then
    days: int = 8
    memory: tuple[tuple[str, int], ...] = ()  # of the sandbox, so that a result has pages


def google(data: Any, told: Told) -> None:
    data["nextPageToken"] = told.name


def meta(data: Any, told: Told) -> None:
    data["paging"] = {"next": "https://graph.facebook.com/v26.0/more"}
    if told.name:
        data["paging"]["cursors"] = {"before": "x", "after": told.name}


def klaviyo(data: Any, told: Told) -> None:
    address = str(told.request.url.copy_with(query=None))
    asked = f"page_cursor={told.name}&page%5Bcursor%5D={told.name}" if told.name else "x=1"
    data["links"] = {"next": f"{address}?{asked}", "prev": None, "self": address}


def linkedin(data: Any, told: Told) -> None:
    data["metadata"] = {"nextPageToken": told.name}


def linkedin_rules(data: Any, told: Told) -> None:
    data["paging"]["links"] = [{"rel": "next", "type": "application/json", "href": "/more"}]


def tiktok(data: Any, told: Told) -> None:
    data["data"]["page_info"].update(page=told.number, total_page=told.number + 1)


def x_cursor(data: Any, told: Told) -> None:
    data["next_cursor"] = told.name


def shopify(data: Any, told: Told) -> None:
    connection = next(v for v in data["data"].values() if "pageInfo" in v)
    connection["pageInfo"] = {"hasNextPage": True, "endCursor": told.name or None}


def hubspot(data: Any, told: Told) -> None:
    data["paging"] = {"next": {"after": told.name} if told.name else {}}
    data["total"] = max(int(data.get("total") or 0), len(data["results"]))


def stripe(data: Any, told: Told) -> None:
    data["has_more"] = True


def salesforce(data: Any, told: Told) -> None:
    data["done"] = False
    data.pop("nextRecordsUrl", None)
    if told.name:
        data["nextRecordsUrl"] = f"/services/data/v67.0/query/0r8-{told.name}"


def zoho(data: Any, told: Told) -> None:
    info = data.setdefault("info", {})
    info.update(more_records=True, page=told.number, next_page_token=told.name or None)


def databricks(data: Any, told: Told) -> None:
    result = data.get("result", data)
    for part in (result, *(result.get("external_links") or ())):
        part["next_chunk_index"] = told.number


def databricks_list(data: Any, told: Told) -> None:
    data["next_page_token"] = told.name


def nothing(data: Any, told: Told) -> None:
    """The number of partitions was told at first; they are all the same one."""


def http_total(data: Any, told: Told) -> None:
    data["total"] = 10**6


def http_link(data: Any, told: Told) -> Mapping[str, str]:
    address = told.request.url.copy_with(query=None)
    return {"link": f'<{address}?after={told.name}>; rel="next"'}


ALL, ONE = (SAME, NEW, LOST), (SAME,)
SINCE = "2026-11-10T00:00:00Z"
LOOPS: dict[str, tuple[Loop, ...]] = {
    "google_ads": (
        Loop("campaign_daily", "googleAds:search", google),
        Loop("campaigns", "googleAds:search", google),
    ),
    "meta_business": (
        Loop("campaign_daily", "/insights", meta, ALL),
        Loop("campaigns", "/campaigns", meta, ALL),
        Loop(DISCOVERY, "/me/adaccounts", meta, ALL),
    ),
    "klaviyo": (
        Loop("campaign_results", "/api/campaign-values-reports", klaviyo, ALL),
        Loop("flow_results", "/api/flow-series-reports", klaviyo, ALL),
        Loop("revenue_daily", "/api/metric-aggregates", klaviyo, ALL),
        Loop("lists", "/api/lists", klaviyo),
        Loop(DISCOVERY, "/api/metrics", klaviyo),
    ),
    "linkedin_ads": (
        Loop("campaigns", "/adCampaigns", linkedin),
        Loop("creatives", "/creatives", linkedin),
        Loop("conversion_rules", "/conversions", linkedin_rules, ONE),
        Loop(DISCOVERY, "/adAccounts", linkedin),
    ),
    "tiktok_ads": (
        Loop("campaign_daily", "/report/integrated/get/", tiktok),
        Loop("campaigns", "/campaign/get/", tiktok),
    ),
    "x_ads": (
        Loop("campaigns", "/campaigns", x_cursor),
        Loop(DISCOVERY, r"/12/accounts\?", x_cursor),
    ),
    "shopify": (
        Loop("orders", "/graphql.json", shopify, ALL, only=" orders(", days=1),
        Loop("orders", "/graphql.json", shopify, ALL, only=" orders(", cursor=SINCE),
        Loop("products", "/graphql.json", shopify, ALL, only=" products("),
    ),
    "hubspot": (
        Loop("deals", "/deals/search", hubspot, (SAME, LOST)),
        Loop("contacts", "/contacts/search", hubspot, (SAME, LOST), cursor=SINCE),
        Loop("owners", "/crm/owners/", hubspot, ALL),
        Loop("email_results", "/marketing/emails/", hubspot, ALL),
    ),
    "stripe": (
        Loop("balance_transactions", "/balance_transactions", stripe, ONE),
        Loop("charges", "/v1/charges", stripe, ONE),
        Loop("charges", "/v1/events", stripe, ONE, cursor=SINCE),
    ),
    "salesforce": (
        Loop("leads", "/query", salesforce, ALL),
        Loop("campaigns", "/query", salesforce, ALL),
        Loop("leads", "/query", salesforce, ALL, cursor=SINCE),
    ),
    "zoho_crm": (
        Loop("leads", "/coql", zoho, ONE),
        Loop("contacts", "/coql", zoho, ONE, cursor=SINCE),
        Loop("contacts", "/deleted", zoho, cursor=SINCE),
        Loop("campaigns", "/Campaigns", zoho, ALL),
        Loop("owners", "/users", zoho),
    ),
    "databricks": (
        Loop("marketing_daily", "/result/chunks/", databricks, memory=(("chunk_rows", 5),)),
        Loop(OBJECTS, "/catalogs", databricks_list),
    ),
    "snowflake": (
        Loop("marketing_daily", "partition=", nothing, ONE, memory=(("partition_rows", 5),)),
    ),
    "generic_http": (
        Loop("agency_report", "/reports/daily.json", http_total, ONE),
        Loop("deals", "/deals", http_link),
        Loop("deals", "/deals", http_link, cursor=SINCE),
    ),
}
WITHOUT: dict[str, str] = {}  # platforms that never page, each with the reason
UNPAGED = {  # daily results that come in one answer
    "linkedin_ads": "adAnalytics has no pages: it cuts at 15,000 rows, and spans are halved.",
    "x_ads": "Analytics answers about 20 entities at a time, all of it at once.",
}
CASES = [(slug, loop, kind) for slug, loops in LOOPS.items() for loop in loops
         for kind in loop.kinds]


class Repeating(httpx.BaseTransport):
    """The real way to the sandbox until it is told to loop."""

    def __init__(self) -> None:
        self._real = httpx.HTTPTransport()
        self._first: httpx.Response | None = None
        self.loop: Loop | None = None
        self.kind = SAME
        self.count = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        loop = self.loop
        body = request.read().decode() if loop is not None and loop.only else ""
        if loop is None or not re.search(loop.where, str(request.url)) or loop.only not in body:
            return self._real.handle_request(request)
        if self._first is None:
            first = self._real.handle_request(request)
            if b'"errors":' in first.read():  # asked for too much: another question follows
                return with_body(first, first.content)
            self._first = first
        self.count += 1
        name = {SAME: "again", NEW: f"again{self.count}", LOST: ""}[self.kind]
        data = orjson.loads(self._first.content or b'{"data":[{"id":"17"}]}')
        told = Told(name, self.count if self.kind == NEW else 1, request)
        more = loop.more(data, told) or {}
        answer = with_body(self._first, orjson.dumps(data), **more)
        answer.status_code = 200  # nothing found has a status of its own
        return answer

    def close(self) -> None:
        self._real.close()


def walk(bench: Bench, client: Client, loop: Loop, task: Task | None) -> None:
    if task is not None:
        read(client, task)
    elif loop.stream == OBJECTS:
        assert bench.platform.objects is not None
        bench.platform.objects(client, "")
    else:
        bench.platform.discover(client)


def label(value: Any) -> str:
    if not isinstance(value, Loop):
        return str(value)
    return f"{value.stream}{re.sub(r'[^a-z]+', '-', value.where.lower()).rstrip('-')}" + (
        "-changes" if value.cursor else "")


@pytest.mark.parametrize(("slug", "loop", "kind"), CASES, ids=label)
def test_pages_that_never_end_end_in_a_fault(
    bench_of: Callable[[str], Bench], slug: str, loop: Loop, kind: str
) -> None:
    bench = bench_of(slug)
    bench.box.sandbox.memories.setdefault(slug, {}).update(loop.memory)
    way = Repeating()
    with bench.open(transport=way) as client:
        task = None
        if loop.stream not in (DISCOVERY, OBJECTS):
            account = bench.account(client)
            task = bench.task(loop.stream, account, days=loop.days, cursor=loop.cursor)
            client.kept.clear()
        way.loop, way.kind = loop, kind
        with pytest.raises(GiveUp) as caught:
            walk(bench, client, loop, task)
    assert 0 < way.count <= MOST
    assert explained(caught.value)
    assert re.search("pages (have no end|cannot be followed)", caught.value.what)
    if slug == "generic_http":  # whose paging a person describes
        assert (caught.value.cause, caught.value.owner) == ("bad_configuration", "you")
    else:
        assert (caught.value.cause, caught.value.owner) == ("source_data", "the_platform")


@pytest.mark.parametrize("platform", PLATFORMS, ids=lambda p: p.slug)
def test_every_platform_says_how_it_pages(platform: Any) -> None:
    loops = LOOPS.get(platform.slug, ())
    assert bool(loops) != bool(WITHOUT.get(platform.slug))
    bench = Bench(platform, None)  # type: ignore[arg-type]
    daily = bench.daily().name in {loop.stream for loop in loops}
    assert daily != bool(UNPAGED.get(platform.slug) or WITHOUT.get(platform.slug))
