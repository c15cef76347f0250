"""Metrics, data quality and the organization's settings over REST."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from liftos_app.api import metrics_models
from liftos_app.models import Organization, Role
from liftos_app.services import overview
from liftos_app.services.metrics.definitions import METRICS
from tests.facts_builder import Facts, facts, platforms  # noqa: F401

Bearer = Callable[..., dict[str, str]]
API = "/api/v1"
WEEK = {"start": "2026-11-16", "end": "2026-11-22", "compare": "previous_period"}


@pytest.fixture
def shop(facts: Facts) -> Facts:  # noqa: F811
    """Ads and a store over two weeks; two days of the store were never read."""
    ads = facts.source("ads_one", name="Meta", streams=("campaign_daily",))
    store = facts.source("store_one", name="Shop")
    facts.cover(ads, "campaign_daily", "10-01", "11-22")
    facts.cover(store, "orders", "10-01", "11-20")
    for day, spend, goods in (("11-10", "50.50", "100"), ("11-17", "60.25", "150")):
        facts.ads(ads, day, spend=spend, impressions=10, clicks=1, conversions="1", value="30",
                  setting="meta_7d_click_1d_view")
        facts.order(store, day, goods=goods)
    return facts


async def ask(
    client: httpx.AsyncClient, path: str, headers: dict[str, str], status: int = 200, **more: Any
) -> Any:
    answer = await client.get(f"{API}{path}", headers=headers, params=more)
    assert answer.status_code == status, answer.text
    return answer.json()


async def test_totals_come_with_change_and_passport(
    client: httpx.AsyncClient, bearer: Bearer, shop: Facts
) -> None:
    found = await ask(client, "/metrics/totals", bearer(Role.VIEWER), **WEEK)
    assert set(found["values"]) == set(overview.TILES)
    assert found["values"]["spend"] == {
        "metric": "spend", "amount": "60.25", "currency": "USD", "partial": False, "reason": "",
        "missing": 0, "expected": 7,
    }
    revenue = found["values"]["revenue"]
    assert (revenue["amount"], revenue["partial"], revenue["missing"]) == ("150.00", True, 2)
    assert found["deltas"]["spend"]["relative"] == "0.193069"
    passport = found["passport"]
    assert (passport["period"], passport["provenance"]) == (
        {"start": "2026-11-16", "end": "2026-11-22"}, "demo"
    )
    assert [h["days"] for h in passport["holes"]] == [2]
    plain = await ask(client, "/metrics/totals", bearer(Role.VIEWER), start="2026-11-17",
                      end="2026-11-17", metric=["roas", "spend"])
    assert list(plain["values"]) == ["roas", "spend"]
    assert plain["deltas"] == {}


async def test_an_unread_day_is_null_and_an_empty_one_zero(
    client: httpx.AsyncClient, bearer: Bearer, shop: Facts
) -> None:
    found = await ask(client, "/metrics/days", bearer(), **WEEK, metric="revenue")
    assert [d["values"]["revenue"]["amount"] for d in found["days"]] == [
        "0.00", "150.00", "0.00", "0.00", "0.00", None, None
    ]
    assert found["days"][-1]["values"]["revenue"]["reason"] == "not_loaded"
    assert len(found["previous"]) == 7


async def test_channels_and_claims_stand_beside_the_store(
    client: httpx.AsyncClient, bearer: Bearer, shop: Facts
) -> None:
    channels = await ask(client, "/metrics/channels", bearer(), **WEEK)
    by_name = {r["connection"]: r for r in channels["rows"]}
    assert by_name["Meta"]["values"]["spend"]["amount"] == "60.25"
    assert by_name["Shop"]["values"]["spend"]["amount"] is None
    claims = await ask(client, "/metrics/claims", bearer(), **WEEK)
    assert [(r["connection"], r["claimed"]["amount"]) for r in claims["rows"]] == [
        ("Meta", "30.00")
    ]
    assert claims["claim_ratio"]["amount"] == "0.2"


async def test_another_organization_has_none_of_it(
    client: httpx.AsyncClient, bearer: Bearer, shop: Facts, other_organization: Organization
) -> None:
    found = await ask(client, "/metrics/totals", bearer(Role.ADMIN, other_organization), **WEEK)
    assert found["values"]["spend"]["amount"] is None
    assert found["values"]["spend"]["reason"] == "no_source"
    assert found["passport"]["connections"] == []


@pytest.mark.parametrize(("wrong", "field"), [
    ({"range": "last_never"}, "range"),
    ({"range": "this_week", "start": "2026-11-01", "end": "2026-11-02"}, "range"),
    ({"start": "2026-11-02"}, "end"),
    ({"start": "2026-11-03", "end": "2026-11-02"}, "start"),
    ({"start": "1726000000", "end": "2026-11-02"}, "start"),
    ({"metric": "happiness"}, "metric"),
    ({"mode": "dream"}, "mode"),
    ({"compare": "yesterday"}, "compare"),
])
async def test_a_wrong_question_names_its_field(
    client: httpx.AsyncClient, bearer: Bearer, wrong: dict[str, str], field: str
) -> None:
    problem = await ask(client, "/metrics/totals", bearer(), 422, **wrong)
    assert problem["field"] == field, problem
    assert problem["what"]


async def test_every_metric_is_defined_and_can_be_asked(
    client: httpx.AsyncClient, bearer: Bearer, shop: Facts
) -> None:
    listed = (await ask(client, "/metrics/definitions", bearer()))["data"]
    names = [d["metric"] for d in listed]
    assert names == list(METRICS)
    assert all(d["definition"] and d["formula"] for d in listed)
    found = await ask(client, "/metrics/totals", bearer(), **WEEK, metric=names)
    assert set(found["values"]) == set(names)


async def test_quality_is_asked_run_and_read(
    client: httpx.AsyncClient, bearer: Bearer, shop: Facts
) -> None:
    missing = await ask(client, "/quality", bearer(), 404)
    assert "POST /quality/checks" in missing["fix"]
    viewer = await client.post(f"{API}/quality/checks", headers=bearer(Role.VIEWER))
    assert viewer.status_code == 403
    ran = await client.post(f"{API}/quality/checks", headers=bearer(Role.ANALYST))
    assert ran.status_code == 200, ran.text
    found = await ask(client, "/quality", bearer(Role.VIEWER))
    assert found == ran.json()
    assert 0 < found["scores"]["completeness"] < 1
    failing = await ask(client, "/quality", bearer(), result=["fail", "warn"])
    assert {f["result"] for f in failing["findings"]} <= {"fail", "warn"}
    assert 0 < len(failing["findings"]) < len(found["findings"])
    rules = (await ask(client, "/quality/rules", bearer()))["data"]
    assert {f["check"] for f in found["findings"]} <= {r["check"] for r in rules}
    assert all(r["rule"] for r in rules)


async def test_the_organization_is_read_by_all_and_changed_by_administrators(
    client: httpx.AsyncClient, bearer: Bearer, organization: Organization
) -> None:
    before = await ask(client, "/organization", bearer(Role.VIEWER))
    wanted = {**before, "currency": "EUR", "week_start": 6, "revenue_basis": "total_sales"}
    del wanted["id"]
    for role, status in ((Role.MANAGER, 403), (Role.ADMIN, 200)):
        answer = await client.put(f"{API}/organization", headers=bearer(role), json=wanted)
        assert answer.status_code == status, answer.text
    after = await ask(client, "/organization", bearer(Role.VIEWER))
    assert after == {**wanted, "id": before["id"]}
    for field, value in (("time_zone", "Mars/Base"), ("currency", "XXQ"), ("week_start", True)):
        answer = await client.put(
            f"{API}/organization", headers=bearer(), json={**wanted, field: value}
        )
        assert (answer.status_code, answer.json()["field"]) == (422, field)


def test_the_models_refuse_a_field_that_an_answer_gained() -> None:
    period = {"start": "2026-11-01", "end": "2026-11-02"}
    assert metrics_models.PeriodOut.model_validate(period)
    with pytest.raises(ValueError, match="extra"):
        metrics_models.PeriodOut.model_validate({**period, "zone": "UTC"})
