"""Somebody who only wants to look: set up, one button, progress, figures, and a wrong turn."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from liftos_app.services.connectors import registry
from tests.journeys import steps
from tests.journeys.conftest import Tour, Watched
from tests.journeys.records_of_world import ad_days, stored_ad_days, world_of
from tests.journeys.world_totals import (
    ADS,
    OTHER_ADS,
    Span,
    expected_ads,
    expected_days,
    first_order,
    stored_ads,
)

PLATFORMS = {p.slug: p.name for p in registry.all_platforms()}
ALL = len(PLATFORMS)
NOBODY = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"


@pytest.mark.timeout(400)
def test_one_button_fills_the_overview_before_the_persons_eyes(
    tour: Tour, open_tab: Callable[..., Watched], shot: Callable[[Page, str], Path]
) -> None:
    during, after = tour.seen[0], tour.seen[-1]
    assert "First syncs" in during
    assert f"{ALL} of {ALL} first syncs" in after
    for name in PLATFORMS.values():
        assert name in after
    assert after.count("Succeeded") == ALL
    assert tour.errors == []
    assert tour.foreign == []
    tab = open_tab(tour.server)
    page = tab.page
    steps.sign_in(page)
    for label in ("Spend", "Revenue", "Blended ROAS", "Claimed revenue"):
        expect(steps.tile(page, label)).to_have_text(re.compile(r"\d"))
    expect(page.get_by_text("Demo data", exact=True).first).to_be_visible()
    channels = page.get_by_role("region", name="By channel")
    for slug in (*ADS, *OTHER_ADS, "klaviyo"):
        expect(channels.get_by_role("link", name=PLATFORMS[slug])).to_be_visible()
    expect(channels.get_by_role("link")).to_have_count(6)  # what neither spends nor claims is none
    expect(page.get_by_text("Fresh, ").first).to_be_visible()
    shot(page, "overview-1280")
    tab.assert_clean()


@pytest.mark.timeout(400)
def test_what_many_platforms_brought_is_the_worlds_and_nothing_counts_twice(
    tour: Tour, open_tab: Callable[..., Watched]
) -> None:
    home, span = tour.server.home, Span.settled(58)
    assert stored_ads(home, span) == expected_ads(span)
    for platform in OTHER_ADS:
        spending = [a.id for a in world_of(span).accounts(platform) if a.status == "active"]
        expected = {k: v for k, v in ad_days(*spending)(span).items() if v[0]}
        assert expected
        assert stored_ad_days(home, platform, span) == expected
    page = open_tab(tour.server).page
    steps.sign_in(page)
    assert steps.overview_of(page, span.start, span.end) == expected_days(
        span, seen_from=first_order(home), platforms=(*ADS, *OTHER_ADS)
    )


@pytest.mark.timeout(400)
def test_a_second_look_around_doubles_nothing(
    tour: Tour, open_tab: Callable[..., Watched]
) -> None:
    tab = open_tab(tour.server)
    page = tab.page
    steps.sign_in(page)
    page.goto("/welcome")
    page.get_by_role("button", name="Connect what is missing").click()
    expect(page.get_by_text("It was there already.")).to_have_count(ALL)
    page.goto("/connections")
    rows = page.get_by_role("region", name="Connections").locator("tbody tr")
    expect(rows).to_have_count(ALL)
    tab.assert_clean()


@pytest.mark.timeout(400)
def test_the_catalogue_is_narrowed_by_kind_and_words(
    tour: Tour, open_tab: Callable[..., Watched]
) -> None:
    tab = open_tab(tour.server)
    page = tab.page
    steps.sign_in(page)
    page.goto("/connections/new")
    cards = page.get_by_role("main").get_by_role("listitem")
    expect(cards).to_have_count(ALL)
    page.get_by_label("Kind of platform").select_option("CRM")
    page.get_by_role("button", name="Search").click()
    expect(cards).to_have_count(sum(p.category == "CRM" for p in registry.all_platforms()))
    expect(page).to_have_url(re.compile(r"category=CRM"))  # an address that can be kept
    page.get_by_label("Search platforms").fill("no such thing")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_text("No platform matches")).to_be_visible()
    tab.assert_clean()


@pytest.mark.timeout(400)
def test_a_phone_reaches_everything_through_the_drawer(
    tour: Tour, open_tab: Callable[..., Watched], shot: Callable[[Page, str], Path]
) -> None:
    tab = open_tab(tour.server, width=390, height=844)
    page = tab.page
    steps.sign_in(page)
    expect(page.get_by_role("heading", name="By channel")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    shot(page, "overview-390")
    page.get_by_role("button", name="Open menu").click()
    drawer = page.get_by_role("dialog")
    expect(drawer.get_by_role("link", name="Connections")).to_be_visible()
    drawer.get_by_role("link", name="Connections").click()
    expect(steps.heading(page)).to_have_text("Connections")
    expect(drawer).to_be_hidden()
    tab.assert_clean()


# --- addresses that lead nowhere: said once, in the page ---------------------------------------

def notices(page: Page) -> list[str]:
    """What the region of messages holds, once the page's own requests have ended."""
    expect(page.locator(".lo-skel")).to_have_count(0)
    page.wait_for_timeout(1000)  # a late handler would still speak
    return page.locator(".lo-notice").all_inner_texts()


def test_an_unknown_platform_shows_the_catalogue_and_says_why(
    tour: Tour, open_tab: Callable[..., Watched]
) -> None:
    page = open_tab(tour.server).page
    steps.sign_in(page)
    page.goto("/connections/new?platform=nonsense")
    expect(page.get_by_role("alert")).to_contain_text("There is no platform called 'nonsense'.")
    expect(page.get_by_role("main").get_by_role("link", name="Google Ads")).to_be_visible()
    assert notices(page) == []


def test_a_connection_that_is_gone_is_said_once(
    tour: Tour, open_tab: Callable[..., Watched]
) -> None:
    page = open_tab(tour.server).page
    steps.sign_in(page)
    page.goto(f"/connections/{NOBODY}")
    said = "This connection is not there."
    expect(page.get_by_role("main").get_by_text(said)).to_be_visible()
    assert notices(page) == []
    expect(page.get_by_role("main").get_by_text(said)).to_have_count(1)


def test_tabs_of_settings_are_all_in_sight_on_a_phone(
    tour: Tour, open_tab: Callable[..., Watched]
) -> None:
    page = open_tab(tour.server, width=390, height=844).page
    steps.sign_in(page)
    page.goto("/settings/audit")
    tabs = page.get_by_role("navigation", name="Settings").get_by_role("link")
    expect(tabs).to_have_count(9)
    for tab in tabs.all():
        box = tab.bounding_box()
        assert box is not None
        assert 0 <= box["x"] <= 390 - box["width"]
