"""Stored rows by stream, their search and pages, and the source record behind each."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from liftos_app.errors import Invalid, Missing
from liftos_app.models import Role
from liftos_app.services import explorer
from liftos_app.services.connectors.spec import Page, Rejected
from liftos_app.services.context import App
from liftos_app.services.sync import provenance
from liftos_app.services.sync.load import Landing, Target, load
from liftos_app.services.sync.reading import Reading
from tests.facts_builder import PLATFORMS, Facts, facts, platforms  # noqa: F401 - fixtures

DAY = dt.date(2026, 11, 20)
ADS, STORE = PLATFORMS[0], PLATFORMS[2]


@pytest.fixture
def place(app: App, facts: Facts) -> tuple[Any, Any]:  # noqa: F811
    """A connection with an account, and 120 campaign rows of one day that came from records."""
    connection = facts.connection("ads_one", "Ads", streams=["campaign_daily", "campaigns"])
    account = facts.account(connection, currency="EUR")
    stream = ADS.stream("campaign_daily")
    run = facts.run(connection.id, account, stream.name, app.now())
    rows = [
        {
            "entity_id": f"c{i:03d}", "day": DAY.isoformat(), "entity_name": f"Campaign {i}",
            "spend_micros": 1_230_000 + i, "impressions": i, "clicks": None,
        }
        for i in range(120)
    ]
    source = [{"id": f"c{i:03d}", "cost": "1.23", "name": f"Campaign {i}"} for i in range(120)]
    with app.db.write() as session:
        target = Target(account.org_id, account.key, run.id, app.now())
        rejected: list[Rejected] = []
        load(Landing(session, target, stream, rows, (DAY, DAY), rejected))
        slots: dict[str, provenance.Slot] = {}
        Reading().take(stream, Page(rows=rows, source=source), slots, whole=True)
        packed = provenance.pack(target, stream, slots, {})
        provenance.keep(session, target, stream, packed, span=(DAY, DAY))
    return connection, account


def ask(place: tuple[Any, Any], **more: Any) -> explorer.Asked:
    return explorer.Asked(connection_id=place[0].id, **more)


def test_rows_come_in_pages_with_exact_money(place: Any, open_ctx: Callable[..., Any]) -> None:
    with open_ctx(Role.VIEWER) as ctx:
        first = explorer.browse(ctx, ask(place))
        last = explorer.browse(ctx, ask(place, page=99))
    assert (first.total, first.page, first.pages, len(first.rows)) == (120, 1, 3, 50)
    assert (last.page, len(last.rows)) == (3, 20)
    names = [c.name for c in first.columns]
    row = dict(zip(names, first.rows[1].values, strict=True))
    assert row["spend_micros"] == Decimal("1.230001")
    assert row["impressions"] == 1
    assert row["clicks"] is None  # not zero
    assert first.rows[1].currency == "EUR"


def test_words_and_days_narrow(place: Any, open_ctx: Callable[..., Any]) -> None:
    with open_ctx(Role.VIEWER) as ctx:
        assert explorer.browse(ctx, ask(place, search="campaign 11")).total == 11
        assert explorer.browse(ctx, ask(place, search="c007")).total == 1
        assert explorer.browse(ctx, ask(place, search="%")).total == 0
        assert explorer.browse(ctx, ask(place, search="_")).total == 0
        after = DAY + dt.timedelta(days=1)
        assert explorer.browse(ctx, ask(place, start=after)).total == 0
        assert explorer.browse(ctx, ask(place, start=DAY, end=DAY)).total == 120
        assert explorer.browse(ctx, ask(place, stream="campaigns")).total == 120
        with pytest.raises(Invalid, match="before the first"):
            explorer.browse(ctx, ask(place, start=after, end=DAY))
        with pytest.raises(Invalid, match="no stream called"):
            explorer.browse(ctx, ask(place, stream="unicorns"))


def test_each_row_opens_the_record_it_was_made_of(place: Any, open_ctx: Callable[..., Any]) -> None:
    with open_ctx(Role.VIEWER) as ctx:
        row = explorer.browse(ctx, ask(place, search="c042")).rows[0]
        found = explorer.source_of(
            ctx, place[0].id, stream="campaign_daily", account_id=place[1].id, slot=row.slot,
            ident=row.ident,
        )
        none = explorer.source_of(
            ctx, place[0].id, stream="campaign_daily", account_id=place[1].id, slot="2020-01-01"
        )
    assert found.records == ({"id": "c042", "cost": "1.23", "name": "Campaign 42"},)
    assert (found.kept, found.cut) == (120, False)
    assert found.read_at is not None
    assert (none.records, none.read_at) == ((), None)


def test_another_organization_sees_nothing(
    place: Any, open_ctx: Callable[..., Any], other_organization: Any
) -> None:
    with open_ctx(Role.ADMIN, org=other_organization) as ctx, pytest.raises(Missing):
        explorer.browse(ctx, ask(place))
