"""HubSpot's own Python library as a client of the sandbox, over loopback."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import hubspot
import pytest
from hubspot.crm.associations.v4 import (
    BatchInputPublicFetchAssociationsBatchRequest,
    PublicFetchAssociationsBatchRequest,
)
from hubspot.crm.contacts.exceptions import ApiException as ContactsError
from hubspot.crm.deals import BatchReadInputSimplePublicObjectId, PublicObjectSearchRequest
from hubspot.crm.deals.exceptions import ApiException as DealsError

from liftos_app.services.sandbox.credentials import DEMO
from liftos_app.services.sandbox.platforms.hubspot import mails, view
from tests.contract.connect import consent
from tests.sandbox_server import RunningSandbox, running_sandbox

KEY = DEMO["hubspot"]["private_app"]["access_token"]
APP = DEMO["hubspot"]["oauth"]
BACK = "http://localhost:8000/oauth/callback/hubspot"


@pytest.fixture(scope="module")
def server() -> Iterator[RunningSandbox]:
    with running_sandbox(plant=False) as box:
        yield box


@pytest.fixture
def library(server: RunningSandbox) -> Iterator[Callable[[str], Any]]:
    """The vendor's library with our address instead of theirs, for a token."""
    opened: list[Any] = []

    def factory(package: Any, name: str, config: dict[str, Any]) -> Any:
        configuration = package.Configuration(host=server.platform("hubspot"))
        configuration.access_token = config.get("access_token")
        opened.append(package.ApiClient(configuration=configuration))
        return getattr(package, name)(opened[-1])

    yield lambda token: hubspot.Client(access_token=token, api_factory=factory)
    for one in opened:  # it leaves its connections open
        one.rest_client.pool_manager.clear()
        one.close()


@pytest.fixture
def client(server: RunningSandbox, library: Callable[[str], Any]) -> Any:
    server.reset()
    return library(KEY)


def test_all_deals_are_walked_with_their_companies(client: Any, server: RunningSandbox) -> None:
    deals = client.crm.deals.get_all(properties=["amount", "dealstage"], associations=["companies"])
    world = [d for d in server.world.crm_deals(as_of=server.clock()) if d.deleted_at is None]
    assert {d.id: d.properties["dealstage"] for d in deals} == {
        str(view.DEALS + d.id): view.STAGES[d.stage_id] for d in world
    }
    assert all(d.associations["companies"].results for d in deals[:20])
    assert sum(round(float(d.properties["amount"]) * 100) for d in deals
               if d.properties["amount"]) == sum(d.amount or 0 for d in world)


def test_records_are_searched_read_one_by_one_and_in_batches(
    client: Any, server: RunningSandbox
) -> None:
    found = client.crm.deals.search_api.do_search(PublicObjectSearchRequest(
        filter_groups=[{"filters": [
            {"propertyName": "hs_is_closed_won", "operator": "EQ", "value": "true"}]}],
        sorts=["-amount"], properties=["amount", "hs_is_closed_won"], limit=200, after="0",
    ))
    won = [d for d in server.world.crm_deals(as_of=server.clock())
           if d.is_won and d.deleted_at is None]
    assert found.total == len(won)
    assert found.paging.next.after == "200"
    assert all(r.properties["hs_is_closed_won"] == "true" for r in found.results)
    first = found.results[0]
    assert round(float(first.properties["amount"]) * 100) == max(d.amount for d in won)
    one = client.crm.deals.basic_api.get_by_id(first.id, properties=["amount"])
    assert one.properties["amount"] == first.properties["amount"]
    batch = client.crm.deals.batch_api.read(BatchReadInputSimplePublicObjectId(
        inputs=[{"id": first.id}], properties=["amount"], properties_with_history=[],
    ))
    assert [r.id for r in batch.results] == [first.id]


def test_links_are_read_in_batches(client: Any, server: RunningSandbox) -> None:
    deals = [d for d in server.world.crm_deals(as_of=server.clock()) if d.deleted_at is None][:50]
    found = client.crm.associations.v4.batch_api.get_page(
        "deals", "companies", BatchInputPublicFetchAssociationsBatchRequest(inputs=[
            PublicFetchAssociationsBatchRequest(id=str(view.DEALS + d.id)) for d in deals
        ]),
    )
    assert {r._from.id: r.to[0].to_object_id for r in found.results} == {
        str(view.DEALS + d.id): str(view.COMPANIES + d.company_id) for d in deals
    }
    assert found.results[0].to[0].association_types[0].label == "Primary"


def test_owners_pipelines_and_properties(client: Any) -> None:
    owners = client.crm.owners.get_all()
    gone = client.crm.owners.owners_api.get_page(archived=True).results
    assert (len(owners), len(gone)) == (6, 2)
    stages = client.crm.pipelines.pipelines_api.get_all("deals").results[0].stages
    assert [s.id for s in stages] == list(view.STAGES.values())
    assert stages[-1].metadata["isClosed"] == "true"
    names = {p.name for p in client.crm.properties.core_api.get_all("contacts").results}
    assert {"lifecyclestage", "lastmodifieddate"} <= names


def test_contacts_and_the_bin(client: Any, server: RunningSandbox) -> None:
    page = client.crm.contacts.basic_api.get_page(limit=100, properties=["lifecyclestage"])
    assert len(page.results) == 100
    binned = client.crm.contacts.basic_api.get_page(limit=100, archived=True).results
    assert binned
    assert all(b.archived and b.archived_at for b in binned)
    with pytest.raises(ContactsError) as caught:
        client.crm.contacts.basic_api.get_by_id(binned[0].id)
    assert caught.value.status == 404


def test_mails_and_their_statistics(client: Any, server: RunningSandbox) -> None:
    page = client.marketing.emails.marketing_emails_api.get_page(
        include_stats=True, limit=100, sort=["-updatedAt"]
    )
    assert page.total > 200
    assert any(e.stats and e.stats.counters["sent"] for e in page.results)
    api = client.marketing.emails.statistics_api
    start, end = (datetime(2026, 10, d, 4, tzinfo=UTC) for d in (1, 8))
    sent = server.world.mail_campaign_stats(
        start.date(), end.date() - timedelta(days=1), as_of=server.clock()
    )
    ids = [mails.number(s.message_id) for s in sent]
    listed = api.get_emails_list(
        start_timestamp=start, end_timestamp=end, email_ids=ids
    )
    assert sorted(listed.emails) == sorted(ids)
    assert listed.aggregate.counters["delivered"] == sum(s.delivered for s in sent)
    days = api.get_histogram(
        interval="DAY", start_timestamp=start, end_timestamp=end, email_ids=ids
    )
    assert days.total == 7
    assert sum(d.aggregations.counters["open"] for d in days.results) == sum(
        s.opens_unique for s in sent
    )


def test_signing_in_renewing_and_a_token_that_ended(
    client: Any, server: RunningSandbox, library: Callable[[str], Any]
) -> None:
    url = (f"{server.platform('hubspot')}/oauth/authorize?client_id={APP['client_id']}"
           f"&redirect_uri={BACK}&scope=oauth%20crm.objects.deals.read&state=s")
    code = consent(url)["code"]
    tokens = client.oauth.tokens_api.create(
        grant_type="authorization_code", code=code, redirect_uri=BACK,
        client_id=APP["client_id"], client_secret=APP["client_secret"],
    )
    assert tokens.expires_in == 1800
    own = library(tokens.access_token)
    assert own.crm.deals.basic_api.get_page(limit=1).results
    with pytest.raises(ContactsError) as missing:
        own.crm.contacts.basic_api.get_page(limit=1)
    assert missing.value.status == 403
    server.clock.advance(hours=1)
    with pytest.raises(DealsError) as ended:
        own.crm.deals.basic_api.get_page(limit=1)
    assert ended.value.status == 401
    again = client.oauth.tokens_api.create(
        grant_type="refresh_token", refresh_token=tokens.refresh_token,
        client_id=APP["client_id"], client_secret=APP["client_secret"],
    )
    assert library(again.access_token).crm.deals.basic_api.get_page(limit=1).results


def test_limits_are_told_the_way_the_library_reads_them(
    client: Any, server: RunningSandbox
) -> None:
    server.trouble.add("rate_limited", "hubspot", count=1, retry_after=1)
    assert client.crm.deals.basic_api.get_page(limit=1).results  # it waits by itself
    assert server.trouble.list_all() == ()
    server.trouble.add("rate_limited_silent", "hubspot", count=1)
    with pytest.raises(DealsError) as caught:
        client.crm.deals.basic_api.get_page(limit=1)
    assert caught.value.status == 429
    assert '"policyName":"TEN_SECONDLY_ROLLING"' in str(caught.value.body)
