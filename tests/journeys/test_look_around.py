"""Somebody who only wants to look: set up, one button, progress, figures."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from liftos_app.services.connectors import registry
from tests.journeys import steps
from tests.journeys.conftest import Tour, Watched
from tests.journeys.world_totals import Span, expected_ads, stored_ads

PLATFORMS = ("Google Ads", "Klaviyo", "Meta Business", "Shopify")
ALL = len([p for p in registry.all_platforms() if p.define is None])  # the rest a person defines


@pytest.mark.timeout(400)
def test_one_button_fills_the_overview_before_the_persons_eyes(
    tour: Tour, open_tab: Callable[..., Watched], shot: Callable[[Page, str], Path]
) -> None:
    during, after = tour.seen[0], tour.seen[-1]
    assert "First syncs" in during
    assert f"{ALL} of {ALL} first syncs" in after
    for name in PLATFORMS:
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
    for name in PLATFORMS:
        expect(channels.get_by_role("link", name=name)).to_be_visible()
    span = Span.settled()
    assert stored_ads(tour.server.home, span) == expected_ads(span)
    shot(page, "overview-1280")
    tab.assert_clean()


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
    for name in PLATFORMS:
        expect(rows.filter(has_text=name)).to_have_count(1)
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
