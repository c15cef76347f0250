"""Meta's own Python library as the client of the sandbox."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from facebook_business import FacebookAdsApi, FacebookSession
from facebook_business.adobjects.adaccount import AdAccount
from facebook_business.adobjects.user import User
from facebook_business.exceptions import FacebookRequestError

from liftos_app.services.sandbox.credentials import DEMO
from tests.sandbox_server import RunningSandbox, running_sandbox

SLUG = "meta_business"
US = "1024500000000001"
SPAN = {"since": "2026-10-01", "until": "2026-10-31"}
DAYS = (dt.date(2026, 10, 1), dt.date(2026, 10, 31))


@pytest.fixture(scope="module")
def box() -> Iterator[RunningSandbox]:
    with running_sandbox(plant=False) as running:
        yield running


@pytest.fixture
def api(box: RunningSandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[FacebookAdsApi]:
    """The library with a system user's token and the app's proof, pointed at the sandbox."""
    box.reset()
    monkeypatch.setattr(FacebookSession, "GRAPH", box.platform(SLUG))
    key, app = DEMO[SLUG]["token"], DEMO[SLUG]["oauth"]
    made = FacebookAdsApi.init(
        app["client_id"], key["client_secret"], key["access_token"], api_version="v26.0"
    )
    yield made
    made._session.requests.close()


def spent(box: RunningSandbox) -> Decimal:
    """What the world says that the account spent in the span."""
    return Decimal(box.world.ad_totals(US, *DAYS, as_of=box.clock()).spend) / 1_000_000


def test_accounts_campaigns_and_ads_are_walked_to_their_end(api: Any, box: Any) -> None:
    accounts = list(User("me").get_ad_accounts(fields=["name", "currency", "timezone_name"]))
    assert {a["name"]: a["currency"] for a in accounts}["Larkspur US"] == "USD"
    account = AdAccount(f"act_{US}")
    campaigns = account.get_campaigns(fields=["name"], params={"limit": 2, "summary": "true"})
    assert campaigns.total() == len(list(campaigns)) > 4
    ads = [a["id"] for a in account.get_ads(fields=["name", "adset_id"], params={"limit": 10})]
    assert len(ads) == len(set(ads)) > 10


def test_insights_of_every_day_add_up_to_the_worlds(api: Any, box: Any) -> None:
    rows = list(AdAccount(f"act_{US}").get_insights(
        fields=["campaign_id", "impressions", "spend", "actions"],
        params={
            "level": "campaign", "time_increment": 1, "time_range": SPAN, "limit": 25,
            "action_attribution_windows": ["7d_click", "1d_view"],
        },
    ))
    assert len(rows) > 3 * 25
    assert sum(Decimal(r["spend"]) for r in rows) == spent(box)
    assert {r["date_start"] for r in rows} <= {
        str(DAYS[0] + dt.timedelta(days=n)) for n in range(31)
    }


def test_an_asynchronous_report_gives_the_same_rows(api: Any, box: Any) -> None:
    asked = {"level": "account", "time_increment": 1, "time_range": SPAN}
    account = AdAccount(f"act_{US}")
    run = account.get_insights(fields=["spend"], params=asked, is_async=True)
    for _ in range(200):
        run = run.api_get()
        if run["async_status"] == "Job Completed":
            break
        box.clock.advance(seconds=2)
        time.sleep(0.01)
    assert run["async_percent_completion"] == 100
    later = [dict(r) for r in run.get_result(params={"limit": 7})]
    at_once = [dict(r) for r in account.get_insights(fields=["spend"], params=asked)]
    assert later == at_once
    assert sum(Decimal(r["spend"]) for r in later) == spent(box)


def test_a_batch_answers_each_of_its_requests(api: Any) -> None:
    account, good, bad = AdAccount(f"act_{US}"), [], []
    batch = api.new_batch()
    account.api_get(fields=["name"], batch=batch, success=lambda r: good.append(r.json()))
    AdAccount("act_1").api_get(
        fields=["name"], batch=batch, failure=lambda r: bad.append(r.error())
    )
    batch.execute()
    assert [g["name"] for g in good] == ["Larkspur US"]
    assert [b.http_status() for b in bad] in ([400], [403])


@pytest.mark.filterwarnings("ignore::UserWarning:facebook_business.*")  # it warns, then asks
def test_refusals_arrive_as_the_librarys_own_errors(api: Any, box: Any) -> None:
    account = AdAccount(f"act_{US}")
    with pytest.raises(FacebookRequestError) as wrong:
        account.api_get(fields=["nonsense"])
    assert (wrong.value.http_status(), wrong.value.api_error_code()) == (400, 100)
    box.trouble.add("token_revoked", SLUG)
    with pytest.raises(FacebookRequestError) as ended:
        account.api_get(fields=["name"])
    assert ended.value.api_error_code() == 190
    box.trouble.clear()
    box.trouble.add("rate_limited", SLUG)
    with pytest.raises(FacebookRequestError) as limited:
        account.api_get(fields=["name"])
    assert limited.value.api_error_code() in {4, 17, 613, 80000, 80004}
