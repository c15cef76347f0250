"""Live connections that fail: what stands in for them, marked, and in no total and no score."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import select

from liftos_app.errors import Invalid
from liftos_app.models import (
    CheckResult,
    Connection,
    ConnectionStatus,
    Organization,
    Provenance,
    RunState,
    SyncRun,
)
from liftos_app.services import fallback, overview, preferences
from liftos_app.services.fallback import Kind
from liftos_app.services.metrics import campaigns, query
from liftos_app.services.metrics.question import Mode
from liftos_app.services.metrics.values import Gap, Reason, to_json
from liftos_app.services.preferences import Preferences
from liftos_app.services.quality import runner
from tests.facts_builder import Facts, facts, platforms  # noqa: F401
from tests.unit.test_overview import ask

Open = Callable[..., Any]
CAUSE = {"cause": "platform_outage", "what": "Ads One does not answer.", "why": "It is down.",
         "fix": "Nothing to do.", "code": "retry"}


@pytest.fixture
def shop(facts: Facts) -> Facts:  # noqa: F811
    """Two live ad connections of which one fails since three hours, and a demo one."""
    for name, mode, spend in (
        ("Broken", Provenance.LIVE, "60"), ("Well", Provenance.LIVE, "7"),
        ("Sandbox", Provenance.DEMO, "500"),
    ):
        platform = "ads_two" if name == "Well" else "ads_one"
        account = facts.source(
            platform, name=name, provenance=mode, streams=("campaign_daily",)
        )
        facts.cover(account, "campaign_daily", "10-01", "11-22")
        facts.ads(account, "11-17", spend=spend, impressions=10, clicks=1, conversions="1",
                  value="90", setting="meta_7d_click_1d_view")
    fail(facts, "Broken", hours_ago=3)
    fail(facts, "Broken", hours_ago=1)
    return facts


def fail(facts: Facts, name: str, *, hours_ago: float) -> None:  # noqa: F811
    """Its last good sync was five hours ago; one failed since."""
    at = facts.app.now() - timedelta(hours=hours_ago)
    with facts.app.db.write() as session:
        connection = session.exec(select(Connection).where(Connection.name == name)).one()
        connection.status, connection.cause = ConnectionStatus.FAILING, CAUSE
        connection.last_success_at = facts.app.now() - timedelta(hours=5)
        session.add(SyncRun(
            org_id=facts.org.id, connection_id=connection.id, state=RunState.FAILED,
            trigger="schedule", created_at=at, finished_at=at,
        ))


def choose(open_ctx: Open, kind: str) -> None:
    with open_ctx(write=True) as ctx:
        preferences.save(ctx, Preferences(fallback=kind))


def test_off_by_default_and_stored_rows_go_on_counting(shop: Facts, open_ctx: Open) -> None:
    with open_ctx() as ctx:
        page = overview.read(ctx, ask(mode=Mode.LIVE))
        assert fallback.chosen(ctx) is Kind.OFF
    assert page.tile("spend").value.amount == 67
    assert page.passport.fallbacks == ()
    assert {r.provenance for r in page.channels.rows} == {"live"}


@pytest.mark.parametrize(("kind", "spend"), [("last_good", 60), ("demo", 500)])
def test_what_stands_in_is_marked_and_in_no_total(
    shop: Facts, open_ctx: Open, kind: str, spend: int
) -> None:
    choose(open_ctx, kind)
    with open_ctx() as ctx:
        page = overview.read(ctx, ask(mode=Mode.LIVE))
        table = campaigns.campaigns(ctx, ask(mode=Mode.LIVE))
    told = page.passport.fallbacks[0]
    assert (told.connection, told.kind, told.provenance) == ("Broken", kind, "fallback")
    assert told.since == shop.app.now() - timedelta(hours=3)
    assert told.last_good_at == shop.app.now() - timedelta(hours=5)
    assert (told.what, told.why) == (CAUSE["what"], CAUSE["why"])
    total = page.tile("spend").value
    assert (total.amount, total.partial, total.reason) == (7, True, Reason.SET_APART)
    assert total.missing == 7
    delta = page.tile("spend").delta
    assert delta is not None
    assert (delta.relative, delta.why) == (None, "incomplete")
    beside = {t.metric: [b.value and b.value.amount for b in t.beside] for t in page.tiles}
    assert beside["spend"] == [spend]
    assert beside["claimed_value"] == [90]
    assert beside["blended_roas"] == beside["claim_ratio"] == [None]
    assert beside["orders"] == beside["revenue"] == []
    assert "Not in it: Broken." in page.tile("spend").passport
    rows = {r.connection: r for r in page.channels.rows}
    assert rows["Broken"].values["spend"].amount == spend
    assert rows["Broken"].provenance == "fallback"
    assert rows["Broken"].spend_share is None
    assert rows["Well"].provenance == "live"
    assert rows["Well"].spend_share == 1
    claims = {c.connection: c for c in page.claims.rows}
    assert claims["Broken"].provenance == "fallback"
    assert page.claims.claimed.amount == 90
    assert [r.connection for r in table.rows] == ["Well"]
    assert {h.kind for h in page.passport.holes if h.connection == "Broken"} == {Gap.SET_APART}
    shown = to_json(page)["passport"]["fallbacks"][0]
    assert shown["provenance"] == "fallback"
    assert shown["kind"] == kind


def test_a_demo_question_knows_no_fallback(shop: Facts, open_ctx: Open) -> None:
    choose(open_ctx, "demo")
    with open_ctx() as ctx:
        answer = query.totals(ctx, ask(mode=Mode.DEMO), ["spend"])
    assert answer.values["spend"].amount == 500
    assert answer.passport.fallbacks == ()


def test_without_demo_rows_of_the_platform_the_last_good_ones_stand_in(
    shop: Facts, open_ctx: Open
) -> None:
    choose(open_ctx, "demo")
    fail(shop, "Well", hours_ago=2)
    with open_ctx() as ctx:
        page = overview.read(ctx, ask(mode=Mode.LIVE))
    assert {f.connection: f.kind for f in page.passport.fallbacks} == {
        "Broken": Kind.DEMO, "Well": Kind.LAST_GOOD,
    }
    assert page.tile("spend").value.amount is None


def test_it_ends_by_itself_at_the_first_good_sync_and_not_before(
    shop: Facts, open_ctx: Open
) -> None:
    choose(open_ctx, "last_good")
    with open_ctx(write=True) as ctx:
        connection = ctx.session.exec(select(Connection).where(Connection.name == "Broken")).one()
        connection.status, connection.cause = ConnectionStatus.DEGRADED, None
        ctx.session.add(connection)
        ctx.session.flush()
        assert set(fallback.active(ctx)) == {connection.id}
        connection.status, connection.last_success_at = ConnectionStatus.HEALTHY, ctx.now()
        ctx.session.add(connection)
        ctx.session.flush()
        assert fallback.active(ctx) == {}
        assert query.totals(ctx, ask(mode=Mode.LIVE), ["spend"]).values["spend"].amount == 67


@pytest.mark.parametrize("status", [ConnectionStatus.PAUSED, ConnectionStatus.DISABLED])
def test_a_pause_is_no_failure(shop: Facts, open_ctx: Open, status: ConnectionStatus) -> None:
    choose(open_ctx, "last_good")
    with open_ctx(write=True) as ctx:
        connection = ctx.session.exec(select(Connection).where(Connection.name == "Broken")).one()
        connection.status = status
        ctx.session.add(connection)
        ctx.session.flush()
        assert fallback.active(ctx) == {}


def test_a_refused_sign_in_counts_from_the_refusal(shop: Facts, open_ctx: Open) -> None:
    choose(open_ctx, "last_good")
    with open_ctx(write=True) as ctx:
        connection = ctx.session.exec(select(Connection).where(Connection.name == "Well")).one()
        connection.status = ConnectionStatus.NEEDS_REAUTH
        connection.cause = {"cause": "credential", "what": "x", "why": "y", "fix": "z",
                            "first_at": "2026-11-20T08:00:00Z"}
        ctx.session.add(connection)
        ctx.session.flush()
        told = fallback.active(ctx)[connection.id]
    assert told.since.isoformat() == "2026-11-20T08:00:00+00:00"


def test_a_connection_set_apart_has_no_score(shop: Facts, open_ctx: Open) -> None:
    choose(open_ctx, "demo")
    with open_ctx(write=True) as ctx:
        batch = runner.keep(ctx, runner.look(ctx, mode=Mode.LIVE))
        keys = set(ctx.session.exec(
            select(CheckResult.account_key).where(CheckResult.batch == batch)
        ))
        names = {s.connection for s in query.read(ctx, ask(mode=Mode.LIVE)).counted
                 if s.account_key in keys}
    assert names == {"Well"}
    assert len(keys) == 1


def test_the_installation_says_what_holds_for_those_who_did_not_choose(
    shop: Facts, open_ctx: Open, make_settings: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert fallback.usual(make_settings()) is Kind.OFF
    assert fallback.usual(make_settings(FALLBACK_TO_MOCK="true")) is Kind.DEMO
    only_live = make_settings(FALLBACK_TO_MOCK="true", DEMO_MODE="false")
    assert fallback.usual(only_live) is Kind.LAST_GOOD
    with pytest.raises(Invalid, match="Demo figures"):
        fallback.check(only_live, "demo")
    with pytest.raises(Invalid, match="no fallback"):
        fallback.check(only_live, "x")
    choose(open_ctx, "off")
    monkeypatch.setattr(shop.app, "settings", make_settings(FALLBACK_TO_MOCK="true"))
    with open_ctx() as ctx:
        assert fallback.chosen(ctx) is Kind.OFF
    choose(open_ctx, "demo")
    monkeypatch.setattr(shop.app, "settings", only_live)
    with open_ctx() as ctx:
        assert fallback.chosen(ctx) is Kind.LAST_GOOD


def test_another_organizations_failures_are_not_seen(
    shop: Facts, other_organization: Organization, open_ctx: Open
) -> None:
    choose(open_ctx, "last_good")
    with open_ctx(write=True, org=other_organization) as ctx:
        preferences.save(ctx, Preferences(fallback="last_good"))
        assert fallback.active(ctx) == {}
