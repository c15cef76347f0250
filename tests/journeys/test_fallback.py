"""A live connection fails: chosen in Settings, told on the pages, marked on tiles and rows."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect
from sqlmodel import select

from liftos_app.db import Database
from liftos_app.models import Connection, ConnectionStatus, Organization, Provenance, SyncRun
from tests.facts_builder import Facts
from tests.journeys import steps
from tests.journeys.conftest import EMAIL, PASSWORD, Server, Watched
from tests.journeys.test_every_page import AXE

CAUSE = {
    "cause": "platform_outage", "code": "retry", "owner": "the_platform",
    "what": "Meta Business does not answer.", "why": "It sent error 503 five times.",
    "fix": "Nothing to do.",
}


def fill(server: Server) -> str:
    """Two live ad connections and a shop; one of them fails since an hour. Returns its id."""
    database = Database(f"sqlite:///{server.home / 'liftos.db'}")
    now = datetime.now(UTC)
    try:
        with database.read() as session:
            org = session.exec(select(Organization)).one()
        facts = Facts(SimpleNamespace(db=database, now=lambda: now), org)  # type: ignore[arg-type]
        first, last = (now - timedelta(days=60)).date(), (now - timedelta(days=1)).date()
        for number, (slug, stream, spend) in enumerate((
            ("meta_business", "campaign_daily", "430"), ("google_ads", "campaign_daily", "120"),
            ("shopify", "orders", ""),
        )):
            account = facts.source(
                slug, provenance=Provenance.LIVE, streams=(stream,), color_index=number,
                last_success_at=now - timedelta(hours=2),
            )
            facts.cover(account, stream, first.isoformat(), last.isoformat())
            for back in range(1, 29):
                day = (now - timedelta(days=back)).date().isoformat()
                if spend:
                    facts.ads(account, day, spend=spend, impressions=900, clicks=30,
                              conversions="4", value="800", setting="meta_7d_click_1d_view")
                else:
                    facts.order(account, day, goods="1500")
        with database.write() as session:
            broken = session.exec(
                select(Connection).where(Connection.platform == "meta_business")
            ).one()
            broken.status, broken.cause = ConnectionStatus.FAILING, CAUSE
            broken.next_run_at = None
            session.add(broken)
            at = now - timedelta(hours=1)
            session.add(SyncRun(
                org_id=org.id, connection_id=broken.id, state="failed", trigger="schedule",
                created_at=at, finished_at=at, cause=CAUSE,
            ))
            return str(broken.id)
    finally:
        database.engine.dispose()


def is_accessible(page: Page) -> None:
    found = Axe().run(page, options=AXE).response["violations"]
    assert [(v["id"], [n["target"] for n in v["nodes"][:3]]) for v in found] == []


def test_figures_of_a_failing_connection_stand_apart_once_that_is_chosen(
    start_server: Callable[..., Server], open_tab: Callable[..., Watched],
    shot: Callable[[Page, str], Path],
) -> None:
    server = start_server(
        LIFTOS_ADMIN_EMAIL=EMAIL, LIFTOS_ADMIN_PASSWORD=PASSWORD, AUTO_SYNC_ENABLED="false"
    )
    ident = fill(server)
    tab = open_tab(server)
    page = tab.page
    steps.sign_in(page)
    banner = page.get_by_text(re.compile(r"^Meta Business fails since "))
    expect(steps.tile(page, "Spend")).to_have_text(re.compile(r"\d"))
    both = steps.tile(page, "Spend").inner_text()
    expect(banner).to_have_count(0)  # off until somebody chooses it

    page.goto("/settings?tab=organization")
    page.get_by_label("While a live connection fails, show").select_option("last_good")
    page.get_by_role("button", name="Save fallback").click()
    expect(page.get_by_text("Fallback saved.").first).to_be_visible()
    is_accessible(page)

    page.goto("/")
    expect(banner).to_be_visible()
    expect(page.get_by_text("It sent error 503 five times.").first).to_be_visible()
    expect(steps.tile(page, "Spend")).not_to_have_text(both)
    spend = page.get_by_role("article").filter(
        has=page.get_by_role("heading", name="Spend", exact=True)
    )
    expect(spend.get_by_text("Fallback", exact=True)).to_be_visible()
    expect(spend.get_by_text("Meta Business, last good:")).to_be_visible()
    row = page.get_by_role("region", name="By channel").get_by_role("row").filter(
        has_text="Meta Business"
    )
    expect(row.get_by_text("Last good")).to_be_visible()
    is_accessible(page)
    shot(page, "fallback-1280")
    for address, name in (
        (f"/connections/{ident}", "connection"), (f"/explorer?connection={ident}", "explorer"),
    ):
        page.goto(address)
        expect(banner).to_be_visible()
        shot(page, f"fallback-{name}-1280")
        is_accessible(page)
    for width, dark in ((1280, True), (390, False)):
        other = open_tab(server, width=width, dark=dark)
        steps.sign_in(other.page)
        expect(other.page.get_by_text(re.compile(r"^Meta Business fails since "))).to_be_visible()
        expect(steps.tile(other.page, "Spend")).to_have_text(re.compile(r"\d"))
        is_accessible(other.page)
        shot(other.page, f"fallback-{'dark' if dark else width}")
        other.assert_clean()

    recover(server)
    page.goto("/")
    expect(steps.tile(page, "Spend")).to_have_text(both)
    expect(banner).to_have_count(0)
    tab.assert_clean()


def recover(server: Server) -> None:
    """What the first good sync does to a connection."""
    database = Database(f"sqlite:///{server.home / 'liftos.db'}")
    try:
        with database.write() as session:
            broken = session.exec(
                select(Connection).where(Connection.platform == "meta_business")
            ).one()
            broken.status, broken.cause = ConnectionStatus.HEALTHY, None
            broken.last_success_at = datetime.now(UTC)
            session.add(broken)
    finally:
        database.engine.dispose()
