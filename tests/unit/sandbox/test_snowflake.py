# ruff: noqa: S608
"""The imitated Snowflake is as strict as the vendor: sign-in, statements, partitions, SQL."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from joserfc import jwt
from joserfc.jwk import RSAKey

from liftos_app.services.sandbox.credentials import DEMO
from liftos_app.services.sandbox.platforms.snowflake.signin import public_key
from tests.sandbox_server import NOW, RunningSandbox, running_sandbox

KEY = DEMO["snowflake"]["key_pair"]
PAT = DEMO["snowflake"]["token"]["access_token"]
T = '"LARKSPUR"."MARKETING"."MARKETING_DAILY"'


@pytest.fixture(scope="module")
def served() -> Iterator[RunningSandbox]:
    with running_sandbox(plant=False) as found:
        yield found


@pytest.fixture
def box(served: RunningSandbox) -> RunningSandbox:
    served.reset()
    served.sandbox.memories.setdefault("snowflake", {})["polls"] = 0
    return served


def sign(**change: Any) -> str:
    """A key-pair token by another library than the connector's."""
    _, mark = public_key(KEY["private_key"], KEY["passphrase"])
    begins = int(NOW.timestamp())
    claims = {"iss": f"LARKSPUR-PROD.LIFTOS_SVC.{mark}", "sub": "LARKSPUR-PROD.LIFTOS_SVC",
              "iat": begins, "exp": begins + 3000, **change}
    private = serialization.load_pem_private_key(
        KEY["private_key"].encode(), KEY["passphrase"].encode()
    )
    pem = private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                serialization.NoEncryption())
    return jwt.encode({"alg": "RS256"}, claims, RSAKey.import_key(pem), algorithms=["RS256"])


def post(
    box: RunningSandbox, sql: str, *binds: str, token: str = PAT, kind: str = "", query: str = "",
    account: str = "larkspur-prod", headers: dict[str, str] | None = None, **body: Any,
) -> httpx.Response:
    own = {"Authorization": f"Bearer {token}", "User-Agent": "Test/1"}
    if kind:
        own["X-Snowflake-Authorization-Token-Type"] = kind
    body = {"statement": sql, "warehouse": "LIFTOS_WH", **body}
    if binds:
        body["bindings"] = {str(i): {"type": "TEXT", "value": v} for i, v in enumerate(binds, 1)}
    return httpx.post(
        f"{box.platform('snowflake')}/{account}/api/v2/statements{query}",
        headers=own | (headers or {}), json=body, timeout=30,
    )


def look(box: RunningSandbox, handle: str, query: str = "") -> httpx.Response:
    return httpx.get(
        f"{box.platform('snowflake')}/larkspur-prod/api/v2/statements/{handle}{query}",
        headers={"Authorization": f"Bearer {PAT}"}, timeout=30,
    )


def test_a_signed_token_of_the_registered_key_lets_in(box: RunningSandbox) -> None:
    found = post(box, "SELECT CURRENT_USER(), CURRENT_ROLE()", token=sign(), kind="KEYPAIR_JWT")
    assert found.status_code == 200, found.text
    assert found.json()["data"] == [["LIFTOS_SVC", "LIFTOS_READER"]]
    names = [c["name"] for c in found.json()["resultSetMetaData"]["rowType"]]
    assert names == ["CURRENT_USER()", "CURRENT_ROLE()"]


@pytest.mark.parametrize("change", [
    {"exp": int(NOW.timestamp()) - 1}, {"exp": int(NOW.timestamp()) + 4000},
    {"iat": int(NOW.timestamp()) + 300}, {"sub": "LARKSPUR-PROD.OTHER"},
    {"iss": "LARKSPUR-PROD.LIFTOS_SVC.SHA256:AAAA"}, {"sub": "LARKSPUR-PROD.EU.LIFTOS_SVC"},
])
def test_a_token_with_wrong_claims_is_refused(box: RunningSandbox, change: Any) -> None:
    found = post(box, "SELECT 1", token=sign(**change), kind="KEYPAIR_JWT")
    assert (found.status_code, found.json()["code"]) == (401, "390144")


def test_a_token_of_another_key_or_a_changed_one_is_refused(box: RunningSandbox) -> None:
    stranger = RSAKey.generate_key(2048)
    claims = {"iss": "LARKSPUR-PROD.LIFTOS_SVC.SHA256:x", "sub": "LARKSPUR-PROD.LIFTOS_SVC"}
    forged = jwt.encode({"alg": "RS256"}, claims, stranger, algorithms=["RS256"])
    head, body, signature = sign().split(".")
    for token in (forged, f"{head}.{body[:-2]}AA.{signature}", f"{head}.{body}."):
        assert post(box, "SELECT 1", token=token, kind="KEYPAIR_JWT").status_code == 401


@pytest.mark.parametrize(("more", "status"), [
    ({"headers": {"User-Agent": ""}}, 400), ({"headers": {"Authorization": ""}}, 401),
    ({"headers": {"Accept": "text/html"}}, 406), ({"kind": "PASSWORD"}, 400),
    ({"kind": "OAUTH"}, 401), ({"token": "x" * 40}, 401), ({"account": "someone-else"}, 404),
    ({"headers": {"Content-Type": "text/plain"}}, 415), ({"colour": "red"}, 400),
    ({"query": "?nullable=maybe"}, 400),
])
def test_the_protocol_is_strict(box: RunningSandbox, more: Any, status: int) -> None:
    assert post(box, "SELECT 1", **more).status_code == status


def test_async_answers_202_first_and_a_request_id_runs_once(box: RunningSandbox) -> None:
    box.sandbox.memories["snowflake"]["polls"] = 2
    query = f"?async=true&requestId={uuid4()}"
    first, again = post(box, "SELECT 1", query=query), post(box, "SELECT 1", query=query)
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json()["code"] == "333334"
    handle = first.json()["statementHandle"]
    assert again.json()["statementHandle"] == handle
    assert look(box, handle).status_code == 200
    assert post(box, "SELECT 1", query="").status_code == 200


def test_later_partitions_are_packed_and_carry_rows_only(box: RunningSandbox) -> None:
    box.sandbox.memories["snowflake"]["partition_rows"] = 50
    found = post(box, f"SELECT * FROM {T} LIMIT 120").json()
    meta = found["resultSetMetaData"]
    assert (meta["numRows"], [p["rowCount"] for p in meta["partitionInfo"]]) == (120, [50, 50, 20])
    assert len(found["data"]) == 50
    with httpx.stream(
        "GET", f"{box.platform('snowflake')}/larkspur-prod/api/v2/statements/"
        f"{found['statementHandle']}?partition=2",
        headers={"Authorization": f"Bearer {PAT}", "Accept-Encoding": "identity"},
    ) as raw:
        body = b"".join(raw.iter_raw())
    later = json.loads(gzip.decompress(body))
    assert set(later) == {"data"}
    assert len(later["data"]) == 20
    assert look(box, found["statementHandle"], "?partition=3").status_code == 400
    assert look(box, "01aa-none").status_code == 404
    box.clock.advance(hours=25)
    assert look(box, found["statementHandle"]).status_code == 404


def test_values_are_typed_strings(box: RunningSandbox) -> None:
    found = post(box, 'SELECT * FROM "LARKSPUR"."SALES"."ORDERS" LIMIT 1').json()
    row = dict(zip([c["name"] for c in found["resultSetMetaData"]["rowType"]], found["data"][0],
                   strict=True))
    stamp, _, offset = row["ORDERED_AT"].partition(" ")
    assert len(stamp.partition(".")[2]) == 9
    assert int(offset) in (1440 - 240, 1440 - 300)
    assert row["IS_TEST"] in ("true", "false")
    assert row["TOTAL"].partition(".")[2].isdigit()
    day = post(box, f"SELECT \"REPORT_DATE\" FROM {T} LIMIT 1").json()["data"][0][0]
    assert 20_000 < int(day) < 21_000


def test_a_cancelled_statement_is_over(box: RunningSandbox) -> None:
    box.sandbox.memories["snowflake"]["polls"] = 3
    handle = post(box, "SELECT 1", query="?async=true").json()["statementHandle"]
    gone = httpx.post(
        f"{box.platform('snowflake')}/larkspur-prod/api/v2/statements/{handle}/cancel",
        headers={"Authorization": f"Bearer {PAT}"}, json={},
    )
    assert gone.status_code == 200
    assert (look(box, handle).status_code, look(box, handle).json()["code"]) == (422, "000604")


@pytest.mark.parametrize(("sql", "more", "code"), [
    (f"SELECT * FROM {T}", {"warehouse": "liftos_wh"}, "000606"),
    (f"SELECT * FROM {T}", {"role": "SYSADMIN"}, "390189"),
    ('SELECT * FROM "LARKSPUR"."MARKETING"."NOTHING"', {}, "002003"),
    ('SELECT * FROM "LARKSPUR"."marketing"."MARKETING_DAILY"', {}, "002003"),
    (f'SELECT "NOTHING" FROM {T}', {}, "000904"), ("FETCHES 1", {}, "001003"),
    (f"SELECT FROM WHERE {T}", {}, "001003"), ("USE ROLE X", {}, "391912"),
    ("SELECT 1; SELECT 2", {}, "000008"), ("DROP TABLE X", {}, "001003"),
    (f"SELECT * FROM {T}", {"timeout": 1}, "000630"),
])
def test_sql_fails_with_the_vendors_codes(
    box: RunningSandbox, sql: str, more: dict[str, Any], code: str
) -> None:
    found = post(box, sql, **more)
    assert found.json()["code"] == code, found.text
    assert found.status_code == (408 if code == "000630" else 422)
    assert found.json()["statementHandle"]


def test_what_is_shown_needs_no_warehouse(box: RunningSandbox) -> None:
    def names(sql: str) -> list[str]:
        found = post(box, sql, warehouse="").json()
        place = [c["name"] for c in found["resultSetMetaData"]["rowType"]].index("name")
        return [r[place] for r in found["data"]]

    assert "LIFTOS_WH" in names("SHOW WAREHOUSES")
    assert "LARKSPUR" in names("SHOW DATABASES")
    assert names('SHOW SCHEMAS IN DATABASE "LARKSPUR"') == [
        "INFORMATION_SCHEMA", "FINANCE", "MARKETING", "SALES"]
    assert names('SHOW TABLES IN SCHEMA "LARKSPUR"."MARKETING"') == ["MARKETING_DAILY"]
    assert names('SHOW VIEWS IN SCHEMA "LARKSPUR"."MARKETING"') == ["MARKETING_DAILY_V"]
    assert post(box, 'SHOW TABLES IN SCHEMA "LARKSPUR"."X"').status_code == 422


def test_create_alter_merge_and_delete_really_happen(box: RunningSandbox) -> None:
    table = '"LARKSPUR"."LIFTOS"."T"'
    create = f'CREATE TABLE IF NOT EXISTS {table} ("K" TEXT, "H" TEXT, "N" NUMBER(38,9))'
    assert post(box, create).status_code == 422  # the schema is not there yet
    assert post(box, 'CREATE SCHEMA IF NOT EXISTS "LARKSPUR"."LIFTOS"').status_code == 200
    assert post(box, create).status_code == 200
    assert post(box, create).status_code == 200
    merge = (
        f'MERGE INTO {table} t USING (SELECT value:"K"::TEXT AS "K", value:"H"::TEXT AS "H", '
        'value:"N"::NUMBER(38,9) AS "N" FROM TABLE(FLATTEN(INPUT => PARSE_JSON(?)))) s '
        'ON t."K" = s."K" WHEN MATCHED AND t."H" <> s."H" THEN UPDATE SET "H" = s."H", '
        '"N" = s."N" WHEN NOT MATCHED THEN INSERT ("K", "H", "N") VALUES (s."K", s."H", s."N")'
    )
    rows = [{"K": "a", "H": "1", "N": "1.5"}, {"K": "b", "H": "1", "N": None}]
    first = post(box, merge, json.dumps(rows)).json()
    assert first["stats"]["numRowsInserted"] == 2
    rows[0] |= {"H": "2", "N": "2.25"}
    second = post(box, merge, json.dumps(rows)).json()
    assert (second["stats"]["numRowsInserted"], second["stats"]["numRowsUpdated"]) == (0, 1)
    assert post(box, merge, json.dumps([rows[0], rows[0]])).json()["code"] == "100090"
    assert post(box, f"SELECT * FROM {table}").json()["data"] == [
        ["a", "2", "2.250000000"], ["b", "1", None]]
    assert post(box, f'ALTER TABLE {table} ADD COLUMN IF NOT EXISTS "M" DATE').status_code == 200
    assert post(box, f'ALTER TABLE {table} ADD COLUMN "M" DATE').json()["code"] == "001430"
    gone = post(box, f'DELETE FROM {table} WHERE "K" IN (SELECT value::TEXT FROM '
                'TABLE(FLATTEN(INPUT => PARSE_JSON(?))))', json.dumps(["a", "z"])).json()
    assert gone["stats"]["numRowsDeleted"] == 1
    assert post(box, f"SELECT COUNT(*) FROM {table}").json()["data"] == [["1"]]


def test_tables_are_views_of_the_world_and_stand_between_loads(box: RunningSandbox) -> None:
    def total() -> str:
        sql = f'SELECT COUNT(*), MAX("UPDATED_AT") FROM {T}'
        return str(post(box, sql).json()["data"])

    before = total()
    box.clock.advance(hours=5)
    assert total() == before
    box.clock.advance(hours=1)
    assert total() != before
    assert box.clock() - NOW == timedelta(hours=6)
