"""Stripe: the version with every request, minor units exact, no people, changes by the feed."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import httpx
import orjson
import pytest

from liftos_app.errors import Fix, GiveUp, Invalid, PlatformFault, Quota, Retry, SignInAgain
from liftos_app.services.connections.inputs import check_inputs
from liftos_app.services.connectors import registry
from liftos_app.services.connectors.client import Client, judge
from liftos_app.services.connectors.platforms.stripe import money, privacy
from liftos_app.services.connectors.redaction import redact
from liftos_app.services.connectors.wire import Raw
from tests.unit.connectors.helper import (
    Edge,
    account,
    answers,
    example,
    make_client,
    read,
    reply,
    task,
)

PAY = registry.get("stripe")
LIVE = {"api_key": "rk_" + "live_0123456789abcdefghij"}
KITE = account(
    external_id="acct_1DemoKite", name="Kite & Co", currency="USD", time_zone="America/New_York"
)
SALT = "5f" * 32
CURSOR = "2026-11-21T08:00:00Z"
AT = 1_795_190_400  # 2026-11-20 16:00 UTC


def client(handler: Any, values: Mapping[str, str] = LIVE, **more: Any) -> tuple[Client, Edge]:
    def checked(request: httpx.Request) -> httpx.Response:
        assert request.headers["stripe-version"] == "2026-10-28.endive"
        found: httpx.Response = handler(request)
        return found

    return make_client(PAY, checked, values, **more)


def listing(*records: Any, more: bool = False) -> dict[str, Any]:
    return {"object": "list", "url": "/v1/x", "has_more": more, "data": list(records)}


def charge(ident: str = "ch_0001", **more: Any) -> dict[str, Any]:
    body: dict[str, Any] = example("stripe", "charges_page")["body"]["data"][0]
    return {**body, "id": ident, "created": AT, **more}


def paths(edge: Edge) -> list[str]:
    return [r.url.path.removeprefix("/v1/") for r in edge.requests]


def routes(found: Mapping[str, Any]) -> Any:
    """Answers by path below /v1; lists not named are empty."""

    def handler(request: httpx.Request) -> httpx.Response:
        item = found.get(request.url.path.removeprefix("/v1/"), listing())
        if callable(item):
            item = item(request)
        return item if isinstance(item, httpx.Response) else httpx.Response(200, json=item)

    return handler


# --- money ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("amount", "code", "expected"), [
    (9_720, "USD", 97_200_000), (-3_240, "EUR", -32_400_000), (2_800, "JPY", 2_800_000_000),
    (6_500, "KWD", 6_500_000), (1, "BHD", 1_000), (500, "ISK", 5_000_000), (500, "UGX", 5_000_000),
    (7, "MGA", 7_000_000), (0, "USD", 0), ("9720", "USD", 97_200_000), (12.0, "USD", 120_000),
])  # fmt: skip
def test_minor_units_become_micro_units_by_the_digits_of_their_currency(
    amount: Any, code: str, expected: int
) -> None:
    assert money.micros(amount, code) == expected
    assert type(money.micros(amount, code)) is int


@pytest.mark.parametrize("wrong", [None, "", "1_0", True, 1.5, "1.5", [], float("inf"), 2**62])
def test_what_is_no_amount_is_refused(wrong: Any) -> None:
    with pytest.raises((ValueError, OverflowError)):
        money.micros(wrong, "JPY")


def test_prices_in_parts_of_a_minor_unit_are_exact_to_a_millionth() -> None:
    assert money.fraction("0.05", "USD") == 500
    assert money.fraction("1234.5", "USD") == 12_345_000
    assert money.fraction("0.00015", "USD") == 2  # half to even
    assert money.fraction("2800", "JPY") == 2_800_000_000
    for wrong in ("", "a", "NaN", "Infinity", None):
        with pytest.raises(ValueError, match="not a number"):
            money.fraction(wrong, "USD")


@pytest.mark.parametrize("wrong", ["US", "usdc", "u$d", 840, None, "ÉUR"])
def test_a_currency_has_three_letters(wrong: Any) -> None:
    with pytest.raises(ValueError, match="not a currency"):
        money.currency(wrong)
    assert money.currency("usd") == "USD"


# --- requests -----------------------------------------------------------------------------------


def test_a_span_is_asked_for_by_the_accounts_days_and_filters_stay_on_every_page() -> None:
    seen = answers(listing(charge("ch_2"), more=True), listing(charge("ch_1")))
    own, edge = client(seen)
    page = read(own, task(PAY, "charges", account=KITE, start="2026-11-20", end="2026-11-20"))
    first, second = (dict(r.url.params) for r in edge.requests)
    assert first == {
        "created[gte]": "1795150800", "created[lt]": "1795237200", "limit": "100",
    }  # fmt: skip
    assert second == {**first, "starting_after": "ch_2"}
    assert edge.requests[0].headers["authorization"] == f"Bearer {LIVE['api_key']}"
    assert "stripe-account" not in edge.requests[0].headers
    assert [r["external_id"] for r in page.rows] == ["ch_2", "ch_1"]
    assert page.cursor == ""


def test_records_of_other_days_are_left_out_and_counted() -> None:
    own, _ = client(answers(listing(charge("ch_1"), charge("ch_2", created=AT + 86_400))))
    page = read(own, task(PAY, "charges", account=KITE, start="2026-11-20", end="2026-11-20"))
    assert [r["external_id"] for r in page.rows] == ["ch_1"]
    assert page.skipped == 1


def test_subscriptions_are_asked_for_with_every_status() -> None:
    own, edge = client(answers(listing()))
    read(own, task(PAY, "subscriptions", account=KITE))
    assert edge.requests[0].url.params["status"] == "all"


def test_connect_reads_with_the_platforms_key_for_the_account() -> None:
    values = {
        "client_id": "ca_Platform00001", "client_secret": "sk_" + "live_platform0123456789",
        "access_token": "sk_" + "live_account0123456789",
    }  # fmt: skip
    own, edge = client(
        routes({"account": example("stripe", "account")["body"]}), values, method="oauth"
    )
    found = PAY.discover(own)[0]
    read(own, task(PAY, "charges", account=found))
    PAY.test(own, found)
    asked, listed, tested = edge.requests
    assert asked.headers["authorization"] == f"Bearer {values['access_token']}"
    assert "stripe-account" not in asked.headers
    for request in (listed, tested):
        assert request.headers["authorization"] == f"Bearer {values['client_secret']}"
        assert request.headers["stripe-account"] == found.external_id == "acct_1DemoKite"


def test_discovery_takes_currency_and_the_dashboards_time_zone() -> None:
    body = example("stripe", "account")["body"]
    body["settings"]["dashboard"] = {"display_name": "Kite & Co", "timezone": "Europe/Berlin"}
    own, _ = client(answers(body))
    found = PAY.discover(own)[0]
    assert (found.external_id, found.name) == ("acct_1DemoKite", "Kite & Co")
    assert (found.currency, found.time_zone) == ("USD", "Europe/Berlin")
    body["settings"]["dashboard"] = {"display_name": None, "timezone": "Mars/Olympus"}
    own, _ = client(answers(body))
    assert PAY.discover(own)[0].time_zone == "UTC"
    assert PAY.discover(own)[0].name == "acct_1DemoKite"


def test_without_permission_for_the_account_its_id_is_taken_from_the_refusal() -> None:
    refusal = reply("stripe", "error_403_restricted_key")
    page = example("stripe", "balance_transactions_page")["body"]
    own, _ = client(routes({"account": refusal, "balance_transactions": page}))
    found = PAY.discover(own)[0]
    assert (found.external_id, found.currency, found.time_zone) == ("acct_1DemoKite", "USD", "UTC")
    assert "cut in UTC" in PAY.test(own, found)
    silent = httpx.Response(403, json={"error": {"type": "invalid_request_error", "message": "No"}})
    own, _ = client(routes({"account": silent}))
    with pytest.raises(Fix, match="may not read the account"):
        PAY.discover(own)


@pytest.mark.parametrize(("key", "words"), [
    ("rk_" + "test_0123456789abc", "test data"), ("sk_" + "live_0123456789abc", "move money"),
])  # fmt: skip
def test_the_test_says_what_kind_of_key_it_is(key: str, words: str) -> None:
    own, _ = client(answers(example("stripe", "account")["body"]), {"api_key": key})
    found = PAY.discover(own)[0]
    assert words in PAY.test(own, found)
    assert ("test data" in found.name) == ("_test_" in key)
    plain, _ = client(answers(example("stripe", "account")["body"]))
    assert PAY.test(plain, KITE) == "Stripe answers for Kite & Co: USD, America/New_York."


# --- signing in -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("typed", "words"), [
    ("pk_" + "live_0123456789abcdef", "publishable"), ("pk_" + "test_0123456789abcdef", "cannot"),
    ("whsec_0123456789abcdef", "webhook"), ("ca_0123456789abcdef", "Connect"),
    ("acct_1DemoKite", "id of an account"), ("sk_" + "live_0123456789abcdef", "move money"),
    ("sk_org_live_0123456789", "organization"), ("rk_live_short", "letters and digits"),
    ("pk_0123456789abcdefghijklmnop", "Klaviyo"), ("hello", "begins with rk_live_"),
    ("rk_live_0123456789\u00e9abc", "letters and digits"),
])  # fmt: skip
def test_a_wrong_key_is_refused_before_any_call_with_what_it_should_be(
    typed: str, words: str
) -> None:
    with pytest.raises(Invalid) as caught:
        check_inputs(PAY, PAY.method("restricted_key"), {"api_key": typed})
    assert words in caught.value.why


@pytest.mark.parametrize(("method", "key"), [
    ("restricted_key", "rk_" + "live_0123456789"), ("restricted_key", "rk_" + "test_0123456789"),
    ("secret_key", "sk_" + "live_0123456789"), ("secret_key", "rk_" + "live_" + "a" * 200),
])  # fmt: skip
def test_keys_of_any_length_are_taken(method: str, key: str) -> None:
    assert check_inputs(PAY, PAY.method(method), {"api_key": f" {key} "}).secret == {"api_key": key}


def test_keys_are_taken_out_of_texts() -> None:
    for key in ("rk_" + "live_0123456789abcdef", "sk_" + "test_0123456789", "whsec_0123456789"):
        assert key not in redact(f"it said {key}.")


# --- rows -----------------------------------------------------------------------------------------


def rows_of(stream: str, *records: Any, **more: Any) -> Any:
    own, _ = client(answers(listing(*records)), **more)
    return read(own, task(
        PAY, stream, account=KITE, start="2025-01-01", end="2026-12-31", salt=SALT
    ))  # fmt: skip


def test_the_balance_keeps_signs_fees_and_what_is_left() -> None:
    page = example("stripe", "balance_transactions_page")["body"]["data"]
    refund, sale = rows_of("balance_transactions", *page).rows
    assert (refund["amount_micros"], refund["fee_micros"], refund["net_micros"]) == (
        -32_400_000, 0, -32_400_000
    )  # fmt: skip
    assert (sale["amount_micros"], sale["fee_micros"], sale["net_micros"]) == (
        97_200_000, 3_120_000, 94_080_000
    )  # fmt: skip
    assert (refund["category"], refund["parent_id"]) == ("refund", "re_demo1")
    assert sale["attrs"]["reporting_category"] == "charge"
    assert sale["day"] == "2025-11-01"
    assert sale["is_test"] is False
    expanded = {**page[1], "source": {"id": "ch_demo1", "object": "charge", "receipt_url": "x"}}
    assert rows_of("balance_transactions", expanded).rows[0]["parent_id"] == "ch_demo1"


def test_a_charge_holds_its_order_and_no_person() -> None:
    found = rows_of("charges", charge(metadata={
        "order_id": "1042", "utm_source": "meta", "email": "jenny@mail.example",
        "order_ref": "jenny@mail.example", "note": "call 555-0100",
    }, billing_details={"name": "Jenny Rosen", "email": "jenny@mail.example",
                        "address": {"country": "US", "line1": "12 Rose Row"}}))  # fmt: skip
    row = found.rows[0]
    assert (row["order_ref"], row["parent_id"]) == ("1042", "pi_demo1")
    assert (row["amount_micros"], row["refunded_micros"]) == (97_200_000, 32_400_000)
    assert row["attrs"]["metadata"] == {"order_id": "1042", "utm_source": "meta"}
    assert row["attrs"]["country"] == "US"
    assert re.fullmatch("[0-9a-f]{64}", row["customer_ref"])
    assert row["is_test"] is True  # livemode is false in it
    for word in ("Jenny", "Rosen", "@", "555", "4242", "cus_demo"):
        assert word not in str(row)


def test_three_shapes_of_a_customer_give_one_reference() -> None:
    first = privacy.person("cus_1", SALT)
    assert privacy.person({"id": "cus_1", "email": "x"}, SALT) == first != ""
    assert privacy.person("cus_2", SALT) != first
    assert privacy.person("cus_1", "another") != first
    assert privacy.person(None, SALT) == privacy.person("cus_1", "") == ""


CANARY = "CANARY-of-a-person"
_OPENS = ("url", "secret", "pdf")


def poisoned(record: Any) -> Any:
    """The record with a canary in every text that speaks of people or opens something."""
    if isinstance(record, list):
        return [poisoned(r) for r in record]
    if not isinstance(record, dict):
        return record
    found = {}
    for name, value in record.items():
        opens = any(word in name for word in _OPENS) and name != "url"
        if name in privacy.PERSONAL or name in privacy.BEARER or opens:
            found[name] = CANARY
        else:
            found[name] = poisoned(value)
    more = ("receipt_url", "client_secret", "email", "customer_reference", "client_reference_id")
    return {**found, **dict.fromkeys(more, CANARY)}


def test_nothing_of_people_and_no_opening_link_is_kept_as_source() -> None:
    own, _ = client(answers(listing(poisoned(charge()))))
    pages = list(PAY.stream("charges").read(own, task(
        PAY, "charges", account=KITE, start="2026-11-20", end="2026-11-20", salt=SALT
    )))  # fmt: skip
    assert len(pages[0].source) == len(pages[0].rows) == 1
    kept = json.dumps(pages[0].source)
    assert CANARY not in kept
    assert "cus_demo" not in kept
    assert pages[0].source[0]["amount"] == 9_720
    assert pages[0].source[0]["payment_method_details"]["card"] == {
        "brand": "visa", "country": "US", "funding": "credit", "network": "visa",
    }  # fmt: skip
    assert "receipt_url" in pages[0].columns  # a new column is noticed, also one that is not kept


def test_rejected_records_are_cleaned_as_well() -> None:
    found = rows_of("charges", poisoned(charge(amount="lots")), charge("ch_2"))
    assert [r["external_id"] for r in found.rows] == ["ch_2"]
    assert found.rejected[0].reason.startswith("A value cannot be used: not a")
    assert CANARY not in str(found.rejected[0].record)


def test_very_deep_records_do_not_break_the_cleaning() -> None:
    deep: Any = {"email": CANARY}
    for _ in range(60):
        deep = {"inner": deep}
    assert CANARY not in str(privacy.clean(deep, SALT))
    assert privacy.clean("text", SALT) == "text"
    assert privacy.clean(None, SALT) is None


@pytest.mark.parametrize(("change", "reason"), [
    ({"amount": None}, "not a count"), ({"created": "yesterday"}, "not a"),
    ({"created": 0}, "not a time"), ({"currency": None}, "not a currency"),
    ({"id": ""}, "not an id"),
    ({"created": 10**15}, "not a time"), ({"amount": 2**62}, "too large"),
    ({"billing_details": 5}, ""), ({"metadata": None}, ""),
])  # fmt: skip
def test_single_wrong_values_reject_their_record_alone(change: Any, reason: str) -> None:
    found = rows_of("charges", charge(**change), charge("ch_2"))
    if not reason:
        assert len(found.rows) == 2
        return
    assert [r["external_id"] for r in found.rows] == ["ch_2"]
    assert reason in found.rejected[0].reason


def test_numbers_as_texts_are_numbers_and_nulls_are_unknown() -> None:
    row = rows_of("charges", charge(amount="9720", created=str(AT), amount_refunded=None)).rows[0]
    assert row["amount_micros"] == 97_200_000
    assert row["refunded_micros"] is None


INVOICE: dict[str, Any] = {
    "id": "in_1", "object": "invoice", "created": AT, "currency": "kwd", "status": "paid",
    "total": 6_500, "subtotal": 6_000, "amount_due": 6_500, "amount_paid": 6_500,
    "amount_remaining": 0, "billing_reason": "subscription_cycle", "livemode": True,
    "customer": "cus_1", "number": "LINEN-1", "total_taxes": [{"amount": 300}, {"amount": 200}],
    "parent": {"subscription_details": {"subscription": "sub_1"}, "type": "subscription_details"},
    "status_transitions": {"finalized_at": AT + 3_600, "paid_at": AT + 7_200, "voided_at": None,
                           "marked_uncollectible_at": None},
    "hosted_invoice_url": "https://invoice.example/secret", "invoice_pdf": "https://x.example/s",
    "customer_email": "jenny@mail.example", "metadata": {},
}  # fmt: skip


def test_an_invoice_names_its_subscription_under_its_parent() -> None:
    row = rows_of("invoices", INVOICE).rows[0]
    assert row["parent_id"] == "sub_1"
    assert (row["currency"], row["amount_micros"]) == ("KWD", 6_500_000)
    assert row["attrs"]["tax_micros"] == 500_000
    assert row["attrs"]["paid_at"] == "2026-11-20T18:00:00Z"
    assert row["updated_at"].timestamp() == AT + 7_200
    assert rows_of("invoices", {**INVOICE, "parent": None}).rows[0]["parent_id"] == ""


def member(**price: Any) -> dict[str, Any]:
    cost = {"id": "price_1", "currency": "usd", "unit_amount": 1_900,
            "recurring": {"interval": "month", "interval_count": 1}, **price}  # fmt: skip
    item = {"id": "si_1", "price": cost, "quantity": 3, "current_period_start": AT,
            "current_period_end": AT + 2_592_000}  # fmt: skip
    return {
        "id": "sub_1", "object": "subscription", "created": AT, "currency": "usd",
        "status": "active", "customer": "cus_1", "livemode": True, "items": {"data": [item]},
        "start_date": AT, "canceled_at": None, "ended_at": None, "trial_end": None,
        "cancellation_details": {"reason": None, "comment": "Jenny is moving"},
    }  # fmt: skip


def test_a_subscription_costs_what_its_items_cost_for_a_period() -> None:
    row = rows_of("subscriptions", member()).rows[0]
    assert (row["amount_micros"], row["category"]) == (57_000_000, "month")
    assert row["attrs"]["amount_known"] is True
    assert row["attrs"]["items"][0]["period_end"] == "2026-12-20T16:00:00Z"
    assert "Jenny" not in str(row)
    parts = rows_of("subscriptions", member(unit_amount=None, unit_amount_decimal="0.5")).rows[0]
    assert parts["amount_micros"] == 15_000
    tiers = rows_of("subscriptions", member(unit_amount=None, unit_amount_decimal=None)).rows[0]
    assert (tiers["amount_micros"], tiers["attrs"]["amount_known"]) == (0, False)
    old = rows_of("subscriptions", {k: v for k, v in member().items() if k != "items"})
    assert "no 'items'" in old.rejected[0].reason


# --- changes -------------------------------------------------------------------------------------


def event(kind: str, thing: Mapping[str, Any], *, created: int = AT + 90_000) -> dict[str, Any]:
    return {
        "id": f"evt_{kind}_{thing.get('id')}", "object": "event", "type": kind,
        "created": created, "data": {"object": dict(thing)}, "livemode": True,
    }  # fmt: skip


def changes(stream: str, found: Mapping[str, Any], **more: Any) -> tuple[Any, Edge]:
    own, edge = client(routes(found))
    one = task(PAY, stream, account=KITE, start="2026-11-21", end="2026-11-22", cursor=CURSOR,
               salt=SALT, **more)  # fmt: skip
    return read(own, one), edge


def test_changed_things_are_read_again_by_their_id_and_new_ones_are_not() -> None:
    feed = listing(
        event("charge.refunded", charge("ch_old")), event("charge.succeeded", charge("ch_new")),
        event("charge.updated", charge("ch_old")),
        event("charge.dispute.created", {"id": "du_1", "object": "dispute", "charge": "ch_bad"}),
    )  # fmt: skip
    page, edge = changes("charges", {
        "events": feed, "charges": listing(charge("ch_new", created=AT + 80_000)),
        "charges/ch_old": charge("ch_old", amount_refunded=9_720),
        "charges/ch_bad": charge("ch_bad", disputed=True),
    })  # fmt: skip
    assert [r["external_id"] for r in page.rows] == ["ch_new", "ch_old", "ch_bad"]
    assert page.rows[1]["refunded_micros"] == 97_200_000
    assert page.rows[2]["attrs"]["disputed"] is True
    assert paths(edge) == ["events", "charges", "events", "charges/ch_old", "charges/ch_bad"]
    assert page.cursor == "2026-11-21T17:00:00Z"
    types = edge.requests[2].url.params.get_list("types[]")
    assert {"charge.refunded", "refund.created", "charge.refund.updated"} <= set(types)
    assert len(types) <= 20
    assert edge.requests[2].url.params["created[gte]"] == "1795247400"  # ten minutes before


@pytest.mark.parametrize("stream", [s for s in PAY.streams if s.name != "balance_transactions"],
                         ids=lambda s: s.name)  # fmt: skip
def test_at_most_twenty_types_of_events_are_asked_for(stream: Any) -> None:
    page, edge = changes(stream.name, {"events": listing(event("x.y", {"id": "x"}))})
    asked = [r for r in edge.requests if r.url.params.get_list("types[]")]
    assert len(asked) == 1
    assert 1 <= len(asked[0].url.params.get_list("types[]")) <= 20
    assert page.rows == []
    assert page.cursor > CURSOR


def test_refunds_told_only_by_their_charge_are_listed() -> None:
    refund = {"id": "re_1", "object": "refund", "created": AT, "currency": "usd", "amount": 500,
              "status": "succeeded", "charge": "ch_1", "metadata": {}}  # fmt: skip
    feed = listing(
        event("charge.refunded", charge("ch_1")),
        event("charge.refunded", charge("ch_2")),
        event("charge.refund.updated", {**refund, "id": "re_2", "charge": "ch_2"}),
    )
    page, edge = changes("refunds", {
        "events": feed, "refunds/re_2": {**refund, "id": "re_2", "charge": "ch_2"},
        "refunds": lambda r: listing(refund) if "charge" in r.url.params else listing(),
    })  # fmt: skip
    assert [r["external_id"] for r in page.rows] == ["re_2", "re_1"]
    listed = [r.url.params["charge"] for r in edge.requests if "charge" in r.url.params]
    assert listed == ["ch_1"]


def test_deleted_things_are_passed_over_and_strange_ids_never_become_a_path() -> None:
    gone = httpx.Response(404, json={"error": {
        "type": "invalid_request_error", "code": "resource_missing", "message": "No such invoice",
    }})  # fmt: skip
    feed = listing(
        event("invoice.deleted", {"id": "in_gone", "object": "invoice"}),
        event("invoice.updated", {"id": "../account", "object": "invoice"}),
        event("invoice.updated", {"id": None, "object": "invoice"}),
        {"id": "evt_broken", "created": AT, "data": None}, "nonsense",
    )  # fmt: skip
    page, edge = changes("invoices", {"events": feed, "invoices/in_gone": gone})
    assert page.rows == []
    assert paths(edge) == ["events", "invoices", "events", "invoices/in_gone"]


def test_a_quiet_account_keeps_its_cursor() -> None:
    page, edge = changes("charges", {})
    assert page.cursor == CURSOR
    assert len(edge.requests) == 3


def test_without_events_the_last_weeks_are_listed_again() -> None:
    refusal = reply("stripe", "error_403_restricted_key")
    page, edge = changes("charges", {
        "events": refusal, "charges": listing(charge("ch_1"))
    })  # fmt: skip
    assert any("may not read events" in n for n in page.notes)
    assert edge.requests[1].url.params["created[gte]"] == str(1_795_248_000 - 30 * 86_400)
    assert page.cursor == CURSOR  # the charge is older
    _, edge = changes("subscriptions", {"events": refusal})
    assert dict(edge.requests[1].url.params) == {"status": "all", "limit": "100"}


def test_the_balance_is_followed_by_creation_alone() -> None:
    entry = example("stripe", "balance_transactions_page")["body"]["data"][1]
    page, edge = changes(
        "balance_transactions",
        {"balance_transactions": listing({**entry, "created": AT + 100_000})},
    )
    assert paths(edge) == ["balance_transactions"]
    assert edge.requests[0].url.params["created[gte]"] == str(1_795_248_000 - 8 * 86_400)
    assert page.cursor == "2026-11-21T19:46:40Z"


# --- errors and bad answers -----------------------------------------------------------------------


def verdict(status: int, error: Any, **headers: str) -> PlatformFault | None:
    body = {"error": error} if error is not None else {}
    raw = Raw(status, {"content-type": "application/json", **headers}, orjson.dumps(body))
    return judge(PAY, raw)[1]


@pytest.mark.parametrize(("status", "code", "kind", "cause"), [
    (400, "parameter_unknown", GiveUp, "our_fault"),
    (400, "rate_limit", Quota, "quota"),
    (401, "", SignInAgain, "credential"),
    (401, "api_key_expired", SignInAgain, "credential"),
    (401, "platform_api_key_expired", SignInAgain, "credential"),
    (402, "card_declined", GiveUp, "our_fault"),
    (403, "", Fix, "permission"),
    (403, "account_invalid", SignInAgain, "credential"),
    (404, "resource_missing", Fix, "bad_configuration"),
    (404, "", GiveUp, "our_fault"),
    (409, "", Retry, "platform_outage"),
    (429, "", Quota, "quota"),
    (429, "rate_limit", Quota, "quota"),
    (429, "lock_timeout", Retry, "platform_outage"),
    (500, "", Retry, "platform_outage"),
    (503, "", Retry, "platform_outage"),
    (400, "500", GiveUp, "our_fault"),
])  # fmt: skip
def test_the_error_table(status: int, code: str, kind: type, cause: str) -> None:
    found = verdict(status, {"type": "invalid_request_error", "code": code, "message": "Words"})
    assert type(found) is kind
    assert found.cause == cause


def test_examples_of_the_sheet_mean_what_they_say() -> None:
    own, _ = client(answers(reply("stripe", "error_401")), tries=1)
    with pytest.raises(SignInAgain):
        PAY.test(own, KITE)
    own, _ = client(answers(reply("stripe", "error_403_restricted_key")), tries=1)
    with pytest.raises(Fix) as caught:
        read(own, task(PAY, "charges", account=KITE))
    assert "rak_charge_read" in caught.value.why
    own, edge = client(answers(
        reply("stripe", "error_429"), example("stripe", "account")["body"]
    ))  # fmt: skip
    assert PAY.test(own, KITE)
    assert len(edge.requests) == 2
    assert edge.waited > 0


def test_a_word_that_it_is_no_use_to_try_again_is_obeyed() -> None:
    once = httpx.Response(
        500, json={"error": {"type": "api_error", "message": "Words"}},
        headers={"Stripe-Should-Retry": "false", "Request-Id": "req_1"},
    )  # fmt: skip
    own, edge = client(answers(once))
    with pytest.raises(Retry) as caught:
        PAY.test(own, KITE)
    assert len(edge.requests) == 1
    assert caught.value.facts["request_id"] == "req_1"


@pytest.mark.parametrize("body", [
    {}, {"data": None}, {"data": {}}, {"object": "list", "has_more": False}, [], "text",
])  # fmt: skip
def test_an_answer_without_a_list_is_reported(body: Any) -> None:
    own, _ = client(answers(httpx.Response(200, json=body)))
    with pytest.raises(GiveUp) as caught:
        read(own, task(PAY, "charges", account=KITE))
    assert caught.value.owner == "the_platform"


def test_pages_that_turn_in_a_circle_are_ended() -> None:
    own, _ = client(answers(listing(charge("ch_1"), more=True)))
    with pytest.raises(GiveUp, match="no end"):
        read(own, task(PAY, "charges", account=KITE, start="2026-11-20", end="2026-11-20"))
    own, _ = client(answers(listing({"created": AT}, more=True)))
    with pytest.raises(GiveUp, match="cannot be followed"):
        read(own, task(PAY, "charges", account=KITE, start="2026-11-20", end="2026-11-20"))


def test_an_empty_account_is_empty() -> None:
    own, _ = client(answers(listing()))
    page = read(own, task(PAY, "charges", account=KITE))
    assert (page.rows, page.read_count, page.columns) == ([], 0, frozenset())
