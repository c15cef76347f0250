"""What comes from Stripe is what the invented shop really took, gave back and paid: to the unit."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from liftos_app.services.connectors.client import Client
from liftos_app.services.connectors.platforms.stripe import calls
from liftos_app.services.connectors.spec import AccountInfo, Page, Row, Task
from liftos_app.services.sandbox.credentials.stripe import SPARE
from liftos_app.services.sandbox.platforms.stripe import ids
from liftos_app.services.sandbox.world.club import DIGITS
from liftos_app.services.sandbox.world.payment_shapes import Kind
from tests.contract.conftest import Bench, read

Find = Callable[[str], Bench]
CENT = 10_000
ZONE = ZoneInfo("America/New_York")
KINDS: dict[str, Kind] = {
    "balance_transactions": "entry",
    "charges": "charge",
    "payment_intents": "intent",
    "refunds": "refund",
    "invoices": "invoice",
    "subscriptions": "subscription",
    "disputes": "dispute",
    "payouts": "payout",
}


def micros(minor: int, currency: str) -> int:
    return minor * 10 ** (6 - DIGITS[currency])


def in_days(task: Task) -> tuple[datetime, datetime]:
    """The span of a task as moments."""
    after = task.end + timedelta(days=1)
    return (
        datetime(task.start.year, task.start.month, task.start.day, tzinfo=ZONE),
        datetime(after.year, after.month, after.day, tzinfo=ZONE),
    )


def world_things(bench: Bench, task: Task) -> dict[str, Any]:
    """What the world holds of a stream's kind in the days of a task, by Stripe's id."""
    view = bench.box.world.payments(as_of=bench.box.clock())
    kind = KINDS[task.stream.name]
    since, until = in_days(task)
    return {
        ids.of(kind, key): getattr(view, kind)(key)
        for key in view.keys(kind, since=since, until=until)
    }


def test_the_balance_of_each_day_is_the_worlds_through_every_trouble(
    bench_of: Find, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four pages a day and more, one token renewed in the middle, one 429 and one 5xx."""
    bench = bench_of("stripe")
    monkeypatch.setattr(calls, "LIMIT", 30)
    with bench.open("oauth") as client:
        account = bench.account(client)
        task = bench.task("balance_transactions", account, back=30, days=12)
        token = client.credential.text("access_token")
        whole = Page(rows=[])
        for number, page in enumerate(task.stream.read(client, task)):
            whole.rows += page.rows
            assert not page.rejected
            if number == 2:
                bench.box.clock.advance(minutes=1)
                bench.box.trouble.add("token_expired", "stripe", count=1)
                bench.box.trouble.add("rate_limited_silent", "stripe", count=1)
                bench.box.trouble.add("server_error", "stripe", count=1)
        assert number > 12 * 3
        assert client.credential.text("access_token") != token
        assert [f for f in bench.box.trouble.list_all() if not f.planted] == []
    found: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    for row in whole.rows:
        assert row["net_micros"] == row["amount_micros"] - row["fee_micros"]
        sums = found[row["day"], row["attrs"]["reporting_category"]]
        for place, value in enumerate((1, row["amount_micros"], row["fee_micros"])):
            sums[place] += value
    view = bench.box.world.payments(as_of=bench.box.clock())
    days = view.days(task.start, task.end)
    assert dict(found) == {
        (d.day.isoformat(), name): [n, d.amount[name] * CENT, d.fee[name] * CENT]
        for d in days for name, n in d.entries.items()
    }  # fmt: skip
    net = sum(r["net_micros"] for r in whole.rows if r["category"] != "payout")
    assert net == sum(d.net for d in days) * CENT
    assert {r["currency"] for r in whole.rows} == {"USD"}


@pytest.mark.parametrize("name", [n for n in KINDS if n != "balance_transactions"])
def test_each_thing_is_the_worlds_in_its_own_currency(bench_of: Find, name: str) -> None:
    bench = bench_of("stripe")
    with bench.open() as client:
        account = bench.account(client)
        task = bench.task(name, account, back=60, days=30)
        rows = {r["external_id"]: r for r in read(client, task).rows}
    truth = world_things(bench, task)
    assert set(rows) == set(truth)
    assert rows
    for ident, row in rows.items():
        one = truth[ident]
        code = one.plan.currency if name == "subscriptions" else one.currency
        amount = one.plan.amount if name == "subscriptions" else one.amount
        assert (row["currency"], row["amount_micros"]) == (code, micros(amount, code))
        assert row["occurred_at"] == one.created
        assert row["day"] == one.created.astimezone(ZONE).date().isoformat()
        assert row["is_test"] is False
        expected = getattr(one, "status", None) or (
            "succeeded" if getattr(one, "paid", True) else "failed"
        )
        assert row["status"] == expected
        if name == "charges":
            assert row["refunded_micros"] == micros(one.refunded, code)
            assert row["attrs"]["disputed"] is one.disputed
        if name == "payment_intents":
            assert row["attrs"]["received_micros"] == micros(one.received, code)
        if name == "invoices":
            assert row["attrs"]["paid_micros"] == micros(one.paid, code)
            assert row["parent_id"] == ids.of("subscription", one.subscription)
    if name not in {"payouts", "refunds", "disputes"}:
        assert {"JPY", "KWD"} <= {r["currency"] for r in rows.values()}


def test_store_orders_and_charges_can_be_matched_one_by_one(bench_of: Find) -> None:
    stripe, shop = bench_of("stripe"), bench_of("shopify")
    with stripe.open() as client, shop.open() as store:
        account, place = stripe.account(client), shop.account(store)
        charges = read(client, stripe.task("charges", account, back=20, days=3)).rows
        orders = read(store, shop.task("orders", place, back=20, days=3)).rows
    paid = {r["order_ref"]: r for r in charges if r["status"] == "succeeded" and r["order_ref"]}
    world, now = stripe.box.world, stripe.box.clock()
    online = {
        r["external_id"]: r for r in orders
        if not r["is_test"] and world.order(int(r["external_id"]), as_of=now).source_name == "web"
    }  # fmt: skip
    assert set(paid) == set(online)
    for ident, order in online.items():
        charge = paid[ident]
        assert charge["day"] == order["day"]
        if charge["currency"] == order["currency"]:
            assert charge["amount_micros"] == order["gross_micros"]
            assert charge["refunded_micros"] == order["refunded_micros"]


def spans(bench: Bench, client: Client, account: AccountInfo, name: str, **more: Any) -> list[Row]:
    return read(client, bench.task(name, account, **more)).rows


@pytest.mark.parametrize("name", list(KINDS))
def test_days_read_once_and_changes_since_are_all_there_is(bench_of: Find, name: str) -> None:
    """What was read three days ago plus what changed equals what is read today."""
    bench = bench_of("stripe")
    back = 130 if name in {"subscriptions", "disputes", "payouts"} else 20
    with bench.open() as client:
        account = bench.account(client)
        then = bench.box.clock().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        early = spans(bench, client, account, name, back=back, days=back + 1)
    bench.box.clock.advance(days=3, hours=5)
    with bench.open() as client:
        before = client.requests
        changes = read(client, bench.task(name, account, back=1, days=2, cursor=then))
        asked = client.requests - before
        late = spans(bench, client, account, name, back=back, days=back + 1)
        again = read(client, bench.task(name, account, back=1, days=2, cursor=changes.cursor))
    known = {r["external_id"]: r for r in early}
    known |= {r["external_id"]: r for r in changes.rows}
    assert {r["external_id"]: known[r["external_id"]] for r in late} == {
        r["external_id"]: r for r in late
    }
    assert changes.notes == ()
    assert len({r["external_id"] for r in changes.rows}) == len(changes.rows)
    now = bench.box.clock().strftime("%Y-%m-%dT%H:%M:%SZ")
    assert then < changes.cursor <= now
    assert again.cursor == changes.cursor
    assert len(again.rows) < len(changes.rows)
    if name in {"charges", "payment_intents"}:
        assert asked < len(changes.rows) / 3  # new things come by the page, not one by one


def test_older_charges_are_read_again_when_they_are_refunded(bench_of: Find) -> None:
    bench = bench_of("stripe")
    now = bench.box.clock()
    with bench.open() as client:
        account = bench.account(client)
        cursor = (now - timedelta(hours=30)).strftime("%Y-%m-%dT%H:%M:%SZ")
        charges = read(client, bench.task("charges", account, back=1, days=2, cursor=cursor)).rows
    view = bench.box.world.payments(as_of=now)
    refunds = [
        view.refund(k) for k in view.keys("refund", since=now - timedelta(hours=30))
    ]
    assert refunds
    older = 0
    old = {r["external_id"]: r for r in charges}
    for refund in refunds:
        assert refund
        row = old[ids.of("charge", refund.charge)]
        assert row["refunded_micros"] == micros(refund.amount, refund.currency)
        older += row["occurred_at"] < now - timedelta(days=3)
    assert older > 3


def test_without_permission_for_events_the_last_weeks_are_read_again(bench_of: Find) -> None:
    bench = bench_of("stripe")
    values = {"api_key": SPARE["limited_key"]}
    cursor = (bench.box.clock() - timedelta(hours=5)).strftime("%Y-%m-%dT%H:%M:%SZ")
    with bench.open("restricted_key", values=values) as client:
        account = bench.account(client)
        page = read(client, bench.task("refunds", account, back=1, days=2, cursor=cursor))
        whole = read(client, bench.task("subscriptions", account, back=1, days=2, cursor=cursor))
    assert account.external_id == ids.ACCOUNT
    assert account.time_zone == "UTC"
    assert any("may not read events" in n for n in page.notes)
    view = bench.box.world.payments(as_of=bench.box.clock())
    since = bench.box.clock() - timedelta(days=120, hours=5)
    assert {r["external_id"] for r in page.rows} == {
        ids.of("refund", k) for k in view.keys("refund", since=since)
    }
    assert {r["external_id"] for r in whole.rows} == {
        ids.of("subscription", k) for k in view.keys("subscription")
    }
    assert cursor <= page.cursor <= bench.box.clock().strftime("%Y-%m-%dT%H:%M:%SZ")


def test_after_a_long_pause_the_weeks_before_it_are_read_again(bench_of: Find) -> None:
    bench = bench_of("stripe")
    long_ago = bench.box.clock() - timedelta(days=33)
    cursor = long_ago.strftime("%Y-%m-%dT%H:%M:%SZ")
    with bench.open() as client:
        account = bench.account(client)
        page = read(client, bench.task("disputes", account, back=1, days=2, cursor=cursor))
    assert any("29 days ago" in n for n in page.notes)
    view = bench.box.world.payments(as_of=bench.box.clock())
    assert {r["external_id"] for r in page.rows} == {
        ids.of("dispute", k)
        for k in view.keys("dispute", since=long_ago - timedelta(days=120))
    }
    assert page.cursor > cursor


def test_a_test_key_brings_test_payments_and_marks_them(bench_of: Find) -> None:
    bench = bench_of("stripe")
    with bench.open("restricted_key", values={"api_key": SPARE["test_key"]}) as client:
        account = bench.account(client)
        sentence = bench.platform.test(client, account)
        tasks = [bench.task(n, account, back=60, days=55) for n in ("charges", "payouts")]
        found = [read(client, task).rows for task in tasks]
        entries = read(client, bench.task("balance_transactions", account, back=60, days=55)).rows
    assert "test data" in sentence
    assert account.status == "test"
    assert all(found)
    assert all(r["is_test"] for r in [*found[0], *found[1], *entries])
    view = bench.box.world.payments(as_of=bench.box.clock(), live=False)
    since, until = in_days(tasks[0])
    assert {r["external_id"] for r in found[0]} == {
        ids.of("charge", k) for k in view.keys("charge", since=since, until=until)
    }
