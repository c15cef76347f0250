"""Salesforce: requests as documented, its errors, pages and files, hosts that are not its own."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from liftos_app.errors import Fix, GiveUp, Invalid, PlatformFault, Quota, Retry, SignInAgain
from liftos_app.services.connections.inputs import check_inputs
from liftos_app.services.connectors import addresses, grants, registry
from liftos_app.services.connectors.client import Client
from liftos_app.services.connectors.platforms.salesforce import bulk, soql, streams
from liftos_app.services.connectors.platforms.salesforce.errors import RULES, fault, pace
from liftos_app.services.connectors.platforms.salesforce.signin import clean_host
from liftos_app.services.connectors.redaction import redact
from tests.unit.connectors.helper import (
    Edge,
    account,
    answers,
    example,
    make_client,
    read,
    reply,
    task,
)

SALES = registry.get("salesforce")
HOST = "acme.my.salesforce.com"
VALUES = {"access_token": "00D5g000008AbCd!token", "instance": HOST,
          "login_host": "login.salesforce.com"}  # fmt: skip
ACME = account(
    external_id="00D5g000008AbCdEAK", name="Acme GmbH",
    extra={"version": "67.0", "multi_currency": True},
)
DATA = f"https://{HOST}/services/data/v67.0"
NOW = datetime(2026, 11, 22, 6, tzinfo=UTC)
STAMP = "2026-11-03T14:03:11.000+0000"


def lead(number: int = 1, **more: Any) -> dict[str, Any]:
    return {
        "attributes": {"type": "Lead"}, "Id": f"00Q5g00000{number:05d}EAA", "IsDeleted": False,
        "Status": "Open", "LeadSource": None, "IsConverted": False, "OwnerId": "0055g1",
        "CreatedDate": STAMP, "SystemModstamp": STAMP, **more,
    }  # fmt: skip


def deal(**more: Any) -> dict[str, Any]:
    return {
        "Id": "0065g0000000001EAA", "Name": "Website", "Amount": 12500.5, "Probability": 10.0,
        "CurrencyIsoCode": "USD", "CloseDate": "2026-12-15", "IsClosed": False, "IsWon": False,
        "StageName": "Qualification", "CreatedDate": STAMP, "SystemModstamp": STAMP, **more,
    }  # fmt: skip


def page(*records: dict[str, Any], total: int | None = None, more: str = "") -> dict[str, Any]:
    body: dict[str, Any] = {
        "totalSize": len(records) if total is None else total, "done": not more,
        "records": list(records),
    }  # fmt: skip
    return {**body, "nextRecordsUrl": more} if more else body


def refusal(status: int, code: str, words: str = "no") -> httpx.Response:
    return httpx.Response(status, json=[{"message": words, "errorCode": code}])


def client_for(*items: Any, **more: Any) -> tuple[Client, Edge]:
    return make_client(SALES, answers(*items), VALUES, **more)


def leads(**more: Any) -> Any:
    return task(SALES, "leads", account=ACME, salt="5f" * 32, **more)


def test_a_span_is_asked_for_at_the_instance_by_the_organizations_days() -> None:
    client, edge = client_for(page(lead()))
    found = read(client, leads())
    sent = edge.requests[0]
    assert str(sent.url).startswith(f"{DATA}/queryAll?")
    assert sent.headers["authorization"] == "Bearer 00D5g000008AbCd!token"
    assert sent.headers["sforce-query-options"] == "batchSize=2000"
    assert sent.url.params["q"] == (
        "SELECT Id, IsDeleted, LeadSource, Status, Rating, Industry, IsConverted, ConvertedDate, "
        "ConvertedContactId, ConvertedAccountId, ConvertedOpportunityId, OwnerId, CreatedDate, "
        "SystemModstamp FROM Lead WHERE CreatedDate >= 2026-10-31T23:00:00.000Z AND CreatedDate < "
        "2026-11-07T23:00:00.000Z"
    )
    assert found.rows[0]["day"] == "2026-11-03"


def test_L105_changes_look_back_ten_minutes_and_go_in_slices_of_a_month() -> None:
    changed = page(lead(SystemModstamp="2026-11-21T09:00:00.000+0000"))
    purged = {"deletedRecords": [{"id": lead(7)["Id"], "deletedDate": STAMP}]}
    client, edge = client_for(changed, changed, purged)
    found = read(client, leads(cursor="2026-10-20T12:00:00Z"))
    first, second, third = (r.url.params.get("q", "") for r in edge.requests)
    assert "SystemModstamp >= 2026-10-20T11:50:00.000Z AND SystemModstamp < 2026-11-19T" in first
    assert second.endswith("SystemModstamp >= 2026-11-19T11:50:00.000Z")
    assert third == ""  # ids of what left the recycle bin
    assert edge.requests[2].url.path.endswith("/sobjects/Lead/deleted/")
    assert found.cursor == "2026-11-21T09:00:00Z"


def test_pages_are_followed_by_their_own_address() -> None:
    link = "/services/data/v67.0/query/0r8xx3d5DKMFxSkAAM-2000"
    client, edge = client_for(page(lead(1), total=2, more=link), page(lead(2), total=2))
    assert len(read(client, leads()).rows) == 2
    assert str(edge.requests[1].url) == f"https://{HOST}{link}"


def test_the_examples_of_the_documentation_can_be_read() -> None:
    shown = example("salesforce", "lead_page_rest")
    records = shown["body"]["records"]
    client, edge = client_for({**shown["body"], "done": True, "nextRecordsUrl": None})
    found = read(client, leads())
    assert [r["deleted"] for r in found.rows] == [False, True]
    assert found.rows[0]["updated_at"] == datetime(2026, 11, 20, 14, 3, 11, tzinfo=UTC)
    assert len(records) == 2
    for name, kind in (("rate_limit_error", Quota), ):
        client, edge = make_client(SALES, lambda _, n=name: reply("salesforce", n), VALUES)
        with pytest.raises(kind):
            read(client, leads())
        assert len(edge.requests) == 1
    parts = example("salesforce", "bulk_job_and_results")["body"]
    assert [r["Email"] for r in bulk.rows_of(parts[3].encode())] == [None, "N/A"]


@pytest.mark.parametrize(("status", "code", "kind", "cause"), [
    (401, "INVALID_SESSION_ID", SignInAgain, "credential"),
    (403, "REQUEST_LIMIT_EXCEEDED", Quota, "quota"),
    (400, "LIMIT_EXCEEDED", Quota, "quota"),
    (403, "API_DISABLED_FOR_ORG", Fix, "permission"),
    (403, "INSUFFICIENT_ACCESS", Fix, "permission"),
    (403, "TXN_SECURITY_METERING_ERROR", Fix, "permission"),
    (400, "INVALID_TYPE", Fix, "permission"),
    (400, "MALFORMED_QUERY", GiveUp, "our_fault"),
    (400, "QUERY_TIMEOUT", Retry, "platform_outage"),
    (503, "SERVER_UNAVAILABLE", Retry, "platform_outage"),
    (404, "NOT_FOUND", Fix, ""),
    (400, "InvalidVersion", GiveUp, ""),
])  # fmt: skip
def test_each_error_says_what_comes_next(
    status: int, code: str, kind: type[PlatformFault], cause: str
) -> None:
    found = fault(status, {}, [{"message": "words of theirs", "errorCode": code}])
    assert isinstance(found, kind)
    assert found.what
    assert found.fix
    if cause:
        assert found.cause == cause


def test_rules_are_told_apart_and_unknown_answers_are_judged_by_status() -> None:
    assert len({r.code for r in RULES}) == len(RULES)
    assert fault(200, {}, {"records": []}) is None
    assert fault(400, {}, {"error": "invalid_grant"}) is None
    assert fault(500, {}, None) is None
    for status in (406, 420):
        assert isinstance(fault(status, {}, None), Retry)
    short = fault(403, {}, [{"errorCode": "REQUEST_LIMIT_EXCEEDED",
                             "message": "ConcurrentPerOrgLongTxn Limit exceeded."}])  # fmt: skip
    assert isinstance(short, Quota)
    assert short.after == 30


def test_reading_rests_when_four_fifths_of_the_calls_are_used() -> None:
    assert pace(200, {"sforce-limit-info": "api-usage=18/15000"}, None) == 0
    assert pace(200, {"sforce-limit-info": "api-usage=12000/15000"}, None) == 3600
    both = "api-usage=18/15000; per-app-api-usage=240/250(appName=x)"
    assert pace(200, {"sforce-limit-info": both}, None) == 0
    link = "/services/data/v67.0/query/0r8xx3d5DKMFxSkAAM-1"
    full = httpx.Response(
        200, headers={"sforce-limit-info": "api-usage=12000/15000"},
        json=page(lead(1), total=2, more=link),
    )  # fmt: skip
    client, edge = client_for(full, page(lead(2)))
    with pytest.raises(Quota):
        read(client, leads())
    assert len(edge.requests) == 1


def test_a_field_that_may_not_be_read_is_left_out_and_named() -> None:
    there = {"fields": [{"name": n} for n in streams.LEAD.fields if n != "Rating"]}
    client, edge = client_for(refusal(400, "INVALID_FIELD"), there, page(lead()))
    found = read(client, leads())
    assert edge.requests[1].url.path.endswith("/sobjects/Lead/describe")
    assert "Rating" not in edge.requests[2].url.params["q"]
    assert found.notes == (
        "Salesforce does not let us read Lead.Rating: the integration user has no field-level "
        "permission for it.",
    )
    assert len(found.rows) == 1
    read(client, leads())
    assert "Rating" not in edge.requests[3].url.params["q"]  # remembered for this client


def test_a_forgotten_place_is_begun_again_without_repeats() -> None:
    link = "/services/data/v67.0/query/0r8xx3d5DKMFxSkAAM-1"
    gone = refusal(400, "INVALID_QUERY_LOCATOR")
    first = page(lead(1), total=2, more=link)
    client, _ = client_for(first, gone, first, page(lead(2)))
    found = read(client, leads())
    assert [r["external_id"] for r in found.rows] == [lead(1)["Id"], lead(2)["Id"]]
    client, _ = client_for(first, gone, first, gone)
    with pytest.raises(Retry, match="cannot answer"):
        read(client, leads())


def test_an_endless_walk_is_stopped() -> None:
    link = "/services/data/v67.0/query/0r8xx3d5DKMFxSkAAM-1"
    client, _ = client_for(page(lead(1), total=9, more=link))
    with pytest.raises(GiveUp, match="no end"):
        read(client, leads())


def csv(*lines: str, locator: str | None = "null") -> httpx.Response:
    headers = {"content-type": "text/csv", "sforce-locator": locator or ""}
    return httpx.Response(200, headers=headers, content="\n".join(lines).encode())


HEADER = '"Id","IsDeleted","Name","Amount","CurrencyIsoCode","CreatedDate","SystemModstamp"'
LINE = '"0065g000000000{}EAA","{}","{}","{}","EUR","2026-11-03T14:03:11.000Z",' + (
    '"2026-11-03T14:03:11.000Z"'
)
JOB = {"id": "7505g00000aBcDeAAK", "state": "UploadComplete"}


def test_many_records_come_as_a_file_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soql, "BULK_FROM", 1)
    link = "/services/data/v67.0/query/0r8xx3d5DKMFxSkAAM-1"
    client, edge = client_for(
        page(deal(), total=3, more=link), JOB, {**JOB, "state": "InProgress"},
        {**JOB, "state": "JobComplete"},
        csv(HEADER, LINE.format(1, "false", "null", "10.10"),
            LINE.format(2, "true", "two\nlines", ""), locator="MTAw"),
        csv(HEADER, LINE.format(3, "false", "N/A\x00", "7")),
        httpx.Response(204),
    )  # fmt: skip
    found = read(client, task(SALES, "opportunities", account=ACME))
    assert [r["name"] for r in found.rows] == ["null", "two\nlines", "N/A"]
    assert [r["amount_micros"] for r in found.rows] == [10_100_000, None, 7_000_000]
    assert [r["deleted"] for r in found.rows] == [False, True, False]
    made = edge.requests[1]
    assert (made.method, made.url.path) == ("POST", "/services/data/v67.0/jobs/query")
    assert b'"operation":"queryAll"' in made.content
    assert b'"contentType":"CSV"' in made.content
    assert dict(edge.requests[5].url.params) == {"maxRecords": "50000", "locator": "MTAw"}
    assert (edge.requests[6].method, edge.requests[6].url.path) == (
        "DELETE", "/services/data/v67.0/jobs/query/7505g00000aBcDeAAK",
    )
    assert edge.slept[:4] == [0.5] * 4  # two seconds, looking whether to stop


@pytest.mark.parametrize("broken", [
    [refusal(400, "LIMIT_EXCEEDED")], [refusal(400, "API_ERROR")],
    [JOB, {**JOB, "state": "Failed", "errorMessage": "x"}],
])  # fmt: skip
def test_without_a_file_the_pages_go_on(
    monkeypatch: pytest.MonkeyPatch, broken: list[Any]
) -> None:
    monkeypatch.setattr(soql, "BULK_FROM", 1)
    link = "/services/data/v67.0/query/0r8xx3d5DKMFxSkAAM-1"
    client, _ = client_for(page(lead(1), total=2, more=link), *broken, page(lead(2)))
    assert len(read(client, leads()).rows) == 2


def test_a_query_that_takes_too_long_is_prepared_as_a_file() -> None:
    slow = refusal(400, "QUERY_TIMEOUT")
    ready = {**JOB, "state": "JobComplete"}
    row = f'"{lead()["Id"]}","false","2026-11-03T14:03:11.000Z","2026-11-03T14:03:11.000Z"'
    file = csv('"Id","IsDeleted","CreatedDate","SystemModstamp"', row, locator=None)
    client, _ = client_for(slow, JOB, ready, file, httpx.Response(204))
    assert len(read(client, leads()).rows) == 1


def test_a_file_without_end_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soql, "BULK_FROM", 0)
    link = "/services/data/v67.0/query/0r8xx3d5DKMFxSkAAM-1"
    client, _ = client_for(
        page(deal(), total=3, more=link), JOB, {**JOB, "state": "JobComplete"},
        csv(HEADER, locator="MTAw"),
    )  # fmt: skip
    with pytest.raises(GiveUp, match="no end"):
        read(client, task(SALES, "opportunities", account=ACME))


@pytest.mark.parametrize(("wrong", "reason"), [
    ({"Amount": "a lot"}, "not a number"), ({"Amount": float("1e300")}, "too large"),
    ({"Amount": True}, "not a number"), ({"IsWon": "maybe"}, "not true or false"),
    ({"CloseDate": "2026-02-30"}, "not a day"), ({"CreatedDate": None}, "not a time"),
    ({"CurrencyIsoCode": "EURO"}, "not a currency"), ({"Id": None}, "not an id"),
    ({"SystemModstamp": "2026-11-03T14:03:11"}, "without its zone"),
])  # fmt: skip
def test_a_value_that_is_none_rejects_its_record_alone(wrong: Any, reason: str) -> None:
    client, _ = client_for(page(deal(), {**deal(), **wrong}))
    found = read(client, task(SALES, "opportunities", account=ACME))
    assert len(found.rows) == 1
    assert reason in found.rejected[0].reason


def test_numbers_as_texts_and_missing_values_are_taken() -> None:
    client, _ = client_for(page(deal(Amount="12500.50", Probability="10", CampaignId=None)))
    row = read(client, task(SALES, "opportunities", account=ACME)).rows[0]
    assert row["amount_micros"] == 12_500_500_000
    assert row["campaign_id"] == ""
    assert row["currency"] == "USD"
    plain = account(external_id="00D", name="One", currency="EUR", extra={})
    record = {k: v for k, v in deal(Amount=None).items() if k != "CurrencyIsoCode"}
    client, edge = client_for(page(record))
    row = read(client, task(SALES, "opportunities", account=plain)).rows[0]
    assert (row["amount_micros"], row["currency"]) == (None, "EUR")
    assert "CurrencyIsoCode" not in edge.requests[0].url.params["q"]


def test_with_person_accounts_no_name_of_an_account_is_asked_for() -> None:
    private = account(external_id="00D", name="P", extra={"person_accounts": True})
    client, edge = client_for(page())
    read(client, task(SALES, "accounts", account=private))
    assert " Name" not in edge.requests[0].url.params["q"]


def discovered(*items: Any) -> Any:
    client, edge = client_for(*items)
    return SALES.discover(client), edge


OFFERED = [{"label": "Spring '26", "version": "66.0"}, {"label": "Summer '26", "version": "67.0"},
           {"label": "Winter '27", "version": "68.0"}]  # fmt: skip
ORG = example("salesforce", "account_info")["body"]


def test_the_organization_its_zone_and_currency_are_found() -> None:
    several = {"fields": [{"name": "CurrencyIsoCode"}]}
    (found,), edge = discovered(OFFERED, ORG, several, page({"IsoCode": "CHF"}))
    assert (found.external_id, found.name) == ("00D5g000008AbCdEAK", "Acme GmbH")
    assert (found.currency, found.time_zone) == ("CHF", "Europe/Berlin")
    assert found.extra["version"] == "67.0"
    assert edge.requests[0].url.path == "/services/data/"
    one = {"features": {"multiCurrency": False, "defaultCurrencyIsoCode": "EUR"}}
    (found,), edge = discovered(OFFERED[:1], ORG, {"fields": [{"name": "IsPersonAccount"}]}, one)
    assert found.currency == "EUR"
    assert found.extra == {
        "version": "66.0", "edition": "Enterprise Edition", "server": "EU47",
        "multi_currency": False, "person_accounts": True,
    }  # fmt: skip
    assert edge.requests[1].url.path == "/services/data/v66.0/query"


def test_an_organization_that_does_not_tell_its_currency_takes_the_entered_one() -> None:
    no_chatter = refusal(403, "FUNCTIONALITY_NOT_ENABLED")
    hidden = refusal(404, "NOT_FOUND")
    client, edge = make_client(
        SALES, answers(OFFERED, ORG, hidden, {"fields": []}, no_chatter),
        {**VALUES, "currency": "CHF"},
    )  # fmt: skip
    (found,) = SALES.discover(client)
    assert found.currency == "CHF"
    assert edge.requests[3].url.path.endswith("/sobjects/Opportunity/describe")
    with pytest.raises(Fix, match="currency") as caught:
        discovered(OFFERED, ORG, {"fields": []}, no_chatter)
    assert caught.value.facts["field"] == "currency"


def test_without_a_currency_or_a_version_nothing_is_connected() -> None:
    with pytest.raises(Fix, match="currency"):
        discovered(OFFERED, ORG, {"fields": []}, {"features": {}})
    with pytest.raises(GiveUp, match="version"):
        discovered([{"version": "99.0"}], ORG)
    with pytest.raises(Fix, match="organization"):
        discovered(OFFERED, page())


# --- signing in -----------------------------------------------------------------------------------

INPUTS = {"login_host": "login.salesforce.com", "client_id": "3MVG9" + "a" * 40,
          "client_secret": "B" * 40}  # fmt: skip


def exchange(**more: Any) -> Any:
    answer = {**example("salesforce", "token_response")["body"], **more}
    where = addresses.Addresses(
        "salesforce", dict(SALES.hosts), values={"login_host": "login.salesforce.com"}
    )
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={k: v for k, v in answer.items() if v is not None})

    tokens = grants.exchange(
        SALES, SALES.method("oauth"), where, INPUTS, code="aPrx", redirect_uri="https://l/x",
        now=NOW, verifier="v" * 64, transport=httpx.MockTransport(handler),
    )  # fmt: skip
    return tokens, seen[0]


def test_the_code_is_exchanged_with_secret_and_verifier_and_the_instance_is_kept() -> None:
    tokens, sent = exchange()
    assert str(sent.url) == "https://login.salesforce.com/services/oauth2/token"
    for part in ("client_secret=", "code_verifier=", "grant_type=authorization_code"):
        assert part in sent.content.decode()
    assert tokens.beside == {"instance": HOST}
    assert tokens.refresh_token == "5Aep861ExampleRefreshToken"
    assert tokens.expires_at == datetime(2026, 11, 22, 8, tzinfo=UTC)  # no end named: two hours


@pytest.mark.parametrize("named", [
    "https://evil.example", "https://acme.my.salesforce.com.evil.example",
    "http://acme.my.salesforce.com", "https://acme.my.salesforce.com@evil.example",
    "https://acme.my.salesforce.com:8443", "https://169.254.169.254", "https://salesforce.com",
    "https://acme.my.salesforce.com/services", "", None,
])  # fmt: skip
def test_an_instance_that_is_not_salesforces_ends_the_sign_in(named: Any) -> None:
    with pytest.raises(GiveUp, match="not its own"):
        exchange(instance_url=named)


@pytest.mark.parametrize("named", [
    "https://acme--uat.sandbox.my.salesforce.com", "https://eu47.salesforce.com",
    "https://acme-dev-ed.develop.my.salesforce.com",
])  # fmt: skip
def test_every_form_of_an_instance_is_taken(named: str) -> None:
    assert exchange(instance_url=named)[0].beside["instance"] == named.removeprefix("https://")


@pytest.mark.parametrize(("typed", "host"), [
    ("login", "login.salesforce.com"), ("Sandbox", "test.salesforce.com"),
    ("acme", HOST), (f"https://{HOST}/lightning/page/home", HOST),
    ("https://acme.lightning.force.com/x", HOST), ("acme.my.salesforce-setup.com", HOST),
])  # fmt: skip
def test_the_sign_in_address_is_taken_as_people_paste_it(typed: str, host: str) -> None:
    assert clean_host(typed) == host


@pytest.mark.parametrize(("field", "value", "words"), [
    ("login_host", "evil.example", "salesforce.com"), ("login_host", "a@b", "@"),
    ("client_id", "00D5g000008AbCd!AQEAQ", "access token"), ("client_id", "short", "3MVG"),
    ("client_secret", "3MVG9abcdefghijklmnop", "consumer key"),
    ("client_secret", "with space in it 123", "letters and digits"),
])  # fmt: skip
def test_a_malformed_credential_is_refused_before_any_call(
    field: str, value: str, words: str
) -> None:
    with pytest.raises(Invalid) as caught:
        check_inputs(SALES, SALES.method("oauth"), {**INPUTS, field: value})
    assert words in str(caught.value.facts["fields"])


def test_an_app_signs_in_for_itself_at_my_domain_only() -> None:
    with pytest.raises(Invalid, match="My Domain"):
        check_inputs(SALES, SALES.method("client_credentials"), INPUTS)
    mine = {**INPUTS, "login_host": HOST}
    assert check_inputs(SALES, SALES.method("client_credentials"), mine).plain["login_host"] == HOST


@pytest.mark.parametrize("token", [
    "00D5g000008AbCd!AQEAQExampleTokenValue", "5Aep861ExampleRefreshToken",
    "1000.0123abcd0123abcd0123abcd0123abcd.4567abcd4567abcd4567abcd4567abcd",
])  # fmt: skip
def test_a_token_is_known_by_its_look_and_taken_out(token: str) -> None:
    assert token[8:] not in redact(f"it said {token}, sadly")
