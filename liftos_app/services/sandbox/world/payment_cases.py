"""Every payment as one row of numpy columns: the shop's web orders, abandoned checkouts, and the
linen club's bills. All other things (charges, refunds, disputes, the balance) are told by a row.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final

import numpy as np

from liftos_app.services.sandbox.world.club import DIGITS, Member
from liftos_app.services.sandbox.world.model import day_of
from liftos_app.services.sandbox.world.noise import Ints, Noise
from liftos_app.services.sandbox.world.payment_shapes import RATE_ONE
from liftos_app.services.sandbox.world.plan import REGIONS
from liftos_app.services.sandbox.world.rates import Rates
from liftos_app.services.sandbox.world.sales import FIRST_CUSTOMER, FIRST_ORDER, NEVER, TEST, Sales

CURRENCIES: Final = ("USD", "EUR", "JPY", "KWD")
SETTLED: Final = "USD"
ABANDONED: Final = 2_000_000_000_000  # added to the number of the order it stands beside
DAY: Final = 86_400
FAILURES: Final = ("card_declined", "insufficient_funds", "expired_card", "incorrect_cvc")
DISPUTE_REASONS: Final = ("fraudulent", "product_not_received", "product_unacceptable", "general")
DISPUTE_FEE: Final = 1_500  # cents
_DINAR: Final = Decimal("3.25")  # US dollars; pegged, so one rate will do
_FAILED_FIRST, _ABANDONED, _DISPUTED = 0.035, 0.012, 0.0036
_EU: Final = np.array([r.market == "EU" for r in REGIONS])


@dataclass(frozen=True, slots=True)
class Cases:
    """Columns by payment; moments in unix seconds, NEVER when they do not come.

    `amount` and `refund` are minor units of the buyer's currency, `settled` and `refund_settled`
    cents of USD. `rate` turns one into the other, 0 where both are dollars.
    """

    number: Ints  # ascending
    created: Ints
    failed: Ints
    paid: Ints
    canceled: Ints
    currency: Ints  # place in CURRENCIES
    amount: Ints
    settled: Ints
    rate: Ints
    fee: Ints
    customer: Ints
    order: Ints  # row of the shop's order, -1 for the club
    region: Ints  # place in REGIONS, -1 for the club
    refunded: Ints
    refund: Ints
    refund_settled: Ints
    refund_rate: Ints
    disputed: Ints
    decided: Ints
    won: Ints

    def __len__(self) -> int:
        return len(self.number)

    def pick(self, rows: Any) -> Cases:
        """The same columns for some rows, or in another order."""
        return Cases(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})


def fee_of(settled: Any) -> Any:
    """2.9 % and 30 cents of a charge in cents of USD, half a cent up."""
    return (settled * 29 + 500) // 1_000 + 30


def build(
    noise: Noise, sales: Sales, rates: Rates, club: tuple[Member, ...], *, test: bool
) -> Cases:
    """All payments of live mode, or those of test mode: the staff's test orders."""
    web = np.flatnonzero((sales.pos == 0) & ((sales.cause == TEST) == test))
    shop = _shop(noise, sales, rates, web)
    if test:
        quiet = np.full(len(shop), NEVER)
        return Cases(**{**_columns(shop), "disputed": quiet, "decided": quiet})
    parts = [shop, _abandoned(noise, sales, shop), _club(rates, club)]
    joined = Cases(**{
        f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Cases)
    })  # fmt: skip
    return joined.pick(np.argsort(joined.number, kind="stable"))


def _columns(cases: Cases) -> dict[str, Ints]:
    return {f.name: getattr(cases, f.name) for f in fields(cases)}


def _shop(noise: Noise, sales: Sales, rates: Rates, rows: Ints) -> Cases:
    """One payment for each of these orders, paid at the moment of the order."""
    at = tuple(x[rows] for x in (sales.cause + 2, sales.region, sales.day, sales.slot))
    euro, day, created = _EU[sales.region[rows]], sales.day[rows], sales.created[rows]
    shown, dollars = _euro_rates(rates, int(day.max()) + 60)
    back = sales.refunded_at[rows] < NEVER
    back_day = np.where(back, np.minimum(_utc_day(sales.refunded_at[rows]), len(dollars) - 1), 0)

    def seen(cents: Ints) -> Ints:
        return np.where(euro, (cents * shown[day] + 500_000) // 1_000_000, cents)

    def settle(minor: Ints, rate: Ints) -> Ints:
        return np.where(euro, (minor * rate + RATE_ONE // 2) // RATE_ONE, minor)

    amount = seen(sales.total[rows])
    settled = settle(amount, dollars[day])
    refund = seen(sales.refund_total[rows])
    fails = noise.uniform("pay/fails", *at) < _FAILED_FIRST
    wait = np.floor(45 + 400 * noise.uniform("pay/again", *at)).astype(np.int64)
    failed = np.where(fails, created - wait, NEVER)
    disputed = (noise.uniform("pay/dispute", *at) < _DISPUTED) & ~back
    opens = created + np.floor(DAY * (5 + 35 * noise.uniform("pay/dispute/t", *at)))
    return Cases(
        number=sales.id[rows],
        created=np.where(fails, failed, created) - 3,
        failed=failed,
        paid=created,
        canceled=np.full(len(rows), NEVER),
        currency=euro.astype(np.int64),
        amount=amount,
        settled=settled,
        rate=np.where(euro, dollars[day], 0),
        fee=fee_of(settled),
        customer=FIRST_CUSTOMER + sales.id[sales.root[rows]] - FIRST_ORDER,
        order=rows,
        region=sales.region[rows],
        refunded=sales.refunded_at[rows],
        refund=refund,
        refund_settled=settle(refund, dollars[back_day]),
        refund_rate=np.where(euro, dollars[back_day], 0),
        disputed=np.where(disputed, opens, NEVER).astype(np.int64),
        decided=np.where(disputed, opens + 30 * DAY, NEVER).astype(np.int64),
        won=(noise.uniform("pay/dispute/won", *at) < 0.4).astype(np.int64),
    )


def _abandoned(noise: Noise, sales: Sales, shop: Cases) -> Cases:
    """Checkouts that failed and were given up: they stand beside some orders, an hour before."""
    rows = shop.order
    at = tuple(x[rows] for x in (sales.cause + 2, sales.region, sales.day, sales.slot))
    picked = shop.pick(noise.uniform("pay/abandoned", *at) < _ABANDONED)
    never = np.full(len(picked), NEVER)
    tried = picked.paid - 3_600
    return Cases(**{
        **_columns(picked),
        "number": picked.number + ABANDONED, "created": tried - 3, "failed": tried, "paid": never,
        "canceled": tried + DAY, "order": np.full(len(picked), -1), "refunded": never,
        "disputed": never, "decided": never,
    })  # fmt: skip


def _club(rates: Rates, club: tuple[Member, ...]) -> Cases:
    """One payment for each bill that asks for money."""
    found: list[tuple[int, ...]] = []
    for member in club:
        for bill in member.bills:
            if not bill.amount:
                continue
            rate = _rate(rates, member.plan.currency, bill.created.date())
            settled = _settle(bill.amount, member.plan.currency, rate)
            found.append((
                bill.key, int(bill.finalized.timestamp()), _unix(bill.failed), _unix(bill.paid),
                _unix(bill.given_up), CURRENCIES.index(member.plan.currency), bill.amount, settled,
                rate, fee_of(settled), member.customer,
            ))  # fmt: skip
    table = np.array(found, dtype=np.int64).reshape(-1, 11)
    names = ("number", "created", "failed", "paid", "canceled", "currency", "amount", "settled",
             "rate", "fee", "customer")  # fmt: skip
    columns = {name: table[:, i] for i, name in enumerate(names)}
    never, none = np.full(len(table), NEVER), np.zeros(len(table), dtype=np.int64)
    return Cases(
        **columns, order=none - 1, region=none - 1, refunded=never, refund=none,
        refund_settled=none, refund_rate=none, disputed=never, decided=never, won=none,
    )  # fmt: skip


def _euro_rates(rates: Rates, days: int) -> tuple[Ints, Ints]:
    """By day: what the shop shows (micro euro for a dollar), what settles (dollars for a euro)."""
    fixed = [rates.last_rate(day_of(d), SETTLED) for d in range(days)]
    shown = np.array([int(1_000_000 / r) for r in fixed], dtype=np.int64)
    return shown, np.array([int(r * RATE_ONE) for r in fixed], dtype=np.int64)


def _rate(rates: Rates, currency: str, day: date) -> int:
    """Dollars for one unit of a currency, 0 for the dollar itself."""
    if currency == SETTLED:
        return 0
    if currency == "KWD":
        return int(_DINAR * RATE_ONE)
    dollars = rates.last_rate(day, SETTLED)
    value = dollars if currency == "EUR" else dollars / rates.last_rate(day, currency)
    return int(value.quantize(Decimal("0.00000001"), ROUND_HALF_UP) * RATE_ONE)


def _settle(minor: int, currency: str, rate: int) -> int:
    """Cents of USD for an amount in minor units of another currency, half a cent up."""
    if not rate:
        return minor
    cents = Decimal(minor) * 100 * rate / (RATE_ONE * 10 ** DIGITS[currency])
    return int(cents.quantize(Decimal(1), ROUND_HALF_UP))


def _unix(moment: datetime | None) -> int:
    return NEVER if moment is None else int(moment.timestamp())


def _utc_day(seconds: Ints) -> Ints:
    """Days since the epoch of the world, by UTC."""
    start = int(datetime(*day_of(0).timetuple()[:3], tzinfo=UTC).timestamp())
    return np.asarray((np.minimum(seconds, start + 40_000 * DAY) - start) // DAY)


def horizon(last: date) -> int:
    """The end of a day as unix seconds."""
    after = last + timedelta(days=1)
    return int(datetime(after.year, after.month, after.day, tzinfo=UTC).timestamp())
