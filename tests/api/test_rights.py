"""Retention, copies and erasure over REST and through the forms of the Privacy page."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from collections.abc import Callable
from datetime import datetime, timedelta

import httpx
import pytest

from liftos_app.models import Role, User
from liftos_app.services.context import App
from tests.api.conftest import BASE, PASSWORD
from tests.conftest import Clock

OWN = {"Origin": BASE, "Sec-Fetch-Site": "same-origin"}


async def test_L98_retention_is_read_previewed_and_needs_a_proof_to_change(
    client: httpx.AsyncClient, bearer: Callable[..., dict[str, str]], clock: Clock
) -> None:
    headers = bearer(Role.ADMIN)
    clock.advance(minutes=6)
    found = (await client.get("/api/v1/retention", headers=headers)).json()
    assert (found["marketing_days"], found["legal_hold"]) == (730, False)
    seen = await client.get("/api/v1/retention/preview?marketing_days=90", headers=headers)
    assert (seen.status_code, seen.json()["total"]) == (200, 0)
    for days in (29, 731):
        wrong = await client.get(f"/api/v1/retention/preview?marketing_days={days}",
                                 headers=headers)
        assert wrong.status_code == 422
    for method, path, body in (
        ("PUT", "/retention", {"marketing_days": 90}), ("DELETE", "/me", None),
        ("PUT", "/retention/hold", {"reason": "a case"}), ("POST", "/me/export", None),
        ("POST", "/organization/export", None), ("POST", "/organization/erasure", {"name": "x"}),
    ):
        answer = await client.request(method, f"/api/v1{path}", headers=headers, json=body)
        assert (answer.status_code, answer.json()["code"]) == (401, "proof_needed"), path


async def test_L101_the_data_map_is_told(
    client: httpx.AsyncClient, bearer: Callable[..., dict[str, str]]
) -> None:
    found = (await client.get("/api/v1/data-map", headers=bearer(Role.VIEWER))).json()["data"]
    [people] = [t for t in found if t["table"] == "user_account"]
    assert people["columns"]["email"] == "personal"


@pytest.fixture
async def signed(client: httpx.AsyncClient, ann: User, app: App) -> httpx.AsyncClient:
    """Ann is an administrator and has just typed her password."""
    from sqlmodel import select

    from liftos_app.models import Membership

    with app.db.write() as session:
        for row in session.exec(select(Membership)).all():
            row.role = Role.ADMIN
    await client.post("/auth/login", data={"email": ann.email, "password": PASSWORD}, headers=OWN)
    return client


async def test_L99_downloads_are_files_no_cache_keeps(
    signed: httpx.AsyncClient, clock: Clock
) -> None:
    async def link(what: str) -> dict[str, str]:
        page = await signed.post(f"/auth/export/{what}", headers=OWN)
        [token] = re.findall(r'name="token" value="([^"]+)"', page.text)
        assert f"/auth/export/{what}/file#{token}" in page.text
        assert page.headers["cache-control"] == "no-store"
        return {"token": token}

    first, second = await link("me"), await link("organization")
    clock.advance(minutes=6)  # the proof was given when the link was asked for
    mine = await signed.post("/auth/export/me/file", data=first, headers=OWN)
    with zipfile.ZipFile(io.BytesIO(mine.content)) as archive:
        whole = json.loads(archive.read("liftos-me.json"))
        assert whole["user_account"][0]["email"] == "ann@example.com"
        [line] = csv.DictReader(archive.read("user_account.csv").decode().splitlines())
        assert line["email"] == "ann@example.com"
        assert {f"{n}.csv" for n, rows in whole.items() if isinstance(rows, list) and rows} == (
            set(archive.namelist()) - {"liftos-me.json"}
        )
    ours = await signed.post("/auth/export/organization/file", data=second, headers=OWN)
    with zipfile.ZipFile(io.BytesIO(ours.content)) as archive:
        assert {"README.txt", "organization.csv", "membership.csv"} <= set(archive.namelist())
    for answer in (mine, ours):
        assert answer.headers["content-disposition"].startswith("attachment; filename=")
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
    for what, spent in (("me", first), ("organization", second)):
        again = await signed.post(f"/auth/export/{what}/file", data=spent, headers=OWN)
        assert (again.status_code, "no longer valid" in again.text) == (403, True)
        form = await signed.get(f"/auth/export/{what}/file")
        assert (form.status_code, 'data-from-hash="keep"' in form.text) == (200, True)
        foreign = await signed.post(f"/auth/export/{what}/file", data=spent,
                                    headers={"Origin": "http://evil.example"})
        assert foreign.status_code == 403


async def test_L99_programs_ask_and_download_once(
    client: httpx.AsyncClient, bearer: Callable[..., dict[str, str]], clock: Clock
) -> None:
    headers = bearer(Role.ADMIN)
    for path, kind in (("/me/export", "application/json"),
                       ("/organization/export", "application/zip")):
        asked = await client.post(f"/api/v1{path}", headers=headers)
        assert asked.status_code == 201
        ends = datetime.fromisoformat(asked.json()["expires_at"])
        assert ends - clock() == timedelta(hours=24)
        body = {"token": asked.json()["token"]}
        copy = await client.post(f"/api/v1{path}/file", headers=headers, json=body)
        assert (copy.status_code, copy.headers["content-type"]) == (200, kind)
        again = await client.post(f"/api/v1{path}/file", headers=headers, json=body)
        assert (again.status_code, again.json()["code"]) == (403, "link_over")


async def test_L100_the_forms_keep_delete_and_say_what_is_wrong(signed: httpx.AsyncClient) -> None:
    async def post(path: str, **data: str) -> httpx.Response:
        return await signed.post(path, data=data, headers=OWN)

    assert (await post("/auth/retention", marketing_days="90")).headers["location"].endswith(
        "done=retention")
    assert (await post("/auth/retention", marketing_days="5")).status_code == 422
    assert (await post("/auth/erase/organization", name="wrong")).status_code == 422
    assert (await post("/auth/erase/organization", name="Larkspur Home")).status_code == 303
    assert (await post("/auth/erase/me", erase="no")).status_code == 422
    last = await post("/auth/erase/me", erase="erase")
    assert (last.status_code, "last administrator" in last.text) == (409, True)
    assert (await post("/auth/retention/hold", reason="a case")).status_code == 303
