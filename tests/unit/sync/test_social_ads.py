"""TikTok and LinkedIn through the real engine into both databases: exact, and the same again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlmodel import select

from liftos_app.models import Account, Coverage, Entity, FactDaily, Organization, Role, RunState
from liftos_app.services import connections, sync
from liftos_app.services.connectors.platforms.linkedin_ads import analytics
from liftos_app.services.connectors.platforms.tiktok_ads import reports
from liftos_app.services.connectors.rows import AD, ATTRIBUTION, CAMPAIGN
from liftos_app.services.context import App, Principal, open_context
from liftos_app.services.sandbox.credentials import DEMO
from liftos_app.services.sync.engine import SyncEngine
from tests.sandbox_server import RunningSandbox, running_sandbox

DAYS = 10
TODAY = date(2026, 11, 23)
ACCOUNTS = {
    "tiktok_ads": ("7301234567890123401", "7301234567890123402"),
    "linkedin_ads": ("509800001", "509800002"),
}
SETTING = {
    "tiktok_ads": ATTRIBUTION["tiktok_7d_click_1d_view"],
    "linkedin_ads": ATTRIBUTION["linkedin_30d_click_7d_view"],
}


@pytest.fixture
def box() -> Iterator[RunningSandbox]:
    with running_sandbox(plant=False) as found:
        yield found


def stored(app: App) -> dict[tuple[str, int, str, str], tuple[Any, ...]]:
    with app.db.read() as session:
        found = session.exec(
            select(Account.external_id, Entity.external_id, FactDaily)
            .where(Entity.key == FactDaily.entity_key, Account.key == FactDaily.account_key)
        ).all()
        return {
            (account, fact.level, entity, fact.day.isoformat()): (
                fact.impressions, fact.clicks, fact.spend_micros, fact.conversions_micros,
                fact.value_micros, fact.setting,
            )
            for account, entity, fact in found
        }


def truth(box: RunningSandbox, slug: str, first: date, last: date) -> dict[Any, Any]:
    found = {}
    for account in ACCOUNTS[slug]:
        for level, number in (("campaign", CAMPAIGN), ("ad", AD)):
            for r in box.world.ad_days(account, first, last, as_of=box.clock(), level=level):
                found[account, number, r.ad_id or r.campaign_id, r.day.isoformat()] = (
                    r.impressions, r.clicks, r.spend, r.conversions * 10_000, r.value,
                    SETTING[slug],
                )
    return found


@pytest.mark.parametrize("slug", sorted(ACCOUNTS))
def test_ten_days_arrive_whole_and_a_second_sync_changes_nothing(
    app: App, organization: Organization, make_principal: Callable[..., Principal],
    box: RunningSandbox, monkeypatch: pytest.MonkeyPatch, slug: str,
) -> None:
    monkeypatch.setattr(reports, "PAGE", 40)
    monkeypatch.setattr(analytics, "MOST_ROWS", 40)
    app.settings = replace(app.settings, platform_urls={slug: box.platform(slug)})
    who = make_principal(Role.ADMIN, organization)
    assert organization.id is not None
    made = connections.create_connected(
        app, who, organization.id, slug, method="token", inputs=DEMO[slug]["token"], mode="live",
        wishes=connections.Wishes(accounts=ACCOUNTS[slug], history_days=DAYS, start=True),
    )
    assert made.run_id is not None
    box.trouble.add("server_error", slug, count=1)
    assert SyncEngine(app).run(made.run_id) is RunState.SUCCEEDED
    first = stored(app)
    days = {date.fromisoformat(key[3]) for key in first}
    assert max(days) == TODAY
    assert min(days) <= TODAY - timedelta(days=DAYS - 1)
    assert first == truth(box, slug, min(days), TODAY)
    assert SyncEngine(app).run(again(app, who, organization.id, made.connection_id)) is (
        RunState.SUCCEEDED
    )
    assert stored(app) == first
    with app.db.read() as session:
        assert {c.state for c in session.exec(select(Coverage))} <= {"complete", "empty", "partial"}


def again(app: App, who: Principal, org_id: int, connection_id: UUID) -> UUID:
    with open_context(app, who, org_id, write=True) as ctx:
        return sync.request(ctx, connection_id).id
