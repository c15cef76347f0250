"""The loader on both databases: new, changed, same, vanished, rejected; twice changes nothing."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import col, select

from liftos_app.models import (
    Account,
    Connection,
    Entity,
    FactDaily,
    FactExtra,
    MailFact,
    Order,
    OrderLine,
    Organization,
    Refund,
    RejectedRow,
    SyncRun,
)
from liftos_app.services.connectors.spec import AccountInfo, Lands, Rejected, Stream, Window
from liftos_app.services.context import App
from liftos_app.services.sync.job import Stored
from liftos_app.services.sync.load import Counts, Landing, Target, load
from liftos_app.services.sync.reading import Work
from liftos_app.services.sync.window import LeaseLost, leased

D1, D2, D3 = (dt.date(2026, 11, d) for d in (1, 2, 3))
SPAN = (D1, D3)
WINDOW = Window(
    days_per_request=7, reread_days=28, latency_hours=3, settle_days=28, history_days=999
)


def a_stream(lands: Lands, level: int = 1) -> Stream:
    return Stream(
        name="daily",
        title="Daily",
        grain="x",
        lands=lands,
        level=level,
        key=("id",),
        window=WINDOW,
        read=lambda c, t: iter(()),
    )


@pytest.fixture
def target(app: App, organization: Organization) -> Target:
    with app.db.write() as session:
        connection = Connection(
            org_id=organization.id,
            platform="x",
            name="x",
            created_at=app.now(),
            updated_at=app.now(),
        )
        session.add(connection)
        session.flush()
        account = Account(
            org_id=organization.id,
            connection_id=connection.id,
            external_id="a",
            name="A",
            created_at=app.now(),
        )
        run = SyncRun(
            org_id=organization.id,
            connection_id=connection.id,
            trigger="person",
            created_at=app.now(),
        )
        session.add_all([account, run])
        session.flush()
        return Target(organization.id, account.key, run.id, app.now())


def put(
    app: App,
    target: Target,
    rows: list,
    lands: Lands = Lands.FACTS,
    span=SPAN,
    rejected: list[Rejected] | None = None,
    level: int = 1,
) -> Counts:
    with app.db.write() as session:
        return load(Landing(session, target, a_stream(lands, level), rows, span, rejected or []))


def fact(entity: str, day: dt.date, spend: int | None = 1_000_000, **more: object) -> dict:
    return {
        "entity_id": entity,
        "day": day.isoformat(),
        "impressions": 10,
        "clicks": 1,
        "spend_micros": spend,
        "conversions_micros": 0,
        "value_micros": 0,
        **more,
    }


def stored(app: App) -> dict[tuple[str, str], int | None]:
    with app.db.read() as session:
        rows = session.exec(
            select(Entity.external_id, FactDaily).where(Entity.key == FactDaily.entity_key)
        ).all()
        return {(i, f.day.isoformat()): f.spend_micros for i, f in rows}


def test_L104_rows_are_written_then_unchanged_then_updated(app: App, target: Target) -> None:
    rows = [fact("c1", D1), fact("c1", D2), fact("c2", D1, None)]
    first = put(app, target, rows)
    assert (first.read, first.written, first.adds_up) == (3, 3, True)
    again = put(app, target, rows)
    assert (again.written, again.updated, again.unchanged) == (0, 0, 3)
    changed = put(app, target, [fact("c1", D1, 5), *rows[1:]])
    assert (changed.written, changed.updated, changed.unchanged) == (0, 1, 2)
    assert stored(app) == {
        ("c1", "2026-11-01"): 5,
        ("c1", "2026-11-02"): 1_000_000,
        ("c2", "2026-11-01"): None,
    }


def test_L104_a_row_that_vanished_at_the_source_vanishes_inside_the_window_only(
    app: App, target: Target
) -> None:
    put(app, target, [fact("c1", D1), fact("c1", D2), fact("c2", D3)])
    counts = put(app, target, [fact("c1", D1)], span=(D1, D2))
    assert counts.removed == 1
    assert set(stored(app)) == {("c1", "2026-11-01"), ("c2", "2026-11-03")}


def test_another_level_in_the_same_days_is_left_alone(app: App, target: Target) -> None:
    put(app, target, [fact("c1", D1)])
    put(app, target, [fact("ad1", D1)], level=3)
    put(app, target, [], level=3)
    assert set(stored(app)) == {("c1", "2026-11-01")}


def test_rare_metrics_land_aside_and_follow_their_row(app: App, target: Target) -> None:
    put(app, target, [fact("c1", D1, extra={"reach": 5_000_000, "none": None})])
    put(app, target, [fact("c1", D1, extra={"reach": 6_000_000})])
    with app.db.read() as session:
        assert [(x.metric, x.value) for x in session.exec(select(FactExtra))] == [
            ("reach", 6_000_000)
        ]
    put(app, target, [fact("c1", D1)])
    with app.db.read() as session:
        assert session.exec(select(FactExtra)).all() == []


@pytest.mark.parametrize(
    "bad",
    [
        {"entity_id": ""},
        {"day": "2026-11-09"},
        {"day": "2026-11-31"},
        {"day": None},
        {"day": "2026-11-1\t"},
        {"spend_micros": 1.5},
        {"spend_micros": "12"},
        {"clicks": True},
        {"impressions": 2**70},
        {"setting": "unheard_of"},
    ],
)
def test_a_row_that_cannot_be_stored_is_kept_with_its_reason(
    app: App, target: Target, bad: dict
) -> None:
    counts = put(app, target, [fact("c1", D1), {**fact("c2", D1), **bad}])
    assert (counts.read, counts.written, counts.rejected) == (2, 1, 1)
    assert counts.adds_up
    with app.db.read() as session:
        kept = session.exec(select(RejectedRow)).one()
        assert kept.reason
        assert kept.account_key == target.account_key


def test_an_exact_repeat_counts_as_unchanged_and_a_contradiction_is_rejected(
    app: App, target: Target
) -> None:
    counts = put(app, target, [fact("c1", D1), fact("c1", D1), fact("c1", D1, 7)])
    assert (counts.written, counts.unchanged, counts.rejected) == (1, 1, 1)
    assert counts.adds_up
    assert stored(app) == {("c1", "2026-11-01"): 1_000_000}


def test_rows_create_and_rename_their_entity(app: App, target: Target) -> None:
    nasty = "<script>alert(1)</script> \t\n\\N 'quoted' é🙂"
    put(app, target, [fact("c1", D1, entity_name="Old")])
    put(app, target, [fact("c1", D1, entity_name=nasty)])
    with app.db.read() as session:
        assert session.exec(select(Entity.name)).all() == [nasty]


def test_more_rows_than_one_statement_takes_are_stored(app: App, target: Target) -> None:
    rows = [fact(f"c{i}", D1, i) for i in range(4_321)]
    assert put(app, target, rows).written == 4_321
    assert stored(app) == {(f"c{i}", "2026-11-01"): i for i in range(4_321)}


def test_the_keys_of_entities_go_with_their_transaction(app: App, target: Target) -> None:
    work = Work(
        app=app, run_id=target.run_id, epoch=1, org_id=target.org_id, target=target, options={},
        connection_id=uuid4(), account_key=target.account_key, account=AccountInfo("a", "A"),
        salt="", today=D3, drift_policy="evolve", holder="nobody", stored=Stored(),
    )
    lost = Landing(None, target, a_stream(Lands.FACTS), [fact("c1", D1)], SPAN, [])  # type: ignore[arg-type]
    with pytest.raises(LeaseLost), leased(work, windows=1) as session:
        load(replace(lost, session=session))
    put(app, target, [fact("c1", D1)])
    assert stored(app) == {("c1", "2026-11-01"): 1_000_000}


def test_entities_are_read_whole_and_compared(app: App, target: Target) -> None:
    rows = [{"external_id": "c1", "level": 1, "name": "A", "status": "ACTIVE", "attrs": {"x": 1}}]
    assert put(app, target, rows, Lands.ENTITIES).written == 1
    assert put(app, target, rows, Lands.ENTITIES).unchanged == 1
    rows[0]["status"] = "PAUSED"
    assert put(app, target, rows, Lands.ENTITIES).updated == 1


def an_order(number: int, total: int = 97_200_000, **more: object) -> dict:
    at = dt.datetime(2026, 11, 1, 16, 20, tzinfo=dt.UTC)
    return {
        "external_id": f"o{number}",
        "name": f"#{number}",
        "day": "2026-11-01",
        "processed_at": at,
        "updated_at": at,
        "cancelled_at": None,
        "is_test": False,
        "financial_status": "PAID",
        "currency": "USD",
        "gross_micros": total,
        "subtotal_micros": total,
        "discount_micros": 0,
        "shipping_micros": 0,
        "tax_micros": 0,
        "refunded_micros": 0,
        "items": 1,
        "customer_ref": "abc",
        "customer_order_index": 1,
        "source": "web",
        "utm_source": "",
        "utm_medium": "",
        "utm_campaign": "",
        "attrs": {},
        "lines": [
            {
                "external_id": f"l{number}",
                "product_id": "p",
                "title": "Lamp",
                "sku": "",
                "quantity": 1,
                "amount_micros": total,
            }
        ],
        "refunds": [],
        **more,
    }


def test_orders_lines_and_refunds_follow_the_source(app: App, target: Target) -> None:
    assert put(app, target, [an_order(1), an_order(2)], Lands.ORDERS).written == 2
    assert put(app, target, [an_order(1), an_order(2)], Lands.ORDERS).unchanged == 2
    refund = {
        "external_id": "r1",
        "day": "2026-11-02",
        "currency": "USD",
        "amount_micros": 5,
        "goods_micros": 4,
        "processed_at": dt.datetime(2026, 11, 2, tzinfo=dt.UTC),
    }
    counts = put(
        app, target, [an_order(1, refunds=[refund], refunded_micros=5)], Lands.ORDERS, None
    )
    assert (counts.updated, counts.adds_up) == (1, True)
    with app.db.read() as session:
        assert len(session.exec(select(Order)).all()) == 2
        assert session.exec(select(Refund.goods_micros)).one() == 4
    put(app, target, [an_order(1, lines=[])], Lands.ORDERS, None)
    with app.db.read() as session:
        assert session.exec(select(Refund)).all() == []
        assert [line.order_id for line in session.exec(select(OrderLine))] == ["o2"]


def test_what_an_order_leaves_out_keeps_its_stored_value(app: App, target: Target) -> None:
    put(app, target, [an_order(1, utm_source="mail")], Lands.ORDERS)
    unsaid = {"customer_ref", "customer_order_index", "utm_source", "attrs"}
    bare = [
        {k: v for k, v in an_order(n, total=5_000_000).items() if k not in unsaid} for n in (1, 2)
    ]
    counts = put(app, target, bare, Lands.ORDERS, None)
    assert (counts.updated, counts.written, counts.adds_up) == (1, 1, True)
    assert put(app, target, bare, Lands.ORDERS, None).unchanged == 2
    with app.db.read() as session:
        old, new = session.exec(select(Order).order_by(col(Order.external_id))).all()
    assert (old.gross_micros, new.gross_micros) == (5_000_000, 5_000_000)
    assert (old.customer_ref, old.customer_order_index, old.utm_source) == ("abc", 1, "mail")
    assert (new.customer_ref, new.customer_order_index, new.utm_source, new.attrs) == (
        "", None, "", {}
    )


def test_an_order_without_amount_or_date_is_rejected(app: App, target: Target) -> None:
    counts = put(
        app,
        target,
        [an_order(1, gross_micros=None), an_order(2, day="soon"), an_order(3)],
        Lands.ORDERS,
    )
    assert (counts.written, counts.rejected, counts.adds_up) == (1, 2, True)


def test_mail_results_of_one_level_do_not_touch_another(app: App, target: Target) -> None:
    row = {"entity_id": "m1", "day": "2026-11-01", "recipients": 10, "value_micros": 5}
    put(app, target, [row], Lands.MAIL, level=6)
    put(app, target, [{**row, "entity_id": "f1"}], Lands.MAIL, level=7)
    put(app, target, [], Lands.MAIL, level=7)
    with app.db.read() as session:
        assert [m.recipients for m in session.exec(select(MailFact))] == [10]


KEYS = st.tuples(st.sampled_from(["c1", "c2", "c3"]), st.sampled_from([D1, D2, D3]))
STATES = st.lists(st.dictionaries(KEYS, st.integers(0, 5) | st.none(), max_size=9), max_size=4)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(states=STATES)
def test_L104_after_any_sequence_of_readings_the_table_equals_the_last_one(
    app: App, target: Target, states: list[dict]
) -> None:
    for state in states:
        counts = put(app, target, [fact(e, d, v) for (e, d), v in state.items()])
        assert counts.adds_up
        assert stored(app) == {(e, d.isoformat()): v for (e, d), v in state.items()}
