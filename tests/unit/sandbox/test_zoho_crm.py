"""The imitated Zoho CRM over HTTP: data centres, sign-in, pages, COQL, files, credits, refusals."""

from __future__ import annotations

import csv
import io
import secrets
import zipfile
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from liftos_app.services.sandbox.credentials import DEMO
from liftos_app.services.sandbox.platforms.zoho_crm.modules import ident
from liftos_app.services.sandbox.platforms.zoho_crm.signin import SCOPES
from tests.sandbox_server import RunningSandbox, running_sandbox

APP = DEMO["zoho_crm"]["oauth"]
CALLBACK = "http://127.0.0.1:8000/oauth/callback/zoho_crm"
US, EU = "accounts.zoho.com", "accounts.zoho.eu"
API, BULK = "www.zohoapis.eu/crm/v8", "www.zohoapis.eu/crm/bulk/v8/read"


@pytest.fixture(scope="module")
def server() -> Iterator[RunningSandbox]:
    with running_sandbox(plant=False) as found:
        yield found


@pytest.fixture
def box(server: RunningSandbox) -> RunningSandbox:
    server.reset()
    return server


@pytest.fixture
def http(box: RunningSandbox) -> Iterator[httpx.Client]:
    base = box.platform("zoho_crm") + "/"
    with httpx.Client(base_url=base, follow_redirects=False, timeout=30) as client:
        yield client


@pytest.fixture
def signed(http: httpx.Client) -> httpx.Client:
    http.headers["Authorization"] = f"Zoho-oauthtoken {sign_in(http)['access_token']}"
    return http


def memory(box: RunningSandbox) -> dict[str, Any]:
    return box.sandbox.memories.setdefault("zoho_crm", {})


def consent(http: httpx.Client, **more: str) -> dict[str, str]:
    decision = more.pop("decision", "approve")
    query = {
        "response_type": "code", "client_id": APP["client_id"], "redirect_uri": CALLBACK,
        "scope": ",".join(SCOPES), "state": secrets.token_hex(8), "access_type": "offline",
        "prompt": "consent", **more,
    }  # fmt: skip
    page = http.get(f"{US}/oauth/v2/auth", params=query)
    assert page.status_code == 200
    answer = http.post(f"{US}/oauth/v2/auth", data={**query, "decision": decision})
    return dict(parse_qsl(urlsplit(answer.headers["location"]).query))


def swap(http: httpx.Client, host: str = EU, **form: str) -> httpx.Response:
    return http.post(f"{host}/oauth/v2/token", data={**APP, **form})


def by_code(http: httpx.Client, code: str = "", host: str = EU, **more: str) -> dict[str, Any]:
    form = {"grant_type": "authorization_code", "redirect_uri": CALLBACK,
            "code": code or consent(http)["code"], **more}  # fmt: skip
    answer = swap(http, host, **form)
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


def sign_in(http: httpx.Client) -> dict[str, Any]:
    return by_code(http)


def refused(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    body: dict[str, Any] = answer.json()
    assert (body["code"], body["status"]) == (code, "error")
    return body


def ask(http: httpx.Client, text: str) -> httpx.Response:
    return http.post(f"{API}/coql", json={"select_query": text})


# --- sign-in --------------------------------------------------------------------------------------


def test_the_way_back_names_the_data_centre_and_only_it_takes_the_code(
    http: httpx.Client, box: RunningSandbox
) -> None:
    back = consent(http)
    assert back["location"] == "eu"
    assert back["accounts-server"] == f"{box.platform('zoho_crm')}/{EU}"
    assert by_code(http, back["code"], US) == {"error": "invalid_code"}
    body = by_code(http, back["code"])
    assert body["api_domain"] == f"{box.platform('zoho_crm')}/www.zohoapis.eu"
    assert (body["expires_in"], body["token_type"]) == (3600, "Bearer")
    for name in ("access_token", "refresh_token"):
        head, first, second = body[name].split(".")
        assert head == "1000"
        assert int(first + second, 16)
    assert by_code(http, back["code"]) == {"error": "invalid_code"}


def test_errors_of_the_token_endpoint_have_status_200(
    http: httpx.Client, box: RunningSandbox
) -> None:
    assert by_code(http, client_secret="0" * 40) == {"error": "invalid_client"}
    assert by_code(http, redirect_uri=CALLBACK + "/x") == {"error": "invalid_redirect_uri"}
    assert by_code(http, "1000.aa.bb") == {"error": "invalid_code"}
    assert swap(http, grant_type="password").json() == {"error": "unsupported_grant_type"}
    code = consent(http)["code"]
    box.clock.advance(minutes=2)
    assert by_code(http, code) == {"error": "invalid_code"}
    assert consent(http, decision="refuse")["error"] == "access_denied"


def test_without_offline_and_consent_there_is_no_refresh_token(http: httpx.Client) -> None:
    for more in ({"access_type": "online"}, {"prompt": "none"}):
        assert "refresh_token" not in by_code(http, consent(http, **more)["code"])


def test_a_refresh_token_stays_and_mints_ten_tokens_in_ten_minutes(
    http: httpx.Client, box: RunningSandbox
) -> None:
    token = sign_in(http)["refresh_token"]
    for _ in range(10):
        body = swap(http, grant_type="refresh_token", refresh_token=token).json()
        assert body["access_token"]
        assert "refresh_token" not in body
    blocked = swap(http, grant_type="refresh_token", refresh_token=token)
    assert (blocked.status_code, blocked.json()["error"]) == (400, "Access Denied")
    box.clock.advance(minutes=11)
    assert swap(http, grant_type="refresh_token", refresh_token=token).json()["access_token"]
    http.post(f"{EU}/oauth/v2/token/revoke", params={"token": token})
    body = swap(http, grant_type="refresh_token", refresh_token=token).json()
    assert body == {"error": "invalid_code"}


def test_a_pasted_code_works_and_can_be_made_good_once(
    http: httpx.Client, box: RunningSandbox
) -> None:
    code = DEMO["zoho_crm"]["self_client"]["grant_code"]
    memory(box)["strict_code"] = True
    first = swap(http, grant_type="authorization_code", code=code).json()
    assert first["refresh_token"]
    second = swap(http, grant_type="authorization_code", code=code).json()
    assert second == {"error": "invalid_code"}


def test_tokens_are_bound_to_scheme_centre_and_time(
    signed: httpx.Client, box: RunningSandbox
) -> None:
    assert signed.get(f"{API}/org").status_code == 200
    refused(signed.get("www.zohoapis.com/crm/v8/org"), 401, "INVALID_TOKEN")
    token = signed.headers["authorization"].split()[1]
    refused(signed.get(f"{API}/org", headers={"Authorization": f"Bearer {token}"}), 401,
            "INVALID_TOKEN")  # fmt: skip
    refused(signed.get(f"{API}/nothing/at/all"), 404, "INVALID_URL_PATTERN")
    box.clock.advance(minutes=61)
    refused(signed.get(f"{API}/org"), 401, "INVALID_TOKEN")


def test_a_scope_is_missed_at_the_first_call_that_needs_it(http: httpx.Client) -> None:
    body = by_code(http, consent(http, scope="ZohoCRM.org.READ")["code"])
    http.headers["Authorization"] = f"Zoho-oauthtoken {body['access_token']}"
    assert http.get(f"{API}/org").status_code == 200
    refused(http.get(f"{API}/Leads?fields=id"), 401, "OAUTH_SCOPE_MISMATCH")
    refused(ask(http, "select id from Leads where id > 0"), 401, "OAUTH_SCOPE_MISMATCH")


# --- pages ----------------------------------------------------------------------------------------


def test_pages_want_fields_and_sensible_numbers(signed: httpx.Client) -> None:
    body = refused(signed.get(f"{API}/Leads"), 400, "REQUIRED_PARAM_MISSING")
    assert body["details"] == {"param_name": "fields"}
    many = ",".join(f"F{i}" for i in range(51))
    refused(signed.get(f"{API}/Leads", params={"fields": many}), 400, "LIMIT_EXCEEDED")
    for more in ({"per_page": "201"}, {"sort_by": "Amount"}, {"page": "0"},
                 {"page": "1", "page_token": "x"}, {"page_token": "x"}):  # fmt: skip
        refused(signed.get(f"{API}/Leads", params={"fields": "id", **more}), 400, "INVALID_DATA")
    refused(signed.get(f"{API}/Nothing?fields=id"), 400, "INVALID_MODULE")


def test_after_2000_records_only_a_token_goes_on(
    signed: httpx.Client, box: RunningSandbox
) -> None:
    asked = {"fields": "id,Lead_Source", "sort_by": "id", "sort_order": "asc"}
    tenth = signed.get(f"{API}/Leads", params={**asked, "page": 10}).json()
    assert tenth["info"]["more_records"] is True
    body = refused(
        signed.get(f"{API}/Leads", params={**asked, "page": 11}), 400,
        "DISCRETE_PAGINATION_LIMIT_EXCEEDED",
    )  # fmt: skip
    assert body["details"] == {"limit": 2000}
    page, seen = signed.get(f"{API}/Leads", params=asked).json(), []
    while True:
        seen += [r["id"] for r in page["data"]]
        token = page["info"]["next_page_token"]
        if not token:
            break
        page = signed.get(f"{API}/Leads", params={**asked, "page_token": token}).json()
    truth = [r for r in box.world.crm_leads(as_of=box.clock())
             if not r.deleted_at and not r.converted_at]  # fmt: skip
    assert seen == [ident("Leads", r.id) for r in truth]
    assert len(seen) > 2000
    token = tenth["info"]["next_page_token"]
    box.clock.advance(hours=25)
    signed.headers["Authorization"] = f"Zoho-oauthtoken {sign_in(signed)['access_token']}"
    answer = signed.get(f"{API}/Leads", params={**asked, "page_token": token})
    refused(answer, 400, "INVALID_DATA")


def test_look_ups_and_times_have_zohos_form(signed: httpx.Client, box: RunningSandbox) -> None:
    asked = {"fields": "Deal_Name,Account_Name,Owner,Created_Time,Closing_Date", "per_page": 5}
    for record in signed.get(f"{API}/Deals", params=asked).json()["data"]:
        assert set(record["Owner"]) == {"name", "id", "email"}
        assert set(record["Account_Name"]) == {"name", "id"}
        at = datetime.fromisoformat(record["Created_Time"])
        assert at.utcoffset() in (timedelta(hours=1), timedelta(hours=2))
        assert len(record["Closing_Date"]) == 10


def test_nothing_is_an_empty_answer(signed: httpx.Client, box: RunningSandbox) -> None:
    later = (box.clock() + timedelta(hours=1)).isoformat()
    answer = signed.get(f"{API}/Deals?fields=id", headers={"If-Modified-Since": later})
    assert (answer.status_code, answer.content) == (304, b"")
    answer = ask(signed, "select id from Deals where Amount = 0.01")
    assert (answer.status_code, answer.content) == (204, b"")
    assert signed.get(f"{API}/Campaigns/deleted?type=all").status_code == 204


def test_converted_leads_are_shown_when_asked_for(
    signed: httpx.Client, box: RunningSandbox
) -> None:
    def count(text: str) -> int:
        where = f"{text} and Created_Time >= '2026-09-01T00:00:00+00:00'"
        answer = ask(signed, f"select id from Leads where {where} limit 0, 2000")  # noqa: S608
        return int(answer.json()["info"]["count"])

    leads = [
        r for r in box.world.crm_leads(as_of=box.clock())
        if not r.deleted_at and r.created_at.isoformat() >= "2026-09-01"
    ]
    assert count("id > 0") == sum(not r.converted_at for r in leads)
    assert count("Converted__s = true") == sum(bool(r.converted_at) for r in leads)


def test_deleted_ids_are_told_by_kind_and_moment(
    signed: httpx.Client, box: RunningSandbox
) -> None:
    now = box.clock()
    gone = {ident("Leads", r.id): r.deleted_at for r in box.world.crm_leads(as_of=now)
            if r.deleted_at}  # fmt: skip

    def listed(kind: str, **headers: str) -> set[str]:
        found, page = set(), 1
        while True:
            answer = signed.get(f"{API}/Leads/deleted", params={"type": kind, "page": page},
                                headers=headers)  # fmt: skip
            if answer.status_code in (204, 304):
                return found
            found |= {r["id"] for r in answer.json()["data"]}
            page += 1

    assert listed("all") == set(gone)
    young = {i for i, at in gone.items() if at and now - at < timedelta(days=60)}
    assert listed("recycle") == young
    assert listed("permanent") == set(gone) - young
    since = now - timedelta(days=90)
    assert listed("all", **{"If-Modified-Since": since.isoformat()}) == {
        i for i, at in gone.items() if at and at >= since
    }
    refused(signed.get(f"{API}/Leads/deleted?type=some"), 400, "INVALID_DATA")


def test_fields_stages_modules_and_users(signed: httpx.Client, box: RunningSandbox) -> None:
    memory(box).update(hidden={"Deals": ["Pipeline"]}, off=["Campaigns"])
    told = signed.get(f"{API}/settings/fields?module=Deals").json()["fields"]
    by_name = {f["api_name"]: f for f in told}
    assert "Pipeline" not in by_name
    types = {v["actual_value"]: v["forecast_type"] for v in by_name["Stage"]["pick_list_values"]}
    assert types["Closed won"] == "Closed Won"
    names = {m["api_name"] for m in signed.get(f"{API}/settings/modules").json()["modules"]}
    assert names == {"Leads", "Contacts", "Accounts", "Deals"}
    refused(signed.get(f"{API}/Campaigns?fields=id"), 400, "INVALID_MODULE")
    users = signed.get(f"{API}/users?type=AllUsers").json()["users"]
    assert {u["status"] for u in users} == {"active", "disabled"}


# --- COQL -----------------------------------------------------------------------------------------


def found(http: httpx.Client, where: str) -> set[str]:
    text = f"select id from Deals where {where} order by id asc limit 0, 2000"  # noqa: S608
    answer = ask(http, text)
    return {r["id"] for r in answer.json()["data"]} if answer.status_code == 200 else set()


def test_criteria_mean_what_they_say(signed: httpx.Client, box: RunningSandbox) -> None:
    deals = [d for d in box.world.crm_deals(as_of=box.clock()) if d.deleted_at is None]

    def wanted(test: Any) -> set[str]:
        return {ident("Deals", d.id) for d in deals if test(d)}

    assert found(signed, "Stage = 'Closed won'") == wanted(lambda d: d.is_won)
    assert found(signed, "(Stage = 'Closed won' and Amount > 9000.5)") == wanted(
        lambda d: d.is_won and (d.amount or 0) > 900_050
    )
    assert found(signed, "((Amount is null or Amount >= 20000) and Currency = 'EUR')") == wanted(
        lambda d: (d.amount is None or d.amount >= 2_000_000) and d.currency == "EUR"
    )
    assert found(signed, "Closing_Date between '2026-01-01' and '2026-03-31'") == wanted(
        lambda d: "2026-01-01" <= d.close_date.isoformat() <= "2026-03-31"
    )
    assert found(signed, "Stage not in ('Closed won', 'Closed lost')") == wanted(
        lambda d: not d.is_closed
    )
    assert found(signed, "Deal_Name like '%a%'") == wanted(lambda d: "a" in d.name.lower())
    company = next(d.company_id for d in deals if d.company_id)
    assert found(signed, f"Account_Name = '{ident('Accounts', company)}'") == wanted(
        lambda d: d.company_id == company
    )
    moment = "2026-10-01T02:00:00+02:00"
    assert found(signed, f"Created_Time >= '{moment}'") == wanted(
        lambda d: d.created_at >= datetime.fromisoformat(moment)
    )


@pytest.mark.parametrize(("text", "code"), [
    ("select id from Deals", "SYNTAX_ERROR"), ("select from Deals where id > 0", "SYNTAX_ERROR"),
    ("select id from Deals where id > 0 and Amount > 1 and Stage = 'x'", "SYNTAX_ERROR"),
    ("select id from Deals where (id > 0", "SYNTAX_ERROR"),
    ("select * from Deals where id > 0", "SYNTAX_ERROR"),
    ("select id from Deals where Stage = \"x\"", "SYNTAX_ERROR"),
    ("select id, Nothing from Deals where id > 0", "INVALID_QUERY"),
    ("select id from Deals where Nothing = 1", "INVALID_QUERY"),
    ("select id from Deals where id > 0 order by Nothing", "INVALID_QUERY"),
    ("select id from Deals where Created_Time > '2026-11-20T00:00:00'", "INVALID_QUERY"),
    ("select id from Deals where Created_Time > '2026-11-20'", "INVALID_QUERY"),
    ("select id from Deals where Amount = 'much'", "INVALID_QUERY"),
    ("select id from Deals where Description = 'x'", "INVALID_QUERY"),
    ("select id, id from Deals where id > 0", "DUPLICATE_DATA"),
    ("select id from Deals where id > 0 limit 0, 2001", "LIMIT_EXCEEDED"),
    ("select id from Deals where id > 0 limit 99000, 2000", "LIMIT_EXCEEDED"),
    ("select id from Nothing where id > 0", "INVALID_MODULE"), ("", "REQUIRED_PARAM_MISSING"),
])  # fmt: skip
def test_queries_zoho_would_not_take_are_refused(
    signed: httpx.Client, text: str, code: str
) -> None:
    refused(ask(signed, text), 400, code)


def test_columns_and_criteria_are_limited(signed: httpx.Client) -> None:
    names = ", ".join(f"F{i}" for i in range(51))
    refused(ask(signed, f"select {names} from Deals where id > 0"), 400, "LIMIT_EXCEEDED")  # noqa: S608
    where = "id > 0"
    for _ in range(25):
        where = f"({where} and id > 0)"
    refused(ask(signed, f"select id from Deals where {where}"), 400, "LIMIT_EXCEEDED")  # noqa: S608


# --- files and credits ----------------------------------------------------------------------------


def read_job(http: httpx.Client, query: dict[str, Any]) -> tuple[list[dict[str, str]], Any]:
    made = http.post(BULK, json={"query": query, "file_type": "csv"})
    assert made.status_code == 201
    told = made.json()["data"][0]
    assert (told["code"], told["details"]["state"]) == ("ADDED_SUCCESSFULLY", "ADDED")
    where = f"{BULK}/{told['details']['id']}"
    assert http.get(where).json()["data"][0]["state"] == "IN PROGRESS"
    done = http.get(where).json()["data"][0]
    assert done["state"] == "COMPLETED"
    with zipfile.ZipFile(io.BytesIO(http.get(f"{where}/result").content)) as packed:
        (name,) = packed.namelist()
        rows = list(csv.DictReader(io.StringIO(packed.read(name).decode())))
    assert len(rows) == done["result"]["count"]
    return rows, done["result"]


def test_a_bulk_read_is_a_zip_and_goes_on_by_token(
    signed: httpx.Client, box: RunningSandbox
) -> None:
    memory(box)["bulk_page"] = 100
    criteria = {"field": {"api_name": "Created_Time"}, "comparator": "greater_equal",
                "value": "2026-06-01T00:00:00+00:00"}  # fmt: skip
    query = {"module": {"api_name": "Deals"}, "fields": ["Amount", "Account_Name"],
             "criteria": criteria}  # fmt: skip
    rows, result = read_job(signed, query)
    while result["more_records"]:
        part, result = read_job(signed, {**query, "page_token": result["next_page_token"]})
        rows += part
    truth = {
        ident("Deals", d.id): d for d in box.world.crm_deals(as_of=box.clock())
        if not d.deleted_at and d.created_at.isoformat() >= "2026-06-01"
    }
    assert [r["Id"] for r in rows] == list(truth)
    assert len(rows) > 100
    for row in rows:
        deal = truth[row["Id"]]
        assert row["Account_Name"] == ident("Accounts", deal.company_id)
        assert row["Amount"] == ("" if deal.amount is None else str(deal.amount / 100))


def test_bulk_reads_that_cannot_be_are_refused(signed: httpx.Client) -> None:
    deals = {"module": {"api_name": "Deals"}}
    for query, code in (
        ({"module": {"api_name": "Nothing"}}, "INVALID_MODULE"),
        ({**deals, "fields": ["Nothing"]}, "INVALID_QUERY"),
        ({**deals, "page_token": "x"}, "INVALID_DATA"),
        ({**deals, "criteria": {"comparator": "is", "field": {"api_name": "id"}}}, "INVALID_DATA"),
    ):
        refused(signed.post(BULK, json={"query": query}), 400, code)
    refused(signed.get(f"{BULK}/1"), 404, "RESOURCE_NOT_FOUND")


def test_credits_are_counted_told_from_half_on_and_end(
    signed: httpx.Client, box: RunningSandbox
) -> None:
    memory(box)["credits"] = 10
    big = "select id from Deals where id > 0 limit 0, 2000"
    assert "x-api-credits-remaining" not in ask(signed, big).headers  # three
    assert ask(signed, big).headers["x-api-credits-remaining"] == "4"
    small = ask(signed, "select id from Deals where id > 0 limit 0, 200")
    assert small.headers["x-api-credits-remaining"] == "3"
    ask(signed, big)
    answer = signed.get(f"{API}/org")
    refused(answer, 429, "TOO_MANY_REQUESTS")
    assert "retry-after" not in answer.headers
