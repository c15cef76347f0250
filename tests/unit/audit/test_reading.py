"""Who sees which entries, filters, pages, and an export that no spreadsheet executes."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta

import pytest
from sqlmodel import select

from liftos_app.errors import Denied
from liftos_app.models import AuditEntry, Organization, Role
from liftos_app.services import audit
from liftos_app.services.audit import reading
from liftos_app.services.audit.reading import Asked
from liftos_app.services.context import App, Context, Principal, open_context

OpenCtx = Callable[..., AbstractContextManager[Context]]


@pytest.fixture
def filled(
    app: App, open_ctx: OpenCtx, organization: Organization, other_organization: Organization,
    clock: Callable[[], object],
) -> None:
    with open_ctx(write=True) as ctx:
        audit.record(ctx, "auth.signed_in", organization)
        audit.record(ctx, "authority.changed", before="a", after="b")
    clock.advance(days=1)  # type: ignore[attr-defined]
    who = Principal(kind="program", name="@SUM(1)", role=Role.ADMIN)
    with open_context(app, who, organization.id, write=True) as ctx:
        audit.record(ctx, "auth.signed_out", reason='=HYPERLINK("http://x")', amount=-5)
    with open_context(app, who, other_organization.id, write=True) as ctx:
        audit.record(ctx, "auth.signed_in", reason="canary-of-others")
    with open_context(app, who, None, write=True) as ctx:
        audit.record(ctx, "app.started")


def seen(ctx: Context, **asked: object) -> list[str]:
    return [r.entry.action for r in reading.browse(ctx, Asked(**asked))]  # type: ignore[arg-type]


@pytest.mark.usefixtures("filled")
def test_L91_own_organization_only_and_the_installation_for_super_admins(
    open_ctx: OpenCtx
) -> None:
    with open_ctx() as ctx:
        assert seen(ctx) == ["auth.signed_out", "authority.changed", "auth.signed_in"]
    with open_ctx(Role.SUPER_ADMIN) as ctx:
        assert seen(ctx)[0] == "app.started"
        assert "canary-of-others" not in repr(reading.browse(ctx, Asked()))
    with open_ctx(Role.MANAGER) as ctx, pytest.raises(Denied):
        reading.browse(ctx, Asked())


@pytest.mark.usefixtures("filled")
def test_filters_and_pages(app: App, open_ctx: OpenCtx, organization: Organization) -> None:
    with open_ctx() as ctx:
        assert seen(ctx, action="auth") == ["auth.signed_out", "auth.signed_in"]
        assert seen(ctx, action="auth.signed_in") == ["auth.signed_in"]
        assert seen(ctx, action="auth%") == []
        assert seen(ctx, actor="person0@EXAMPLE") == ["authority.changed", "auth.signed_in"]
        assert seen(ctx, actor="@SUM(1)") == ["auth.signed_out"]
        assert seen(ctx, target=f"organization:{organization.id}") == ["auth.signed_in"]
        assert seen(ctx, target="organization") == ["auth.signed_in"]
        assert seen(ctx, start=app.now() - timedelta(hours=1)) == ["auth.signed_out"]
        assert seen(ctx, end=app.now() - timedelta(hours=1))[-1] == "auth.signed_in"
        first = reading.browse(ctx, Asked(), limit=2)
        rest = reading.browse(ctx, Asked(), limit=2, before=first[-1].entry.seq)
        assert [r.entry.action for r in rest] == ["auth.signed_in"]


@pytest.mark.usefixtures("filled")
def test_L68_an_export_is_neutralised_and_recorded(app: App, open_ctx: OpenCtx) -> None:
    with open_ctx(write=True) as ctx:
        text = reading.export(ctx, Asked(), as_csv=True)
        rows = list(csv.DictReader(io.StringIO(text)))
        data = json.loads(reading.export(ctx, Asked(), as_csv=False))
    assert rows[0]["reason"] == "'=HYPERLINK(\"http://x\")"
    assert rows[0]["actor"] == "'@SUM(1)"
    assert rows[0]["seq"] == "3"
    assert not any(c.startswith(("=", "+", "-", "@")) for r in rows for c in r.values())
    assert [d["action"] for d in data] == [r["action"] for r in rows]
    with app.db.read() as session:
        done = session.exec(select(AuditEntry).where(AuditEntry.action == "audit.exported")).all()
    assert [(e.data["rows"], e.data["form"]) for e in done] == [(3, "csv"), (3, "json")]
