"""After a sync: rates and quality, and a silent bank stops neither."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from sqlmodel import select

from liftos_app.models import LoginAttempt, QualityScore
from liftos_app.services import upkeep
from liftos_app.services.context import App
from tests.conftest import Clock
from tests.facts_builder import Facts, facts, platforms  # noqa: F401


def test_quality_is_evaluated_even_when_the_bank_is_silent(
    app: App, facts: Facts, make_settings: Callable[..., Any], free_port: int  # noqa: F811
) -> None:
    app.settings = make_settings(
        DATABASE_URL=app.db.url, LIFTOS_BASE_URL_ECB=f"http://127.0.0.1:{free_port}"
    )
    account = facts.source("ads_two", currency="EUR")
    facts.cover(account, "campaign_daily", "10-01", "11-22")
    upkeep.after_sync(app, facts.org.id)
    with app.db.read() as session:
        [score] = session.exec(select(QualityScore)).all()
    assert score.completeness == 1.0
    assert score.org_id == facts.org.id


def test_the_hourly_chore_keeps_the_day_and_removes_what_is_older(
    app: App, clock: Clock
) -> None:
    with app.db.write() as session:
        for hours in (1, 23, 25, 80):
            session.add(LoginAttempt(
                at=app.now() - timedelta(hours=hours), account_hash="a", ip="127.0.0.1", ok=False
            ))
    upkeep.hourly(app)
    upkeep.hourly(app)
    with app.db.read() as session:
        ages = [app.now() - a.at for a in session.exec(select(LoginAttempt))]
    assert sorted(ages) == [timedelta(hours=1), timedelta(hours=23)]
