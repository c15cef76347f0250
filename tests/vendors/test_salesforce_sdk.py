"""simple-salesforce as a client of the imitated Salesforce."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import requests
from requests.adapters import HTTPAdapter
from simple_salesforce import Salesforce, SalesforceLogin
from simple_salesforce.exceptions import (
    SalesforceExpiredSession,
    SalesforceMalformedRequest,
    SalesforceRefusedRequest,
    SalesforceResourceNotFound,
)

from liftos_app.services.sandbox.credentials import DEMO
from liftos_app.services.sandbox.credentials.salesforce import MY_DOMAIN
from liftos_app.services.sandbox.platforms.salesforce.ids import ORGANIZATION, make
from tests.sandbox_server import RunningSandbox, running_sandbox

APP = DEMO["salesforce"]["client_credentials"]


class ToSandbox(HTTPAdapter):
    """Carries requests for Salesforce's hosts to the sandbox, the host as first part of the path.
    """

    def __init__(self, base: str) -> None:
        super().__init__()
        self.base = base

    def send(self, request: Any, *args: Any, **more: Any) -> Any:
        request.url = request.url.replace("https://", f"{self.base}/", 1)
        return super().send(request, *args, **more)


@pytest.fixture(scope="module")
def server() -> Iterator[RunningSandbox]:
    with running_sandbox(plant=False) as found:
        yield found


@pytest.fixture
def box(server: RunningSandbox) -> RunningSandbox:
    server.reset()
    return server


@pytest.fixture
def session(box: RunningSandbox) -> Iterator[requests.Session]:
    with requests.Session() as made:
        made.mount("https://", ToSandbox(box.platform("salesforce")))
        yield made


@pytest.fixture
def sales(session: requests.Session) -> Salesforce:
    token, host = SalesforceLogin(
        session=session, domain=MY_DOMAIN.removesuffix(".salesforce.com"),
        consumer_key=APP["client_id"], consumer_secret=APP["client_secret"],
    )  # fmt: skip
    assert token.startswith("00D")
    assert host
    return Salesforce(
        instance_url=f"https://{MY_DOMAIN}", session_id=token, session=session, version="67.0"
    )


def test_it_signs_in_and_reads_the_organization(sales: Salesforce) -> None:
    found = sales.query("SELECT Id, Name, TimeZoneSidKey FROM Organization")
    assert found["records"][0]["Id"] == ORGANIZATION
    assert sales.limits()["DailyApiRequests"]["Max"] > 0
    assert sales.api_usage["api-usage"].used >= 1


def test_it_walks_all_pages(sales: Salesforce, box: RunningSandbox) -> None:
    box.sandbox.memories["salesforce"]["page_size"] = 300
    truth = {make("Lead", r.id) for r in box.world.crm_leads(as_of=box.clock())
             if r.deleted_at is None}  # fmt: skip
    walked = {r["Id"] for r in sales.query_all_iter("SELECT Id FROM Lead")}
    assert walked == truth
    assert len(truth) > 600


def test_it_sees_deleted_records_when_it_asks_for_them(
    sales: Salesforce, box: RunningSandbox
) -> None:
    leads = box.world.crm_leads(as_of=box.clock())
    box.clock.now = max(r.deleted_at for r in leads if r.deleted_at) + timedelta(days=1)
    text = "SELECT Id FROM Lead WHERE IsDeleted = true"
    assert sales.query_all(text, include_deleted=True)["totalSize"] > 0
    assert sales.query_all(text)["totalSize"] == 0


def test_it_reads_a_bulk_job(
    sales: Salesforce, box: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simple_salesforce.bulk2.sleep", lambda _: None)
    box.sandbox.memories["salesforce"]["part_size"] = 200
    text = "SELECT Id, Amount, CurrencyIsoCode FROM Opportunity WHERE IsWon = true"
    parts = sales.bulk2.Opportunity.query(text, max_records=200)
    rows = [r for part in parts for r in csv.DictReader(io.StringIO(part))]
    won = {make("Opportunity", d.id): d for d in box.world.crm_deals(as_of=box.clock())
           if d.is_won and d.deleted_at is None}  # fmt: skip
    assert {r["Id"] for r in rows} == set(won)
    for row in rows:
        deal = won[row["Id"]]
        assert round(float(row["Amount"]) * 100) == deal.amount
        assert row["CurrencyIsoCode"] == deal.currency


def test_it_describes_and_lists_deleted(sales: Salesforce, box: RunningSandbox) -> None:
    names = {o["name"] for o in sales.describe()["sobjects"]}
    assert {"Lead", "Opportunity", "CampaignMember"} <= names
    fields = {f["name"]: f["type"] for f in sales.Opportunity.describe()["fields"]}
    assert fields["Amount"] == "currency"
    now = box.clock()
    assert sales.Lead.deleted(now - timedelta(days=29), now)["deletedRecords"]


def test_its_exceptions_are_those_of_the_real_one(sales: Salesforce, box: RunningSandbox) -> None:
    with pytest.raises(SalesforceMalformedRequest, match="No such column"):
        sales.query("SELECT Nothing FROM Lead")
    with pytest.raises(SalesforceResourceNotFound):
        sales.restful("nothing")
    box.trouble.add("quota_exhausted", "salesforce", count=1)
    with pytest.raises(SalesforceRefusedRequest, match="TotalRequests"):
        sales.query("SELECT Id FROM Lead LIMIT 1")
    box.clock.advance(hours=3)
    with pytest.raises(SalesforceExpiredSession, match="Session expired"):
        sales.query("SELECT Id FROM Lead LIMIT 1")
