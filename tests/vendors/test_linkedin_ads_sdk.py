"""LinkedIn's own client library reads the imitation over loopback HTTP, also by tunnelled query."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from linkedin_api.clients.auth.client import AuthClient
from linkedin_api.clients.auth.utils import oauth
from linkedin_api.clients.restli.client import RestliClient
from linkedin_api.common import constants

from liftos_app.services.sandbox.credentials import DEMO
from tests.contract.connect import consent
from tests.sandbox_server import RunningSandbox, running_sandbox

SLUG = "linkedin_ads"
US = "509800001"
VERSION = "202607"
BACK = "http://localhost:8000/oauth/callback/linkedin_ads"


@pytest.fixture(scope="module")
def served() -> Iterator[RunningSandbox]:
    with running_sandbox(plant=False) as box:
        yield box


@pytest.fixture
def box(served: RunningSandbox, monkeypatch: pytest.MonkeyPatch) -> RunningSandbox:
    """The library's addresses are constants; they are pointed at the sandbox."""
    served.reset()
    base = served.platform(SLUG)
    for module in (constants, oauth):
        monkeypatch.setattr(module, "OAUTH_BASE_URL", f"{base}/oauth/v2")
    monkeypatch.setattr(constants, "VERSIONED_BASE_URL", f"{base}/rest")
    return served


@pytest.fixture
def token(box: RunningSandbox) -> str:
    return DEMO[SLUG]["token"]["access_token"]


def test_sign_in_renewal_and_introspection(box: RunningSandbox) -> None:
    app = DEMO[SLUG]["oauth"]
    client = AuthClient(**app, redirect_url=BACK)
    url = client.generate_member_auth_url(scopes=["r_ads", "r_ads_reporting"], state="s1")
    params = consent(url)
    assert params["state"] == "s1"
    tokens = client.exchange_auth_code_for_access_token(params["code"])
    assert tokens.status_code == 200
    assert (tokens.expires_in, tokens.refresh_token_expires_in) == (5_184_000, 31_536_000)
    box.clock.advance(days=340)
    newer = client.exchange_refresh_token_for_access_token(tokens.refresh_token)
    assert newer.expires_in == newer.refresh_token_expires_in == 25 * 86_400
    seen = client.introspect_access_token(newer.access_token)
    assert (seen.active, seen.status) == (True, "active")
    assert set(seen.scope.split(",")) == {"r_ads", "r_ads_reporting"}
    assert client.introspect_access_token(tokens.access_token).active is False


def test_finders_pages_and_single_records(box: RunningSandbox, token: str) -> None:
    client = RestliClient()
    first = client.finder(
        resource_path="/adAccounts", finder_name="search", access_token=token,
        version_string=VERSION,
        query_params={"search": {"status": {"values": ["ACTIVE"]}}, "pageSize": 2},
    )
    assert first.status_code == 200
    assert [e["id"] for e in first.elements] == [509800001, 509800002]
    one = client.get(
        resource_path="/adAccounts/{id}", path_keys={"id": US}, access_token=token,
        version_string=VERSION,
    )
    assert one.entity["currency"] == "USD"
    creatives = client.finder(
        resource_path="/adAccounts/{id}/creatives", path_keys={"id": US}, finder_name="criteria",
        access_token=token, version_string=VERSION,
    )
    assert all(e["id"].startswith("urn:li:sponsoredCreative:") for e in creatives.elements)
    assert len(creatives.elements) == len(box.world.ads(US, as_of=box.clock()))


@pytest.mark.parametrize("many", [1, 400])
def test_analytics_by_address_and_by_tunnelled_query(
    box: RunningSandbox, token: str, many: int
) -> None:
    end = box.clock().date() - timedelta(days=40)
    days = [{"year": d.year, "month": d.month, "day": d.day}
            for d in (end - timedelta(days=2), end)]
    groups = [g.id for g in box.world.ad_groups(US, as_of=box.clock())]
    named = groups + [str(int(groups[0]) + 5_000_000 + i) for i in range(many)]
    found = RestliClient().finder(
        resource_path="/adAnalytics", finder_name="analytics", access_token=token,
        version_string=VERSION,
        query_params={
            "pivot": {"value": "CAMPAIGN"}, "timeGranularity": {"value": "DAILY"},
            "dateRange": {"start": days[0], "end": days[1]},
            "campaigns": [f"urn:li:sponsoredCampaign:{n}" for n in named],
            "fields": "dateRange,pivotValues,impressions,costInLocalCurrency",
        },
    )
    assert found.status_code == 200, found.response.text
    truth = box.world.ad_days(
        US, end - timedelta(days=2), end, as_of=box.clock(), level="group"
    )
    assert len(found.elements) == len(truth)
    assert sum(e["impressions"] for e in found.elements) == sum(r.impressions for r in truth)
    assert (found.response.request.method == "POST") is (many == 400)
