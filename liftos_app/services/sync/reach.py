"""Whether the days asked for lie where streams have history, and what is to be said where not."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlmodel import col, select

from liftos_app.errors import Invalid
from liftos_app.models import Account, Connection, SyncRun
from liftos_app.services import format as fmt
from liftos_app.services import retention
from liftos_app.services.connectors import registry
from liftos_app.services.connectors.defined import streams_of
from liftos_app.services.connectors.spec import Stream
from liftos_app.services.context import Context
from liftos_app.services.sync.job import ask_of, info_of
from liftos_app.services.sync.plan import AccountDay, Ask, asked_days
from liftos_app.services.sync.schedule import zone_of


@dataclass(frozen=True, slots=True)
class Reach:
    """What one account can be asked of a stream, and whether the days asked for are among it."""

    stream: str
    account: str
    first: dt.date  # of what can be read
    last: dt.date
    asked: bool  # some of the days asked for can be read
    whole: bool  # all of them


def reaches(
    streams: Iterable[Stream], accounts: Sequence[tuple[str, AccountDay]], history_days: int,
    ask: Ask,
) -> list[Reach]:
    """Each account (with its name) x stream that is read by days; what is read whole has none."""
    found = []
    for stream in streams:
        if stream.window is None and not stream.cursor:
            continue
        for name, account in accounts:
            if not stream.fits(account.info):
                continue
            oldest, last = asked_days(
                stream, account, history_days,
                Ask(start=dt.date.min) if ask.start else Ask(),
            )
            start, end = ask.start or oldest, ask.end or last
            asked = start <= last and end >= oldest
            found.append(Reach(
                stream.title, name, oldest, last, asked=asked, whole=asked and start >= oldest
            ))
    return found


def notes(found: Sequence[Reach]) -> list[str]:
    """A sentence for each stream of which not all days asked for are read."""
    together: dict[tuple[str, bool, dt.date, dt.date], list[str]] = defaultdict(list)
    accounts: dict[str, int] = defaultdict(int)
    for one in found:
        accounts[one.stream] += 1
        if not one.whole:
            together[one.stream, one.asked, one.first, one.last].append(one.account)
    said = []
    for (stream, asked, first, last), names in together.items():
        of = "" if len(names) == accounts[stream] else f" of {fmt.listed(names)}"
        said.append(
            f"{stream}{of}: read from {first} on, where its history begins." if asked
            else f"{stream}{of}: not read, its history goes from {first} to {last}."
        )
    return said


def check(
    ctx: Context, connection: Connection, ask: Ask, accounts: Sequence[Account]
) -> list[str]:
    """What a re-sync will not read, in sentences. Raises Invalid when that is all of it."""
    if not ask.is_resync:
        return []
    found = _of(ctx, connection, ask, accounts)
    if not found or any(one.asked for one in found):
        return notes(found)
    first, last = min(f.first for f in found), max(f.last for f in found)
    raise Invalid(
        "None of these days can be read.",
        why=f"The history that can be read here goes from {first} to {last}.",
        fix="Choose days within it." if ask.start
        else "Choose a last day within it, or name the first day as well to read older ones.",
        field="start" if ask.end is None else "end",
    )


def left_out(ctx: Context, run: SyncRun) -> list[str]:
    """What a queued re-sync will not read of what it was asked for."""
    connection = ctx.session.get_one(Connection, run.connection_id)
    chosen = run.request.get("accounts") or ()
    accounts = [a for a in selected(ctx, connection) if not chosen or str(a.id) in chosen]
    return check(ctx, connection, ask_of(run), accounts)


def selected(ctx: Context, connection: Connection) -> list[Account]:
    """The accounts that a connection reads, by name."""
    return list(ctx.session.exec(
        select(Account).where(
            Account.org_id == ctx.org, Account.connection_id == connection.id,
            col(Account.selected).is_(True),
        ).order_by(col(Account.name))
    ))


def day_of(ctx: Context, account: Account) -> AccountDay:
    """An account and its day now."""
    return AccountDay(
        key=account.key or 0, today=ctx.now().astimezone(zone_of(account.time_zone)).date(),
        info=info_of(account),
    )


def history_of(ctx: Context, connection: Connection) -> int:
    """How many days back a connection reads unless a first day is named."""
    kept = retention.choice_of(ctx.session, ctx.org).marketing_days
    return min(connection.history_days, kept)


def _of(
    ctx: Context, connection: Connection, ask: Ask, accounts: Sequence[Account]
) -> list[Reach]:
    wanted = ask.streams or connection.streams
    offered = streams_of(registry.get(connection.platform), connection.options)
    return reaches(
        [s for s in offered if s.name in wanted],
        [(a.name, day_of(ctx, a)) for a in accounts],
        history_of(ctx, connection), ask,
    )
