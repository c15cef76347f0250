"""Klaviyo's own Python library as the client of the sandbox, types of its answers included.

Its version speaks a newer revision than our connector does: the imitation knows both.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from klaviyo_api import KlaviyoAPI

from liftos_app.services.sandbox.credentials import DEMO
from tests.sandbox_server import RunningSandbox, running_sandbox

SLUG = "klaviyo"


@pytest.fixture(scope="module")
def box() -> Iterator[RunningSandbox]:
    with running_sandbox(plant=False) as running:
        yield running


@pytest.fixture
def client(box: RunningSandbox) -> Iterator[KlaviyoAPI]:
    box.reset()
    made = made_for(box, DEMO[SLUG]["api_key"]["api_key"])
    yield made
    made.api_client.rest_client.pool_manager.clear()


def made_for(box: RunningSandbox, key: str) -> KlaviyoAPI:
    """The library pointed at the sandbox; it tries once."""
    return KlaviyoAPI(key, max_delay=1, max_retries=0, test_host=box.platform(SLUG))


def walked(method: Any, **asked: Any) -> list[Any]:
    """All pages of a list, the way the library's manual shows it."""
    found, cursor = [], None
    while True:
        page = method(**asked, **({"page_cursor": cursor} if cursor else {}))
        found += page.data
        following = page.links.next
        if not following:
            return found
        cursor = parse_qs(urlsplit(following).query)["page[cursor]"][0]


def test_lists_are_walked_to_their_end(client: KlaviyoAPI, box: RunningSandbox) -> None:
    now = box.clock()
    assert client.Accounts.get_accounts().data[0].attributes.timezone
    campaigns = walked(client.Campaigns.get_campaigns, page_size=20)
    here = [c for c in box.world.mail_campaigns(as_of=now) if not c.archived]
    assert {c.id for c in campaigns} == {c.id for c in here}
    assert {f.id for f in walked(client.Flows.get_flows)} == {
        f.id for f in box.world.mail_flows(as_of=now)
    }
    assert len(client.Metrics.get_metrics().data) == len(box.world.mail_metrics(as_of=now))


def test_aggregates_and_reports_have_the_types_of_the_library(client: KlaviyoAPI) -> None:
    placed = next(
        m.id for m in client.Metrics.get_metrics().data if m.attributes.name == "Placed Order"
    )
    told = client.Metrics.query_metric_aggregates({"data": {
        "type": "metric-aggregate", "attributes": {
            "metric_id": placed, "measurements": ["count", "sum_value"], "interval": "day",
            "filter": ["greater-or-equal(datetime,2026-11-01T00:00:00)",
                       "less-than(datetime,2026-11-10T00:00:00)"],
            "by": ["$attributed_message"], "timezone": "America/New_York",
        }}})
    assert len(told.data.attributes.dates) == 9
    assert sum(sum(g.measurements["count"]) for g in told.data.attributes.data) > 0
    report = client.Reporting.query_campaign_values({"data": {
        "type": "campaign-values-report", "attributes": {
            "statistics": ["opens", "conversions", "conversion_value"],
            "timeframe": {"key": "last_30_days"}, "conversion_metric_id": placed,
        }}})
    assert report.data.attributes.results


def test_a_wrong_key_and_a_limit_are_the_librarys_own_errors(
    client: KlaviyoAPI, box: RunningSandbox
) -> None:
    wrong = made_for(box, "pk_0123456789abcdef0123456789abcdef01")
    with pytest.raises(Exception, match="401") as refused:
        wrong.Accounts.get_accounts()
    assert type(refused.value).__name__ == "UnauthorizedException"
    box.trouble.add("rate_limited", SLUG, count=None, retry_after=1)
    with pytest.raises(Exception, match="429"):
        client.Accounts.get_accounts()
