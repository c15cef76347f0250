"""Zoho CRM: requests as documented, its errors, queries and files, data centres that are real."""

from __future__ import annotations

import io
import zipfile
from datetime import UTC, datetime
from typing import Any

import httpx
import orjson
import pytest

from liftos_app.errors import Fix, GiveUp, Invalid, PlatformFault, Quota, Retry, SignInAgain
from liftos_app.services.connections.inputs import check_inputs
from liftos_app.services.connectors import addresses, grants, registry
from liftos_app.services.connectors.client import Client
from liftos_app.services.connectors.platforms.zoho_crm import bulk, coql, streams
from liftos_app.services.connectors.platforms.zoho_crm.coql import Criterion
from liftos_app.services.connectors.platforms.zoho_crm.errors import RULES, fault, pace
from liftos_app.services.connectors.platforms.zoho_crm.signin import clean_host
from tests.unit.connectors.helper import (
    Edge,
    account,
    answers,
    example,
    make_client,
    read,
    task,
)

ZOHO = registry.get("zoho_crm")
VALUES = {"access_token": "1000.ab.cd", "data_host": "www.zohoapis.eu",
          "accounts_host": "accounts.zoho.eu"}  # fmt: skip
ACME = account(external_id="20086012345", name="Acme GmbH", currency="EUR")
API = "https://www.zohoapis.eu/crm/v8"
NOW = datetime(2026, 11, 22, 6, tzinfo=UTC)
NOTHING = httpx.Response(204)
SAME = httpx.Response(304)


def deal(number: int = 1, **more: Any) -> dict[str, Any]:
    return {
        "id": f"5540230000004{number:05d}", "Deal_Name": "Website relaunch", "Amount": 12500.5,
        "Stage": "Qualification", "Closing_Date": "2026-12-15",
        "Campaign_Source": {"name": "Autumn search", "id": "554023000000210001"},
        "Account_Name": {"name": "Example AG", "id": "554023000000310009"},
        "Contact_Name": {"name": "Mia Muster", "id": "554023000000310010"},
        "Owner": {"name": "Mia Muster", "id": "554023000000068001", "email": "mia@example.com"},
        "Currency": "EUR", "Created_Time": "2026-11-02T00:30:00+01:00",
        "Modified_Time": "2026-11-20T15:03:11+01:00", **more,
    }  # fmt: skip


def page(*records: dict[str, Any], more: bool = False) -> dict[str, Any]:
    return {"data": list(records), "info": {"count": len(records), "more_records": more}}


def fields(*names: str, **more: Any) -> dict[str, Any]:
    return {"fields": [{"api_name": n, **more.get(n, {})} for n in names or streams.DEALS.fields]}


def refusal(status: int, code: str, **headers: str) -> httpx.Response:
    body = {"code": code, "details": {}, "message": "words of theirs", "status": "error"}
    return httpx.Response(status, json=body, headers=headers)


def client_for(*items: Any, **more: Any) -> tuple[Client, Edge]:
    return make_client(ZOHO, answers(*items), VALUES, **more)


def deals(**more: Any) -> Any:
    return task(ZOHO, "deals", account=ACME, salt="5f" * 32, **more)


def query(request: httpx.Request) -> str:
    return str(orjson.loads(request.content)["select_query"])


def test_a_span_is_a_query_with_brackets_at_the_host_of_the_data() -> None:
    client, edge = client_for(fields(), page(deal()))
    found = read(client, deals())
    assert str(edge.requests[0].url) == f"{API}/settings/fields?module=Deals"
    sent = edge.requests[1]
    assert (sent.method, str(sent.url)) == ("POST", f"{API}/coql")
    assert sent.headers["authorization"] == "Zoho-oauthtoken 1000.ab.cd"
    assert query(sent).endswith(
        "from Deals where ((Created_Time >= '2026-10-31T23:00:00+00:00' and Created_Time < "
        "'2026-11-07T23:00:00+00:00') and id > 0) order by id asc limit 0, 2000"
    )
    row = found.rows[0]
    assert row["day"] == "2026-11-02"
    assert row["amount_micros"] == 12_500_500_000
    assert row["campaign_id"] == "554023000000210001"
    assert (row["parent_id"], len(row["person_ref"])) == ("554023000000310009", 64)


def test_a_query_goes_on_behind_the_last_id() -> None:
    client, edge = client_for(fields(), page(deal(1), deal(2), more=True), page(deal(3)))
    assert len(read(client, deals()).rows) == 3
    assert f"and id > {deal(2)['id']}) order by id" in query(edge.requests[2])


def test_changes_begin_small_look_back_and_bring_deleted_ids() -> None:
    gone = {"data": [{"id": "554023000000400009", "display_name": "Mia", "type": "recycle"}],
            "info": {"more_records": True, "page": 1}}  # fmt: skip
    last = {"data": [{"id": "554023000000400010"}], "info": {"more_records": False, "page": 2}}
    client, edge = client_for(fields(), page(deal()), gone, last)
    one = deals(cursor="2026-11-20T12:00:00Z")
    pages = list(one.stream.read(client, one))
    assert "Modified_Time >= '2026-11-20T11:50:00+00:00' and id > 0" in query(edge.requests[1])
    assert query(edge.requests[1]).endswith("limit 0, 200")
    assert str(edge.requests[2].url) == f"{API}/Deals/deleted?type=all&per_page=200&page=1"
    assert edge.requests[2].headers["if-modified-since"] == "2026-11-20T11:50:00+00:00"
    assert edge.requests[3].url.params["page"] == "2"
    assert pages[-1].gone == {"554023000000400009", "554023000000400010"}
    assert pages[-1].cursor == "2026-11-20T14:03:11Z"


@pytest.mark.parametrize("nothing", [NOTHING, SAME])
def test_no_records_are_an_answer_without_a_body(nothing: httpx.Response) -> None:
    client, _ = client_for(fields(), NOTHING, nothing)
    found = read(client, deals(cursor="2026-11-20T12:00:00Z"))
    assert (found.rows, found.cursor) == ([], "2026-11-20T12:00:00Z")


def test_converted_leads_are_asked_for_by_name_and_taken_once() -> None:
    def lead(number: int, **more: Any) -> dict[str, Any]:
        return {"id": f"5540230000005{number:05d}", "Created_Time": "2026-11-02T10:00:00+01:00",
                "Converted__s": False, **more}  # fmt: skip

    known = fields(*streams.LEADS.fields)
    contact = {"id": "554023000000600001", "name": "Mia"}
    client, edge = client_for(
        known, page(lead(1), lead(2)),
        page(lead(2), lead(3, Converted__s=True, Converted_Contact=contact,
                           Converted_Date_Time="2026-11-05T09:00:00+01:00")),
    )  # fmt: skip
    found = read(client, task(ZOHO, "leads", account=ACME, salt="5f" * 32))
    assert [r["external_id"][-1] for r in found.rows] == ["1", "2", "3"]
    assert "Converted__s = true" in query(edge.requests[2])
    assert found.rows[2]["closed_day"] == "2026-11-05"
    assert found.rows[2]["attrs"]["contact_id"] == "554023000000600001"
    client, edge = client_for(known, page(lead(1), lead(2, Converted__s=True)))
    assert len(read(client, task(ZOHO, "leads", account=ACME, salt="5f" * 32)).rows) == 2
    assert len(edge.requests) == 2  # one came, so none hides
    older = fields(*(f for f in streams.LEADS.fields if f != "Converted__s"))
    client, _ = client_for(older, page(lead(1)), refusal(400, "INVALID_QUERY"))
    found = read(client, task(ZOHO, "leads", account=ACME, salt=""))
    assert len(found.rows) == 1
    assert found.notes == ("Zoho CRM has no field Leads.Converted__s here; it is left out.",)


def test_names_behind_look_ups_are_kept_nowhere() -> None:
    client, _ = client_for(fields(), page(deal()))
    one = deals()
    kept = str([(list(p.source), p.rows) for p in one.stream.read(client, one)])
    assert "Mia" not in kept
    assert "@" not in kept


@pytest.mark.parametrize(("stage", "types", "closed", "won"), [
    ("Closed Won", {}, True, True), ("Closed Lost", {}, True, False),
    ("Closed-Lost to Competition", {}, True, False), ("Gewonnen", {}, False, False),
    ("Gewonnen", {"Gewonnen": "Closed Won"}, True, True),
    ("Closed Won", {"Closed Won": "Open"}, False, False),
])  # fmt: skip
def test_a_deal_is_won_by_the_forecast_type_of_its_stage(
    stage: str, types: dict[str, str], closed: bool, won: bool
) -> None:
    listed = [{"actual_value": s, "forecast_type": t} for s, t in types.items()]
    client, _ = client_for(
        fields(*streams.DEALS.fields, Stage={"pick_list_values": listed}), page(deal(Stage=stage))
    )
    row = read(client, deals()).rows[0]
    assert (row["is_closed"], row["is_won"]) == (closed, won)


@pytest.mark.parametrize(("status", "code", "kind", "cause"), [
    (401, "INVALID_TOKEN", SignInAgain, "credential"),
    (401, "AUTHENTICATION_FAILURE", SignInAgain, "credential"),
    (401, "OAUTH_SCOPE_MISMATCH", Fix, "permission"),
    (403, "NO_PERMISSION", Fix, "permission"), (400, "INVALID_MODULE", Fix, "permission"),
    (400, "INVALID_QUERY", GiveUp, "our_fault"), (400, "SYNTAX_ERROR", GiveUp, "our_fault"),
    (400, "LIMIT_EXCEEDED", GiveUp, "our_fault"), (404, "INVALID_URL_PATTERN", GiveUp, "our_fault"),
    (400, "INVALID_HOST", Fix, ""), (429, "TOO_MANY_REQUESTS", Quota, "quota"),
])  # fmt: skip
def test_each_error_says_what_comes_next(
    status: int, code: str, kind: type[PlatformFault], cause: str
) -> None:
    found = fault(status, {}, {"code": code, "message": "m", "status": "error", "details": {}})
    assert isinstance(found, kind)
    assert found.fix
    if cause:
        assert found.cause == cause
    assert len({r.code for r in RULES}) == len(RULES)


def test_other_answers_are_judged_by_their_status() -> None:
    assert fault(200, {}, {"error": "invalid_code"}) is None
    assert fault(500, {}, {"code": "INTERNAL_ERROR", "status": "error"}) is None
    assert fault(502, {}, None) is None


def test_a_limit_that_stays_is_taken_for_used_up_credits() -> None:
    client, edge = client_for(fields(), refusal(429, "TOO_MANY_REQUESTS"))
    with pytest.raises(Quota) as caught:
        read(client, deals())
    assert caught.value.after == 3600
    assert len(edge.requests) == 1 + 6
    assert edge.waited >= 50
    full = {"x-api-credits-remaining": "0"}
    client, edge = client_for(fields(), refusal(429, "TOO_MANY_REQUESTS", **full))
    with pytest.raises(Quota) as caught:
        read(client, deals())
    assert (caught.value.after, len(edge.requests)) == (3600, 2)


def test_the_last_credits_are_left_to_others() -> None:
    assert pace(200, {}, None) == 0
    assert pace(200, {"x-api-credits-remaining": "24110"}, None) == 0
    assert pace(200, {"x-api-credits-remaining": "500"}, None) == 3600


def test_a_wrong_sign_in_is_renewed_once() -> None:
    renewed: list[int] = []
    client, edge = client_for(
        fields(), refusal(401, "INVALID_TOKEN"), page(deal()), renew=lambda: renewed.append(1)
    )
    assert read(client, deals()).rows
    assert renewed == [1]


@pytest.mark.parametrize("code", ["INVALID_MODULE", "NO_PERMISSION", "MODULE_NOT_SUPPORTED"])
def test_a_module_that_is_off_is_an_empty_stream_with_a_word(code: str) -> None:
    client, _ = client_for(refusal(400, code))
    found = read(client, deals(cursor="2026-11-20T12:00:00Z"))
    assert (found.rows, found.cursor) == ([], "2026-11-20T12:00:00Z")
    assert "Deals" in found.notes[0]
    assert "words of theirs" in found.notes[0]


@pytest.mark.parametrize(("wrong", "reason"), [
    ({"Amount": "a lot"}, "not a number"), ({"Amount": True}, "not a number"),
    ({"Closing_Date": "2026-02-30"}, "not a day"), ({"Created_Time": None}, "not a time"),
    ({"Currency": "EURO"}, "not a currency"), ({"Modified_Time": "2026-11-03T14:03"}, "zone"),
])  # fmt: skip
def test_a_value_that_is_none_rejects_its_record_alone(wrong: Any, reason: str) -> None:
    client, _ = client_for(fields(), page(deal(1), {**deal(2), **wrong}))
    found = read(client, deals())
    assert len(found.rows) == 1
    assert reason in found.rejected[0].reason


def test_numbers_as_texts_and_nothing_at_all_are_taken() -> None:
    bare = deal(Amount="12500.50", Campaign_Source=None, Account_Name=None, Contact_Name=None,
                Owner=None)  # fmt: skip
    client, _ = client_for(fields(), page({k: v for k, v in bare.items() if k != "Currency"}))
    row = read(client, deals()).rows[0]
    assert row["amount_micros"] == 12_500_500_000
    assert (row["currency"], row["owner_id"], row["person_ref"]) == ("EUR", "", "")


def test_records_that_come_again_end_the_walk() -> None:
    client, _ = client_for(fields(), page(deal(1), more=True))
    with pytest.raises(GiveUp, match="no end"):
        read(client, deals())


def test_pages_of_campaigns_are_numbered_once_then_named_by_token() -> None:
    shown = example("zoho_crm", "record_pages")["cases"][0]["body"]
    first = {"data": [{"id": "1", "Campaign_Name": "A"}], "info": shown["info"]}
    last = {"data": [{"id": "2", "Campaign_Name": "B"}], "info": {"more_records": False}}
    known = fields(*streams.CAMPAIGNS.fields)
    client, edge = client_for(known, first, last)
    found = read(client, task(ZOHO, "campaigns", account=ACME))
    assert [r["name"] for r in found.rows] == ["A", "B"]
    sent = [dict(r.url.params) for r in edge.requests[1:]]
    assert sent[0]["page"] == "1"
    assert "page" not in sent[1]
    assert sent[1]["page_token"] == "c8582xx9e7c7opaque"
    assert sent[0]["fields"] == sent[1]["fields"]
    assert len(sent[0]["fields"].split(",")) <= 50
    client, _ = client_for(known, {**first, "info": {**shown["info"]}})
    with pytest.raises(GiveUp, match="no end"):
        read(client, task(ZOHO, "campaigns", account=ACME))


def zipped(*files: tuple[str, str]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, text in files:
            archive.writestr(name, text)
    return out.getvalue()


def job(state: str, **result: Any) -> dict[str, Any]:
    return {"data": [{"id": "1", "state": state, "result": result}]}


ADDED = httpx.Response(201, json={"data": [{"status": "success", "details": {"id": "77"}}]})


@pytest.mark.parametrize("token", ["t1", ""])
def test_a_file_without_end_loses_nothing_in_silence(
    monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    monkeypatch.setattr(streams, "BULK_AFTER", 1)
    monkeypatch.setattr(coql, "LARGE", 1)
    done = job("COMPLETED", more_records=True, next_page_token=token)
    file = httpx.Response(200, content=zipped(("1.csv", "Id\n1\n")),
                          headers={"content-type": "application/x-download"})  # fmt: skip
    client, _ = client_for(
        fields(), page(deal(1), more=True), ADDED, done, file, ADDED, done, file,
    )  # fmt: skip
    with pytest.raises(GiveUp, match="no end|cannot be followed"):
        read(client, deals())


def test_many_records_come_as_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "BULK_AFTER", 1)
    monkeypatch.setattr(coql, "LARGE", 1)
    csv = (
        "Id,Deal_Name,Amount,Account_Name,Created_Time,Modified_Time\n"
        '554023000000400002,"null",,554023000000310009,2026-11-02T10:00:00+01:00,'
        "2026-11-20T15:03:11+01:00\n"
    )
    file = httpx.Response(200, content=zipped(("1.csv", csv)),
                          headers={"content-type": "application/x-download"})  # fmt: skip
    client, edge = client_for(
        fields(), page(deal(1), more=True), ADDED, job("ADDED"), job("IN PROGRESS"),
        job("COMPLETED", more_records=False), file,
    )  # fmt: skip
    found = read(client, deals())
    assert [r["name"] for r in found.rows] == ["Website relaunch", "null"]
    assert (found.rows[1]["amount_micros"], found.rows[1]["parent_id"]) == (
        None, "554023000000310009",
    )
    sent = orjson.loads(edge.requests[2].content)
    assert str(edge.requests[2].url) == "https://www.zohoapis.eu/crm/bulk/v8/read"
    assert sent["query"]["module"] == {"api_name": "Deals"}
    assert [g["comparator"] for g in sent["query"]["criteria"]["group"]] == [
        "greater_equal", "less_than", "greater_than",
    ]
    assert sent["query"]["criteria"]["group"][2]["value"] == deal(1)["id"]
    assert str(edge.requests[-1].url).endswith("/crm/bulk/v8/read/77/result")


def test_without_a_file_the_queries_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "BULK_AFTER", 1)
    monkeypatch.setattr(coql, "LARGE", 1)
    client, _ = client_for(
        fields(), page(deal(1), more=True), refusal(401, "OAUTH_SCOPE_MISMATCH"), page(deal(2))
    )
    assert len(read(client, deals()).rows) == 2


def test_a_file_that_is_no_proper_file_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Retry, match="damaged"):
        bulk.rows_of(b"PK\x03\x04 cut off")
    with pytest.raises(GiveUp, match="not taken"):
        bulk.rows_of(zipped(("1.csv", "Id\n1\n"), ("2.csv", "Id\n2\n")))
    monkeypatch.setattr(bulk, "LARGEST", 10)
    with pytest.raises(GiveUp, match="not taken"):
        bulk.rows_of(zipped(("1.csv", "Id\n" + "1\n" * 100)))


def test_a_job_that_fails_is_for_later() -> None:
    client, _ = client_for(ADDED, job("FAILURE"))
    criteria = [Criterion("Modified_Time", ">=", "'2026-01-01T00:00:00+00:00'")]
    with pytest.raises(Retry, match="preparing"):
        list(bulk.records(client, "Deals", ["id"], criteria) or ())


def test_the_company_its_zone_and_currency_are_found() -> None:
    body = example("zoho_crm", "account_info")["body"]
    client, edge = client_for(body)
    (found,) = ZOHO.discover(client)
    assert (found.external_id, found.name) == ("20086012345", "Acme GmbH")
    assert (found.currency, found.time_zone) == ("EUR", "Europe/Berlin")
    assert found.extra == {"edition": "enterprise", "multi_currency": True}
    assert str(edge.requests[0].url) == f"{API}/org"
    assert "Acme GmbH" in ZOHO.test(client, found)
    client, _ = client_for({"org": [{"id": "1", "company_name": "X", "iso_code": None}]})
    with pytest.raises(Fix, match="currency"):
        ZOHO.discover(client)


# --- signing in -----------------------------------------------------------------------------------

INPUTS = {"client_id": "1000.ABCDEFGHIJKLMNOPQRSTUV", "client_secret": "0a" * 20}
SHOWN = example("zoho_crm", "oauth_callback_and_token_response")


def where_for(**values: str) -> addresses.Addresses:
    known = {"accounts_host": "accounts.zoho.com", **values}
    return addresses.Addresses("zoho_crm", dict(ZOHO.hosts), values=known, by_host=True)


def exchange(answer: dict[str, Any], method: str = "oauth", **values: str) -> Any:
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json=answer)

    transport = httpx.MockTransport(handler)
    where = where_for(**values)
    if method == "oauth":
        tokens = grants.exchange(
            ZOHO, ZOHO.method("oauth"), where, INPUTS, code="1000.aaa.bbb", redirect_uri="https://x",
            now=NOW, transport=transport,
        )  # fmt: skip
    else:
        pasted = {**INPUTS, "grant_code": "1000.aaa.bbb"}
        tokens = grants.obtain(ZOHO, ZOHO.method(method), where, pasted, now=NOW,
                               transport=transport)  # fmt: skip
    return tokens, seen[0]


def test_the_code_is_exchanged_where_the_way_back_says_and_the_data_host_is_kept() -> None:
    callback = dict(httpx.URL(SHOWN["request"][0]["url"]).params)
    hosts = addresses.told(ZOHO, where_for(), callback)
    assert hosts == {"accounts_host": "accounts.zoho.eu"}
    tokens, sent = exchange(SHOWN["body"], **hosts)
    assert str(sent.url) == "https://accounts.zoho.eu/oauth/v2/token"
    assert tokens.beside == {"accounts_host": "accounts.zoho.eu", "data_host": "www.zohoapis.eu"}
    assert tokens.expires_at == datetime(2026, 11, 22, 7, tzinfo=UTC)
    renewed = {k: v for k, v in SHOWN["body"].items() if k not in ("refresh_token", "api_domain")}
    tokens, _ = exchange(renewed, data_host="www.zohoapis.in", **hosts)
    assert tokens.beside["data_host"] == "www.zohoapis.in"  # none named: the stored one stays


@pytest.mark.parametrize("server", [
    "https://evil.example", "https://accounts.zoho.eu.evil.example", "http://accounts.zoho.eu",
    "https://accounts.zoho.eu@evil.example", "https://accounts.zoho.eu:444", "https://169.254.1.1",
    "https://accounts.zoho.evil",
])  # fmt: skip
def test_a_server_named_by_a_stranger_gets_no_code(server: str) -> None:
    with pytest.raises(GiveUp, match="not its own"):
        addresses.told(ZOHO, where_for(), {"accounts-server": server})
    with pytest.raises(GiveUp, match="not its own"):
        exchange({**SHOWN["body"], "api_domain": server})


@pytest.mark.parametrize("zone", ["com", "eu", "in", "com.au", "jp", "com.cn", "sa", "uk", "ae"])
def test_every_data_centre_is_known(zone: str) -> None:
    server = f"https://accounts.zoho.{zone}"
    assert addresses.told(ZOHO, where_for(), {"accounts-server": server})
    tokens, _ = exchange({**SHOWN["body"], "api_domain": f"https://www.zohoapis.{zone}"})
    assert tokens.beside["data_host"] == f"www.zohoapis.{zone}"


@pytest.mark.parametrize(("error", "kind", "words"), [
    ("invalid_code", SignInAgain, "could not be completed"),
    ("invalid_client", Fix, "id and secret"),
    ("invalid_redirect_uri", Fix, "redirect address"), ("access_denied", Fix, "permissions"),
])  # fmt: skip
def test_an_error_with_status_200_is_an_error(
    error: str, kind: type[PlatformFault], words: str
) -> None:
    with pytest.raises(kind, match=words):
        exchange({"error": error})


def test_a_dead_refresh_token_ends_the_sign_in_and_too_many_are_waited_for() -> None:
    def renew(body: dict[str, Any], status: int = 200) -> Any:
        transport = httpx.MockTransport(lambda _: httpx.Response(status, json=body))
        values = {**INPUTS, "refresh_token": "1000.ab.cd"}
        return grants.renew(ZOHO, ZOHO.method("oauth"), where_for(data_host="www.zohoapis.eu"),
                            values, now=NOW, transport=transport)  # fmt: skip

    with pytest.raises(SignInAgain, match="ended"):
        renew(example("zoho_crm", "auth_error")["cases"][1]["body"])
    crowded = {"error": "Access Denied", "status": "failure",
               "error_description": "You have made too many requests continuously."}  # fmt: skip
    with pytest.raises(Retry, match="no new sign-in"):
        renew(crowded, 400)
    found = renew({"access_token": "1000.ef.gh", "expires_in": 3600})
    assert found.refresh_token is None
    assert found.beside["data_host"] == "www.zohoapis.eu"


def test_a_pasted_code_is_exchanged_without_a_redirect_address() -> None:
    tokens, sent = exchange(SHOWN["body"], "self_client", accounts_host="accounts.zoho.eu")
    assert tokens.refresh_token
    assert b"redirect_uri" not in sent.content
    assert b"grant_type=authorization_code" in sent.content
    with pytest.raises(SignInAgain, match="does not take this code") as caught:
        exchange({"error": "invalid_code"}, "self_client", accounts_host="accounts.zoho.eu")
    assert "new one" in caught.value.fix


def test_a_token_is_given_back_at_its_own_centre() -> None:
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"status": "success"})

    assert grants.revoke(
        ZOHO, ZOHO.method("oauth"), where_for(accounts_host="accounts.zoho.in"),
        {**INPUTS, "refresh_token": "1000.ab.cd"}, now=NOW, transport=httpx.MockTransport(handler),
    )  # fmt: skip
    assert str(seen[0].url) == (
        "https://accounts.zoho.in/oauth/v2/token/revoke?token=1000.ab.cd"
    )


def test_consent_asks_for_an_offline_token_with_commas() -> None:
    url = httpx.URL(grants.authorize_url(
        ZOHO, ZOHO.method("oauth"), where_for(accounts_host="accounts.zoho.in"), INPUTS,
        state="s1", redirect_uri="https://l/oauth/callback/zoho_crm",
    ))  # fmt: skip
    assert url.host == "accounts.zoho.in"
    assert (url.params["access_type"], url.params["prompt"]) == ("offline", "consent")
    assert "ZohoCRM.org.READ,ZohoCRM.coql.READ" in url.params["scope"]


@pytest.mark.parametrize(("typed", "host"), [
    ("eu", "accounts.zoho.eu"), ("US", "accounts.zoho.com"), ("ca", "accounts.zohocloud.ca"),
    ("https://crm.zoho.in/crm/org1/tab/Home", "accounts.zoho.in"),
    ("accounts.zoho.com.au", "accounts.zoho.com.au"),
])  # fmt: skip
def test_the_data_centre_is_taken_as_people_paste_it(typed: str, host: str) -> None:
    assert clean_host(typed) == host


def test_secrets_of_data_centres_are_taken_as_people_paste_them() -> None:
    typed = f"EU = {'0a' * 20}\r\n\n https://accounts.zoho.in  {'1b' * 20} "
    good = {**INPUTS, "centre_secrets": typed}
    assert check_inputs(ZOHO, ZOHO.method("oauth"), good).secret["centre_secrets"] == (
        f"accounts.zoho.eu {'0a' * 20}\naccounts.zoho.in {'1b' * 20}"
    )
    for wrong in ("0a" * 20, "eu", f"mars {'0a' * 20}", f"eu {'0a' * 20} {'1b' * 20}"):
        with pytest.raises(Invalid) as caught:
            check_inputs(ZOHO, ZOHO.method("oauth"), {**good, "centre_secrets": wrong})
        assert "Each line" in str(caught.value.facts["fields"])


@pytest.mark.parametrize(("field", "value", "words"), [
    ("client_id", "1000.0a1b.2c3d", "token or a code"), ("client_id", "ABC", "1000."),
    ("client_secret", "1000.0a1b2c3d4e5f60718293a4b5c6d7", "no dots"),
    ("client_secret", "zzz", "digits"), ("accounts_host", "evil.example", "accounts.zoho.eu"),
    ("grant_code", "1000.ABCDEFGHIJKLMNOPQRSTUV", "client id"), ("grant_code", "x", "1000."),
])  # fmt: skip
def test_a_malformed_credential_is_refused_before_any_call(
    field: str, value: str, words: str
) -> None:
    good = {**INPUTS, "accounts_host": "eu", "grant_code": "1000.0a1b.2c3d"}
    assert check_inputs(ZOHO, ZOHO.method("self_client"), good).plain["accounts_host"] == (
        "accounts.zoho.eu"
    )
    with pytest.raises(Invalid) as caught:
        check_inputs(ZOHO, ZOHO.method("self_client"), {**good, field: value})
    assert words in str(caught.value.facts["fields"])
