"""The linen club: a small subscription business beside the shop, as timelines of its members.

Prices in five forms, one without minor units (JPY) and one with three digits of them (KWD).
Some members begin with a trial, some pay late, some leave, and some are let go for not paying.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np

from liftos_app.services.sandbox.world.model import day_of
from liftos_app.services.sandbox.world.noise import Noise
from liftos_app.services.sandbox.world.payment_shapes import Invoice, Plan, Subscription

PLANS: Final = (
    Plan(id="monthly_usd", name="Linen club", currency="USD", amount=1_900, interval="month",
         share=0.52),
    Plan(id="monthly_eur", name="Linen club", currency="EUR", amount=1_800, interval="month",
         share=0.2),
    Plan(id="yearly_usd", name="Linen club, a year", currency="USD", amount=19_900,
         interval="year", share=0.12),
    Plan(id="monthly_jpy", name="Linen club", currency="JPY", amount=2_800, interval="month",
         share=0.09),
    Plan(id="monthly_kwd", name="Linen club", currency="KWD", amount=6_500, interval="month",
         share=0.07),
)  # fmt: skip
DIGITS: Final = {"USD": 2, "EUR": 2, "JPY": 0, "KWD": 3}
FIRST_MEMBER: Final = 8_500_000_000_000
FIRST_BILL: Final = 9_000_000_000_000
BILLS: Final = 1_000  # numbers kept free for the bills of one member
_NEW_A_DAY: Final = 0.9
_TRIAL: Final = timedelta(days=14)
_RETRY, _GIVE_UP = timedelta(days=3), timedelta(days=12)
_DRAFT: Final = timedelta(hours=1)
_MONTHS_STAYED: Final = 11.0
_MOST_BILLS: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """One bill of a member. Times that never come are None."""

    key: int
    index: int
    created: datetime
    finalized: datetime
    amount: int
    failed: datetime | None
    paid: datetime | None
    given_up: datetime | None
    period: tuple[datetime, datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A member's whole story, told to the end of what is simulated."""

    key: int
    plan: Plan
    joined: datetime
    trial_end: datetime | None
    asked_to_leave: datetime | None
    ended: datetime | None
    end_reason: str
    bills: tuple[Bill, ...]

    @property
    def customer(self) -> int:
        """The number of the buyer; members are not the shop's customers."""
        return self.key + 1_000_000_000_000

    @property
    def anchor(self) -> datetime:
        """The day of the month on which it is billed."""
        return self.trial_end or self.joined

    def status(self, at: datetime) -> str:
        """Where the membership stands."""
        if self.ended is not None and self.ended <= at:
            return "canceled"
        if self.trial_end is not None and at < self.trial_end:
            return "trialing"
        late = any(
            b.failed is not None and b.failed <= at and (b.paid is None or at < b.paid)
            for b in self.bills
        )
        return "past_due" if late else "active"

    def subscription(self, at: datetime) -> Subscription:
        """The membership as it stands at a moment."""
        shown = [b for b in self.bills if b.created <= at]
        status = self.status(at)
        asked = self.asked_to_leave is not None and self.asked_to_leave <= at
        over = status == "canceled"
        return Subscription(
            key=self.key,
            created=self.joined,
            status=status,  # type: ignore[arg-type]
            plan=self.plan,
            period=shown[-1].period,
            anchor=self.anchor,
            trial=(self.joined, self.trial_end) if self.trial_end else None,
            cancel_at_end=asked and not over,
            canceled_at=self.asked_to_leave if asked else self.ended if over else None,
            ended_at=self.ended if over else None,
            end_reason=self.end_reason if asked or over else "",
            customer=self.customer,
            latest_invoice=shown[-1].key,
        )

    def invoice(self, bill: Bill, at: datetime) -> Invoice:
        """A bill as it stands at a moment."""
        paid = bill.paid is not None and bill.paid <= at
        given_up = bill.given_up is not None and bill.given_up <= at
        sent = bill.finalized <= at
        failed = bill.failed is not None and bill.failed <= at
        return Invoice(
            key=bill.key,
            subscription=self.key,
            number=f"LINEN-{self.key - FIRST_MEMBER:05d}-{bill.index + 1:04d}",
            created=bill.created,
            amount=bill.amount,
            paid=bill.amount if paid else 0,
            currency=self.plan.currency,
            status="paid" if paid else "uncollectible" if given_up else "open" if sent else "draft",
            reason="subscription_cycle" if bill.index else "subscription_create",
            finalized_at=bill.finalized if sent else None,
            paid_at=bill.paid if paid else None,
            uncollectible_at=bill.given_up if given_up else None,
            attempts=int(failed) + int(paid and bill.amount > 0),
            period=bill.period,
            customer=self.customer,
            intent=bill.key if bill.amount and sent else None,
            plan=self.plan,
        )


def members(noise: Noise, days: int) -> tuple[Member, ...]:
    """Everybody who joins in days 0..days-1, in the order of joining."""
    day = np.arange(days)
    counts = noise.poisson(np.full(days, _NEW_A_DAY), "club", day)
    horizon = datetime(*day_of(days).timetuple()[:3], tzinfo=UTC)
    found: list[Member] = []
    for number, count in enumerate(counts.tolist()):
        midnight = datetime(*day_of(number).timetuple()[:3], tzinfo=UTC)
        for slot in range(count):
            draws = [float(noise.uniform(f"club/{n}", number, slot)) for n in range(4)]
            joined = midnight + timedelta(seconds=int(36_000 + draws[0] * 43_000))
            key = FIRST_MEMBER + number * 10 + slot % 10
            found.append(_member(noise, key, joined, draws[1:], horizon))
    return tuple(sorted(found, key=lambda m: (m.joined, m.key)))


def _member(
    noise: Noise, key: int, joined: datetime, draws: list[float], horizon: datetime
) -> Member:
    edges = np.cumsum([p.share for p in PLANS])
    plan = PLANS[min(int(np.searchsorted(edges, draws[0])), len(PLANS) - 1)]
    step = 12 if plan.interval == "year" else 1
    trial_end = joined + _TRIAL if plan.interval == "month" and draws[1] < 0.4 else None
    anchor = trial_end or joined
    stayed = int(-math.log(draws[2]) * _MONTHS_STAYED) // step  # whole periods before asking
    pay, leave = (
        noise.uniform(f"club/{name}", key, np.arange(_MOST_BILLS + 1)).tolist()
        for name in ("pay", "leave")
    )
    bills: list[Bill] = []
    if trial_end is not None:
        bills.append(
            Bill(key=_bill_key(key, 0), index=0, created=joined, finalized=joined, amount=0,
                 failed=None, paid=joined, given_up=None, period=(joined, trial_end))
        )  # fmt: skip
    for period in range(_MOST_BILLS):
        start = add_months(anchor, period * step)
        end = add_months(anchor, (period + 1) * step)
        if start >= horizon:
            break
        bill = _bill(key, len(bills), plan, period=(start, end), luck=pay[len(bills)])
        bills.append(bill)
        if bill.given_up is not None:
            return Member(
                key=key, plan=plan, joined=joined, trial_end=trial_end, asked_to_leave=None,
                ended=bill.given_up, end_reason="payment_failed", bills=tuple(bills),
            )  # fmt: skip
        if period >= stayed and bill.paid is not None:
            asked = bill.paid + (end - bill.paid) * (0.05 + 0.9 * leave[period])
            return Member(
                key=key, plan=plan, joined=joined, trial_end=trial_end,
                asked_to_leave=asked.replace(microsecond=0), ended=end,
                end_reason="cancellation_requested", bills=tuple(bills),
            )  # fmt: skip
    return Member(
        key=key, plan=plan, joined=joined, trial_end=trial_end, asked_to_leave=None, ended=None,
        end_reason="", bills=tuple(bills),
    )  # fmt: skip


def _bill(
    key: int, index: int, plan: Plan, *, period: tuple[datetime, datetime], luck: float
) -> Bill:
    """A bill that is paid at once, paid late, or never."""
    created = period[0]
    finalized = created + _DRAFT if index else created
    fails = index > 0 and luck < 0.05
    never = fails and luck < 0.0125
    return Bill(
        key=_bill_key(key, index),
        index=index,
        created=created,
        finalized=finalized,
        amount=plan.amount,
        failed=finalized + timedelta(seconds=2) if fails else None,
        paid=None if never else finalized + (_RETRY if fails else timedelta(seconds=2)),
        given_up=finalized + _GIVE_UP if never else None,
        period=period,
    )


def _bill_key(member: int, index: int) -> int:
    return FIRST_BILL + (member - FIRST_MEMBER) * BILLS + index


def add_months(moment: datetime, months: int) -> datetime:
    """The same day of a later month, or its last day."""
    total = moment.year * 12 + moment.month - 1 + months
    year, month = divmod(total, 12)
    following = datetime(year + (month == 11), (month + 1) % 12 + 1, 1, tzinfo=UTC)
    last = (following - timedelta(days=1)).day
    return moment.replace(year=year, month=month + 1, day=min(moment.day, last))
