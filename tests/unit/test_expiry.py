"""Ends of sign-ins are told 14, 7, 3 and 1 day before, once each, and again for a new end."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlmodel import col, select

from liftos_app.models import Connection, ConnectionStatus, Credential, SyncEvent
from liftos_app.services import attention, expiry
from tests import connection_fixtures
from tests.conftest import Clock
from tests.connection_fixtures import Bench

bench, example = connection_fixtures.bench, connection_fixtures.example


def ends(bench: Bench, connection_id: UUID, days: float) -> None:
    with bench.app.db.write() as session:
        row = session.exec(select(Credential).where(
            Credential.connection_id == connection_id, Credential.field == "api_key"
        )).one()
        row.expires_at = bench.app.now() + timedelta(days=days)
        session.add(row)


def told(bench: Bench) -> list[Any]:
    with bench.app.db.read() as session:
        events = session.exec(
            select(SyncEvent).where(SyncEvent.kind == "credential").order_by(col(SyncEvent.id))
        ).all()
    return [e.facts["days"] for e in events if e.facts.get("expires_at")]


def test_four_warnings_once_each(bench: Bench, clock: Clock) -> None:
    ident = bench.started()
    ends(bench, ident, 15)
    assert expiry.warn(bench.app) == 0
    for _ in range(16 * 4):
        clock.advance(hours=6)
        expiry.warn(bench.app)
        expiry.warn(bench.app)
    assert told(bench) == [14, 7, 3, 1]
    with bench.read() as ctx:
        found = expiry.forecast(ctx, ident)
        assert [n.told for n in found.warnings] == [True] * 4
    ends(bench, ident, 2)  # a new key with an end of its own
    expiry.warn(bench.app)
    assert told(bench) == [14, 7, 3, 1, 3]


def test_a_long_sleep_tells_the_newest_only_and_the_list_of_attention_too(bench: Bench) -> None:
    ident = bench.started()
    ends(bench, ident, 2.5)
    assert expiry.warn(bench.app) == 1
    assert told(bench) == [3]
    with bench.read() as ctx:
        items = [i for i in attention.list_all(ctx) if "ends" in i.what]
        assert [(i.urgent, i.act) for i in items] == [(True, "reauthorise")]


def test_who_must_sign_in_again_anyway_is_not_warned(bench: Bench) -> None:
    ident = bench.started()
    ends(bench, ident, 2)
    with bench.app.db.write() as session:
        row = session.get_one(Connection, ident)
        row.status = ConnectionStatus.NEEDS_REAUTH
        session.add(row)
    assert expiry.warn(bench.app) == 0


def test_what_renews_itself_says_when(bench: Bench) -> None:
    ident = bench.signed_in(start=True)
    with bench.read() as ctx:
        found = expiry.forecast(ctx, ident)
    assert found.ends_at is None
    assert found.warnings == ()
    assert "daily" in found.renewal
    assert found.renews_at is not None
    assert bench.app.now() < found.renews_at <= bench.app.now() + timedelta(hours=1)


@pytest.mark.parametrize(
    ("days", "stands"), [(20, None), (14, 14), (10, 14), (7, 7), (2, 3), (0.5, 1), (-1, 1)]
)
def test_which_warning_stands(bench: Bench, days: float, stands: int | None) -> None:
    now = bench.app.now()
    assert expiry.due(now + timedelta(days=days), now) == stands


def test_a_stated_end_is_warned_of_like_a_known_one(bench: Bench, clock: Clock) -> None:
    ident = bench.started()
    day = (clock.now + timedelta(days=8)).date()
    with bench.app.db.write() as session:
        row = session.get_one(Connection, ident)
        row.options = {**row.options, "ends_on": day.isoformat()}
    assert expiry.warn(bench.app) == 1
    assert told(bench) == [14]
    with bench.read() as ctx:
        end = expiry.forecast(ctx, ident).ends_at
    assert end is not None
    assert end.isoformat() == f"{day}T00:00:00+00:00"
