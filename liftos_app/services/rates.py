"""Reference rates: fetched from the European Central Bank's data portal, or entered by hand.

A row says how many units of `base` one unit of `currency` is, in millionths: exactly what the
bank publishes ("US dollars for one euro"). The arithmetic is in metrics/currency.py.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Final

import httpx
from sqlmodel import Session, col, func, select

from liftos_app.errors import Conflict, Invalid, Missing, Retry
from liftos_app.models import Account, Connection, Organization, Provenance, RateDay
from liftos_app.services import audit, currencies
from liftos_app.services.connectors import net
from liftos_app.services.context import App, Context, Principal, open_context
from liftos_app.services.metrics.currency import (
    ECB,
    MANUAL,
    MILLION,
    OLDEST_DAYS,
    PIVOT,
    SANDBOX,
)

log = logging.getLogger(__name__)
BANK: Final = "https://data-api.ecb.europa.eu"
PATH: Final = "/service/data/EXR/D.{currency}.EUR.SP00.A"
HISTORY_DAYS: Final = 1100  # as far back as any platform answers
REREAD_DAYS: Final = 7  # the bank corrects a figure now and then
MOST_BYTES: Final = 5_000_000


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What a refresh stored, and for which currencies the bank publishes nothing."""

    stored: int
    currencies: tuple[str, ...]
    unpublished: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Need:
    provenance: Provenance
    currency: str
    start: dt.date


def refresh(app: App, who: Principal, org_id: int) -> Refreshed:
    """Fetch what is missing up to today for every currency the organization's accounts use.

    No transaction is open while the bank is asked. Raises Retry when the bank cannot be reached
    or does not answer as it should; what was stored before stays.
    """
    with open_context(app, who, org_id) as ctx:
        ctx.require("syncs.run")
        needs = _needs(ctx)
    stored, done, unpublished = 0, [], []
    for need in needs:
        quotes = fetch(app, need.provenance, need.currency, need.start)
        if quotes is None:
            unpublished.append(need.currency)
            continue
        with open_context(app, who, org_id, write=True) as ctx:
            stored += _store(ctx, need, quotes)
        done.append(need.currency)
    log.info("rates.refreshed", extra={"org": org_id, "stored": stored, "currencies": done})
    return Refreshed(stored, tuple(sorted(set(done))), tuple(sorted(set(unpublished))))


def fetch(
    app: App, provenance: Provenance, currency: str, start: dt.date
) -> dict[dt.date, int] | None:
    """The bank's daily figures since `start`: day -> millionths of `currency` for one euro.

    None when it publishes none for this currency. Raises Retry.
    """
    url = httpx.URL(
        address(app, provenance) + PATH.format(currency=currency),
        params={"format": "csvdata", "startPeriod": start.isoformat()},
    )
    http = net.open_http()
    try:
        status, body = _ask(http, url)
    except httpx.HTTPError as error:
        raise _unreachable(type(error).__name__) from error
    finally:
        http.close()
    if status == 404:
        return None
    if status != 200 or len(body) > MOST_BYTES:
        raise _unreachable(f"status {status}, {len(body)} bytes")
    return parse(body.decode("utf-8", "replace"))


def _ask(http: net.Http, url: httpx.URL) -> tuple[int, bytes]:
    answer = http.send("GET", url, {"Accept": "text/csv"}, None)
    body = b""
    try:
        for chunk in answer.iter_bytes():
            body += chunk
            if len(body) > MOST_BYTES:
                break
    finally:
        answer.close()
    return answer.status_code, body


def address(app: App, provenance: Provenance) -> str:
    """Where rates come from: the operator's address, the sandbox in demo, else the bank."""
    given = app.settings.platform_urls.get("ecb")
    if given:
        return given
    return f"{app.settings.self_url}/sandbox/ecb" if provenance is Provenance.DEMO else BANK


def parse(text: str) -> dict[dt.date, int]:
    """SDMX CSV to day -> millionths. A day without a figure is left out. Raises Retry."""
    if not text.strip():  # nothing new since the asked day
        return {}
    rows = csv.DictReader(io.StringIO(text))
    if not {"TIME_PERIOD", "OBS_VALUE"} <= set(rows.fieldnames or ()):
        raise _unreachable("no TIME_PERIOD and OBS_VALUE columns")
    found: dict[dt.date, int] = {}
    for row in rows:
        try:
            rate = Decimal(row["OBS_VALUE"] or "NaN") * MILLION
            if rate.is_finite() and rate >= 1:
                found[dt.date.fromisoformat(row["TIME_PERIOD"])] = int(rate.to_integral_value())
        except (InvalidOperation, ValueError, TypeError) as error:
            raise _unreachable("a figure that is no number") from error
    return found


def enter(
    ctx: Context, *, day: dt.date, source: str, target: str, rate: str
) -> RateDay:
    """By hand: one unit of `source` is `rate` units of `target` on a day. Raises Invalid."""
    ctx.require("organization.write")
    for field, code in (("source", source), ("target", target)):
        if not currencies.is_currency(code):
            raise Invalid(
                f"{code[:12]!r} is not a currency.",
                why="Currencies are three capital letters of ISO 4217.",
                fix="For example: EUR.", field=field,
            )
    if source == target or day > ctx.now().date():
        raise Invalid(
            "This rate cannot be used.",
            why="The two currencies are the same, or the day has not come yet.",
            fix="Choose two currencies and a day up to today.", field="day",
        )
    millionths = _millionths(rate)
    row = ctx.session.get(RateDay, (ctx.org, target, source, day))
    if row is None:
        row = RateDay(
            org_id=ctx.org, base=target, currency=source, day=day, rate=millionths, source=MANUAL
        )
    before = row.rate if row.source == MANUAL else None
    row.rate, row.source, row.entered_by = millionths, MANUAL, ctx.who.user_id
    ctx.session.add(row)
    audit.record(
        ctx, "rate.entered", row, before=before, after=millionths, base=target, currency=source,
        day=day.isoformat(),
    )
    return row


def remove(ctx: Context, *, day: dt.date, source: str, target: str) -> None:
    """Take back a rate that was entered by hand. Raises Missing, Conflict for a fetched one."""
    ctx.require("organization.write")
    row = ctx.session.get(RateDay, (ctx.org, target, source, day))
    if row is None:
        raise Missing("There is no such rate.", why="It was removed meanwhile, or never entered.")
    if row.source != MANUAL:
        raise Conflict(
            "This rate was fetched, not entered.", why="Only rates entered by hand are removed.",
            fix="Enter another rate for the day if it is wrong.",
        )
    audit.record(ctx, "rate.removed", row, base=target, currency=source, day=day.isoformat())
    ctx.session.delete(row)


def latest(ctx: Context, *, limit: int = 60) -> list[RateDay]:
    """The newest stored rates, for the settings page."""
    ctx.require("organization.read")
    return list(
        ctx.session.exec(
            select(RateDay)
            .where(RateDay.org_id == ctx.org)
            .order_by(col(RateDay.day).desc(), col(RateDay.currency), col(RateDay.base))
            .limit(limit)
        ).all()
    )


def _needs(ctx: Context) -> list[_Need]:
    """Currencies to fetch, once for each provenance in use, from the first missing day on."""
    pairs = ctx.session.exec(
        select(Connection.provenance, Account.currency)
        .join(Account, col(Account.connection_id) == Connection.id)
        .where(
            Connection.org_id == ctx.org, Account.org_id == ctx.org,
            col(Account.selected).is_(True), col(Connection.deleted_at).is_(None),
        )
        .distinct()
    ).all()
    own = ctx.session.get_one(Organization, ctx.org).currency
    needs: list[_Need] = []
    for provenance in (Provenance.DEMO, Provenance.LIVE):
        used = {currency for kind, currency in pairs if kind == provenance and currency}
        if not used - {own}:
            continue
        source = SANDBOX if provenance is Provenance.DEMO else ECB
        needs.extend(
            _Need(provenance, code, _start(ctx, code, source))
            for code in sorted({*used, own} - {PIVOT}) if currencies.is_currency(code)
        )
    return needs


def _start(ctx: Context, currency: str, source: str) -> dt.date:
    newest: dt.date | None = ctx.session.exec(
        select(func.max(RateDay.day)).where(
            RateDay.org_id == ctx.org, RateDay.base == currency, RateDay.currency == PIVOT,
            RateDay.source == source,
        )
    ).one()
    today = ctx.now().date()
    if newest is None:
        return today - dt.timedelta(days=HISTORY_DAYS + OLDEST_DAYS)
    return newest - dt.timedelta(days=REREAD_DAYS)


def _store(ctx: Context, need: _Need, quotes: dict[dt.date, int]) -> int:
    """New and corrected figures. What a person entered stays; sandbox never replaces the bank."""
    source = SANDBOX if need.provenance is Provenance.DEMO else ECB
    replaceable = {source, SANDBOX}
    known = _known(ctx.session, ctx.org, need.currency, quotes)
    count = 0
    for day, rate in quotes.items():
        row = known.get(day)
        if row is None:
            ctx.session.add(RateDay(
                org_id=ctx.org, base=need.currency, currency=PIVOT, day=day, rate=rate,
                source=source,
            ))
            count += 1
        elif row.source in replaceable and (row.rate, row.source) != (rate, source):
            row.rate, row.source = rate, source
            ctx.session.add(row)
            count += 1
    return count


def _known(
    session: Session, org_id: int, currency: str, days: Iterable[dt.date]
) -> dict[dt.date, RateDay]:
    span = sorted(days)
    if not span:
        return {}
    rows = session.exec(
        select(RateDay).where(
            RateDay.org_id == org_id, RateDay.base == currency, RateDay.currency == PIVOT,
            col(RateDay.day) >= span[0], col(RateDay.day) <= span[-1],
        )
    ).all()
    return {r.day: r for r in rows}


def _millionths(text: str) -> int:
    try:
        rate = Decimal(text.strip())
    except InvalidOperation:
        rate = Decimal("NaN")
    if not rate.is_finite() or not 0 < rate < MILLION:
        raise Invalid(
            f"{text[:30]!r} is not a rate.", why="A rate is a number between 0 and 1,000,000.",
            fix="For example: 1.0876.", field="rate",
        )
    exact = rate * MILLION
    if exact != exact.to_integral_value():
        raise Invalid(
            "The rate has too many decimals.", why="Six decimals are stored.",
            fix="Round it, or enter the rate the other way round.", field="rate",
        )
    return int(exact)


def _unreachable(detail: str) -> Retry:
    return Retry(
        "Exchange rates could not be fetched.",
        why="The European Central Bank's data portal did not answer as it should.",
        fix="It is tried again by itself; a rate can also be entered by hand in the settings.",
        detail=detail,
    )
