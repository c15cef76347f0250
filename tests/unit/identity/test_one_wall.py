"""Everything that can be caused is known and has a permission: commands, jobs, and the docs of it.

Events are counted in tests/unit/page/test_guard.py, routes in tests/api/test_every_route.py.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from liftos_app import cli, liftos_app
from liftos_app.errors import Denied
from liftos_app.models import Role
from liftos_app.services import access
from liftos_app.services.context import Principal, job_principal
from scripts import permission_matrix

ROOT = Path(__file__).resolve().parents[3]


def commands(app: typer.Typer, before: str = "") -> set[str]:
    found = {
        f"{before}{c.name or (c.callback.__name__ if c.callback else '')}"
        for c in app.registered_commands
    }
    for group in app.registered_groups:
        assert group.typer_instance is not None
        found |= commands(group.typer_instance, f"{before}{group.name} ")
    return found


def test_L2_every_command_names_a_permission_or_is_public_on_purpose() -> None:
    assert commands(cli.app) == set(cli.ALLOW), "add the command to cli.ALLOW"
    assert [c for c, need in cli.ALLOW.items() if need == "public"] == ["version"]
    assert set(cli.ALLOW.values()) - {"public"} <= set(access.PERMISSIONS)


def test_L2_every_job_names_a_permission_that_jobs_hold() -> None:
    chores = liftos_app.chores()
    assert {c.name for c in chores} >= {"hourly", "daily"}
    for chore in chores:
        access.authorize(job_principal(chore.name), chore.allow)


def test_L1_a_job_without_the_permission_does_not_run() -> None:
    with pytest.raises(Denied):
        access.authorize(job_principal("x"), "installation.admin")


@pytest.mark.parametrize("permission", sorted(access.PERMISSIONS))
def test_L1_nobody_holds_nothing(permission: str) -> None:
    assert not access.permits(None, permission)
    assert not access.permits(Principal(), permission)
    limited = Principal(kind="program", role=Role.SUPER_ADMIN, scopes=frozenset())
    assert not access.permits(limited, permission)


def test_the_matrix_in_the_docs_is_the_one_in_the_code() -> None:
    text = (ROOT / "docs" / "security" / "identity.md").read_text(encoding="utf-8")
    made = permission_matrix.whole()
    assert made in text, "run: python scripts/permission_matrix.py"
