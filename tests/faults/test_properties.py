"""Properties of the plan, the cursor and the upsert, for inputs nobody thought of."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from liftos_app.services.connectors.spec import Lands, Stream, Window
from liftos_app.services.sync import codec
from liftos_app.services.sync.plan import AccountDay, Ask, Known, Phase, Unit, make_plan

TODAY = dt.date(2026, 11, 23)
days_back = st.integers(min_value=0, max_value=70)
some_days = st.sets(days_back, max_size=40).map(
    lambda found: frozenset(TODAY - dt.timedelta(days=b) for b in found)
)


class Shop:
    """A platform in memory: its streams are all that a plan looks at."""

    def __init__(self, *streams: Stream) -> None:
        self.streams = streams


def daily(size: int, reread: int) -> Stream:
    return Stream(
        name="daily", title="Daily", grain="x", lands=Lands.FACTS, key=("id",),
        read=lambda c, t: iter(()),
        window=Window(days_per_request=size, reread_days=reread, latency_hours=1, settle_days=9,
                      history_days=60),
    )


ORDERS = Stream(
    name="orders", title="Orders", grain="order", lands=Lands.ORDERS, key=("id",), cursor="time",
    read=lambda c, t: iter(()),
)


def units(stream: Stream, known: Known, ask: Ask | None = None, history: int = 50) -> list[Unit]:
    plan = make_plan(
        Shop(stream), accounts=[AccountDay(key=1, today=TODAY)], chosen=[stream.name],  # type: ignore[arg-type]
        history_days=history, known={(1, stream.name): known}, ask=ask,
    )
    assert plan.days_total[1, stream.name] == sum(u.days for u in plan.units)
    return plan.units


@settings(max_examples=200, deadline=None)
@given(
    size=st.integers(1, 40), reread=st.integers(0, 40), history=st.integers(1, 70),
    covered=some_days, done=some_days, unsettled=some_days,
)
def test_a_plan_reads_each_day_that_is_due_once_and_no_other(
    size: int, reread: int, history: int, covered: frozenset[dt.date], done: frozenset[dt.date],
    unsettled: frozenset[dt.date],
) -> None:
    known = Known(covered=covered | done, done_in_run=done, unsettled=unsettled & covered)
    found = units(daily(size, reread), known, history=history)
    read = [d for u in found for d in u.each_day()]
    assert len(read) == len(set(read))
    assert all(1 <= u.days <= size for u in found)
    oldest = TODAY - dt.timedelta(days=min(history, 60))
    wanted = {
        d for d in (TODAY - dt.timedelta(days=i) for i in range((TODAY - oldest).days + 1))
        if d not in done and (d not in covered or (reread and (TODAY - d).days <= reread))
    }
    if reread:  # loaded before the history was shortened or moved on: still restated
        wanted |= {d for d in covered - done if (TODAY - d).days <= reread}
    wanted |= (unsettled & covered) - done
    assert set(read) == wanted
    assert [u.phase for u in found] == sorted(u.phase for u in found)
    for phase in {u.phase for u in found}:
        ends = [u.end for u in found if u.phase is phase]
        assert ends == sorted(ends, reverse=True)  # the newest first


@settings(max_examples=200, deadline=None)
@given(size=st.integers(1, 12), reread=st.integers(0, 30), deaths=st.lists(st.integers(0, 6)))
def test_a_run_that_dies_again_and_again_reads_no_unit_twice(
    size: int, reread: int, deaths: list[int]
) -> None:
    stream, done, read = daily(size, reread), set[dt.date](), list[dt.date]()
    for alive in [*deaths, 10_000]:
        known = Known(covered=frozenset(done), done_in_run=frozenset(done))
        for unit in units(stream, known)[:alive]:
            done |= set(unit.each_day())
            read += unit.each_day()
    assert len(read) == len(set(read)) == 51


@settings(max_examples=150, deadline=None)
@given(start=days_back, length=st.integers(0, 30), covered=some_days, done=some_days)
def test_a_resync_reads_the_days_asked_for_covered_or_not(
    start: int, length: int, covered: frozenset[dt.date], done: frozenset[dt.date]
) -> None:
    first = TODAY - dt.timedelta(days=start)
    last = min(first + dt.timedelta(days=length), TODAY)
    found = units(
        daily(7, 28), Known(covered=covered, done_in_run=done), Ask(start=first, end=last)
    )
    oldest = max(first, TODAY - dt.timedelta(days=60))
    span = {oldest + dt.timedelta(days=i) for i in range((last - oldest).days + 1)}
    assert {d for u in found for d in u.each_day()} == span - done


# --- the cursor: a shop whose orders change while syncs die ---------------------------------------

moves = st.lists(
    st.tuples(st.sampled_from(["order", "refund", "sync", "crash"]), st.integers(0, 60)),
    max_size=40,
)


class Books:
    """Orders by id: (day placed, minute of the last change, refunded)."""

    def __init__(self) -> None:
        self.minute = 0
        self.orders: dict[int, tuple[dt.date, int, int]] = {}
        for back in (90, 70, 40, 5):  # some are older than any history
            self.add(back)

    def add(self, back: int) -> None:
        self.minute += 1
        day = TODAY - dt.timedelta(days=back)
        self.orders[len(self.orders)] = (day, self.minute, 0)

    def refund(self, number: int) -> None:
        self.minute += 1
        ident = number % len(self.orders)
        day, _, refunded = self.orders[ident]
        self.orders[ident] = (day, self.minute, refunded + 1)


@settings(max_examples=250, deadline=None)
@given(moves)
def test_L105_the_cursor_loses_no_change_whatever_dies_when(steps: list[tuple[str, int]]) -> None:
    books, stored = Books(), dict[int, tuple[dt.date, int, int]]()
    state = Known()
    minute_of = {"": -1}

    def commit(unit: Unit, began: int) -> None:
        nonlocal state
        if unit.cursor:
            since = minute_of.get(unit.cursor, -1)
            found = {
                i: o for i, o in books.orders.items()
                if o[1] >= since and (unit.before is None or o[0] < unit.before)
            }
        else:
            found = {i: o for i, o in books.orders.items() if unit.start <= o[0] <= unit.end}
        stored.update(found)
        cursor = state.cursor
        if unit.phase is Phase.INCREMENT:
            cursor = f"c{books.minute:05d}"
            minute_of[cursor] = books.minute
        elif not cursor:
            cursor = f"c{began:05d}"
            minute_of[cursor] = began
        caught = unit.before if unit.phase is Phase.CATCH_UP else state.caught_up_from
        days = frozenset() if unit.phase is Phase.CATCH_UP else frozenset(unit.each_day())
        state = replace(
            state, cursor=cursor, caught_up_from=caught, covered=state.covered | days,
            done_in_run=state.done_in_run | days,
        )

    def sync(alive: int) -> None:
        for unit in units(ORDERS, state, history=50)[:alive]:
            commit(unit, books.minute)

    for what, number in [*steps, ("end", 0), ("end", 0)]:
        if what == "order":
            books.add(number)
        elif what == "refund":
            books.refund(number)
        elif what == "crash":
            sync(number % 5)  # taken up again by the next sync of the same run
        else:
            sync(10_000)
            state = replace(state, done_in_run=frozenset())
    oldest = TODAY - dt.timedelta(days=50)
    truth = {i: o for i, o in books.orders.items() if o[0] >= oldest or o[2]}
    assert {i: o for i, o in stored.items() if i in truth} == truth


# --- what waits in the database comes back as it was ----------------------------------------------

cells: Any = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**62), 2**62) | st.text(max_size=20) | st.dates()
    | st.datetimes(timezones=st.just(dt.UTC)) | st.decimals(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.text(st.characters(exclude_characters="\0"), max_size=9), inner,
                      max_size=4),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.dictionaries(
    st.text(st.characters(exclude_characters="\0"), max_size=9), cells, max_size=5
), max_size=5))
def test_staged_rows_come_back_as_they_were(rows: list[dict[str, Any]]) -> None:
    assert codec.unpack(codec.pack(rows)) == rows


def test_numbers_wider_than_json_come_back_too() -> None:
    rows = [{"spend_micros": 2**80, "at": dt.datetime(2026, 1, 1, tzinfo=dt.UTC)}]
    assert codec.unpack(codec.pack(rows)) == rows
