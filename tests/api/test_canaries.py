"""L79: secrets and personal data planted everywhere, then looked for everywhere they may not be."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select as sql_select
from sqlmodel import col, select

from liftos_app.db import metadata
from liftos_app.models import Account, Connection, CrmRecord, Entity, Role, RunState, SyncRun, User
from liftos_app.models.facts import Level
from liftos_app.services import (
    connections,
    invitations,
    logs,
    passwords,
    people,
    resets,
    second_factor,
    sessions,
    totp,
    vault,
)
from liftos_app.services.context import App, Principal, open_context
from liftos_app.services.rights import datamap
from liftos_app.services.sync.engine import SyncEngine
from tests import connection_fixtures, twin_fixtures
from tests.connection_fixtures import Bench
from tests.twin_fixtures import CANARY, LINES, Home, ask

bench, example = connection_fixtures.bench, connection_fixtures.example
make_home, headers = twin_fixtures.make_home, twin_fixtures.headers
mine, theirs = twin_fixtures.mine, twin_fixtures.theirs
PASSWORD = "canary violin harbour 29"


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """All that is logged, in the form and through the filter of a running process."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.JsonLines())
    handler.addFilter(logs.RedactionFilter())
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield stream
    root.removeHandler(handler)
    root.setLevel(level)


def stored(app: App) -> dict[tuple[str, str], str]:
    """Every cell of the database as text, joined by table and column; bodies are unpacked."""
    found: dict[tuple[str, str], list[str]] = {}
    with app.db.read() as session:
        for table in metadata.sorted_tables:
            for row in session.connection().execute(sql_select(table)).mappings():
                for name, value in row.items():
                    found.setdefault((table.name, str(name)), []).append(readable(value))
    return {place: "\n".join(values) for place, values in found.items()}


def readable(value: object) -> str:
    if isinstance(value, bytes):
        with contextlib.suppress(zlib.error):
            value = zlib.decompress(value)
        return value.decode("latin-1")
    return json.dumps(value, default=str, ensure_ascii=False)


def on_disk(app: App) -> str:
    """Files of the installation, and the database file itself with its write-ahead log."""
    folders = [app.settings.home]
    if app.db.is_sqlite:
        folders.append(Path(app.db.url.removeprefix("sqlite:///")).parent)
    files = {f for folder in folders for f in folder.rglob("*") if f.is_file()}
    return "\n".join(f.read_bytes().decode("latin-1") for f in sorted(files))


# L7: where a super administrator enters another organization on purpose, with a reason.
CROSSING = [line for line in LINES if "/admin/organizations/" in line]


async def everything_answered(
    client: httpx.AsyncClient, bearer: dict[str, str], *homes: dict[str, str]
) -> str:
    """What all reading routes, all exports and some errors say to one person."""
    heard = []
    for ids in homes:
        for line in LINES:
            if line.startswith("GET "):
                answer = await ask(client, line, ids, bearer)
                heard.append(answer.text + str(answer.headers))
    for path in ("me/export", "organization/export"):
        asked = await client.post(f"/api/v1/{path}", headers=bearer)
        assert asked.status_code == 201, asked.text
        answer = await client.post(
            f"/api/v1/{path}/file", headers=bearer, json={"token": asked.json()["token"]}
        )
        assert answer.status_code == 200, answer.text
        heard.append(unzipped(answer.content) if path[0] == "o" else answer.text)
    for kind in ("csv", "json"):
        answer = await client.get(f"/api/v1/audit/export?format={kind}", headers=bearer)
        heard.append(answer.text)
    return "\n".join(heard)


def unzipped(body: bytes) -> str:
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        return "\n".join(archive.read(n).decode() for n in archive.namelist())


def opened(bench: Bench) -> dict[str, str]:
    """Every value in the vault of the organization, opened."""
    found = {}
    with bench.read() as ctx:
        for row in ctx.session.exec(
            select(Connection).where(Connection.org_id == bench.org_id)
        ):
            for name, secret in vault.get_all(ctx, row).items():
                found[f"{row.id} {name}"] = secret.reveal()
    return {k: v for k, v in found.items() if len(v) > 8}


async def planted(
    client: httpx.AsyncClient, bench: Bench, bearer: dict[str, str]
) -> dict[str, str]:
    """One secret of each kind, made the way people make them. What it is -> the secret."""
    app = bench.app
    assert bench.who.user_id is not None
    with app.db.write() as session:
        user = session.get_one(User, bench.who.user_id)
        user.password_hash = passwords.make_hash(PASSWORD)
        cookie = sessions.create(session, app, user=user, org_id=bench.org_id, ip="",
                                 user_agent="")
    given = {"email": user.email, "password": PASSWORD}
    pair = (await client.post("/api/v1/auth/token", json=given)).json()
    seed = second_factor.begin(app, bench.who.user_id, bench.org_id).reveal()
    codes = second_factor.confirm(
        app, bench.who.user_id, totp.code_at(seed, totp.step_of(app.now())), ip="198.51.100.4"
    )
    key = await client.post("/api/v1/api-keys", headers=bearer,
                            json={"name": "report", "scopes": ["read"]})
    invited = await client.post("/api/v1/invitations", headers=bearer,
                                json={"email": "guest@example.com", "role": "viewer"})
    with open_context(app, Principal(kind="operator", role=Role.SUPER_ADMIN), None,
                      write=True) as ctx:
        reset = resets.create(ctx, user.email).url
    secrets = {
        "password": PASSWORD, "session": cookie, "access token": pair["access_token"],
        "refresh token": pair["refresh_token"], "seed": seed, "recovery code": codes[0],
        "API key": key.json()["key"], "invitation": invited.json()["link"].partition("#")[2],
        "reset": reset.partition("#")[2], "JWT secret": app.settings.jwt_secret_key,
        "master key": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
    }
    return {**secrets, **opened(bench)}


async def test_L79_L55_L42_L62_L64_planted_secrets_are_found_nowhere(
    client: httpx.AsyncClient, bench: Bench, mine: Home, logged: io.StringIO,
    headers: Callable[[Role], dict[str, str]],
) -> None:
    app, bearer = bench.app, headers(Role.SUPER_ADMIN)
    by_key, by_consent = bench.started(), bench.signed_in(start=True)
    secrets = await planted(client, bench, bearer)
    assert len(secrets) >= 14, sorted(secrets)
    engine = SyncEngine(app)
    with app.db.read() as session:
        runs = session.exec(select(SyncRun.id).where(
            col(SyncRun.connection_id).in_([by_key, by_consent])
        )).all()
    assert [engine.run(run) for run in runs] == [RunState.SUCCEEDED] * 2
    bench.world.keys.clear()  # the platform refuses the key from now on: a failing sync, a test
    one = f"/api/v1/platform-connections/connections/{by_key}"
    for path in ("sync", "test", "discover"):
        await client.post(f"{one}/{path}", headers=bearer, json={} if path == "sync" else None)
    wrong = {"platform": "example", "method": "api_key", "inputs": {"api_key": [secrets["seed"]]}}
    heard = (await client.post("/api/v1/platform-connections/connections", headers=bearer,
                               json=wrong)).text
    ids = {**mine.ids, "connection_id": str(by_key)}
    heard += await everything_answered(
        client, bearer, ids, {**ids, "connection_id": str(by_consent)}
    )
    cells = stored(app)
    places = {
        "answers": heard, "logs": logged.getvalue(), "files": on_disk(app),
        "memory of the process": repr(app.extras),
        "command line": Path("/proc/self/cmdline").read_text(),
        **{".".join(place): text for place, text in cells.items()},
    }
    assert "mine connection" in heard
    assert "vault.used" in cells["audit_entry", "action"]
    assert '"purpose": "sync"' in cells["audit_entry", "data"]
    assert len(places["logs"]) > 500
    found = {(what, place) for what, secret in secrets.items()
             for place, text in places.items() if secret in text}
    assert not found


async def test_L79_L91_personal_data_stands_only_where_the_data_map_says_so(
    client: httpx.AsyncClient, app: App, mine: Home, theirs: Home, logged: io.StringIO,
    headers: Callable[[Role], dict[str, str]], make_principal: Callable[..., Principal],
) -> None:
    """Names, addresses, campaigns and customers of the other organization."""
    now, theirs_id = app.now(), theirs.org.id or 0
    with app.db.write() as session:
        account = Account(org_id=theirs_id, connection_id=UUID(theirs.ids["connection_id"]),
                          external_id=f"{CANARY}-account", name=f"{CANARY} account",
                          created_at=now)
        session.add(account)
        session.flush()
        own = {"org_id": theirs_id, "account_key": account.key}
        session.add_all([
            Entity(**own, level=Level.CAMPAIGN, external_id=f"{CANARY}-e", first_seen_at=now,
                   name=f"{CANARY} campaign", updated_at=now),
            CrmRecord(**own, kind="deal", external_id=f"{CANARY}-d", day=now.date(),
                      created_at=now, updated_at=now, name=f"{CANARY} deal"),
        ])
    who = replace(make_principal(Role.ADMIN, theirs.org), proved_at=now)
    with open_context(app, who, theirs_id, write=True) as ctx:
        people.set_role(ctx, UUID(theirs.ids["user_id"]), Role.ANALYST)
        connections.pause(ctx, UUID(theirs.ids["connection_id"]))
        invitations.create(ctx, email=f"{CANARY}-new@example.com", role=Role.VIEWER)
    heard = ""
    for role in (Role.ADMIN, Role.SUPER_ADMIN):
        bearer = headers(role)
        heard += await everything_answered(client, bearer, mine.ids, theirs.ids)
        for line in LINES:  # acts aimed at the other organization
            if "{" in line and not line.startswith("GET ") and line not in CROSSING:
                heard += (await ask(client, line, theirs.ids, bearer)).text
    assert "mine connection" in heard
    assert CANARY not in heard
    assert CANARY not in logged.getvalue()
    assert CANARY not in repr(app.extras)
    cells = stored(app)
    assert not {place for place, text in cells.items()
                if CANARY in text and place[0] in {"audit_entry", "incident", "outbox"}}
    people_of_theirs = [f"{CANARY}{tail}" for tail in (
        "@example.com", " person", " agent", "-guest@example.com", "-new@example.com",
    )]
    told = {place for place, text in cells.items() if any(p in text for p in people_of_theirs)}
    assert ("user_account", "email") in told
    classes = {place: datamap.of_table(place[0]).class_of(place[1]) for place in told}
    assert set(classes.values()) == {"personal"}, classes
