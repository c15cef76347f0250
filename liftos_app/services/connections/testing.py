"""Live tests of a connection: each account asked for at the platform, now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from liftos_app.errors import PlatformFault, SignInAgain
from liftos_app.models import Account
from liftos_app.services import audit, catalogue, condition, links
from liftos_app.services.connections import reading
from liftos_app.services.connectors.client import Client
from liftos_app.services.connectors.spec import Platform
from liftos_app.services.context import App, Principal, open_context
from liftos_app.services.sync.job import info_of


@dataclass(frozen=True, slots=True)
class Tested:
    """One account's live test. `cause` has the fields of a failure, None when it passed."""

    account_id: UUID
    account: str
    ok: bool
    text: str
    cause: dict[str, Any] | None = None


def test(app: App, who: Principal, org_id: int, connection_id: UUID) -> list[Tested]:
    """A live test of each chosen account, or of each usable one before any is chosen.

    A refusal is a result, not an error; only a connection without a sign-in raises Conflict.
    """
    with open_context(app, who, org_id) as ctx:
        ctx.require("syncs.run")
        connection = reading.get(ctx, connection_id)
        condition.require_sign_in(ctx, connection)
        platform = catalogue.find(connection.platform)
        accounts = [a for a in reading.accounts_of(ctx, connection_id) if a.usable]
        accounts = [a for a in accounts if a.selected] or accounts
        ctx.session.expunge_all()
    results: list[Tested] = []
    try:
        with links.open_client(app, org_id, connection_id, purpose="test") as client:
            results = [_test_one(app, platform, client, a) for a in accounts]
    except PlatformFault as error:
        results = [_failed(app, a, error) for a in accounts]
    with open_context(app, who, org_id, write=True) as ctx:
        connection = reading.get(ctx, connection_id)
        passed = sum(r.ok for r in results)
        condition.note(
            ctx, connection, "settings", f"Tested: {passed} of {len(results)} accounts answered.",
            level="info" if passed == len(results) else "warning",
        )
        audit.record(ctx, "connection.tested", connection, passed=passed, of=len(results))
    return results


def _test_one(app: App, platform: Platform, client: Client, account: Account) -> Tested:
    try:
        text = platform.test(client, info_of(account))
    except SignInAgain:  # concerns all accounts: open_client notes it on the connection
        raise
    except PlatformFault as error:
        return _failed(app, account, error)
    return Tested(account.id, account.name, True, text)


def _failed(app: App, account: Account, error: PlatformFault) -> Tested:
    cause = condition.cause_of(error, now=app.now())
    return Tested(account.id, account.name, False, error.sentence(), cause)
