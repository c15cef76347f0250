"""Faults on demand: aimed, counted, cleared; and what a demo has planted."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from liftos_app.services.sandbox import expected
from liftos_app.services.sandbox.trouble import KINDS, Fault, Trouble, planted
from liftos_app.services.sandbox.world import World
from liftos_app.services.sandbox.world.ad_views import total

ANCHOR = date(2026, 11, 23)
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def rows(days: int = 4) -> list[dict[str, Any]]:
    return [
        {"id": str(n), "date": f"2026-10-{1 + n:02d}", "spend": "1.50", "inner": {"clicks": n}}
        for n in range(days)
    ]


def day_of(row: dict[str, Any]) -> date:
    return date.fromisoformat(row["date"])


def test_a_fault_meets_only_what_it_is_aimed_at() -> None:
    trouble = Trouble()
    trouble.add("rate_limited", "klaviyo", account="A", stream="flows", retry_after=3)
    kinds = ("rate_limited",)
    assert trouble.take(kinds, "shopify", account="A", stream="flows") is None
    assert trouble.take(kinds, "klaviyo", account="B", stream="flows") is None
    assert trouble.take(kinds, "klaviyo", account="A", stream="lists") is None
    assert trouble.take(("slow",), "klaviyo", account="A", stream="flows") is None
    met = trouble.take(kinds, "klaviyo", account="A", stream="flows")
    assert met is not None
    assert met.retry_after == 3
    assert trouble.take(kinds, "klaviyo", account="A", stream="flows") is None


def test_a_count_runs_down_and_until_cleared_does_not() -> None:
    trouble = Trouble()
    trouble.add("server_error", "shopify", count=3)
    assert [trouble.take(("server_error",), "shopify") is not None for _ in range(4)] == [
        True,
        True,
        True,
        False,
    ]
    lasting = trouble.add("server_error", "shopify", count=None)
    assert all(trouble.take(("server_error",), "shopify") for _ in range(20))
    assert trouble.clear(lasting.id) == 1
    assert trouble.take(("server_error",), "shopify") is None


def test_an_unknown_kind_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="earthquake"):
        Trouble().add("earthquake")


def test_without_trouble_rows_come_back_as_they_were() -> None:
    given = rows()
    assert Trouble().bend("shopify", "orders", given, day_of=day_of) == given


def test_half_a_page_goes_missing_without_a_sign() -> None:
    trouble = Trouble()
    trouble.add("truncated_page", "shopify")
    assert [r["id"] for r in trouble.bend("shopify", "orders", rows())] == ["0", "1"]
    assert len(trouble.bend("shopify", "orders", rows())) == 4


def test_a_column_changes_its_name_at_the_top_or_inside() -> None:
    trouble = Trouble()
    trouble.add("changed_column", "shopify", detail={"column": "spend", "to": "amount_spent"})
    bent = trouble.bend("shopify", "orders", rows())
    assert list(bent[0]) == ["id", "date", "amount_spent", "inner"]
    trouble.add("changed_column", "shopify", detail={"column": "inner.clicks"})
    assert trouble.bend("shopify", "orders", rows())[1]["inner"] == {"clicks_v2": 1}


def test_a_change_that_finds_nothing_to_change_is_not_used_up() -> None:
    trouble = Trouble()
    trouble.add("changed_column", "shopify", detail={"column": "nowhere"})
    assert trouble.bend("shopify", "orders", rows()) == rows()
    assert len(trouble.list_all()) == 1


def test_a_column_is_added_to_every_row() -> None:
    trouble = Trouble()
    trouble.add("added_column", "*", detail={"column": "magic"})
    assert all(r["magic"] == "1" for r in trouble.bend("klaviyo", "lists", rows()))


def test_one_row_comes_twice_and_one_day_not_at_all() -> None:
    trouble = Trouble()
    trouble.add("duplicated_rows", "shopify", detail={"day": "2026-10-02"})
    bent = trouble.bend("shopify", "orders", rows(), day_of=day_of)
    assert [r["id"] for r in bent] == ["0", "1", "1", "2", "3"]
    trouble.add("missing_day", "shopify", detail={"day": "2026-10-03"}, count=None)
    bent = trouble.bend("shopify", "orders", rows(), day_of=day_of)
    assert [r["id"] for r in bent] == ["0", "1", "3"]
    assert trouble.is_day_missing("shopify", "", "orders", date(2026, 10, 3))
    assert not trouble.is_day_missing("shopify", "", "orders", date(2026, 10, 4))


def test_an_account_may_change_its_currency() -> None:
    trouble = Trouble()
    trouble.add("currency_change", "meta_business", account="1", detail={"currency": "CAD"})
    assert trouble.currency("meta_business", "2", "USD") == "USD"
    assert trouble.currency("meta_business", "1", "USD") == "CAD"
    assert trouble.currency("meta_business", "1", "USD") == "USD"


def test_a_demo_has_one_of_each_lesson() -> None:
    found = planted(ANCHOR)
    assert {p.kind for p in found} >= {
        "missing_day",
        "duplicated_rows",
        "currency_trap",
        "token_expired",
    }
    for plant in found:
        assert plant.words.endswith(".")
        assert plant.kind in {*KINDS, "currency_trap"}
        if plant.day is not None:  # in the last 30 settled days of a first sync
            assert ANCHOR - timedelta(days=58) <= plant.day <= ANCHOR - timedelta(days=31)


def test_planted_trouble_stays_when_people_clear_theirs() -> None:
    trouble = Trouble(anchor=ANCHOR)
    trouble.add("slow")
    trouble.clear()
    assert {f.kind for f in trouble.list_all()} == {"missing_day", "duplicated_rows"}
    assert all(f.planted and f.count is None for f in trouble.list_all())
    trouble.clear(planted_too=True)
    assert trouble.list_all() == ()


def test_every_change_is_told() -> None:
    told: list[int] = []
    trouble = Trouble()
    trouble.on_change(lambda: told.append(1))
    trouble.add("slow", count=2)
    trouble.take(("slow",), "shopify")
    trouble.clear()
    assert len(told) == 3


def test_expected_totals_leave_out_what_is_withheld() -> None:
    world = World(seed=7, today=ANCHOR)
    trouble = Trouble(anchor=ANCHOR)
    plant = next(p for p in planted(ANCHOR) if p.kind == "missing_day")
    assert plant.day is not None
    span = (plant.day - timedelta(days=2), plant.day + timedelta(days=2))
    account = plant.account
    whole = total(world.ad_days(account, *span, as_of=NOW, level="ad"))
    shown = expected.ad_totals(world, trouble, account, *span, as_of=NOW, level="ad")
    hidden = total(world.ad_days(account, plant.day, plant.day, as_of=NOW, level="ad"))
    assert whole.spend - shown.spend == hidden.spend > 0
    for level in ("campaign", "account"):  # what is planted leaves the sums of campaigns exact
        top = expected.ad_totals(world, trouble, account, *span, as_of=NOW, level=level)
        assert top == world.ad_totals(account, *span, as_of=NOW)
    other = expected.ad_totals(world, trouble, "3456789012", *span, as_of=NOW, level="ad")
    assert other == total(world.ad_days("3456789012", *span, as_of=NOW, level="ad"))


def test_saved_faults_can_be_taken_up_again() -> None:
    trouble = Trouble(anchor=ANCHOR)
    trouble.add("quota_exhausted", "google_ads", count=None, detail={"a": "b"})
    again = Trouble([Fault(**f) for f in trouble.dump()], anchor=ANCHOR)
    assert again.list_all() == (*again.list_all()[:2], *trouble.list_all()[2:])
    assert len(again.list_all()) == 3
