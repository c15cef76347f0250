"""Addresses that lead nowhere, and pages that a role does not open: said once, in the page."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.journeys import steps
from tests.journeys.conftest import Tour, Watched

NOBODY = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"


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
