"""First run to trusted figures in a browser; a broken sign-in mended; a sync killed and resumed."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.journeys import steps
from tests.journeys.conftest import EMAIL, PASSWORD, Server, Watched
from tests.journeys.script import Script
from tests.journeys.world_totals import (
    Span,
    expected_ads,
    expected_days,
    expected_store,
    first_order,
    stored_ads,
    stored_facts,
    stored_store,
    sums,
)


def row_of(page: Page, name: str) -> Locator:
    """The line of one connection in the list."""
    rows = page.get_by_role("region", name="Connections").get_by_role("row")
    return rows.filter(has=page.get_by_role("link", name=name, exact=True))


def compare_with_the_world(page: Page, server: Server) -> None:
    """Database and Overview say what the world says, to the cent."""
    ads, seen_from = Span.settled(75), first_order(server.home)
    assert stored_ads(server.home, ads) == expected_ads(ads)
    span = Span.settled(58)  # Shopify shows an app of this kind 60 days
    assert stored_store(server.home, span) == expected_store(span, seen_from=seen_from)
    expected = expected_days(span, seen_from=seen_from)
    assert steps.overview_of(page, span.start, span.end) == expected
    spend, revenue = sums(expected)
    expect(steps.tile(page, "Spend")).to_have_text(spend)
    expect(steps.tile(page, "Revenue")).to_have_text(revenue)


@pytest.mark.timeout(600)
def test_from_the_first_page_to_figures_that_equal_the_world(
    start_server: Callable[..., Server], open_tab: Callable[..., Watched],
    shot: Callable[[Page, str], Path],
) -> None:
    server = start_server()
    tab = open_tab(server)
    page = tab.page
    steps.set_up(page)
    expect(page.get_by_role("link", name="Connect your own platform")).to_be_visible()

    at: dict[str, str] = {}
    for platform in ("Meta Business", "Shopify"):
        steps.fill_in_credentials(page, platform, method="oauth")
        shot(page, f"wizard-sign-in-{platform.split()[0].lower()}")
        steps.consent(page, platform)
        steps.choose_and_plan(page)
        steps.start_first_sync(page)
        at[platform] = page.url

    leave_in_mid_sync_and_come_back(page, server, at, shot)

    steps.fill_in_credentials(page, "Klaviyo", method="api_key")
    page.get_by_role("button", name="Check and continue").click()
    steps.choose_and_plan(page)
    steps.start_first_sync(page)
    at["Klaviyo"] = page.url
    for platform, address in at.items():
        page.goto(address)
        expect(steps.heading(page)).to_have_text(platform)
        steps.wait_until_synced(page)
    page.goto("/connections")
    for platform in at:
        expect(row_of(page, platform).get_by_text("Healthy")).to_be_visible()
    compare_with_the_world(page, server)

    mend_an_expired_sign_in(page, server, shot)
    compare_with_the_world(page, server)
    tab.assert_clean()


def leave_in_mid_sync_and_come_back(
    page: Page, server: Server, at: dict[str, str], shot: Callable[[Page, str], Path]
) -> None:
    """Google Ads answers slowly, so that there is a middle to be in."""
    steps.control(server, "POST", "faults", kind="slow", platform="google_ads", count=None,
                  seconds=0.5)
    steps.fill_in_credentials(page, "Google Ads", method="oauth")
    steps.consent(page, "Google Ads")
    steps.choose_and_plan(page)
    steps.start_first_sync(page)
    at["Google Ads"] = page.url
    expect(page.get_by_text("You can leave this page")).to_be_visible()
    done = steps.days_done(page).first
    expect(done).to_have_text(re.compile("^[1-9]"))
    before = int(done.inner_text().split()[0])
    shot(page, "wizard-first-sync")
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Connections").click()
    expect(row_of(page, "Google Ads").get_by_text("First sync")).to_be_visible()
    page.goto(at["Google Ads"])
    expect(steps.progress_bar(page)).to_be_visible()
    expect(done).to_have_text(re.compile(r"^[1-9]"))
    assert int(done.inner_text().split()[0]) >= before
    steps.control(server, "DELETE", "faults")


def mend_an_expired_sign_in(
    page: Page, server: Server, shot: Callable[[Page, str], Path]
) -> None:
    """Expire Meta's tokens as the demo page does, meet it, sign in again, be healthy again."""
    page.goto("/sandbox-trouble")
    planted = page.get_by_role("listitem").filter(has_text="The Meta token can be expired now")
    planted.get_by_role("button", name="Expire tokens").click()
    expect(page.get_by_text("The next sync of that platform meets it.")).to_be_visible()
    page.goto("/connections")
    row = row_of(page, "Meta Business")
    row.get_by_role("button", name="Actions for this connection").click()
    row.get_by_role("button", name="Run sync now").click()
    expect(row.get_by_text("Sign-in expired")).to_be_visible()
    shot(page, "connections-expired")
    page.goto("/")
    needs = page.locator("section", has=page.get_by_role("heading", name="Needs attention"))
    todo = needs.get_by_role("listitem").filter(has_text="Meta Business")
    expect(todo.get_by_text(re.compile("sign-in", re.IGNORECASE)).first).to_be_visible()
    shot(page, "overview-expired")
    todo.get_by_role("link", name="Sign in again").click()
    expect(page.get_by_role("button", name="Continue to Meta Business")).to_be_visible()
    steps.consent(page, "Meta Business")
    expect(page).to_have_url(re.compile(r"/connections/[0-9a-f-]{36}"))
    expect(steps.heading(page)).to_have_text("Meta Business")
    page.goto("/connections")
    expect(row.get_by_text("Healthy")).to_be_visible(timeout=steps.PATIENCE)
    page.goto("/")
    expect(needs).to_be_visible()
    expect(todo).to_have_count(0)


@pytest.mark.timeout(300)
def test_a_sync_killed_in_the_middle_is_finished_after_the_restart_without_doubles(
    start_server: Callable[..., Server], open_tab: Callable[..., Watched],
    open_script: Callable[[Server], Script],
) -> None:
    server = start_server(LIFTOS_ADMIN_EMAIL=EMAIL, LIFTOS_ADMIN_PASSWORD=PASSWORD)
    script = open_script(server)
    connection_id = script.connect_by_consent("google_ads")
    steps.control(server, "POST", "faults", kind="slow", platform="google_ads", count=None,
                  seconds=0.5)
    sync_id = script.call("POST", f"/connections/{connection_id}/sync", 202)["sync_id"]
    some = wait_for_some_facts(script, connection_id, sync_id)
    server.kill()
    assert stored_facts(server.home) > 0
    assert stored_ads(server.home, Span.settled()) != expected_ads(Span.settled(), "google_ads")

    server.start()
    steps.control(server, "DELETE", "faults")
    tab = open_tab(server)
    steps.sign_in(tab.page)
    tab.page.goto(f"/connections/{connection_id}")
    script.again()
    done = script.wait(connection_id, sync_id)
    assert done["status"] == "succeeded", done
    assert done["days_done"] >= some
    span = Span.settled()
    assert stored_ads(server.home, span) == expected_ads(span, "google_ads")
    expect(tab.page.get_by_text("Healthy").first).to_be_visible()
    history = script.call("GET", f"/connections/{connection_id}/sync-history")["data"]
    assert [h["status"] for h in history] == ["succeeded"]
    tab.assert_clean()


def wait_for_some_facts(script: Script, connection_id: str, sync_id: str) -> int:
    """Ask until some days are stored and some are not. How many days are done."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = script.call("GET", f"/connections/{connection_id}/sync/{sync_id}")
        assert found["status"] in {"queued", "running"}, found
        if stored_facts(script.server.home) and found["days_done"] < found["days_total"]:
            return int(found["days_done"])
        time.sleep(0.1)
    raise AssertionError("The sync stored nothing within a minute.")
