"""One journey per kind of sign-in: the wizard, a first sync, and rows that equal the world.

What needs none here: consent with PKCE and a key, which test_first_run.py walks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from liftos_app.services.sandbox.credentials import STREAMS
from liftos_app.services.sandbox.world.accounts import GOOGLE_US, X_EU, X_US
from tests.journeys import records_of_world as records
from tests.journeys import steps
from tests.journeys.conftest import EMAIL, PASSWORD, Server, Watched, servers_in, tabs_of
from tests.journeys.world_totals import Span

DAYS = 30
PUBLISHABLE = "pk_" + "live_" + "51LrkB7WZ01zgkWdemoH7kQ2vT9mB4xN8pZ6s"
REPORT = STREAMS["generic_http"][0]


@dataclass(frozen=True)
class Way:
    """A platform, how to sign in there, and which of its rows are held beside the world."""

    name: str
    platform: str
    method: str
    stream: str
    expected: Callable[[Span], records.Sums]
    stored: Callable[[Path, str, Span], records.Sums]
    consent: bool = False
    prepare: Callable[[Page], None] | None = None  # before the sandbox's credentials are used
    define: Callable[[Page], None] | None = None  # in step four
    first: int = 28
    last: int = 4


def refuse_a_publishable_key(page: Page) -> None:
    """The mix-up is told at the field, and nothing goes on."""
    key = page.get_by_label("Restricted key")
    key.fill(PUBLISHABLE)
    page.get_by_role("button", name="Check and continue").click()
    told = page.locator("p[role=alert]", has_text="This is a publishable key, which cannot")
    expect(told).to_be_visible()
    expect(key).to_have_attribute("aria-invalid", "true")
    page.get_by_role("button", name="Fill in sandbox credentials").click()
    expect(key).not_to_have_value(PUBLISHABLE)


def define_the_report(page: Page) -> None:
    """A stream of the person's own: source, preview of real rows, mapping, save."""
    page.get_by_role("button", name="Add stream").click()
    source = REPORT["source"]
    page.get_by_label("What its rows are").select_option("facts")
    page.locator("#source-path").fill(source["path"])
    for name in ("query", "records_path", "page_param", "size_param", "page_size", "total_path"):
        page.locator(f"#source-{name}").fill(source[name])
    page.locator("#source-paging").select_option(source["paging"])
    page.get_by_role("button", name="Read a sample").click()
    preview = page.get_by_role("region", name="Preview of real rows")
    expect(preview).to_be_visible()
    for field, said in REPORT["fields"].items():  # what the names propose, and the rest by hand
        page.locator(f"select[name=column-{field}]").select_option(said["column"])
    page.get_by_role("textbox", name="Title").fill(REPORT["title"])
    page.get_by_role("textbox", name="Name", exact=True).fill(REPORT["name"])
    page.get_by_role("textbox", name="Currency").fill("USD")
    page.get_by_role("textbox", name="Time zone of its days").fill(REPORT["time_zone"])
    page.get_by_role("button", name="Preview again").click()
    save = page.get_by_role("button", name="Save stream")
    expect(save).to_be_enabled()
    expect(preview.get_by_text("Rejected")).to_have_count(0)
    save.click()
    expect(page.get_by_label(REPORT["title"])).to_be_checked()


WAYS = (
    Way("X Ads", "x_ads", "oauth", "campaign_daily", records.ad_days(X_US, X_EU),
        records.stored_ad_days, consent=True),
    Way("Shopify", "shopify", "client_credentials", "orders", records.orders,
        records.stored_orders),
    Way("HubSpot", "hubspot", "service_key", "deals",
        records.deals("America/New_York", "48291044"), records.stored_deals),
    Way("Stripe", "stripe", "restricted_key", "balance_transactions", records.balance,
        records.stored_balance, prepare=refuse_a_publishable_key, first=14),
    Way("HTTP source", "generic_http", "basic", REPORT["name"],
        records.ad_days(GOOGLE_US, name="erp.larkspur-home.example/agency_report"),
        records.stored_ad_days, define=define_the_report),
    Way("Zoho CRM", "zoho_crm", "oauth", "deals", records.deals("Europe/Berlin", ""),
        records.stored_deals, consent=True),
    Way("Salesforce", "salesforce", "oauth", "opportunities",
        records.deals("America/New_York", ""), records.stored_deals, consent=True),
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with servers_in(tmp_path_factory.mktemp("kinds")) as start:
        yield start(LIFTOS_ADMIN_EMAIL=EMAIL, LIFTOS_ADMIN_PASSWORD=PASSWORD)


@pytest.fixture(scope="module")
def tab(server: Server, browser: Browser) -> Iterator[Watched]:
    """An administrator, signed in."""
    with tabs_of(browser) as opened:
        found = opened(server)
        steps.sign_in(found.page)
        yield found


@pytest.mark.timeout(240)
@pytest.mark.parametrize("way", WAYS, ids=lambda w: f"{w.platform}-{w.method}")
def test_a_sign_in_ends_in_rows_that_equal_the_world(
    way: Way, server: Server, tab: Watched
) -> None:
    page = tab.page
    steps.open_sign_in(page, way.name, method=way.method)
    if way.prepare:
        way.prepare(page)
    steps.fill_in(page)
    if way.consent:
        steps.consent(page, way.name)
    else:
        page.get_by_role("button", name="Check and continue").click()
    steps.choose_accounts(page)
    if way.define:
        way.define(page)
    steps.plan(page, days=DAYS)
    steps.start_first_sync(page)
    steps.wait_until_synced(page)
    span = Span.settled(way.first, way.last)
    expected = way.expected(span)
    stored = way.stored(server.home, way.platform, span)
    if "" in expected:  # the account has an id of its own
        stored = {"": next(iter(stored.values()))}
    assert stored == expected
    compare_with_the_explorer(page, way, span, sorted(e[0] for e in expected.values()))
    tab.assert_clean()


def compare_with_the_explorer(page: Page, way: Way, span: Span, counts: list[int]) -> None:
    """Each account's rows, as the Data explorer counts them; one opens its source record."""
    connection = page.url.partition("id=")[2].partition("&")[0]
    at = f"/explorer?connection={connection}&stream={way.stream}&start={span.start}&end={span.end}"
    page.goto(at)
    accounts = page.get_by_label("Account", exact=True)
    # Until its rows are there, the page shows what it showed last.
    expect(page.get_by_label("Connection", exact=True)).to_have_value(connection)
    expect(page.get_by_label("Stream", exact=True)).to_have_value(way.stream)
    seen = []
    for value in [o.get_attribute("value") for o in accounts.locator("option").all()]:
        page.goto(f"{at}&account={value}")
        expect(accounts).to_have_value(value or "")
        line = page.locator(".lo-head-line")
        expect(line).to_have_text(re.compile(r"^[\d,]+ rows?, "))
        seen.append(int(line.inner_text().split()[0].replace(",", "")))
    assert sorted(seen) == counts
    page.get_by_role("button", name="Show the source record").first.click()
    expect(page.get_by_role("region", name="Source record")).to_contain_text("{")
    page.keyboard.press("Escape")
