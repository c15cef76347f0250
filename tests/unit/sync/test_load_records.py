"""CRM records, payments and source records on both databases."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest
from sqlmodel import select

from liftos_app.models import CrmRecord, Payment, SourceRecord
from liftos_app.services.connectors.spec import Lands, Page, Row, Stream
from liftos_app.services.context import App
from liftos_app.services.sync import provenance
from liftos_app.services.sync.load import Counts, Landing, Target, load
from liftos_app.services.sync.reading import Reading
from tests.unit.sync.test_load import D1, D2, D3, SPAN, a_stream, target  # noqa: F401

AT = dt.datetime(2026, 11, 1, 9, tzinfo=dt.UTC)


def deal(ident: str, **more: Any) -> Row:
    return {
        "external_id": ident, "kind": "deal", "day": D1.isoformat(), "created_at": AT,
        "updated_at": AT, "name": "Hotel Aurora", "amount_micros": 12_500_000_000,
        "currency": "USD", "closed_day": "2026-11-20", "is_won": False, **more,
    }


def charge(ident: str, **more: Any) -> Row:
    return {
        "external_id": ident, "kind": "charge", "day": D2.isoformat(), "occurred_at": AT,
        "updated_at": AT, "status": "succeeded", "currency": "USD", "amount_micros": 42_000_000,
        **more,
    }


def put(app: App, into: Target, stream: Stream, rows: list[Row], **more: Any) -> Counts:
    with app.db.write() as session:
        return load(Landing(session, into, stream, rows, None, [], **more))


def test_a_deal_is_new_then_unchanged_then_changed(app: App, target: Target) -> None:  # noqa: F811
    stream = a_stream(Lands.CRM)
    assert put(app, target, stream, [deal("1"), deal("2")]).written == 2
    again = put(app, target, stream, [deal("1"), deal("2")])
    assert (again.written, again.updated, again.unchanged) == (0, 0, 2)
    won = put(app, target, stream, [deal("1", is_won=True, stage="closedwon")])
    assert (won.updated, won.per_day) == (1, {D1.isoformat(): 1})
    with app.db.read() as session:
        found = session.exec(select(CrmRecord).order_by(CrmRecord.external_id)).all()
    assert [(r.external_id, r.is_won, r.closed_day, r.deleted) for r in found] == [
        ("1", True, dt.date(2026, 11, 20), False), ("2", False, dt.date(2026, 11, 20), False),
    ]


def test_the_same_id_in_two_kinds_is_two_records(app: App, target: Target) -> None:  # noqa: F811
    counts = put(app, target, a_stream(Lands.CRM), [deal("1"), deal("1", kind="lead")])
    assert counts.written == 2
    assert counts.adds_up


def test_a_whole_reading_marks_what_is_gone(app: App, target: Target) -> None:  # noqa: F811
    stream = a_stream(Lands.CRM)
    rows = [deal(i, kind="campaign_member") for i in ("1", "2")]
    put(app, target, stream, [*rows, deal("1")])
    counts = put(app, target, stream, rows[:1], whole=True)
    assert counts.removed == 1
    with app.db.read() as session:
        gone = session.exec(select(CrmRecord).where(CrmRecord.deleted)).all()
    assert [(r.kind, r.external_id) for r in gone] == [("campaign_member", "2")]


def test_what_the_platform_reports_as_gone_or_lists_no_more_is_marked(
    app: App, target: Target,  # noqa: F811
) -> None:
    stream = replace(a_stream(Lands.CRM), kind="deal")
    put(app, target, stream, [deal(i) for i in "123"] + [deal("1", kind="lead")])
    told = put(app, target, stream, [deal("2")], gone=frozenset({"1", "77"}))
    assert (told.removed, told.unchanged) == (1, 1)
    listed = put(app, target, stream, [], alive=frozenset({"2"}))
    assert listed.removed == 1
    assert put(app, target, stream, [], alive=frozenset({"2"})).removed == 0
    with app.db.read() as session:
        found = session.exec(select(CrmRecord).where(CrmRecord.deleted)).all()
    assert sorted((r.kind, r.external_id) for r in found) == [("deal", "1"), ("deal", "3")]
    put(app, target, stream, [deal("1")])  # it came back
    with app.db.read() as session:
        found = session.exec(select(CrmRecord).where(CrmRecord.deleted)).all()
    assert [r.external_id for r in found] == ["3"]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (deal(""), "no id"),
        (deal("1", kind="unicorn"), "'unicorn' is unknown"),
        (deal("1", day="2026-02-30"), "no date"),
        (deal("1", created_at=None), "no date"),
        (deal("1", amount_micros=2**63), "amount_micros"),
        (deal("1", amount_micros=1.5), "amount_micros"),
    ],
)
def test_a_wrong_record_is_rejected_with_its_reason(
    app: App, target: Target, row: Row, reason: str  # noqa: F811
) -> None:
    rejected: list[Any] = []
    with app.db.write() as session:
        counts = load(Landing(session, target, a_stream(Lands.CRM), [row, deal("9")], None,
                              rejected))
    assert (counts.read, counts.written, counts.rejected) == (2, 1, 1)
    assert counts.adds_up
    assert reason in rejected[0].reason


def test_a_deal_may_have_no_amount_but_a_payment_may_not(
    app: App, target: Target  # noqa: F811
) -> None:
    assert put(app, target, a_stream(Lands.CRM), [deal("1", amount_micros=None)]).written == 1
    found = put(app, target, a_stream(Lands.PAYMENTS), [
        charge("a"), charge("b", amount_micros=None), charge("c", fee_micros=-1),
    ])
    assert (found.written, found.rejected) == (2, 1)
    with app.db.read() as session:
        kept = session.exec(select(Payment).order_by(Payment.external_id)).all()
    assert [(p.external_id, p.fee_micros, p.customer_ref) for p in kept] == [
        ("a", None, ""), ("c", -1, ""),
    ]


def keep(app: App, into: Target, stream: Stream, page: Page, span: Any = SPAN) -> None:
    slots: dict[str, provenance.Slot] = {}
    Reading().take(stream, page, slots, whole=span is not None)
    with app.db.write() as session:
        known = provenance.known_digests(session, into, stream, list(slots))
        packed = provenance.pack(into, stream, slots, known)
        provenance.keep(session, into, stream, packed, span=span)


def test_source_records_are_kept_by_day_and_replaced(app: App, target: Target) -> None:  # noqa: F811
    stream = a_stream(Lands.FACTS)
    rows = [{"entity_id": "c1", "day": D1.isoformat()}, {"entity_id": "c1", "day": D2.isoformat()}]
    keep(app, target, stream, Page(rows=rows, source=[{"spend": "1.50"}, {"spend": "2"}]))
    keep(app, target, stream, Page(rows=rows[:1], source=[{"spend": "1.60"}]))
    with app.db.read() as session:
        kept = session.exec(select(SourceRecord)).all()
    assert [(k.slot, k.records) for k in kept] == [(D1.isoformat(), 1)]  # the second day is gone
    assert D3.isoformat() not in {k.slot for k in kept}


def test_changes_remove_no_source_records(app: App, target: Target) -> None:  # noqa: F811
    stream = a_stream(Lands.CRM)
    keep(app, target, stream, Page(rows=[deal("1")], source=[{"id": "1"}]), None)
    keep(app, target, stream, Page(rows=[deal("2")], source=[{"id": "2"}]), None)
    with app.db.read() as session:
        assert [k.slot for k in session.exec(select(SourceRecord))] == ["1", "2"]
