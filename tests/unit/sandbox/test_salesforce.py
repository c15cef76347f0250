"""The imitated Salesforce over HTTP: sign-in, SOQL, pages, jobs, limits, and what it refuses."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import secrets
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import pytest

from liftos_app.services.sandbox.credentials import DEMO
from liftos_app.services.sandbox.credentials.salesforce import MY_DOMAIN
from liftos_app.services.sandbox.platforms.salesforce.ids import make
from tests.sandbox_server import RunningSandbox, running_sandbox

APP = DEMO["salesforce"]["oauth"]
CALLBACK = "http://127.0.0.1:8000/oauth/callback/salesforce"
VERIFIER = "v" * 64
DIGEST = hashlib.sha256(VERIFIER.encode()).digest()
CHALLENGE = base64.urlsafe_b64encode(DIGEST).decode().rstrip("=")
LOGIN, DATA = "login.salesforce.com", f"{MY_DOMAIN}/services/data/v67.0"


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
    base = box.platform("salesforce") + "/"
    with httpx.Client(base_url=base, follow_redirects=False, timeout=30) as client:
        yield client


@pytest.fixture
def signed(http: httpx.Client) -> httpx.Client:
    http.headers["Authorization"] = f"Bearer {sign_in(http)['access_token']}"
    return http


def memory(box: RunningSandbox) -> dict[str, Any]:
    return box.sandbox.memories.setdefault("salesforce", {})


def asked(**more: str) -> dict[str, str]:
    return {
        "response_type": "code", "client_id": APP["client_id"], "redirect_uri": CALLBACK,
        "scope": "api refresh_token", "state": secrets.token_hex(8), "code_challenge": CHALLENGE,
        "code_challenge_method": "S256", **more,
    }  # fmt: skip


def consent(http: httpx.Client, decision: str = "approve", **more: str) -> dict[str, str]:
    query = asked(**more)
    page = http.get(f"{LOGIN}/services/oauth2/authorize", params=query)
    assert page.status_code == 200
    answer = http.post(
        f"{LOGIN}/services/oauth2/authorize", data={**query, "decision": decision}
    )
    return dict(parse_qsl(urlsplit(answer.headers["location"]).query))


def swap(http: httpx.Client, **form: str) -> httpx.Response:
    known = {"client_id": APP["client_id"], "client_secret": APP["client_secret"]}
    return http.post(f"{LOGIN}/services/oauth2/token", data={**known, **form})


def by_code(http: httpx.Client, **more: str) -> httpx.Response:
    form = {"grant_type": "authorization_code", "redirect_uri": CALLBACK,
            "code_verifier": VERIFIER}  # fmt: skip
    return swap(http, **{**form, "code": more.pop("code", "") or consent(http)["code"], **more})


def sign_in(http: httpx.Client) -> dict[str, Any]:
    found: dict[str, Any] = by_code(http).json()
    return found


def soql(http: httpx.Client, text: str, way: str = "query", **headers: str) -> httpx.Response:
    return http.get(f"{DATA}/{way}", params={"q": text}, headers=headers)


def refused(answer: httpx.Response, status: int, code: str) -> str:
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert isinstance(body, list)
    assert body[0]["errorCode"] == code
    return str(body[0]["message"])


# --- sign-in --------------------------------------------------------------------------------------


def test_a_sign_in_names_its_instance_and_no_end(http: httpx.Client, box: RunningSandbox) -> None:
    body = sign_in(http)
    assert "expires_in" not in body
    assert body["issued_at"] == str(int(box.clock().timestamp() * 1000))
    assert body["instance_url"] == f"{box.platform('salesforce')}/{MY_DOMAIN}"
    assert body["access_token"].startswith("00D")
    assert set(body) == {"access_token", "refresh_token", "signature", "scope", "instance_url",
                         "id", "token_type", "issued_at"}  # fmt: skip


def test_a_code_is_good_once_and_only_with_its_verifier_and_address(http: httpx.Client) -> None:
    code = consent(http)["code"]
    assert by_code(http, code=code, code_verifier="w" * 64).json()["error"] == "invalid_grant"
    code = consent(http)["code"]
    wrong = by_code(http, code=code, redirect_uri=CALLBACK + "/x").json()
    assert wrong["error"] == "redirect_uri_mismatch"
    code = consent(http)["code"]
    assert by_code(http, code=code).status_code == 200
    again = by_code(http, code=code)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    assert by_code(http, client_secret="x").status_code == 401
    assert by_code(http, client_id="x").json()["error"] == "invalid_client_id"
    assert swap(http, grant_type="password").json()["error"] == "unsupported_grant_type"


def test_pkce_is_demanded_and_a_refusal_is_told(http: httpx.Client, box: RunningSandbox) -> None:
    query = asked(code_challenge="")
    page = http.get(f"{LOGIN}/services/oauth2/authorize", params=query)
    assert page.status_code == 400
    assert consent(http, "refuse")["error"] == "access_denied"
    memory(box)["app_policy"] = "OAUTH_APP_BLOCKED"
    answer = http.get(f"{LOGIN}/services/oauth2/authorize?{urlencode(asked(state='s'))}")
    back = dict(parse_qsl(urlsplit(answer.headers["location"]).query))
    assert (back["error"], back["state"]) == ("OAUTH_APP_BLOCKED", "s")


def test_a_refresh_token_is_rotated_and_a_used_one_ends_the_family(http: httpx.Client) -> None:
    first = sign_in(http)
    second = swap(http, grant_type="refresh_token", refresh_token=first["refresh_token"]).json()
    assert second["refresh_token"] != first["refresh_token"]
    replay = swap(http, grant_type="refresh_token", refresh_token=first["refresh_token"])
    assert replay.status_code == 400
    assert replay.json() == {
        "error": "invalid_grant", "error_description": "expired access/refresh token",
    }  # fmt: skip
    dead = swap(http, grant_type="refresh_token", refresh_token=second["refresh_token"])
    assert dead.json()["error"] == "invalid_grant"
    http.headers["Authorization"] = f"Bearer {second['access_token']}"
    refused(http.get(f"{DATA}/limits"), 401, "INVALID_SESSION_ID")


def test_without_rotation_the_refresh_token_stays(http: httpx.Client, box: RunningSandbox) -> None:
    memory(box)["rotation"] = False
    token = sign_in(http)["refresh_token"]
    for _ in range(2):
        body = swap(http, grant_type="refresh_token", refresh_token=token).json()
        assert "refresh_token" not in body
        assert body["access_token"]


def test_a_session_lives_on_with_each_call_and_dies_after_two_idle_hours(
    signed: httpx.Client, box: RunningSandbox
) -> None:
    for _ in range(3):
        box.clock.advance(minutes=100)
        assert signed.get(f"{DATA}/limits").status_code == 200
    box.clock.advance(minutes=121)
    words = refused(signed.get(f"{DATA}/limits"), 401, "INVALID_SESSION_ID")
    assert words == "Session expired or invalid"


def test_what_is_revoked_is_over(http: httpx.Client) -> None:
    body = sign_in(http)
    http.headers["Authorization"] = f"Bearer {body['access_token']}"
    answer = http.post(f"{LOGIN}/services/oauth2/revoke", data={"token": body["refresh_token"]})
    assert answer.status_code == 200
    refused(http.get(f"{DATA}/limits"), 401, "INVALID_SESSION_ID")
    assert http.post(f"{LOGIN}/services/oauth2/revoke", data={"token": "x"}).status_code == 400


def test_an_app_signs_in_for_itself_at_its_own_domain(http: httpx.Client) -> None:
    form = {"grant_type": "client_credentials", "client_id": APP["client_id"],
            "client_secret": APP["client_secret"]}  # fmt: skip
    wrong = http.post(f"{LOGIN}/services/oauth2/token", data=form).json()
    assert wrong["error_description"] == "request not supported on this domain"
    body = http.post(f"{MY_DOMAIN}/services/oauth2/token", data=form).json()
    assert "refresh_token" not in body
    http.headers["Authorization"] = f"Bearer {body['access_token']}"
    assert http.get(f"{DATA}/limits").status_code == 200


def test_data_is_at_the_instance_only(signed: httpx.Client) -> None:
    refused(signed.get(f"{LOGIN}/services/data/v67.0/limits"), 404, "NOT_FOUND")
    assert signed.get(f"{DATA}/limits", headers={"Authorization": ""}).status_code == 401
    refused(signed.get(f"{DATA}/limits", headers={"Authorization": "Bearer x"}), 401,
            "INVALID_SESSION_ID")  # fmt: skip


# --- SOQL -----------------------------------------------------------------------------------------


def test_versions_need_no_session_and_old_ones_are_gone(http: httpx.Client) -> None:
    found = http.get(f"{MY_DOMAIN}/services/data/").json()
    assert {"label", "url", "version"} == set(found[0])
    assert found[-1]["version"] == "68.0"
    http.headers["Authorization"] = f"Bearer {sign_in(http)['access_token']}"
    assert http.get(f"{MY_DOMAIN}/services/data/v40.0/limits").status_code == 410
    assert http.get(f"{MY_DOMAIN}/services/data/v99.0/limits").status_code == 404


def test_records_come_typed_with_their_attributes(
    signed: httpx.Client, box: RunningSandbox
) -> None:
    answer = soql(signed, "select Id, name, Amount, CloseDate, IsWon, CreatedDate, CampaignId "
                          "from opportunity order by CreatedDate desc limit 3")  # fmt: skip
    body = answer.json()
    assert (body["totalSize"], body["done"], len(body["records"])) == (3, True, 3)
    record = body["records"][0]
    assert record["attributes"] == {
        "type": "Opportunity", "url": f"/services/data/v67.0/sobjects/Opportunity/{record['Id']}",
    }  # fmt: skip
    assert len(record["Id"]) == 18
    assert record["CreatedDate"].endswith(".000+0000")
    assert isinstance(record["IsWon"], bool)
    stamps = [r["CreatedDate"] for r in body["records"]]
    assert stamps == sorted(stamps, reverse=True)
    assert answer.headers["sforce-limit-info"].startswith("api-usage=1/")


def ids(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [r["Id"] for r in answer.json()["records"]]


def test_conditions_mean_what_they_say(signed: httpx.Client, box: RunningSandbox) -> None:
    now = box.clock()
    deals = [d for d in box.world.crm_deals(as_of=now) if d.deleted_at is None]
    since = (now - timedelta(days=60)).strftime("%Y-%m-%dT%H:%M:%SZ")

    def wanted(test: Any) -> list[str]:
        return sorted(make("Opportunity", d.id) for d in deals if test(d))

    def found(where: str) -> list[str]:
        return sorted(ids(soql(signed, "SELECT Id FROM Opportunity WHERE " + where)))  # noqa: S608

    assert found("IsWon = true") == wanted(lambda d: d.is_won)
    assert found(f"CreatedDate >= {since} AND IsClosed = false") == wanted(
        lambda d: d.created_at >= now - timedelta(days=60) and not d.is_closed
    )
    assert found("(IsWon = true AND Amount > 9000) OR (Amount = null)") == wanted(
        lambda d: (d.is_won and (d.amount or 0) > 900_000) or d.amount is None
    )
    assert found("StageName IN ('Quote sent', 'NEGOTIATION')") == wanted(
        lambda d: d.stage_id in (3, 4)
    )
    assert found("StageName NOT IN ('Quote sent') AND NOT (IsWon = true)") == wanted(
        lambda d: d.stage_id != 3 and not d.is_won
    )
    assert found("CloseDate < 2026-01-01 AND Name LIKE '%a%'") == wanted(
        lambda d: d.close_date.year < 2026 and "a" in d.name.lower()
    )
    company = make("Account", next(d.company_id for d in deals if d.company_id))
    for ident in (company, company[:15]):
        assert found(f"AccountId = '{ident}'") == wanted(
            lambda d: make("Account", d.company_id) == company
        )


@pytest.mark.parametrize(("text", "code"), [
    ("SELECT Id, Nothing FROM Lead", "INVALID_FIELD"),
    ("SELECT Id FROM Lead WHERE Nothing = 1", "INVALID_FIELD"),
    ("SELECT Id FROM Lead ORDER BY Nothing", "INVALID_FIELD"),
    ("SELECT Id, Owner.Name FROM Lead", "INVALID_FIELD"),
    ("SELECT Id FROM Nothing", "INVALID_TYPE"),
    ("SELECT Id FROM Lead WHERE CreatedDate > '2026-11-20T00:00:00Z'", "INVALID_FIELD"),
    ("SELECT Id FROM Lead WHERE CreatedDate > 2026-11-20", "INVALID_FIELD"),
    ("SELECT Id FROM Lead WHERE Status = 3", "INVALID_FIELD"),
    ("SELECT Id FROM Lead WHERE Description = 'x'", "INVALID_FIELD"),
    ("SELECT Id FROM Lead WHERE Status = 'a' AND Rating = 'b' OR Rating = 'c'", "MALFORMED_QUERY"),
    ("SELECT Id, id FROM Lead", "MALFORMED_QUERY"), ("SELECT FROM Lead", "MALFORMED_QUERY"),
    ("SELECT Id FROM Lead WHERE", "MALFORMED_QUERY"), ("SELECT * FROM Lead", "MALFORMED_QUERY"),
    ("SELECT Id FROM Lead LIMIT many", "MALFORMED_QUERY"), ("", "MALFORMED_QUERY"),
    ("SELECT Id FROM Lead WHERE (Status = 'a'", "MALFORMED_QUERY"),
    ("SELECT Id FROM Lead WHERE Status = 'open", "MALFORMED_QUERY"),
    ("SELECT Id FROM Lead GROUP BY Id", "MALFORMED_QUERY"),
    ("DELETE FROM Lead", "MALFORMED_QUERY"),
    ("SELECT Id FROM Lead WHERE CreatedDate > 2026-13-40T00:00:00Z", "MALFORMED_QUERY"),
])  # fmt: skip
def test_what_salesforce_would_not_understand_is_refused(
    signed: httpx.Client, text: str, code: str
) -> None:
    refused(soql(signed, text), 400, code)


def test_deleted_leads_are_seen_by_query_all_only_and_members_by_nobody(
    http: httpx.Client, box: RunningSandbox
) -> None:
    now = a_day_after_a_deletion(box)
    signed = http
    http.headers["Authorization"] = f"Bearer {sign_in(http)['access_token']}"
    binned = {
        make("Lead", r.id) for r in box.world.crm_leads(as_of=now)
        if r.deleted_at and r.deleted_at > now - timedelta(days=15)
    }
    assert binned
    text = "SELECT Id FROM Lead WHERE IsDeleted = true"
    assert set(ids(soql(signed, text, "queryAll"))) == binned
    assert ids(soql(signed, text)) == []
    gone = [m for m in box.world.crm_campaign_members(as_of=now) if m.deleted_at]
    assert gone
    ident = make("CampaignMember", gone[0].id)
    text = f"SELECT Id FROM CampaignMember WHERE Id IN ({ident!r})"  # noqa: S608
    assert ids(soql(signed, text, "queryAll")) == []


def a_day_after_a_deletion(box: RunningSandbox) -> Any:
    """Moves the clock to a day on which the recycle bin holds a lead."""
    leads = box.world.crm_leads(as_of=box.clock())
    box.clock.now = max(r.deleted_at for r in leads if r.deleted_at) + timedelta(days=1)
    return box.clock.now


def test_ids_of_deleted_records_are_told_for_a_month(
    signed: httpx.Client, box: RunningSandbox
) -> None:
    now = box.clock()
    span = {"start": (now - timedelta(days=29)).isoformat(), "end": now.isoformat()}
    body = signed.get(f"{DATA}/sobjects/Lead/deleted/", params=span).json()
    assert {r["id"] for r in body["deletedRecords"]} == {
        make("Lead", r.id) for r in box.world.crm_leads(as_of=now)
        if r.deleted_at and r.deleted_at >= now - timedelta(days=29)
    }
    early = {**span, "start": (now - timedelta(days=40)).isoformat()}
    refused(signed.get(f"{DATA}/sobjects/Lead/deleted", params=early), 400,
            "INVALID_REPLICATION_DATE")  # fmt: skip


def test_pages_follow_a_locator_that_ends(signed: httpx.Client, box: RunningSandbox) -> None:
    first = soql(signed, "SELECT Id FROM Lead", "query", **{
        "Sforce-Query-Options": "batchSize=200"}).json()  # fmt: skip
    seen, body = [r["Id"] for r in first["records"]], first
    assert len(seen) == 200
    while not body["done"]:
        body = signed.get(MY_DOMAIN + body["nextRecordsUrl"]).json()
        seen += [r["Id"] for r in body["records"]]
    assert len(seen) == len(set(seen)) == first["totalSize"]
    assert "nextRecordsUrl" not in body
    refused(signed.get(MY_DOMAIN + first["nextRecordsUrl"]), 400, "INVALID_QUERY_LOCATOR")


def test_locators_die_after_two_days_and_beyond_ten(
    signed: httpx.Client, box: RunningSandbox
) -> None:
    memory(box)["page_size"] = 5
    links = [soql(signed, "SELECT Id FROM Lead").json()["nextRecordsUrl"] for _ in range(11)]
    refused(signed.get(MY_DOMAIN + links[0]), 400, "INVALID_QUERY_LOCATOR")
    assert signed.get(MY_DOMAIN + links[10]).status_code == 200
    box.clock.advance(minutes=100)
    for _ in range(30):
        signed.get(f"{DATA}/limits")
        box.clock.advance(minutes=100)
    refused(signed.get(MY_DOMAIN + links[9]), 400, "INVALID_QUERY_LOCATOR")


def test_a_trailing_slash_and_count_are_understood(
    signed: httpx.Client, box: RunningSandbox
) -> None:
    body = soql(signed, "SELECT COUNT() FROM Campaign", "query/").json()
    assert body["totalSize"] == len(box.world.crm_campaigns(as_of=box.clock()))
    assert body["records"] == []


def test_a_hidden_field_is_in_no_describe_and_no_query(
    signed: httpx.Client, box: RunningSandbox
) -> None:
    memory(box)["hidden"] = {"Lead": ["Rating"]}
    told = signed.get(f"{DATA}/sobjects/Lead/describe").json()
    assert "Rating" not in {f["name"] for f in told["fields"]}
    assert told["queryable"] is True
    words = refused(soql(signed, "SELECT Rating FROM Lead"), 400, "INVALID_FIELD")
    assert "No such column 'Rating' on entity 'Lead'" in words


def test_one_currency_hides_the_currency_field(signed: httpx.Client, box: RunningSandbox) -> None:
    memory(box)["single_currency"] = True
    refused(soql(signed, "SELECT CurrencyIsoCode FROM Account"), 400, "INVALID_FIELD")
    refused(soql(signed, "SELECT Id FROM CurrencyType"), 400, "INVALID_TYPE")
    features = signed.get(f"{DATA}/connect/organization").json()["features"]
    assert features["defaultCurrencyIsoCode"] == "USD"


def test_the_days_calls_end(signed: httpx.Client, box: RunningSandbox) -> None:
    memory(box)["daily_limit"] = 2
    assert signed.get(f"{DATA}/limits").json()["DailyApiRequests"] == {"Max": 2, "Remaining": 1}
    signed.get(f"{DATA}/limits")
    answer = signed.get(f"{DATA}/limits")
    assert refused(answer, 403, "REQUEST_LIMIT_EXCEEDED") == "TotalRequests Limit exceeded."
    box.clock.advance(minutes=100)
    for _ in range(8):  # the session is kept alive until tomorrow
        signed.get(f"{DATA}/limits")
        box.clock.advance(minutes=100)
    assert signed.get(f"{DATA}/limits").status_code == 200


# --- jobs -----------------------------------------------------------------------------------------


def job(http: httpx.Client, text: str, **more: Any) -> httpx.Response:
    body = {"operation": "queryAll", "query": text, "contentType": "CSV",
            "columnDelimiter": "COMMA", "lineEnding": "LF", **more}  # fmt: skip
    return http.post(f"{DATA}/jobs/query", json=body)


def test_a_job_is_made_waited_for_read_in_parts_and_removed(
    signed: httpx.Client, box: RunningSandbox
) -> None:
    text = "SELECT Id, Amount, IsWon, CreatedDate FROM Opportunity"
    made = job(signed, text).json()
    assert made["state"] == "UploadComplete"
    where = f"{DATA}/jobs/query/{made['id']}"
    refused(signed.get(f"{where}/results"), 400, "INVALIDJOBSTATE")
    assert signed.get(where).json()["state"] == "InProgress"
    done = signed.get(where).json()
    assert done["state"] == "JobComplete"
    rows, locator, size = [], "", done["numberRecordsProcessed"] // 3
    while locator != "null":
        answer = signed.get(
            f"{where}/results", params={"maxRecords": size, "locator": locator or None}
        )
        part = list(csv.DictReader(io.StringIO(answer.text)))
        assert int(answer.headers["sforce-numberofrecords"]) == len(part)
        rows += part
        locator = answer.headers["sforce-locator"]
    paged = soql(signed, text + " LIMIT 2000", "queryAll").json()["records"]
    assert len(rows) == done["numberRecordsProcessed"]
    by_id = {r["Id"]: r for r in rows}
    for record in paged:
        row = by_id[record["Id"]]
        assert row["IsWon"] == str(record["IsWon"]).lower()
        assert row["Amount"] == ("" if record["Amount"] is None else str(record["Amount"]))
        assert row["CreatedDate"] == record["CreatedDate"].replace("+0000", "Z")
    other = where.replace("v67.0", "v66.0")
    assert signed.get(f"{other}/results").status_code == 409
    assert signed.get(f"{where}/results?locator=!!").status_code == 400
    assert signed.delete(where).status_code == 204
    refused(signed.get(where), 404, "NOT_FOUND")


def test_a_job_of_no_rows_is_a_header(signed: httpx.Client) -> None:
    made = job(signed, "SELECT Id, Name FROM Campaign WHERE Name = 'nothing'").json()
    where = f"{DATA}/jobs/query/{made['id']}"
    signed.get(where)
    signed.get(where)
    answer = signed.get(f"{where}/results")
    assert (answer.text, answer.headers["sforce-locator"]) == ('"Id","Name"\n', "null")


def test_a_running_job_is_stopped_not_removed(signed: httpx.Client) -> None:
    made = job(signed, "SELECT Id FROM Lead").json()
    where = f"{DATA}/jobs/query/{made['id']}"
    refused(signed.delete(where), 400, "INVALIDJOBSTATE")
    assert signed.patch(where, json={"state": "Aborted"}).json()["state"] == "Aborted"
    assert signed.get(where).json()["state"] == "Aborted"


@pytest.mark.parametrize(("text", "more", "code"), [
    ("SELECT Id, BillingAddress FROM Account", {}, "INVALIDENTITY"),
    ("SELECT COUNT() FROM Lead", {}, "API_ERROR"),
    ("SELECT Id FROM Lead LIMIT 3 OFFSET 2", {}, "API_ERROR"),
    ("SELECT Nothing FROM Lead", {}, "INVALID_FIELD"),
    ("SELECT Id FROM Lead", {"operation": "insert"}, "INVALIDJOB"),
    ("SELECT Id FROM Lead", {"contentType": "JSON"}, "INVALIDJOB"),
    ("SELECT Id FROM Lead", {"object": "Lead"}, "JSON_PARSER_ERROR"),
])  # fmt: skip
def test_jobs_that_cannot_be_are_refused(
    signed: httpx.Client, text: str, more: dict[str, str], code: str
) -> None:
    refused(job(signed, text, **more), 400, code)
