"""X's own Python library as client of the sandbox: it speaks version 11 and signs by oauthlib."""

from __future__ import annotations

import datetime as dt
import gzip
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from twitter_ads.campaign import Campaign, FundingInstrument, LineItem
from twitter_ads.client import Client
from twitter_ads.creative import PromotedTweet
from twitter_ads.enum import ENTITY, GRANULARITY, METRIC_GROUP
from twitter_ads.error import BadRequest, Forbidden, NotAuthorized, NotFound, RateLimit
from twitter_ads.http import Request

from liftos_app.services.sandbox.credentials.x_ads import DEMO
from tests.sandbox_server import RunningSandbox, running_sandbox

US, OLD = "18ce54d4x5t", "18ce53qy1qq"
START, END = dt.datetime(2026, 11, 2, tzinfo=dt.UTC), dt.datetime(2026, 11, 9, tzinfo=dt.UTC)
# The library reads the clock in a way newer Pythons warn about.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def server() -> Iterator[RunningSandbox]:
    with running_sandbox(plant=False) as running:
        yield running


@pytest.fixture
def box(server: RunningSandbox, monkeypatch: pytest.MonkeyPatch) -> RunningSandbox:
    server.reset()
    # The library has its host written in.
    monkeypatch.setattr(Request, "_DEFAULT_DOMAIN", server.platform("x_ads"))
    return server


def make_client(**other: str) -> Client:
    keys = {**DEMO["token"], **other}
    return Client(
        keys["client_id"], keys["client_secret"], keys["access_token"],
        keys["access_token_secret"],
    )


@pytest.fixture
def account(box: RunningSandbox) -> Any:
    return make_client().accounts(US)


def test_accounts_are_found_paged_and_filtered(box: RunningSandbox) -> None:
    client = make_client()
    cursor = client.accounts()
    assert [a.id for a in cursor] == [US, "18ce54uhx0z"]
    assert cursor.exhausted
    assert cursor.rate_limit_limit == "5"
    every = type(next(iter(client.accounts()))).all(client, with_deleted=True, count=1)
    assert {a.id for a in every} == {US, "18ce54uhx0z", OLD}
    one = client.accounts(US)
    assert (one.timezone, one.name) == ("America/New_York", "Larkspur US")


def test_every_list_is_read_by_cursor_and_by_id(account: Any) -> None:
    for call, klass in (
        (account.campaigns, Campaign), (account.line_items, LineItem),
        (account.funding_instruments, FundingInstrument), (account.promoted_tweets, PromotedTweet),
    ):
        found = list(call(count=2, with_deleted=True, sort_by=["updated_at-desc"]))
        assert found
        assert all(isinstance(x, klass) for x in found)
        assert len({x.id for x in found}) == len(found)
        assert call(found[0].id).id == found[0].id
    campaign = next(iter(account.campaigns()))
    assert campaign.daily_budget_amount_local_micro % 10_000 == 0
    item = next(iter(account.line_items(campaign_ids=[campaign.id])))
    assert item.campaign_id == campaign.id


def test_statistics_are_the_worlds(box: RunningSandbox, account: Any) -> None:
    items = [i.id for i in account.line_items(with_deleted=True)][:20]
    found = LineItem.all_stats(
        account, items, [METRIC_GROUP.ENGAGEMENT, METRIC_GROUP.BILLING],
        start_time=START, end_time=END, granularity=GRANULARITY.DAY,
    )
    apart = LineItem.all_stats(
        account, items, [METRIC_GROUP.BILLING], start_time=START, end_time=END,
        granularity=GRANULARITY.DAY, placement="SPOTLIGHT",
    )
    spent = [0] * 7
    for entry in (*found, *apart):
        for place, value in enumerate(
            entry["id_data"][0]["metrics"]["billed_charge_local_micro"] or ()
        ):
            spent[place] += value
    days = box.world.ad_totals_by_day(
        US, START.date(), END.date() - dt.timedelta(days=1), as_of=box.clock()
    )
    assert spent == [days[d].spend for d in sorted(days)]
    assert {e["id"] for e in found} == set(items)


def test_hours_add_up_to_their_day(account: Any) -> None:
    items = [e["entity_id"] for e in LineItem.active_entities(account, START, END)]
    sums = []
    for granularity in (GRANULARITY.HOUR, GRANULARITY.TOTAL):
        start, end = START + dt.timedelta(hours=5), END + dt.timedelta(hours=5)  # New York
        found = LineItem.all_stats(
            account, items[:1], [METRIC_GROUP.ENGAGEMENT], start_time=start, end_time=end,
            granularity=granularity,
        )
        sums.append(sum(found[0]["id_data"][0]["metrics"]["impressions"]))
    assert sums[0] == sums[1] > 0


def test_a_job_is_ordered_looked_at_and_its_file_refuses_a_signature(
    box: RunningSandbox, account: Any
) -> None:
    active = PromotedTweet.active_entities(account, START, END)
    ids = [e["entity_id"] for e in active][:20]
    job = PromotedTweet.queue_async_stats_job(
        account, ids, [METRIC_GROUP.WEB_CONVERSION], start_time=START - dt.timedelta(days=50),
        end_time=END, granularity=GRANULARITY.DAY,
    )
    states = []
    for _ in range(3):
        (seen,) = PromotedTweet.async_stats_job_result(account, job_ids=[job.id])
        states.append((seen.status, seen.url is not None))
    assert states == [("PROCESSING", False), ("SUCCESS", False), ("SUCCESS", True)]
    with pytest.raises((Forbidden, TypeError)):  # the library signs the download: its issue 304
        PromotedTweet.async_stats_job_data(account, seen.url)
    plain = httpx.get(seen.url)
    assert plain.headers["content-type"] == "application/gzip"
    data = json.loads(gzip.decompress(plain.content))
    assert data["time_series_length"] == 57
    assert [e["id"] for e in data["data"]] == ids
    assert set(data["request"]["params"]["entity_ids"]) == set(ids)


def test_active_entities_name_placements_and_times(account: Any) -> None:
    found = Campaign.active_entities(account, START, END)
    assert found
    for one in found:
        assert set(one) == {
            "entity_id", "activity_start_time", "activity_end_time", "placements"
        }
    items = list(account.line_items(campaign_ids=[found[0]["entity_id"]]))
    filtered = LineItem.active_entities(
        account, START, END, campaign_ids=[found[0]["entity_id"]]
    )
    assert filtered
    assert {e["entity_id"] for e in filtered} <= {i.id for i in items}
    assert LineItem.active_entities(account, START, END, campaign_ids=["zzzzz"]) == []


def test_the_librarys_errors_are_the_vendors(box: RunningSandbox, account: Any) -> None:
    with pytest.raises(NotAuthorized) as unknown:
        make_client(access_token_secret="W" * 45).accounts()
    assert unknown.value.details[0]["code"] == "UNAUTHORIZED_ACCESS"
    with pytest.raises(Forbidden) as stranger:
        make_client().accounts("2417000001")
    assert stranger.value.details[0]["code"] == "ACCOUNT_NOT_FOUND"
    with pytest.raises(NotFound):
        account.campaigns("zzzzz")
    with pytest.raises(BadRequest) as long:
        Campaign.all_stats(
            account, ["96xfqtc"], [METRIC_GROUP.BILLING], start_time=START,
            end_time=END + dt.timedelta(days=1), granularity=GRANULARITY.DAY,
        )
    assert long.value.details[0]["code"] == "INVALID_TIME_WINDOW"
    with pytest.raises(BadRequest) as many:
        Campaign.all_stats(
            account, [f"a{i}" for i in range(21)], [METRIC_GROUP.BILLING], start_time=START,
            end_time=END, granularity=GRANULARITY.DAY, entity=ENTITY.CAMPAIGN,
        )
    assert many.value.details[0]["parameter"] == "entity_ids"


def test_global_reads_end_after_five_when_limits_are_enforced(box: RunningSandbox) -> None:
    box.sandbox.memories.setdefault("x_ads", {})["enforce_limits"] = True
    client = make_client()
    for left in range(4, -1, -1):
        assert client.accounts().rate_limit_remaining == str(left)
    with pytest.raises(RateLimit) as caught:
        client.accounts()
    assert 800 < int(caught.value.reset_at) - dt.datetime.now(dt.UTC).timestamp() <= 902
    box.clock.advance(minutes=16)
    assert client.accounts().rate_limit_remaining == "4"
