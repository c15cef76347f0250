import datetime as dt
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from liftos_app.services.connectors.cursors import CursorKind
from liftos_app.services.connectors.spec import AccountInfo, Lands, Stream, Window
from liftos_app.services.sync import reach
from liftos_app.services.sync.plan import AccountDay, Ask, Known, Phase, make_plan

TODAY = dt.date(2026, 11, 23)


def stream(name: str, *, per: int = 7, reread: int = 28, cursor: CursorKind = "") -> Stream:
    return Stream(
        name=name,
        title=name,
        grain="x",
        lands=Lands.FACTS,
        key=("id",),
        read=lambda c, t: iter(()),
        cursor=cursor,
        window=Window(
            days_per_request=per,
            reread_days=reread,
            latency_hours=3,
            settle_days=28,
            history_days=1000,
        ),
    )


WHOLE = Stream(
    name="campaigns",
    title="c",
    grain="x",
    lands=Lands.ENTITIES,
    key=("id",),
    read=lambda c, t: iter(()),
)


class FakePlatform:
    def __init__(self, *streams: Stream) -> None:
        self.streams = streams


def plan_of(*streams: Stream, history: int = 90, known=None, ask=None):
    return make_plan(
        FakePlatform(*streams),
        accounts=[AccountDay(key=1, today=TODAY)],  # type: ignore[arg-type]
        chosen=[s.name for s in streams],
        history_days=history,
        known=known or {},
        ask=ask,
    )


def days_of(plan) -> list[dt.date]:
    return [d for u in plan.units for d in u.each_day()]


def test_whole_streams_come_first_then_the_newest_days() -> None:
    plan = plan_of(stream("daily"), WHOLE)
    assert plan.units[0].stream == "campaigns"
    ends = [u.end for u in plan.units[1:]]
    assert ends == sorted(ends, reverse=True)
    assert ends[0] == TODAY


def test_a_first_sync_covers_every_day_of_the_history_once() -> None:
    days = days_of(plan_of(stream("daily")))
    assert sorted(days) == [TODAY - dt.timedelta(days=i) for i in range(90, -1, -1)]


def test_L105_a_later_sync_reads_only_the_look_back_and_what_is_missing() -> None:
    covered = {TODAY - dt.timedelta(days=i) for i in range(1, 91)} - {dt.date(2026, 9, 15)}
    plan = plan_of(stream("daily"), known={(1, "daily"): Known(covered=frozenset(covered))})
    expected = {TODAY - dt.timedelta(days=i) for i in range(29)} | {dt.date(2026, 9, 15)}
    assert set(days_of(plan)) == expected


def test_days_that_this_run_has_committed_are_not_read_again() -> None:
    done = frozenset({TODAY, TODAY - dt.timedelta(days=1)})
    plan = plan_of(
        stream("daily"),
        WHOLE,
        known={
            (1, "daily"): Known(covered=done, done_in_run=done),
            (1, "campaigns"): Known(whole_done=True),
        },
    )
    assert not done & set(days_of(plan))
    assert all(u.stream == "daily" for u in plan.units)


def test_a_resync_reads_exactly_the_days_asked_for() -> None:
    covered = frozenset(TODAY - dt.timedelta(days=i) for i in range(91))
    ask = Ask(start=dt.date(2026, 10, 1), end=dt.date(2026, 10, 3))
    plan = plan_of(stream("daily"), known={(1, "daily"): Known(covered=covered)}, ask=ask)
    assert sorted(days_of(plan)) == [dt.date(2026, 10, d) for d in (1, 2, 3)]


def test_L105_a_cursor_stream_reads_one_increment_and_old_gaps() -> None:
    covered = frozenset(TODAY - dt.timedelta(days=i) for i in range(1, 60))
    plan = plan_of(
        stream("orders", cursor="time"),
        known={(1, "orders"): Known(covered=covered, cursor="2026-11-22T10:00:00Z")},
    )
    increments = [u for u in plan.units if u.phase is Phase.INCREMENT]
    assert [(u.start, u.end, u.cursor) for u in increments] == [
        (TODAY - dt.timedelta(days=1), TODAY, "2026-11-22T10:00:00Z")
    ]
    gaps = {d for u in plan.units if u.phase is not Phase.INCREMENT for d in u.each_day()}
    assert gaps == {TODAY - dt.timedelta(days=i) for i in range(60, 91)}


def test_L105_changes_wait_until_spans_have_reached_the_day_of_the_cursor() -> None:
    """The first span failed, the one before it was stored: the newest days are still unknown."""
    older = frozenset(TODAY - dt.timedelta(days=i) for i in range(7, 14))
    for kind, cursor in (("time", f"{TODAY}T10:00:00Z"), ("number", f"41@{TODAY}T10:00:00Z")):
        plan = plan_of(
            stream("orders", cursor=kind, reread=0), history=30,  # type: ignore[arg-type]
            known={(1, "orders"): Known(covered=older, cursor=cursor)},
        )
        assert {u.phase for u in plan.units} == {Phase.RECENT}
        assert set(days_of(plan)) == {TODAY - dt.timedelta(days=i) for i in range(31)} - older


def test_L105_a_number_is_read_on_from_and_the_last_days_are_read_again() -> None:
    covered = frozenset(TODAY - dt.timedelta(days=i) for i in range(1, 91))
    known = {(1, "orders"): Known(covered=covered, cursor="-41@2026-11-22T10:00:00Z")}
    plan = plan_of(stream("orders", cursor="number", reread=3), known=known)
    assert [(u.phase, u.start, u.end, u.cursor) for u in plan.units] == [
        (Phase.INCREMENT, TODAY - dt.timedelta(days=1), TODAY, "-41"),
        (Phase.RECENT, TODAY - dt.timedelta(days=3), TODAY - dt.timedelta(days=1), ""),
    ]
    only = plan_of(stream("orders", cursor="number", reread=0), known=known)
    assert [u.phase for u in only.units] == [Phase.INCREMENT]


def test_days_out_of_the_accounts_reach_are_not_asked_for() -> None:
    short = replace(stream("daily"), reach=lambda account: account.extra["days"])
    plan = make_plan(
        FakePlatform(short),  # type: ignore[arg-type]
        accounts=[AccountDay(key=1, today=TODAY, info=AccountInfo("a", "A", extra={"days": 3}))],
        chosen=["daily"],
        history_days=90,
        known={},
    )
    assert min(days_of(plan)) == TODAY - dt.timedelta(days=3)


@given(
    covered=st.sets(st.integers(0, 120)),
    done=st.sets(st.integers(0, 120)),
    history=st.integers(1, 120),
    per=st.integers(1, 30),
    reread=st.integers(1, 40),
)
def test_every_needed_day_is_read_exactly_once_whatever_is_known(
    covered: set[int], done: set[int], history: int, per: int, reread: int
) -> None:
    def day(back: int) -> dt.date:
        return TODAY - dt.timedelta(days=back)

    known = Known(
        covered=frozenset(map(day, covered | done)), done_in_run=frozenset(map(day, done))
    )
    plan = plan_of(
        stream("daily", per=per, reread=reread), history=history, known={(1, "daily"): known}
    )
    found = days_of(plan)
    assert len(found) == len(set(found))
    assert all(u.days <= per for u in plan.units)
    needed = {
        day(i) for i in range(history + 1) if i not in done and (i <= reread or i not in covered)
    }
    # loaded days stay in the look-back when the history is shorter than it
    needed |= {day(i) for i in covered - done if history < i <= reread}
    assert set(found) == needed


def test_streams_whose_history_lacks_the_days_are_named() -> None:
    short = replace(stream("mail"), title="Mail", reach=lambda account: 30)
    long = replace(stream("daily"), title="Daily")
    accounts = [("One", AccountDay(key=1, today=TODAY)), ("Two", AccountDay(key=2, today=TODAY))]
    ask = Ask(start=dt.date(2026, 9, 1), end=dt.date(2026, 9, 30))
    found = reach.reaches([short, long, WHOLE], accounts, 90, ask)
    assert reach.notes(found) == [
        "Mail: not read, its history goes from 2026-10-24 to 2026-11-23."
    ]
    plan = plan_of(short, long, ask=ask)
    assert plan.days_total == {(1, "mail"): 0, (1, "daily"): 30}
    wide = reach.reaches([short, long], accounts, 90, Ask(start=dt.date(2026, 9, 1)))
    assert reach.notes(wide) == ["Mail: read from 2026-10-24 on, where its history begins."]


def test_an_account_whose_history_is_shorter_is_named() -> None:
    some = replace(
        stream("daily"), title="Daily", reach=lambda account: 30 if account.name == "Two" else 900
    )
    accounts = [
        (name, AccountDay(key=1, today=TODAY, info=AccountInfo(name, name)))
        for name in ("One", "Two")
    ]
    found = reach.reaches([some], accounts, 90, Ask(start=dt.date(2026, 9, 1)))
    assert reach.notes(found) == [
        "Daily of Two: read from 2026-10-24 on, where its history begins."
    ]
