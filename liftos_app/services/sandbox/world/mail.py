"""Mailings and flows: who was written to, and which orders the mail platform calls its own.

An order belongs to the last mailing before it when mail caused it, or when it came within two days
of one by a share of chance: that share is the over-claim.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from liftos_app.services.sandbox.world.mail_plan import (
    ALL,
    ENGAGED,
    EU,
    FLOWS,
    OPENED,
    SUBJECTS,
)
from liftos_app.services.sandbox.world.model import Model, day_number, day_of
from liftos_app.services.sandbox.world.noise import Ints, Noise
from liftos_app.services.sandbox.world.plan import CHANNELS, EMAIL, SHOP_ZONE, promotions
from liftos_app.services.sandbox.world.sales import TEST, Sales
from liftos_app.services.sandbox.world.shapes import (
    MailCampaign,
    MailEvents,
    MailFlow,
    MailStats,
)

_CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_WINDOW: Final = 5 * 86_400


@dataclass(frozen=True, slots=True)
class Mail:
    """All mailings of the model's days in order of sending, and each order's message."""

    campaigns: tuple[MailCampaign, ...]  # as they are after sending
    flows: tuple[MailFlow, ...]
    flow_of: dict[str, str]
    send_day: Ints  # [order], shop-local day number of the attributed send, -1 none
    messages: tuple[str, ...]  # [order], "" for none
    sends: dict[tuple[str, int], int]  # (flow message, day) -> recipients
    noise: Noise


def build(noise: Noise, model: Model, sales: Sales) -> Mail:
    """Mailings, flows, and what they claim."""
    campaigns = _campaigns(noise, model.days)
    flows = tuple(
        MailFlow(
            id=i,
            name=n,
            status=s,
            archived=False,
            trigger=t,
            message_ids=tuple(_code(noise, "flow", f, m, size=6) for m in range(len(ms))),
            message_names=tuple(name for name, _ in ms),
            created_at=OPENED + timedelta(days=9 * f),
            updated_at=OPENED + timedelta(days=9 * f + 30),
        )
        for f, (i, n, s, t, ms, _) in enumerate(FLOWS)
    )
    messages, send_day = _attribute(noise, campaigns, flows, sales)
    sends: dict[tuple[str, int], int] = {}
    for f, flow in enumerate(flows):
        daily = FLOWS[f][5]
        if not daily:
            continue
        level = daily * model.demand.mean(axis=0)
        for m, message in enumerate(flow.message_ids):
            counts = noise.poisson(level * 0.75**m, "flow/sends", f, m, np.arange(model.days))
            sends |= {(message, d): int(c) for d, c in enumerate(counts)}
    flow_of = {message: flow.id for flow in flows for message in flow.message_ids}
    return Mail(campaigns, flows, flow_of, send_day, messages, sends, noise)


def _campaigns(noise: Noise, days: int) -> tuple[MailCampaign, ...]:
    found = []
    place = ZoneInfo(SHOP_ZONE)
    for number in range(days):
        day = day_of(number)
        promo = next((p for p in promotions(day.year) if p.first <= day <= p.last), None)
        extra = promo is not None and day == promo.first
        if day.weekday() not in {1, 4} and not extra:
            continue
        send = datetime(day.year, day.month, day.day, 10, 0, tzinfo=place).astimezone(UTC)
        name, subject = SUBJECTS[int(noise.bits("subject", number) % np.uint64(len(SUBJECTS)))]
        if promo is not None:
            name, subject = f"{promo.code} {day.year}", f"{promo.percent} % off, {promo.code}"
        found.append(
            MailCampaign(
                id="01" + _code(noise, "campaign", number, 0, size=24),
                message_id="01" + _code(noise, "message", number, 0, size=24),
                name=f"{day.isoformat()} {name}",
                subject=subject,
                channel="email",
                status="Sent",
                archived=False,
                send_at=send,
                created_at=send - timedelta(days=4, hours=3),
                updated_at=send + timedelta(minutes=20),
                list_ids=(ALL, EU) if day.weekday() == 1 else (ENGAGED,),
            )
        )
    return tuple(found)


def _attribute(
    noise: Noise,
    campaigns: tuple[MailCampaign, ...],
    flows: tuple[MailFlow, ...],
    sales: Sales,
) -> tuple[tuple[str, ...], Ints]:
    size = len(sales.id)
    sent = np.array([int(c.send_at.timestamp()) for c in campaigns if c.send_at])
    sent_day = np.array([_shop_day(c) for c in campaigns], dtype=np.int64)
    last = np.searchsorted(sent, sales.created, side="right") - 1
    wait = sales.created - sent[np.maximum(last, 0)]
    at = (sales.cause + 2, sales.region, sales.day, sales.slot)
    u = noise.uniform("mail", *at)
    by_mail = sales.cause == EMAIL
    recent = (last >= 0) & (wait <= _WINDOW)
    touched = (sales.cause != TEST) & ~by_mail & recent & (wait < 2 * 86_400)
    touched &= u < CHANNELS[EMAIL].claim_touched * 1.6
    campaign = recent & ((by_mail & (u < 0.62)) | touched)
    flow = by_mail & ~campaign
    names = [m for f in flows if f.status == "live" for m in f.message_ids]
    shares = [w for f in FLOWS if f[2] == "live" for _, w in f[4]]
    edges = np.cumsum(shares) / sum(shares)
    which = np.searchsorted(edges, noise.uniform("flow?", *at)).clip(0, len(names) - 1)
    lag = np.floor(3 * noise.uniform("flow/lag", *at) ** 2).astype(np.int64)
    send_day = np.where(
        campaign, sent_day[np.maximum(last, 0)], np.where(flow, np.maximum(0, sales.day - lag), -1)
    )
    ids = [c.message_id for c in campaigns]
    messages = [""] * size
    for row in np.flatnonzero(campaign):
        messages[row] = ids[last[row]]
    for row in np.flatnonzero(flow):
        messages[row] = names[which[row]]
    return tuple(messages), send_day


def campaigns_at(mail: Mail, as_of: datetime, since: date) -> tuple[MailCampaign, ...]:
    """Mailings that exist at a moment: old ones archived, coming ones scheduled."""
    found = []
    for one in mail.campaigns:
        if one.created_at > as_of or one.send_at is None or one.send_at.date() < since:
            continue
        if one.send_at > as_of:
            found.append(replace(one, status="Scheduled", updated_at=one.created_at))
        elif as_of - one.send_at > timedelta(days=365):
            put_away = one.send_at + timedelta(days=365)
            found.append(replace(one, archived=True, updated_at=put_away))
        else:
            found.append(replace(one, updated_at=min(one.updated_at, as_of)))
    draft = MailCampaign(
        id="01JLARKSPVRDRAFTCAMPA1GN01",
        message_id="01JLARKSPVRDRAFTMESSAGE001",
        name="Draft: spring preview",
        subject="",
        channel="email",
        status="Draft",
        archived=False,
        send_at=None,
        created_at=OPENED,
        updated_at=OPENED,
        list_ids=(ALL,),
    )
    return (draft, *found)


def campaign_stats(
    mail: Mail,
    sales: Sales,
    start: date,
    end: date,
    *,
    as_of: datetime,
) -> list[MailStats]:
    """Results of mailings sent between two days, both included, as known at a moment."""
    chosen = [
        c
        for c in mail.campaigns
        if c.send_at and c.send_at <= as_of and start <= day_of(_shop_day(c)) <= end
    ]
    won = _won(mail, sales, start, end, as_of)
    found = []
    for one in chosen:
        assert one.send_at is not None  # noqa: S101 - chosen by it
        number = _shop_day(one)
        size = 0.92 if ALL in one.list_ids else 0.46
        growth = 1.22 ** ((number) / 365.25)
        people = int(14_000 * size * growth * float(mail.noise.factor(0.03, "list", number)))
        hours = (as_of - one.send_at).total_seconds() / 3_600
        found.append(
            _stats(
                mail.noise,
                one.message_id,
                one.id,
                day=day_of(number),
                people=people,
                hours=hours,
                won=won.get((one.message_id, number), (0, 0, 0)),
                which=0,
            )
        )
    return found


def flow_days(
    mail: Mail,
    sales: Sales,
    start: date,
    end: date,
    *,
    as_of: datetime,
) -> list[MailStats]:
    """Results of flow messages by day of sending, both days included; silent days have none."""
    won = _won(mail, sales, start, end, as_of)
    place = ZoneInfo(SHOP_ZONE)
    found = []
    for f, flow in enumerate(mail.flows):
        for m, message in enumerate(flow.message_ids):
            for number in range(max(0, day_number(start)), day_number(end) + 1):
                day = day_of(number)
                opens = datetime(day.year, day.month, day.day, tzinfo=place)
                hours = (as_of - opens).total_seconds() / 3_600
                if hours <= 0:
                    break
                people = mail.sends.get((message, number), 0)
                people = int(people * min(1.0, hours / 24))
                result = won.get((message, number), (0, 0, 0))
                people = max(people, result[0])
                if people:
                    found.append(
                        _stats(
                            mail.noise,
                            message,
                            flow.id,
                            day=day,
                            people=people,
                            hours=hours,
                            won=result,
                            which=1 + f * 10 + m,
                        )
                    )
    return found


def events(
    mail: Mail,
    sales: Sales,
    start: date,
    end: date,
    *,
    as_of: datetime,
    rows: slice,
) -> list[MailEvents]:
    """ "Placed Order" by event day and message; the sums are the shop's own order totals."""
    first, last = day_number(start), day_number(end)
    sums: dict[tuple[int, str], list[int]] = {}
    people: dict[tuple[int, str], set[int]] = {}
    moment = int(as_of.timestamp())
    for row in range(rows.start, rows.stop):
        day = int(sales.day[row])
        if not first <= day <= last or sales.cause[row] == TEST or sales.created[row] > moment:
            continue
        key = (day, mail.messages[row])
        entry = sums.setdefault(key, [0, 0])
        entry[0] += 1
        entry[1] += int(sales.total[row])
        people.setdefault(key, set()).add(int(sales.root[row]))
    return [
        MailEvents(
            day=day_of(day),
            message_id=message,
            count=count,
            value=value,
            unique=len(people[day, message]),
        )
        for (day, message), (count, value) in sorted(sums.items())
    ]


def _won(
    mail: Mail,
    sales: Sales,
    start: date,
    end: date,
    as_of: datetime,
) -> dict[tuple[str, int], tuple[int, int, int]]:
    """(message, send day) -> orders, buyers, cents, of orders placed up to a moment."""
    first, last = day_number(start), day_number(end)
    rows = np.flatnonzero(
        (mail.send_day >= first)
        & (mail.send_day <= last)
        & (sales.created <= int(as_of.timestamp()))
    )
    sums: dict[tuple[str, int], tuple[int, set[int], int]] = {}
    for row in rows:
        key = (mail.messages[row], int(mail.send_day[row]))
        count, buyers, value = sums.get(key, (0, set(), 0))
        buyers.add(int(sales.root[row]))
        sums[key] = (count + 1, buyers, value + int(sales.total[row]))
    return {k: (count, len(buyers), value) for k, (count, buyers, value) in sums.items()}


def _stats(
    noise: Noise,
    message: str,
    parent: str,
    *,
    day: date,
    people: int,
    hours: float,
    won: tuple[int, int, int],
    which: int,
) -> MailStats:
    """Opens and clicks come in over five days and then stand still."""
    number = day_number(day)

    def part(name: str, share: float, of: int, *, pace: float = 9.0) -> int:
        luck = _luck(noise, 0.08, f"mail/{name}", number, which)
        grown = 1.0 if hours >= 120 else 1 - np.exp(-max(0.0, hours) / pace)
        return min(of, int(of * share * luck * grown))

    bounced = int(people * 0.008 * _luck(noise, 0.2, "bounce", number, which))
    delivered = people - bounced
    opened = part("open", 0.39 if which == 0 else 0.47, delivered)
    clicked = max(
        part("click", 0.055 if which == 0 else 0.12, opened + 1) if opened else 0,
        min(opened, won[1]),
    )
    return MailStats(
        message_id=message,
        parent_id=parent,
        day=day,
        recipients=people,
        bounced=bounced,
        delivered=delivered,
        opens_unique=opened,
        opens=int(opened * 1.31),
        clicks_unique=clicked,
        clicks=int(clicked * 1.22),
        unsubscribes=part("unsubscribe", 0.0016, delivered),
        spam_complaints=part("spam", 0.00008, delivered),
        conversions=won[0],
        conversion_uniques=won[1],
        value=won[2],
    )


@lru_cache(maxsize=65_536)
def _luck(noise: Noise, sd: float, name: str, number: int, which: int) -> float:
    """A day's factor of one message: years of mail are added up again and again."""
    return float(noise.factor(sd, name, number, which))


def _shop_day(one: MailCampaign) -> int:
    assert one.send_at is not None  # noqa: S101 - only sent mailings are asked
    return day_number(one.send_at.astimezone(ZoneInfo(SHOP_ZONE)).date())


def _code(noise: Noise, name: str, a: int, b: int, *, size: int) -> str:
    bits = noise.bits(f"id/{name}", a, b, np.arange(size))
    return "".join(_CROCKFORD[int(x % np.uint64(32))] for x in bits)
