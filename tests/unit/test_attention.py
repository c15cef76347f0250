"""What needs a person: the worst first, with a cause, and never what runs by itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from liftos_app.models import ConnectionStatus, Credential, Role
from liftos_app.services import attention
from liftos_app.services.connectors import registry
from liftos_app.services.context import App
from tests.facts_builder import PLATFORMS, Facts, facts, platforms  # noqa: F401 - fixtures

CAUSE = {
    "what": "Ads refused the sign-in.",
    "why": "It was revoked.",
    "fix": "Sign in again.",
    "cause": "credential",
}


def items(open_ctx: Callable[..., Any]) -> list[attention.Item]:
    with open_ctx(Role.VIEWER) as ctx:
        return attention.list_all(ctx)


def test_what_runs_by_itself_needs_nobody(
    facts: Facts,  # noqa: F811
    open_ctx: Callable[..., Any],
) -> None:
    for status in (ConnectionStatus.HEALTHY, ConnectionStatus.BACKFILLING, ConnectionStatus.PAUSED):
        facts.connection("ads_one", status.value, status=status)
    assert items(open_ctx) == []


@pytest.mark.parametrize(
    ("status", "kind", "act"),
    [
        (ConnectionStatus.NEEDS_REAUTH, "bad", "reauthorise"),
        (ConnectionStatus.FAILING, "bad", "look"),
        (ConnectionStatus.DISABLED, "bad", "look"),
        (ConnectionStatus.DEGRADED, "warn", "look"),
        (ConnectionStatus.DELAYED, "warn", "look"),
        (ConnectionStatus.DRAFT, "info", "finish"),
    ],
)
def test_each_state_of_trouble_has_its_way_out(
    status: ConnectionStatus,
    kind: str,
    act: str,
    facts: Facts,  # noqa: F811
    open_ctx: Callable[..., Any],
) -> None:
    facts.connection("ads_one", "Ads", status=status, cause=CAUSE if kind == "bad" else None)
    found = items(open_ctx)
    assert [(i.kind, i.act) for i in found] == [(kind, act)]
    assert found[0].what.startswith("Ads ")
    assert found[0].why == (
        "Ads refused the sign-in. It was revoked. Sign in again." if kind == "bad" else ""
    )


def test_the_worst_stands_first_and_drafts_are_not_counted(
    facts: Facts,  # noqa: F811
    open_ctx: Callable[..., Any],
) -> None:
    facts.connection("ads_one", "draft", status=ConnectionStatus.DRAFT)
    facts.connection("ads_one", "partly", status=ConnectionStatus.DEGRADED)
    facts.connection("ads_one", "stopped", status=ConnectionStatus.FAILING)
    assert [i.kind for i in items(open_ctx)] == ["bad", "warn", "info"]
    with open_ctx(Role.VIEWER) as ctx:
        assert attention.count(ctx) == 2


@pytest.mark.parametrize(
    ("days", "told", "urgent"), [(20, False, False), (10, True, False), (2, True, True)]
)
def test_a_sign_in_that_ends_is_announced_ahead(
    days: int,
    told: bool,
    urgent: bool,
    facts: Facts,  # noqa: F811
    open_ctx: Callable[..., Any],
    app: App,
) -> None:
    connection = facts.connection("ads_one")
    facts.add(
        Credential(
            org_id=facts.org.id,
            connection_id=connection.id,
            field="refresh_token",
            sealed="x",
            expires_at=app.now() + timedelta(days=days, hours=1),
            updated_at=app.now(),
        )
    )
    found = items(open_ctx)
    assert bool(found) is told
    assert [i.urgent for i in found] == ([urgent] if told else [])


@pytest.mark.parametrize(
    ("days", "kind"), [(61, None), (60, "warn"), (0, "warn"), (-1, "bad")]
)
def test_a_version_that_ends_is_announced_sixty_days_ahead(
    days: int,
    kind: str | None,
    facts: Facts,  # noqa: F811
    open_ctx: Callable[..., Any],
    app: App,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    end = app.now().date() + timedelta(days=days)
    ending = replace(PLATFORMS[0], version_ends=end)
    monkeypatch.setattr(registry, "all_platforms", lambda: (ending, *PLATFORMS[1:]))
    facts.connection("ads_one", "first")
    facts.connection("ads_one", "second")  # two connections, one announcement
    found = items(open_ctx)
    assert [i.kind for i in found] == ([kind] if kind else [])
    if found:
        assert "Ads One" in found[0].what
        assert "Update LiftOS" in found[0].why
