"""Zoho's own client for v8 against the imitated Zoho CRM."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from requests.adapters import HTTPAdapter
from zohocrmsdk.src.com.zoho.api.authenticator import OAuthToken
from zohocrmsdk.src.com.zoho.api.authenticator.store import FileStore
from zohocrmsdk.src.com.zoho.api.logger import Logger
from zohocrmsdk.src.com.zoho.crm.api import HeaderMap, ParameterMap, bulk_read, coql, org, record
from zohocrmsdk.src.com.zoho.crm.api.dc import EUDataCenter, USDataCenter
from zohocrmsdk.src.com.zoho.crm.api.initializer import Initializer
from zohocrmsdk.src.com.zoho.crm.api.modules import MinifiedModule
from zohocrmsdk.src.com.zoho.crm.api.sdk_config import SDKConfig

from liftos_app.services.sandbox.credentials import DEMO
from liftos_app.services.sandbox.platforms.zoho_crm.modules import ident
from tests.sandbox_server import RunningSandbox, running_sandbox

APP = DEMO["zoho_crm"]["self_client"]


@pytest.fixture(scope="module")
def server() -> Iterator[RunningSandbox]:
    with running_sandbox(plant=False) as found:
        yield found


@pytest.fixture
def box(server: RunningSandbox, monkeypatch: pytest.MonkeyPatch) -> RunningSandbox:
    """The sandbox, to which every request for a host of Zoho is carried."""
    server.reset()
    send = HTTPAdapter.send

    def carried(self: HTTPAdapter, request: Any, *args: Any, **more: Any) -> Any:
        base = server.platform("zoho_crm")
        request.url = request.url.replace("https://", f"{base}/", 1)
        return send(self, request, *args, **more)

    monkeypatch.setattr(HTTPAdapter, "send", carried)
    return server


def begin(folder: Path, centre: Any = EUDataCenter) -> None:
    """Initialise the client with the pasted grant code, all its files in `folder`."""
    Initializer.initialize(
        environment=centre.PRODUCTION(),
        token=OAuthToken(
            client_id=APP["client_id"], client_secret=APP["client_secret"],
            grant_token=APP["grant_code"],
        ),
        store=FileStore(file_path=str(folder / "tokens.txt")),
        sdk_config=SDKConfig(auto_refresh_fields=True, pick_list_validation=False),
        resource_path=str(folder),
        logger=Logger.get_instance(level=Logger.Levels.ERROR, file_path=str(folder / "log.txt")),
    )  # fmt: skip


@pytest.fixture
def client(box: RunningSandbox, tmp_path: Path) -> RunningSandbox:
    begin(tmp_path)
    return box


def test_it_signs_in_and_reads_the_company(client: RunningSandbox) -> None:
    found = org.OrgOperations().get_organization().get_object().get_org()[0]
    assert found.get_company_name() == "Larkspur Home Trade"
    assert found.get_time_zone() == "Europe/Berlin"
    assert found.get_license_details().get_paid_type() == "enterprise"


def test_it_walks_pages_by_token(client: RunningSandbox) -> None:
    client.sandbox.memories["zoho_crm"]["page_size"] = 15
    seen, token = [], None
    while True:
        asked = ParameterMap()
        asked.add(record.GetRecordsParam.fields, "id,Campaign_Name,Actual_Cost,Start_Date,Owner")
        if token:
            asked.add(record.GetRecordsParam.page_token, token)
        answer = record.RecordOperations("Campaigns").get_records(asked, HeaderMap()).get_object()
        seen += [(str(r.get_id()), r.get_key_value("Campaign_Name")) for r in answer.get_data()]
        token = answer.get_info().get_next_page_token()
        if not answer.get_info().get_more_records():
            break
    truth = client.world.crm_campaigns(as_of=client.clock())
    assert sorted(seen) == sorted((ident("Campaigns", c.id), c.name) for c in truth)
    assert len(seen) > 30


def test_it_asks_by_coql(client: RunningSandbox) -> None:
    body = coql.BodyWrapper()
    body.set_select_query(
        "select id, Amount, Created_Time, Account_Name from Deals where ((Stage = 'Closed won' and "
        "Created_Time >= '2026-06-01T00:00:00+00:00') and id > 0) order by id asc limit 0, 2000"
    )
    found = coql.CoqlOperations().get_records(body).get_object().get_data()
    truth = {
        ident("Deals", d.id): d for d in client.world.crm_deals(as_of=client.clock())
        if d.is_won and not d.deleted_at and d.created_at.isoformat() >= "2026-06-01"
    }
    assert [str(r.get_id()) for r in found] == list(truth)
    for row in found:
        deal = truth[str(row.get_id())]
        assert round(row.get_key_value("Amount") * 100) == deal.amount
        assert row.get_created_time() == deal.created_at
        assert row.get_key_value("Account_Name")["id"] == ident("Accounts", deal.company_id)


def test_it_lists_deleted_records(client: RunningSandbox) -> None:
    asked = ParameterMap()
    asked.add(record.GetDeletedRecordsParam.type, "all")
    answer = record.RecordOperations("Leads").get_deleted_records(asked, HeaderMap())
    gone = {
        ident("Leads", r.id): r.deleted_at
        for r in client.world.crm_leads(as_of=client.clock()) if r.deleted_at
    }
    found = answer.get_object().get_data()
    assert found
    for one in found:
        assert one.get_deleted_time() == gone[str(one.get_id())]
        assert isinstance(one.get_deleted_time(), datetime)


def test_it_reads_in_bulk(client: RunningSandbox, tmp_path: Path) -> None:
    module = MinifiedModule()
    module.set_api_name("Contacts")
    query = bulk_read.Query()
    query.set_module(module)
    query.set_fields(["id", "Account_Name"])
    body = bulk_read.BodyWrapper()
    body.set_query(query)
    work = bulk_read.BulkReadOperations()
    made = work.create_bulk_read_job(body).get_object().get_data()[0]
    number = int(made.get_details()["id"])
    states = [
        work.get_bulk_read_job_details(number).get_object().get_data()[0].get_state().get_value()
        for _ in range(2)
    ]
    assert states == ["IN PROGRESS", "COMPLETED"]
    stream = work.download_result(number).get_object().get_file().get_stream()
    with zipfile.ZipFile(io.BytesIO(b"".join(stream))) as packed:
        (name,) = packed.namelist()
        rows = list(csv.DictReader(io.StringIO(packed.read(name).decode())))
    contacts = client.world.crm_contacts(as_of=client.clock())
    assert {r["Id"]: r["Account_Name"] for r in rows} == {
        ident("Contacts", c.id): ident("Accounts", c.company_id)
        for c in contacts if not c.deleted_at
    }


def test_it_reads_errors_as_errors(client: RunningSandbox) -> None:
    body = coql.BodyWrapper()
    body.set_select_query("select id, Nothing from Deals where id > 0")
    found = coql.CoqlOperations().get_records(body).get_object()
    assert isinstance(found, coql.APIException)
    assert found.get_code().get_value() == "INVALID_QUERY"


def test_another_data_centre_does_not_know_the_code(box: RunningSandbox, tmp_path: Path) -> None:
    with pytest.raises(Exception, match="invalid_code"):
        begin(tmp_path, USDataCenter)
