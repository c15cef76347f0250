"""Health: a public word, and details for members."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace

import httpx
import pytest

from liftos_app.api.routes import create_api
from liftos_app.db import Database
from liftos_app.models import Connection, ConnectionStatus, Organization, Role
from liftos_app.services import revisions
from liftos_app.services.context import App

Bearer = Callable[..., dict[str, str]]


async def test_the_public_answer_says_only_that_it_is_well(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/v1/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


async def test_without_a_database_it_says_down_and_nothing_of_why(app: App) -> None:
    broken = Database("postgresql+psycopg://nobody:hush@127.0.0.1:1/none?connect_timeout=1")
    api = create_api(dataclasses.replace(app, db=broken))
    transport = httpx.ASGITransport(app=api)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8000") as client:
        answer = await client.get("/api/v1/health")
    broken.close()
    assert (answer.status_code, answer.json()) == (503, {"status": "down"})


@pytest.mark.parametrize("path", ["services", "database", "connections"])
async def test_details_are_for_members(
    client: httpx.AsyncClient, bearer: Bearer, path: str
) -> None:
    assert (await client.get(f"/api/v1/health/{path}")).status_code == 401
    answer = await client.get(f"/api/v1/health/{path}", headers=bearer(Role.VIEWER))
    assert answer.status_code == 200, answer.text


async def test_the_database_is_named_with_its_schema(
    client: httpx.AsyncClient, app: App, bearer: Bearer
) -> None:
    body = (await client.get("/api/v1/health/database", headers=bearer())).json()
    assert body["software"].split(" ")[0] == ("SQLite" if app.db.is_sqlite else "PostgreSQL")
    assert body["newest_revision"] == revisions.newest()
    assert body["size_bytes"] > 0
    assert body["milliseconds"] >= 0
    assert "://" not in str(body)


async def test_a_database_that_was_not_migrated_is_degraded(
    client: httpx.AsyncClient, bearer: Bearer
) -> None:
    # the test database is made from the models and carries no revision
    body = (await client.get("/api/v1/health/services", headers=bearer())).json()
    by_name = {s["name"]: s for s in body["services"]}
    assert by_name["database"]["status"] == "degraded"
    assert "liftos migrate" in by_name["database"]["detail"]
    assert body["status"] == "degraded"


async def test_the_scheduler_is_judged_by_its_last_tick(
    client: httpx.AsyncClient, app: App, bearer: Bearer
) -> None:
    headers = bearer()

    async def scheduler() -> tuple[str, str]:
        body = (await client.get("/api/v1/health/services", headers=headers)).json()
        one = next(s for s in body["services"] if s["name"] == "scheduler")
        return one["status"], one["detail"]

    assert (await scheduler())[0] == "off"
    app.extras["engine"] = SimpleNamespace(last_tick_at=app.now())
    assert (await scheduler())[0] == "ok"
    app.extras["engine"] = SimpleNamespace(last_tick_at=app.now() - timedelta(minutes=5))
    assert await scheduler() == ("degraded", "No tick for 300 s.")


async def test_connections_are_counted_for_ones_own_organization(
    client: httpx.AsyncClient,
    app: App,
    bearer: Bearer,
    organization: Organization,
    other_organization: Organization,
) -> None:
    cause = {"what": "The token expired.", "fix": "Authorise again."}
    with app.db.write() as session:
        for org, status in (
            (organization, ConnectionStatus.HEALTHY),
            (organization, ConnectionStatus.NEEDS_REAUTH),
            (other_organization, ConnectionStatus.FAILING),
        ):
            session.add(
                Connection(
                    org_id=org.id or 0,
                    platform="klaviyo",
                    name=f"of {org.name}",
                    status=status,
                    cause=cause if status is ConnectionStatus.NEEDS_REAUTH else None,
                    created_at=app.now(),
                    updated_at=app.now(),
                )
            )
    body = (await client.get("/api/v1/health/connections", headers=bearer(Role.VIEWER))).json()
    assert {c["name"] for c in body["connections"]} == {f"of {organization.name}"}
    assert (body["counts"]["healthy"], body["counts"]["failing"]) == (1, 0)
    assert (body["status"], body["health_percent"]) == ("degraded", 50.0)
    assert next(c for c in body["connections"] if c["cause"])["cause"] == cause


async def test_without_connections_there_is_no_percentage(
    client: httpx.AsyncClient, bearer: Bearer
) -> None:
    body = (await client.get("/api/v1/health/connections", headers=bearer())).json()
    assert (body["status"], body["health_percent"]) == ("ok", None)
