"""After a sync: rates and quality, and a silent bank stops neither."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import select

from liftos_app.models import LoginAttempt, QualityScore
from liftos_app.services import upkeep
from liftos_app.services.context import App
from liftos_app.services.quality import runner
from liftos_app.services.quality.check import Measure, Scope
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


def test_counting_holds_nobodys_writing_up(
    app: App, facts: Facts, monkeypatch: pytest.MonkeyPatch  # noqa: F811
) -> None:
    account = facts.source("ads_two")
    facts.cover(account, "campaign_daily", "10-01", "11-22")
    [first, *_] = runner.all_checks()
    written: list[str] = []

    def look_while_somebody_writes(scope: Scope) -> Measure | None:
        writer = threading.Thread(target=write_something, daemon=True)
        writer.start()
        writer.join(10)
        return first.run(scope)

    def write_something() -> None:
        with app.db.write() as session:
            session.add(LoginAttempt(at=app.now(), account_hash="a", ip="127.0.0.1", ok=False))
        written.append("done")

    check = replace(first, run=look_while_somebody_writes)
    monkeypatch.setattr(runner, "all_checks", lambda: (check,))
    upkeep.after_sync(app, facts.org.id)
    assert written
    with app.db.read() as session:
        assert len(session.exec(select(QualityScore)).all()) == 1
