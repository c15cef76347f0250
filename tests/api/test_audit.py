"""The audit log over REST: pages by cursor, filters, export, and refusals that enter it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from sqlmodel import select

from liftos_app.models import AuditEntry, Organization, Role
from liftos_app.services import audit
from liftos_app.services.context import App, job_principal, open_context

PATH = "/api/v1/audit"


@pytest.fixture
def _filled(app: App, organization: Organization) -> None:
    for number in range(5):
        with open_context(app, job_principal("t"), organization.id, write=True) as ctx:
            audit.record(ctx, "test.act", number=number, reason="=1+1")


@pytest.mark.usefixtures("_filled")
async def test_pages_by_cursor_and_filters(
    client: httpx.AsyncClient, bearer: Callable[..., Any]
) -> None:
    headers = bearer(Role.ADMIN)
    seen, cursor = [], None
    while True:
        query = {"limit": 2, "action": "test", **({"cursor": cursor} if cursor else {})}
        page = (await client.get(PATH, params=query, headers=headers)).json()
        seen += [e["data"]["number"] for e in page["data"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == [4, 3, 2, 1, 0]
    for wrong in ({"cursor": "!"}, {"limit": 0}, {"start": "yesterday"}):
        assert (await client.get(PATH, params=wrong, headers=headers)).status_code == 422


@pytest.mark.usefixtures("_filled")
async def test_L68_L91_an_export_is_a_file_and_stands_in_the_log(
    client: httpx.AsyncClient, bearer: Callable[..., Any]
) -> None:
    headers = bearer(Role.ADMIN)
    answer = await client.get(f"{PATH}/export", params={"action": "test"}, headers=headers)
    assert answer.headers["content-disposition"] == 'attachment; filename="audit-log.csv"'
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "no-store" in answer.headers["cache-control"]
    assert len(answer.text.splitlines()) == 6
    assert ",'=1+1," in answer.text
    newest = (await client.get(PATH, headers=headers)).json()["data"][0]
    assert (newest["action"], newest["data"]["rows"]) == ("audit.exported", 5)


async def test_L91_a_refused_permission_stands_in_the_log(
    app: App, client: httpx.AsyncClient, bearer: Callable[..., Any]
) -> None:
    headers = bearer(Role.VIEWER)
    for _ in range(35):
        assert (await client.get(PATH, headers=headers)).status_code == 403
    with app.db.read() as session:
        rows = session.exec(
            select(AuditEntry).where(AuditEntry.action == "permission.denied")
        ).all()
    assert len(rows) == 30  # nobody fills the disk by asking
    assert rows[0].data == {"permission": "audit.read", "where": f"GET {PATH}"}
    assert rows[0].result == "denied"
