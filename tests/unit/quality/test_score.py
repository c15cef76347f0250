"""The formulae, by hand; storing, trend, isolation and rights."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import select

from liftos_app.errors import Denied
from liftos_app.models import (
    AuditEntry,
    CheckResult,
    Organization,
    Provenance,
    QualityScore,
    Role,
)
from liftos_app.services import connections
from liftos_app.services.context import App
from liftos_app.services.metrics.question import Mode
from liftos_app.services.quality import runner, score
from liftos_app.services.quality.check import Dimension
from liftos_app.services.quality.score import completeness, pool, scores, verdict
from tests.facts_builder import Facts

Open = Callable[..., Any]
C, A, T, K = (
    Dimension.COMPLETENESS, Dimension.ACCURACY, Dimension.TIMELINESS, Dimension.CONSISTENCY,
)
WHERE = {
    "day_coverage": C, "entity_coverage": C, "field_coverage": C, "timeliness": T,
    "valid_days": Dimension.VALIDITY, "valid_ids": Dimension.VALIDITY,
    "unique_rows": Dimension.UNIQUENESS, "totals": A, "levels": K,
}


def test_scopes_are_pooled_and_never_averaged() -> None:
    found = pool([("day_coverage", 1, 1), ("day_coverage", 0, 99)])
    assert found == {"day_coverage": (1, 100)}
    assert completeness(found) == 0.01


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({}, None),
        ({"field_coverage": (1, 1)}, None),
        ({"day_coverage": (9, 10)}, 0.9),
        ({"entity_coverage": (8, 10)}, 0.8),
        ({"day_coverage": (9, 10), "entity_coverage": (7, 10)}, 0.8),
        ({"day_coverage": (9, 10), "entity_coverage": (7, 10), "field_coverage": (5, 10)}, 0.4),
        ({"day_coverage": (9, 10), "entity_coverage": (0, 0)}, 0.9),
        ({"day_coverage": (0, 10), "field_coverage": (0, 0)}, 0.0),
    ],
)
def test_completeness(counts: dict[str, tuple[int, int]], expected: float | None) -> None:
    found = completeness(counts)
    assert found == (expected if expected is None else pytest.approx(expected))


def test_overall_weighs_only_what_is_measured() -> None:
    found = scores(
        {"day_coverage": (96, 100), "timeliness": (95, 100), "totals": (99, 100)}, WHERE, 60
    )
    assert found.overall == pytest.approx((0.3 * 0.96 + 0.2 * 0.95 + 0.3 * 0.99) / 0.8)
    assert found.measured == 3
    assert found.consistency is None
    assert found.verdict == "green"


def test_validity_and_uniqueness_support_and_do_not_count_as_measured() -> None:
    found = scores(
        {"day_coverage": (1, 1), "valid_days": (1, 2), "valid_ids": (2, 2), "unique_rows": (1, 1)},
        WHERE, None,
    )
    assert (found.validity, found.uniqueness) == (0.75, 1.0)
    assert (found.measured, found.overall, found.verdict) == (1, None, "insufficient")


@pytest.mark.parametrize(
    ("measured", "delay", "expected"),
    [
        ({C: 0.95, T: 0.95}, 7199, "green"),
        ({C: 0.95, T: 0.95}, 7200, "amber"),
        ({C: 0.95, T: 0.95}, None, "green"),
        ({C: 0.949, T: 1.0}, 0, "amber"),
        ({C: 0.849, T: 1.0}, 0, "red"),
        ({C: 1.0, T: 1.0, A: 0.97}, 0, "amber"),
        ({C: 1.0, T: 1.0, A: 0.87}, 0, "red"),
        ({C: 1.0, T: 1.0, K: 0.90}, 0, "green"),
        ({C: 1.0, T: 1.0, Dimension.UNIQUENESS: 0.99}, 0, "amber"),
    ],
)
def test_the_verdict(
    measured: dict[Dimension, float | None], delay: int | None, expected: str
) -> None:
    assert verdict(measured, 0.95, delay) == expected


def test_an_overall_under_ninety_is_never_green() -> None:
    assert verdict({C: 0.95, T: 0.95}, 0.899, 0) == "amber"
    assert verdict({C: 1.0}, None, 0) == "insufficient"


def test_nothing_connected_is_not_measured_and_not_perfect(
    organization: Organization, open_ctx: Open
) -> None:
    with open_ctx(write=True) as ctx:
        runner.keep(ctx, runner.look(ctx))
    with open_ctx() as ctx:
        report = score.latest(ctx)
    assert report is not None
    assert report.findings == ()
    assert report.scores.completeness is None
    assert report.scores.uniqueness is None
    assert report.scores.verdict == "insufficient"


def test_live_and_demo_are_scored_apart(facts: Facts, open_ctx: Open) -> None:
    demo = facts.source("ads_two", name="Demo")
    live = facts.source("ads_two", name="Live", provenance=Provenance.LIVE)
    facts.cover(demo, "campaign_daily", "10-01", "11-22")
    facts.cover(live, "campaign_daily", "10-01", "11-22", skip=("11-13",))
    with open_ctx(write=True) as ctx:
        runner.keep(ctx, runner.look(ctx, mode=Mode.LIVE))
        runner.keep(ctx, runner.look(ctx, mode=Mode.DEMO))
    with open_ctx() as ctx:
        of_live, of_demo = score.latest(ctx, mode=Mode.LIVE), score.latest(ctx, mode=Mode.DEMO)
        auto = score.latest(ctx)
    assert of_live is not None
    assert of_demo is not None
    assert of_demo.scores.completeness == 1.0
    assert of_live.scores.completeness == pytest.approx(32 / 33)
    assert {f.connection for f in of_demo.findings} == {"Demo"}
    assert auto is not None
    assert auto.batch == of_live.batch


def test_the_newest_evaluation_is_shown_and_the_trend_keeps_them(
    facts: Facts, open_ctx: Open, clock: Any
) -> None:
    facts.cover(facts.source("ads_two"), "campaign_daily", "10-01", "11-22")
    with open_ctx() as ctx:
        assert score.latest(ctx) is None
    batches = []
    for _ in range(3):
        clock.advance(hours=1)
        with open_ctx(write=True) as ctx:
            batches.append(runner.keep(ctx, runner.look(ctx)))
    with open_ctx() as ctx:
        report = score.latest(ctx)
        assert report is not None
        assert report.batch == batches[-1]
        assert [r.batch for r in score.trend(ctx)] == batches
    clock.advance(days=91)
    with open_ctx() as ctx:
        assert score.trend(ctx) == []


def test_another_organization_is_neither_scored_nor_seen(
    facts: Facts, open_ctx: Open, app: App, other_organization: Organization
) -> None:
    facts.cover(facts.source("ads_two", name="Ours"), "campaign_daily", "10-01", "11-22")
    other = Facts(app, other_organization)
    other.cover(other.source("ads_two", name="Theirs"), "campaign_daily", "10-01", "11-01")
    with open_ctx(write=True) as ctx:
        runner.keep(ctx, runner.look(ctx))
    with open_ctx() as ctx:
        ours = score.latest(ctx)
    with open_ctx(org=other_organization) as ctx:
        assert score.latest(ctx) is None
    assert ours is not None
    assert {f.connection for f in ours.findings} == {"Ours"}


def test_a_viewer_sees_scores_and_may_not_run_checks(facts: Facts, open_ctx: Open) -> None:
    with open_ctx(Role.VIEWER, write=True) as ctx:
        assert score.latest(ctx) is None
        with pytest.raises(Denied):
            runner.keep(ctx, runner.look(ctx))
    with open_ctx(Role.ANALYST, write=True) as ctx:
        runner.keep(ctx, runner.look(ctx))
    with open_ctx() as ctx:
        assert len(ctx.session.exec(select(QualityScore)).all()) == 1
        assert [a.action for a in ctx.session.exec(select(AuditEntry)).all()] == [
            "quality.evaluated"
        ]


def test_the_worst_findings_come_first(facts: Facts, open_ctx: Open) -> None:
    for name, last in (("Bad", "10-25"), ("Good", "11-22"), ("Poor", "11-10")):
        facts.cover(facts.source("ads_two", name=name), "campaign_daily", "10-01", last)
    with open_ctx(write=True) as ctx:
        runner.keep(ctx, runner.look(ctx))
    with open_ctx() as ctx:
        report = score.latest(ctx)
    assert report is not None
    days = [f.connection for f in report.worst() if f.check == "day_coverage"]
    assert days == ["Bad", "Poor"]


def test_evaluating_twice_gives_the_same_scores(
    facts: Facts, open_ctx: Open, clock: Any
) -> None:
    facts.cover(facts.source("ads_two"), "campaign_daily", "10-01", "11-22", skip=("11-13",))
    found = []
    for _ in range(2):
        clock.now += timedelta(minutes=1)
        with open_ctx(write=True) as ctx:
            runner.keep(ctx, runner.look(ctx))
        with open_ctx() as ctx:
            report = score.latest(ctx)
        assert report is not None
        found.append(report.scores)
    assert found[0] == found[1]


def test_a_connection_deleted_while_checks_run_leaves_the_checks_of_the_others(
    facts: Facts, open_ctx: Open
) -> None:
    gone = facts.source("ads_two", name="Gone")
    facts.cover(gone, "campaign_daily", "10-01", "10-25")
    facts.cover(facts.source("ads_two", name="Stays"), "campaign_daily", "10-01", "11-22")
    with open_ctx() as ctx:
        found = runner.look(ctx)
    with open_ctx(write=True) as ctx:
        connections.delete(ctx, gone.connection_id)
    with open_ctx(write=True) as ctx:
        batch = runner.keep(ctx, found)
    with open_ctx(write=True) as ctx:
        anew = runner.look(ctx)
        report = score.latest(ctx)
    assert report is not None
    assert report.batch == batch
    assert {f.connection for f in report.findings} == {"Stays"}
    assert report.scores == anew.scores


def test_a_deletion_waits_for_checks_that_are_being_stored(
    facts: Facts, open_ctx: Open, app: App
) -> None:
    source = facts.source("ads_two")
    facts.cover(source, "campaign_daily", "10-01", "11-22")
    deleted = threading.Event()

    def delete() -> None:
        with open_ctx(write=True) as ctx:
            connections.delete(ctx, source.connection_id)
        deleted.set()

    with open_ctx(write=True) as ctx:
        runner.keep(ctx, runner.look(ctx))
        thread = threading.Thread(target=delete)
        thread.start()
        assert not deleted.wait(0.3)
    thread.join(20)
    assert deleted.is_set()
    with app.db.read() as session:
        assert session.exec(select(CheckResult)).all() == []
