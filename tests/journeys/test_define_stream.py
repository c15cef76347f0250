"""A person connects a warehouse, defines a stream on real rows, syncs it, and publishes back."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.journeys import steps
from tests.journeys.conftest import Server, Watched


def define_marketing(page: Page, shot: Callable[[Page, str], Path]) -> None:
    """Step four: choose a table, look at its rows, correct the mapping, keep it."""
    expect(page.get_by_text("None yet. Add one")).to_be_visible()
    page.get_by_role("button", name="Add stream").click()
    for folder in ("LARKSPUR", "MARKETING"):
        page.get_by_role("button", name=folder, exact=True).click()
    page.get_by_role("button", name="MARKETING_DAILY", exact=True).click()
    preview = page.get_by_role("region", name="Preview of real rows")
    expect(preview).to_be_visible()
    expect(page.locator("select[name=column-spend]")).to_have_value("SPEND")
    expect(page.locator("select[name=column-value]")).to_have_value("CONVERSION_VALUE")
    expect(page.get_by_label("Currency of its amounts")).not_to_have_value("")
    expect(preview).to_contain_text(re.compile(r"clicks \d+, spend \d+\.?\d*"))
    shot(page, "stream-editor-proposed")
    page.locator("select[name=column-day]").select_option("")
    page.get_by_role("button", name="Preview again").click()
    expect(page.get_by_text("Day needs a column.")).to_be_visible()
    expect(page.get_by_role("button", name="Save stream")).to_be_disabled()
    page.locator("select[name=column-day]").select_option("REPORT_DATE")
    page.get_by_label("Currency of its amounts").fill("USD, EUR")
    page.get_by_label("Time zone of its days").fill("America/New_York")
    page.get_by_role("button", name="Preview again").click()
    expect(page.get_by_text("Day needs a column.")).to_have_count(0)
    page.get_by_role("button", name="Save stream").click()
    expect(page.get_by_text("Stream saved.")).to_be_visible()
    expect(page.get_by_role("button", name="Change")).to_have_count(1)


def look_at_orders(page: Page, shot: Callable[[Page, str], Path]) -> None:
    """Personal columns are named, proposed for nothing, and their values are not shown."""
    page.get_by_role("button", name="Add stream").click()
    page.get_by_label("What its rows are").select_option("orders")
    for folder in ("LARKSPUR", "SALES"):
        page.get_by_role("button", name=folder, exact=True).click()
    page.get_by_role("button", name="ORDERS", exact=True).click()
    expect(page.get_by_text("CUSTOMER_EMAIL looks like an e-mail address. It is left out.")
           ).to_be_visible()
    expect(page.get_by_role("region", name="Preview of real rows")).to_contain_text("left out")
    assert "larkspur.example" not in page.content()
    shot(page, "stream-editor-personal")
    page.get_by_role("button", name="Close", exact=True).click()


@pytest.mark.timeout(400)
def test_a_warehouse_is_connected_defined_synced_and_published_to(
    start_server: Callable[..., Server], open_tab: Callable[..., Watched],
    shot: Callable[[Page, str], Path],
) -> None:
    server = start_server()
    tab = open_tab(server)
    page = tab.page
    steps.set_up(page)
    steps.fill_in_credentials(page, "Snowflake", method="key_pair")
    shot(page, "wizard-sign-in-snowflake")
    page.get_by_role("button", name="Check and continue").click()
    expect(page.get_by_role("heading", name="Accounts")).to_be_visible()
    page.get_by_role("button", name="Continue").click()
    define_marketing(page, shot)
    look_at_orders(page, shot)
    page.locator("input[name=history][value='30']").check()
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("heading", name="Summary")).to_be_visible()
    steps.start_first_sync(page)
    steps.wait_until_synced(page)
    page.get_by_role("link", name="Open connection").click()
    page.wait_for_url(re.compile(r"/connections/[0-9a-f-]{36}"))
    expect(steps.heading(page)).to_have_text("Snowflake")
    page.goto(page.url.partition("?")[0] + "?tab=settings")
    page.get_by_label("Database or catalog").fill("LARKSPUR")
    shot(page, "connection-publish")
    page.get_by_role("button", name="Publish tables").click()
    expect(page.get_by_text("Publishing to LARKSPUR began.").first).to_be_visible()
    page.goto(page.url.partition("?")[0] + "?tab=log&kind=publish")
    expect(page.get_by_text(re.compile("^Published to LARKSPUR"))).to_be_visible(timeout=60_000)
    shot(page, "connection-published")
    tab.assert_clean()


def test_the_editor_in_the_dark_and_on_a_phone(
    start_server: Callable[..., Server], open_tab: Callable[..., Watched],
    shot: Callable[[Page, str], Path],
) -> None:
    server = start_server()
    tab = open_tab(server, width=390, height=844, dark=True)
    page = tab.page
    steps.set_up(page)
    steps.fill_in_credentials(page, "Databricks", method="service_principal")
    page.get_by_role("button", name="Check and continue").click()
    expect(page.get_by_role("heading", name="Accounts")).to_be_visible()
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="Add stream").click()
    for folder in ("larkspur", "marketing"):
        page.get_by_role("button", name=folder, exact=True).click()
    page.get_by_role("button", name="marketing_daily", exact=True).click()
    expect(page.get_by_role("region", name="Preview of real rows")).to_be_visible(timeout=60_000)
    shot(page, "stream-editor-phone-dark")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    tab.assert_clean()
