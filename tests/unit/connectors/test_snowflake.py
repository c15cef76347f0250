"""Snowflake over a scripted edge: requests as documented, exact values, errors in words."""

from __future__ import annotations

import base64
import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import RSAKey

from liftos_app.errors import Fix, GiveUp, Invalid, LiftOSError, Quota, Retry, SignInAgain
from liftos_app.services.connections.inputs import check_inputs
from liftos_app.services.connectors import registry
from liftos_app.services.connectors.client import Client, Stopped
from liftos_app.services.connectors.defined import read_all, streams_of
from liftos_app.services.connectors.platforms.snowflake import (
    errors,
    signin,
    statements,
    tables,
    values,
)
from liftos_app.services.connectors.spec import AccountInfo, Task
from liftos_app.services.sandbox.credentials import DEMO
from tests.unit.connectors.helper import answers, example, make_client

SNOW = registry.get("snowflake")
VALUES = {"access_token": "a.b.c", "warehouse": "WH", "role": "R", "account": "acme-prod"}
STREAM = {
    "name": "spend_daily", "lands": "facts", "object": '"DB"."S"."T"', "currencies": ["EUR"],
    "fields": {"day": "SPEND_DATE", "campaign_id": "CHANNEL", "spend": "SPEND"},
}


def client_of(handler: Any, **more: Any) -> tuple[Client, Any]:
    return make_client(SNOW, handler, VALUES, base="https://snow.example", **more)


def result(rows: list[list[str | None]], *columns: tuple[str, str], **more: Any) -> dict[str, Any]:
    names = columns or (("A", "text"),)
    return {
        "code": "090001", "statementHandle": "01aa", "data": rows,
        "resultSetMetaData": {
            "numRows": more.pop("total", len(rows)), "rowType": [
                {"name": n, "type": t.partition(":")[0],
                 "scale": int(t.partition(":")[2] or 0)} for n, t in names
            ], "partitionInfo": more.pop("parts", [{"rowCount": len(rows)}]),
        }, **more,
    }


def running() -> httpx.Response:
    return httpx.Response(202, json={"code": "333334", "statementHandle": "01aa"})


def test_the_vendors_example_is_read_exactly_over_its_partitions() -> None:
    found = example("snowflake", "statement_202_then_partitions")
    replies = [httpx.Response(s, json=b) for s, b in zip(found["status"], found["body"],
                                                         strict=True)]
    client, edge = client_of(answers(*replies))
    one = statements.run(client, "SELECT 1", ["x"])
    rows = statements.all_records(client, one)
    assert rows[0] == {
        "SPEND_DATE": "2026-11-20", "CHANNEL": "paid_search", "SPEND": "1250.50",
        "UPDATED_AT": "2026-11-20T00:03:11.123456789",
        "LOADED_AT": "2026-11-20T01:03:11.000000000+01:00", "IS_BRAND": True,
    }
    assert rows[1]["SPEND"] is None
    assert rows[2]["UPDATED_AT"].endswith(".999999999")
    assert rows[2]["LOADED_AT"].endswith("-08:00")
    assert rows[2]["IS_BRAND"] is None
    first = edge.requests[0]
    assert first.url.params["async"] == "true"
    assert len(first.url.params["requestId"]) == 36
    assert first.headers["user-agent"]
    assert first.headers["x-snowflake-authorization-token-type"] == "KEYPAIR_JWT"
    body = json.loads(first.content)
    assert body["parameters"]["timezone"] == "UTC"
    assert body["bindings"] == {"1": {"type": "TEXT", "value": "x"}}
    assert (body["warehouse"], body["role"]) == ("WH", "R")
    assert edge.requests[2].url.params["partition"] == "1"


def test_a_repeated_submission_carries_the_same_request_id() -> None:
    down = httpx.Response(503, json={"code": "390503", "message": "busy"})
    client, edge = client_of(answers(down, down, result([["1"]])))
    statements.run(client, "SELECT 1")
    ids = {r.url.params["requestId"] for r in edge.requests}
    assert len(edge.requests) == 3
    assert len(ids) == 1


def test_two_statements_have_two_request_ids() -> None:
    client, edge = client_of(answers(result([["1"]])))
    statements.run(client, "SELECT 1")
    statements.run(client, "SELECT 1")
    assert len({r.url.params["requestId"] for r in edge.requests}) == 2


def test_missing_rows_are_no_success() -> None:
    client, _ = client_of(answers(result([["1"]], total=2)))
    with pytest.raises(Retry, match="fewer rows"):
        statements.all_records(client, statements.run(client, "SELECT 1"))


def test_a_stop_while_waiting_cancels_the_statement() -> None:
    stop = False

    def handler(request: httpx.Request) -> httpx.Response:
        nonlocal stop
        stop = True
        return running() if not request.url.path.endswith("/cancel") else httpx.Response(
            200, json={}
        )

    client, edge = client_of(handler, cancelled=lambda: stop)
    with pytest.raises(Stopped):
        statements.run(client, "SELECT 1")
    assert edge.requests[-1].url.path.endswith("/01aa/cancel")


def test_a_statement_that_never_ends_is_given_up_and_cancelled() -> None:
    client, edge = client_of(
        lambda r: httpx.Response(200, json={}) if "cancel" in r.url.path else running()
    )
    with pytest.raises(Retry, match="did not finish"):
        statements.run(client, "SELECT 1")
    assert edge.waited >= statements.PATIENCE
    assert edge.requests[-1].url.path.endswith("/cancel")


@pytest.mark.parametrize(("kind", "wire", "value"), [
    ("fixed:0", "123", 123), ("fixed:2", "12.50", "12.50"), ("fixed:0", "-7", -7),
    ("fixed:0", "99999999999999999999999999999999999999", 10**38 - 1),
    ("real", "1.5", 1.5), ("real", "NaN", "NaN"), ("real", "inf", "inf"),
    ("boolean", "true", True), ("boolean", "0", False), ("date", "18262", "2020-01-01"),
    ("date", "-1", "1969-12-31"), ("date", "2026-11-20", "2026-11-20"),
    ("time", "3661.000000001", "01:01:01.000000001"),
    ("timestamp_ntz", "1611871777.123456789", "2021-01-28T22:09:37.123456789"),
    ("timestamp_ntz", "-0.500000000", "1969-12-31T23:59:59.500000000"),
    ("timestamp_ntz", "2019-08-10 23:56:34.123", "2019-08-10T23:56:34.123"),
    ("timestamp_ltz", "1611871777.000000001", "2021-01-28T22:09:37.000000001+00:00"),
    ("timestamp_ltz", "2019-08-10 23:56:34.123 +0000", "2019-08-10T23:56:34.123+0000"),
    ("timestamp_tz", "1616173619.000000000 960", "2021-03-19T09:06:59.000000000-08:00"),
    ("timestamp_tz", "1616173619.5 1770", "2021-03-19T22:36:59.500000000+05:30"),
    ("variant", '{"a": 1.10}', {"a": "1.10"}), ("binary", "0AFF", "0AFF"), ("text", "x", "x"),
])
def test_typed_strings_are_parsed_exactly(kind: str, wire: str, value: object) -> None:
    name, _, scale = kind.partition(":")
    parse = values.parsers([{"type": name, "scale": int(scale or 0)}])[0]
    assert parse(wire) == value


@given(st.integers(-10**18, 4 * 10**18))
def test_no_nanosecond_is_lost(nanos: int) -> None:
    seconds, rest = divmod(nanos, 10**9)
    sign = "" if nanos >= 0 else "-"
    whole, fraction = divmod(abs(nanos), 10**9)
    text = values.wall(f"{sign}{whole}.{fraction:09d}")
    head, _, tail = text.partition(".")
    assert int(tail) == rest
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    assert datetime.fromisoformat(head) == moment.replace(tzinfo=None)


# --- signing in -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def pem(key: rsa.RSAPrivateKey, passphrase: str = "") -> str:
    how: Any = serialization.NoEncryption()
    if passphrase:
        how = serialization.BestAvailableEncryption(passphrase.encode())
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how
    ).decode()


@pytest.mark.parametrize(("account", "claim"), [
    ("myorg-prod", "MYORG-PROD"), ("xy12345.eu-central-1.aws", "XY12345"),
    ("xy12345.privatelink", "XY12345"), ("abc-def.global", "ABC"),
])
def test_the_signed_token_is_what_snowflake_documents(
    key: rsa.RSAPrivateKey, account: str, claim: str
) -> None:
    now = datetime(2026, 11, 23, 12, tzinfo=UTC)
    token, end = signin.sign_token(account, "liftos_svc", key, now)
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    found = jwt.decode(token, RSAKey.import_key(public), algorithms=["RS256"])  # another library
    assert found.claims["sub"] == f"{claim}.LIFTOS_SVC"
    head, _, print_ = found.claims["iss"].partition(".SHA256:")
    assert head == found.claims["sub"]
    assert len(base64.b64decode(print_)) == 32
    assert found.claims["exp"] - found.claims["iat"] == 55 * 60
    assert end == now + timedelta(minutes=55)


def test_an_encrypted_key_opens_with_its_passphrase_only(key: rsa.RSAPrivateKey) -> None:
    assert signin.load_key(pem(key, "secret words"), "secret words").key_size == 2048
    assert signin.load_key(pem(key), "").key_size == 2048
    for text, phrase, words in (
        (pem(key, "secret words"), "", "encrypted"), (pem(key, "secret words"), "x", "passphrase"),
        (pem(key), "x", "not encrypted"), (pem(key)[:-200] + "-----END PRIVATE KEY-----", "", ""),
        (pem(rsa.generate_private_key(65537, 1024)), "", "2048"),  # noqa: S505
    ):
        with pytest.raises(Fix, match="private key cannot be used") as caught:
            signin.load_key(text, phrase)
        assert words in caught.value.why
        assert "MII" not in caught.value.sentence()


def test_a_key_whose_line_breaks_were_lost_is_mended(key: rsa.RSAPrivateKey) -> None:
    flat = pem(key, "pw").replace("\n", " ")
    assert signin.load_key(signin.clean_key(flat), "pw").key_size == 2048


@pytest.mark.parametrize(("typed", "kept"), [
    ("https://MyOrg-Prod.snowflakecomputing.com/console#/", "myorg-prod"),
    ("MYORG-PROD", "myorg-prod"), ("xy12345.eu-central-1", "xy12345.eu-central-1"),
    ("myorg-prod.snowflakecomputing.com", "myorg-prod"),
    ("https://app.x.privatelink.snowflakecomputing.com:443/a", "app.x.privatelink"),
])
def test_a_pasted_address_becomes_the_account(typed: str, kept: str) -> None:
    assert signin.clean_account(typed) == kept


@pytest.mark.parametrize(("name", "value", "words"), [
    ("account", "my org", "looks like"), ("account", "me@example.com", "holds an @"),
    ("private_key", "-----BEGIN PUBLIC KEY-----\nMII", "public key"),
    ("private_key", "-----BEGIN RSA PRIVATE KEY-----\nMII", "PKCS#1"),
    ("private_key", "not a key", "BEGIN"), ("private_key", "", "missing"),
    ("role", "AccountAdmin", "may do everything"), ("warehouse", "", "missing"),
    ("user", "two words", "no spaces"),
])
def test_malformed_credentials_are_refused_before_any_call(
    name: str, value: str, words: str
) -> None:
    given = {**DEMO["snowflake"]["key_pair"], name: value}
    with pytest.raises(Invalid) as caught:
        check_inputs(SNOW, SNOW.method("key_pair"), given)
    assert words in caught.value.why
    assert caught.value.facts["field"] == name


def test_names_are_kept_as_snowflake_stores_them() -> None:
    given = {**DEMO["snowflake"]["key_pair"], "warehouse": "liftos_wh", "role": '"Mixed Case"'}
    checked = check_inputs(SNOW, SNOW.method("key_pair"), given)
    assert (checked.plain["warehouse"], checked.plain["role"]) == ("LIFTOS_WH", "Mixed Case")
    assert set(checked.secret) == {"private_key", "passphrase"}


def test_a_refused_key_names_its_fingerprint_to_compare(key: rsa.RSAPrivateKey) -> None:
    refused = httpx.Response(401, json={"code": "390144", "message": "JWT token is invalid."})
    client, _ = make_client(
        SNOW, answers(refused), {**VALUES, "private_key": pem(key)}, method="key_pair",
        base="https://snow.example",
    )
    with pytest.raises(SignInAgain) as caught:
        tables.discover(client)
    assert signin.fingerprint(key) in caught.value.why
    assert "MII" not in caught.value.sentence()


# --- errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("status", "body", "kind", "cause"), [
    (401, {"code": "390144", "message": "JWT token is invalid."}, SignInAgain, "credential"),
    (401, {"code": "390318", "message": "expired"}, SignInAgain, "credential"),
    (403, {"message": "IP 1.2.3.4 is not allowed"}, Fix, "permission"),
    (408, {"code": "000630", "message": "timeout"}, Fix, "bad_configuration"),
    (422, {"code": "002003", "message": "Object 'X' does not exist"}, Fix, "permission"),
    (422, {"code": "000606", "message": "No active warehouse"}, Fix, "bad_configuration"),
    (422, {"code": "001003", "message": "syntax error"}, Fix, "bad_configuration"),
    (422, {"code": "003001", "message": "Insufficient privileges"}, Fix, "permission"),
    (429, {"code": "390505", "message": "Too many requests."}, Quota, "quota"),
    (400, {"code": "391905", "message": "bad"}, GiveUp, "our_fault"),
])
def test_errors_mean_what_the_sheet_says(
    status: int, body: dict[str, str], kind: type[LiftOSError], cause: str
) -> None:
    found = errors.fault(status, {}, {**body, "statementHandle": "01aa-bb"})
    assert type(found) is kind
    assert found.cause == cause
    assert found.fix
    assert found.facts["request_id"] == "01aa-bb"
    assert "{" not in found.sentence()


def test_the_examples_of_the_sheet_are_understood() -> None:
    for name, kind in (("auth_error", SignInAgain), ("rate_limit_error", Quota),
                       ("sql_error_422", Fix)):
        found = example("snowflake", name)
        assert type(errors.fault(found["status"], {}, found["body"])) is kind


# --- reading --------------------------------------------------------------------------------------


def task_of(raw: dict[str, Any], **more: Any) -> Task:
    stream = streams_of(SNOW, {"streams": [raw]})[0]
    found: dict[str, Any] = {
        "stream": stream, "account": AccountInfo("a", "A", "EUR", "UTC"), "salt": "5f" * 32,
        "start": date(2026, 11, 1), "end": date(2026, 11, 4), "today": date(2026, 11, 5), **more,
    }
    return Task(**found)


def asked(edge: Any) -> list[dict[str, Any]]:
    return [json.loads(r.content) for r in edge.requests if r.method == "POST"]


def test_a_span_asks_for_its_days_only_with_quoted_names_and_binds() -> None:
    head = result([], ("SPEND_DATE", "date"), ("CHANNEL", "text"), ("SPEND", "fixed:2"))
    rows = result([["20758", "c", "1.50"], ["20758", "d", None]], ("SPEND_DATE", "date"),
                  ("CHANNEL", "text"), ("SPEND", "fixed:2"))
    client, edge = client_of(answers(head, rows))
    pages = list(task_of(STREAM).stream.read(client, task_of(STREAM)))
    assert [r["spend_micros"] for p in pages for r in p.rows] == [1_500_000, None]
    query = asked(edge)[1]
    assert query["statement"] == (
        'SELECT "SPEND_DATE", "CHANNEL", "SPEND" FROM "DB"."S"."T" WHERE "SPEND_DATE" >= '
        'TO_DATE(?) AND "SPEND_DATE" <= TO_DATE(?) ORDER BY "SPEND_DATE"'
    )
    assert [b["value"] for b in query["bindings"].values()] == ["2026-11-01", "2026-11-04"]
    assert query["parameters"]["query_tag"] == "liftos:spend_daily"


@pytest.mark.parametrize(("kind", "cast", "low", "high"), [
    ("timestamp_ntz", "TO_TIMESTAMP_NTZ(?)", "2026-10-31T18:00:00", "2026-11-04T18:00:00"),
    ("timestamp_tz", "TO_TIMESTAMP_TZ(?)", "2026-10-31T23:00:00+00:00",
     "2026-11-04T23:00:00+00:00"),
    ("text", "?", "2026-10-31", "2026-11-06"),
])
def test_days_of_another_zone_are_cut_in_the_columns_own_form(
    kind: str, cast: str, low: str, high: str
) -> None:
    raw = {**STREAM, "time_zone": "Europe/Berlin", "naive_zone": "America/New_York"}
    if kind == "timestamp_ntz":
        low, high = "2026-10-31T19:00:00", "2026-11-04T18:00:00"  # summer time ends on the first
    columns = (("SPEND_DATE", kind), ("CHANNEL", "text"), ("SPEND", "fixed:2"))
    client, edge = client_of(answers(result([], *columns)))
    assert list(task_of(raw).stream.read(client, task_of(raw)))
    query = asked(edge)[1]
    assert f'"SPEND_DATE" >= {cast} AND "SPEND_DATE" < {cast}' in query["statement"]
    assert [b["value"] for b in query["bindings"].values()] == [low, high]


def test_changes_are_bounded_by_the_newest_value_to_its_last_digit() -> None:
    raw = {
        "name": "deals", "lands": "crm", "kind": "deal", "object": '"DB"."S"."D"',
        "cursor": "UPD", "overlap_seconds": 60,
        "fields": {"external_id": "ID", "created_at": "AT", "updated_at": "UPD"},
    }
    columns = (("ID", "text"), ("AT", "timestamp_ntz"), ("UPD", "timestamp_ntz"))
    rows = result([["x", "1795132991.0", "1795132991.123456789"]], *columns)
    newest = result([["2026-11-20T00:03:11.123456789"]], ("M", "text"))
    client, edge = client_of(answers(result([], *columns), newest, rows))
    one = task_of(raw, cursor="2026-11-19T23:59:00Z")
    pages = list(one.stream.read(client, one))
    query = asked(edge)[2]
    assert [b["value"] for b in query["bindings"].values()] == [
        "2026-11-19T23:58:00", "2026-11-20T00:03:11.123456789",
    ]
    assert '"UPD" <= TO_TIMESTAMP_NTZ(?)' in query["statement"]
    assert pages[-1].cursor == "2026-11-20T00:03:11Z"
    assert len(pages[-1].rows) == 1


def test_an_empty_table_keeps_the_cursor() -> None:
    raw = {
        "name": "deals", "lands": "crm", "kind": "deal", "object": '"DB"."S"."D"',
        "cursor": "UPD", "fields": {"external_id": "ID", "created_at": "AT", "updated_at": "UPD"},
    }
    columns = (("ID", "text"), ("AT", "timestamp_ntz"), ("UPD", "timestamp_ntz"))
    client, _ = client_of(answers(
        result([], *columns), result([[None]], ("M", "text")), result([], *columns)
    ))
    one = task_of(raw, cursor="2026-11-19T23:59:00Z")
    assert [p.cursor for p in one.stream.read(client, one)] == ["2026-11-19T23:59:00Z"]


def test_a_span_too_big_for_one_answer_is_read_in_halves() -> None:
    head = result([], ("SPEND_DATE", "date"), ("CHANNEL", "text"), ("SPEND", "fixed:2"))
    columns = (("SPEND_DATE", "date"), ("CHANNEL", "text"), ("SPEND", "fixed:2"))
    big = httpx.Response(422, json={"code": "391908", "message": "too big"})
    client, edge = client_of(answers(
        head, big, result([["20758", "c", "1"]], *columns), result([["20761", "c", "2"]], *columns)
    ))
    pages = list(task_of(STREAM).stream.read(client, task_of(STREAM)))
    assert [r["spend_micros"] for p in pages for r in p.rows] == [1_000_000, 2_000_000]
    spans = [[b["value"] for b in q["bindings"].values()] for q in asked(edge)[2:]]
    assert spans == [["2026-11-01", "2026-11-02"], ["2026-11-03", "2026-11-04"]]


@pytest.mark.parametrize("path", [
    "DB.S.T", '"DB"."S"', '"DB"."S"."T"; DROP TABLE X', '"DB"."S"."T" WHERE 1=1', "",
])
def test_a_table_is_three_quoted_names_and_nothing_else(path: str) -> None:
    with pytest.raises(Invalid) as caught:
        read_all(SNOW, [{**STREAM, "object": path}])
    assert caught.value.facts["field"] == "object"


def test_quotes_in_names_are_doubled() -> None:
    assert tables.quoted('a"b') == '"a""b"'
    assert tables.path_of('"a""b"."S"."T"')


def test_a_value_that_is_no_value_rejects_its_row_alone() -> None:
    columns = (("SPEND_DATE", "date"), ("CHANNEL", "text"), ("SPEND", "fixed:2"))
    rows = result([["20758", "c", "1"], ["never", "d", "2"], ["20758", None, "2"]], *columns)
    client, _ = client_of(answers(result([], *columns), rows))
    pages = list(task_of(STREAM).stream.read(client, task_of(STREAM)))
    assert len(pages[0].rows) == 1
    assert len(pages[0].rejected) == 2


def test_the_end_of_a_token_is_a_day_that_a_person_states() -> None:
    token = {"account": "myorg-acme", "access_token": "a" * 40, "warehouse": "wh"}
    for typed, day in ((" 2027-02-24 ", "2027-02-24"), ("20270224", "2027-02-24")):
        checked = check_inputs(SNOW, SNOW.method("token"), {**token, "ends_on": typed})
        assert checked.plain["ends_on"] == day
    assert "ends_on" not in check_inputs(SNOW, SNOW.method("token"), token).plain
    for wrong in ("24.2.2027", "2027-02-30", "soon"):
        with pytest.raises(Invalid) as caught:
            check_inputs(SNOW, SNOW.method("token"), {**token, "ends_on": wrong})
        assert "such as 2027-02-24" in str(caught.value.facts["fields"])
