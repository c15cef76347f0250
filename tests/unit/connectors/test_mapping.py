"""A source record and a mapping make a row: exact, in the right zone, or rejected with a reason."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import orjson
import pytest

from liftos_app.errors import Invalid
from liftos_app.services.connectors import landing_fields, mapping
from liftos_app.services.connectors.defined import (
    Definition,
    accounts_of,
    definitions,
    make_streams,
    read_all,
    read_definition,
    stream_of,
    streams_of,
)
from liftos_app.services.connectors.mapping import Mapper
from liftos_app.services.connectors.spec import STREAM_OF, AccountInfo, Lands, Page, Task
from tests.example_platform import PLATFORM

FACTS: dict[str, Any] = {
    "name": "podcast_daily", "title": "Podcasts", "object": "DB.PUBLIC.T", "lands": "facts",
    "currencies": ["EUR"],
    "fields": {
        "day": "DATE", "campaign_id": "CID", "campaign_name": "CNAME", "spend": "COST",
        "clicks": "CLICKS", "impressions": "IMPS", "conversions": "CONV", "value": "REV",
    },
}
RECORD = {
    "DATE": "2026-11-20", "CID": "c-1", "CNAME": "Autumn", "COST": "12.34", "CLICKS": 7,
    "IMPS": "900", "CONV": "1.5", "REV": None, "EMAIL": "a@b.example",
}
DAY = dt.date(2026, 11, 20)


def never(*_: Any) -> Iterator[Page]:
    raise AssertionError


def task_of(one: Definition, *, currency: str = "EUR", **more: Any) -> Task:
    found = {
        "stream": stream_of(one, never), "account": AccountInfo("a", "A", currency, one.time_zone),
        "start": DAY, "end": DAY, "today": DAY, "salt": "5f" * 32, **more,
    }
    return Task(**found)


def read(raw: dict[str, Any], *records: dict[str, Any], **more: Any) -> Page:
    one = read_definition(raw)
    whole = Page(rows=[])
    for page in mapping.pages(one, task_of(one, **more), [mapping.Chunk(list(records))]):
        assert page.read_count == len(page.rows) + len(page.rejected) + page.skipped
        whole.rows += page.rows
        whole.source = [*whole.source, *page.source]
        whole.rejected += page.rejected
        whole.skipped += page.skipped
        whole.read_count += page.read_count
    return whole


def test_a_record_becomes_a_row_with_exact_amounts() -> None:
    page = read(FACTS, RECORD)
    assert page.rows == [{
        "entity_id": "c-1", "day": "2026-11-20", "setting": "imported", "impressions": 900,
        "clicks": 7, "spend_micros": 12_340_000, "conversions_micros": 1_500_000,
        "value_micros": None, "entity_name": "Autumn",
    }]


def test_what_is_not_mapped_is_neither_kept_nor_shown() -> None:
    page = read(FACTS, RECORD, {**RECORD, "COST": "much"})
    kept = str([*page.source, *[r.record for r in page.rejected]])
    assert "a@b.example" not in kept
    assert page.rejected[0].reason == "A value cannot be used: Spend: not a number: 'much'."


@pytest.mark.parametrize(("more", "value", "micros"), [
    ({"decimal": ",", "thousands": "."}, "1.234,56", 1_234_560_000),
    ({"decimal": ","}, "0,07", 70_000),
    ({"thousands": ","}, "1,234.56", 1_234_560_000),
    ({"thousands": " "}, "1 234.56", 1_234_560_000),
    ({}, "1E+2", 100_000_000), ({}, 3, 3_000_000), ({}, 0.1, 100_000), ({}, "-5", -5_000_000),
])
def test_numbers_are_read_as_the_definition_says(
    more: dict[str, str], value: object, micros: int
) -> None:
    page = read({**FACTS, **more}, {**RECORD, "COST": value, "CONV": None})
    assert [r["spend_micros"] for r in page.rows] == [micros]


@pytest.mark.parametrize(("more", "value"), [
    ({}, "1,5"), ({"decimal": ","}, "1.5"), ({}, "1_000"), ({}, "٣"), ({}, True), ({}, "NaN"),
    ({}, float("inf")), ({}, "12 EUR"), ({}, "9" * 30),
])
def test_what_is_no_number_rejects_its_record_alone(more: dict[str, str], value: object) -> None:
    page = read({**FACTS, **more}, {**RECORD, "COST": value, "CONV": None},
                {**RECORD, "COST": 1, "CONV": None})
    assert len(page.rejected) == 1
    assert len(page.rows) == 1


@pytest.mark.parametrize(("unit", "value", "micros"), [
    ("cents", "1234", 12_340_000), ("micros", 5_000_001, 5_000_001), ("whole", "5", 5_000_000),
])
def test_amounts_in_other_units(unit: str, value: object, micros: int) -> None:
    fields = {**FACTS["fields"], "spend": {"column": "COST", "unit": unit}}
    page = read({**FACTS, "fields": fields}, {**RECORD, "COST": value})
    assert page.rows[0]["spend_micros"] == micros


@pytest.mark.parametrize(("form", "value"), [
    ("", "2026-11-20"), ("%d.%m.%Y", "20.11.2026"), ("%Y%m%d", 20261120), ("", "2026-11-19T23:30"),
    ("", "2026-11-19T22:30:00.123456789-01:00"), ("epoch_s", 1_795_129_200),
    ("epoch_ms", "1795129200123"), ("%d/%m/%Y %H:%M", "19/11/2026 23:30"),
])
def test_days_in_other_forms_fall_on_the_day_of_the_streams_zone(form: str, value: object) -> None:
    raw = {**FACTS, "date_format": form, "time_zone": "Europe/Berlin"}
    assert [r["day"] for r in read(raw, {**RECORD, "DATE": value}).rows] == ["2026-11-20"]


@pytest.mark.parametrize("value", ["2026-02-30", "20/11/2026", "", None, "yesterday", 5])
def test_a_day_that_is_none_is_rejected(value: object) -> None:
    page = read(FACTS, {**RECORD, "DATE": value})
    assert [r.reason[:19] for r in page.rejected] == ["A value cannot be u"]


def test_days_outside_the_span_are_left_out_and_counted() -> None:
    page = read(FACTS, RECORD, {**RECORD, "DATE": "2026-11-21"})
    assert (len(page.rows), page.skipped) == (1, 1)


def test_a_missing_column_is_named() -> None:
    page = read(FACTS, {k: v for k, v in RECORD.items() if k != "COST"})
    assert page.rejected[0].reason == "The record has no 'COST'."


def test_channels_keep_campaigns_apart() -> None:
    raw = {**FACTS, "fields": {**FACTS["fields"], "channel": "CH"}}
    page = read(raw, {**RECORD, "CH": "radio"}, {**RECORD, "CH": "print"})
    assert [r["entity_id"] for r in page.rows] == ["radio/c-1", "print/c-1"]


def test_rows_of_one_campaign_and_day_add_up_when_asked_to() -> None:
    one = read_definition({**FACTS, "sums": True})
    chunks = [
        mapping.Chunk([RECORD, {**RECORD, "COST": "0.01", "CLICKS": None}]),
        mapping.Chunk([{**RECORD, "CID": "c-2"}, RECORD, {**RECORD, "COST": "x"}]),
    ]
    pages = list(mapping.pages(one, task_of(one), chunks))
    rows = {r["entity_id"]: r for p in pages for r in p.rows}
    assert rows["c-1"]["spend_micros"] == 24_690_000
    assert rows["c-1"]["clicks"] == 14
    assert rows["c-1"]["value_micros"] is None
    assert rows["c-2"]["spend_micros"] == 12_340_000
    read_, skipped = sum(p.read_count for p in pages), sum(p.skipped for p in pages)
    assert (read_, skipped, sum(len(p.rejected) for p in pages)) == (5, 2, 1)
    assert sum(len(s) for p in pages for s in p.source) == 4


def test_each_currency_goes_to_its_own_account_and_a_strange_one_is_told() -> None:
    raw = {
        **FACTS, "currencies": "EUR, USD", "fields": {**FACTS["fields"], "currency": "CUR"},
    }
    records = [{**RECORD, "CUR": c, "CID": c} for c in ("EUR", "usd", "GBP")]
    euros, dollars = read(raw, *records), read(raw, *records, currency="USD")
    assert [r["entity_id"] for r in euros.rows] == ["EUR"]
    assert [r["entity_id"] for r in dollars.rows] == ["usd"]
    assert len(euros.rejected) == 1
    assert "GBP is none of the stream's currencies" in euros.rejected[0].reason
    assert not dollars.rejected
    names = [a.external_id for a in accounts_of(
        DEFINING, {"streams": [read_definition(raw).json()]}, [AccountInfo("wh", "Warehouse")]
    )]
    assert names == ["wh", "wh/podcast_daily/EUR", "wh/podcast_daily/USD"]


def test_an_order_has_a_person_as_a_hash_and_its_refund_on_its_own_day() -> None:
    raw = {
        "name": "shop_orders", "lands": "orders", "currencies": ["EUR"], "naive_zone": "UTC",
        "time_zone": "Europe/Berlin", "fields": {
            "external_id": "ID", "processed_at": "AT", "gross": "TOTAL", "shipping": "SHIP",
            "tax": "TAX", "refunded": "BACK", "refunded_at": "BACK_AT", "customer": "EMAIL",
            "is_test": "T", "items": "N",
        },
    }
    record = {
        "ID": 1001, "AT": "2026-11-19T23:30:00", "TOTAL": "119.00", "SHIP": "5.00",
        "TAX": "19.00", "BACK": "20.00", "BACK_AT": "2026-11-24T10:00:00", "T": "no", "N": "2",
        "EMAIL": "Ada@Example.com ",
    }
    page = read(raw, record)
    row = page.rows[0]
    assert (row["external_id"], row["day"]) == ("1001", "2026-11-20")
    assert row["processed_at"] == datetime(2026, 11, 19, 23, 30, tzinfo=UTC)
    assert (row["gross_micros"], row["subtotal_micros"]) == (119_000_000, 95_000_000)
    assert row["refunds"] == [{
        "external_id": "1001:refunded", "day": "2026-11-24", "currency": "EUR",
        "processed_at": datetime(2026, 11, 24, 10, tzinfo=UTC), "amount_micros": 20_000_000,
        "goods_micros": None,
    }]
    again = read(raw, {**record, "EMAIL": "ada@example.com"}).rows[0]
    assert len(row["customer_ref"]) == 64
    assert row["customer_ref"] == again["customer_ref"]
    assert "@" not in str(page.source) + str(row)


@pytest.mark.parametrize(("lands", "kind", "at"), [
    ("crm", "deal", "created_at"), ("payments", "charge", "occurred_at"),
])
def test_records_carry_their_kind_and_times(lands: str, kind: str, at: str) -> None:
    raw = {
        "name": "records", "lands": lands, "kind": kind, "currencies": ["EUR"], "cursor": "UPD",
        "fields": {"external_id": "ID", at: "AT", "amount": "AMT", "updated_at": "UPD"},
    }
    record = {"ID": "x", "AT": "2026-11-20T01:00:00Z", "AMT": "5", "UPD": "2026-11-25T00:00:00Z"}
    row = read(raw, record).rows[0]
    assert (row["kind"], row["amount_micros"]) == (kind, 5_000_000)
    assert row[at] == datetime(2026, 11, 20, 1, tzinfo=UTC)
    stream = stream_of(read_definition(raw), never)
    assert stream.cursor
    assert stream.kind == kind


@pytest.mark.parametrize("kind", ["contact", "lead"])
def test_people_have_no_name_field(kind: str) -> None:
    raw = {"name": "people", "lands": "crm", "kind": kind, "fields": {
        "external_id": "ID", "created_at": "AT", "name": "NAME"}}
    with pytest.raises(Invalid, match="cannot be used") as caught:
        read_definition(raw)
    assert "no field called 'name'" in caught.value.why


@pytest.mark.parametrize(("change", "field"), [
    ({"name": "1x"}, "name"), ({"lands": "mail"}, "lands"), ({"mode": "whole"}, "mode"),
    ({"time_zone": "Mars/Base"}, "time_zone"), ({"time_zone": "../etc"}, "time_zone"),
    ({"decimal": ";"}, "decimal"), ({"thousands": "."}, "thousands"), ({"nonsense": 1}, "nonsense"),
    ({"currencies": ["Euro"]}, "currencies"), ({"currencies": []}, "currencies"),
    ({"cursor": "UPD"}, "cursor"), ({"reread_days": "3"}, "reread_days"),
    ({"reread_days": 500}, "reread_days"), ({"fields": {"day": "D"}}, "fields.campaign_id"),
    ({"fields": {**FACTS["fields"], "shoe": "S"}}, "fields.shoe"),
    ({"fields": {**FACTS["fields"], "day": {"constant": "2026-01-01"}}}, "fields.day"),
    ({"fields": {**FACTS["fields"], "spend": {"constant": "much"}}}, "fields.spend"),
    ({"fields": {**FACTS["fields"], "spend": {"column": "C", "unit": "dozens"}}}, "fields.spend"),
    ({"currencies": ["EUR", "USD"]}, "fields.currency"), ({"date_format": "DD.MM"}, "date_format"),
])
def test_a_definition_that_cannot_work_is_refused_by_name(
    change: dict[str, Any], field: str
) -> None:
    with pytest.raises(Invalid) as caught:
        read_definition({**FACTS, **change})
    assert caught.value.facts["field"] == field
    assert caught.value.why


def test_a_definition_survives_being_stored() -> None:
    one = read_definition({**FACTS, "source": {"path": "/x"}, "sums": True, "decimal": ","})
    assert read_definition(one.json()) == one
    assert definitions({"streams": [one.json(), {"name": "broken"}]}) == (one,)


def test_streams_of_a_connection_are_the_platforms_own_and_the_defined() -> None:
    options = {"streams": [FACTS]}
    assert [s.name for s in streams_of(DEFINING, options)][-1] == "podcast_daily"
    assert streams_of(PLATFORM, options) == PLATFORM.streams
    stream = streams_of(DEFINING, options)[-1]
    own = AccountInfo("a", "A", extra={STREAM_OF: "podcast_daily"})
    assert stream.fits(own)
    assert not stream.fits(AccountInfo("a", "A"))
    assert not PLATFORM.streams[0].fits(own)
    assert PLATFORM.streams[0].fits(None)
    for wrong in ([FACTS, FACTS], [{**FACTS, "name": "daily"}], "x", [FACTS] * 51):
        with pytest.raises(Invalid):
            read_all(DEFINING, wrong)
    with pytest.raises(Invalid):
        read_all(PLATFORM, [FACTS])


def test_columns_are_proposed_by_their_names_and_each_once() -> None:
    found = landing_fields.suggest(Lands.FACTS, "", [
        "Date", "Campaign ID", "campaign_name", "Cost", "Clicks", "Revenue", "customer_email",
    ])
    assert found == {
        "day": "Date", "campaign_id": "Campaign ID", "campaign_name": "campaign_name",
        "spend": "Cost", "clicks": "Clicks", "value": "Revenue",
    }
    people = landing_fields.suggest(Lands.ORDERS, "", ["order_id", "customer_id", "total", "email"])
    assert people == {"external_id": "order_id", "customer": "customer_id", "gross": "total"}


@pytest.mark.parametrize(("column", "values", "what"), [
    ("EMAIL", (), "e-mail"), ("customerPhone", (), "phone"), ("ip", (), "IP"), ("ship", (), ""),
    ("first_name", (), "name"), ("campaign_name", (), ""), ("note", ("call a@b.co",), "e-mail"),
    ("memo", ("+49 171 5551234",), "phone"), ("zip_code", (), "address"), ("spend", ("12",), ""),
    ("iban", (), "bank"), ("email_count", (), ""),
])
def test_personal_columns_are_known_by_name_and_by_value(
    column: str, values: tuple[str, ...], what: str
) -> None:
    found = landing_fields.personal(column, values)
    assert (what in found) if what else not found


DEFINING = replace(PLATFORM, define=lambda options: make_streams(options, never))


@pytest.mark.parametrize(("value", "number"), [
    (9007199254740993, 9007199254740993), ("9007199254740993", 9007199254740993),
    (Decimal("9007199254740993.0"), 9007199254740993), ("-12", -12), ("1.234.567", 1234567),
    ("9" * 38, 10**38 - 1),
])
def test_a_whole_number_is_exact_whatever_its_size(value: Any, number: int) -> None:
    one = read_definition({**FACTS, "decimal": ",", "thousands": "."})
    assert Mapper(one, task_of(one)).whole(value) == number


@pytest.mark.parametrize("value", ["D-12", "12.5", 12.5, 12.0, True, "", "1e400", "9" * 39, "٣"])
def test_what_is_no_exact_whole_number_is_none(value: Any) -> None:
    one = read_definition(FACTS)
    with pytest.raises(ValueError, match=r"number"):
        Mapper(one, task_of(one)).whole(value)


def test_a_cursor_column_says_what_it_holds() -> None:
    orders = {
        "name": "orders", "title": "Orders", "object": "T", "lands": "orders",
        "currencies": ["EUR"], "cursor": "VERSION", "cursor_kind": "number",
        "fields": {"external_id": "ID", "processed_at": "AT", "gross": "TOTAL"},
    }
    found = read_definition(orders)
    assert stream_of(found, never).cursor == "number"
    assert (found.overlap_numbers, read_definition(found.json())) == (1_000, found)
    without = {k: v for k, v in orders.items() if k != "cursor_kind"}
    assert stream_of(read_definition(without), never).cursor == "time"
    with pytest.raises(Invalid, match="cannot be used") as caught:
        read_definition({**orders, "cursor_kind": "letters"})
    assert caught.value.why == "A cursor column holds a time or a number."


def test_a_number_of_more_than_64_bits_is_kept_exactly() -> None:
    page = read(FACTS, {**RECORD, "CID": 10**30 + 1})
    assert page.rows[0]["entity_id"] == str(10**30 + 1)
    assert orjson.dumps(page.source)
