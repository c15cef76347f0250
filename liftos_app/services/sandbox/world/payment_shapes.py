"""What the payments view hands out: frozen records in whole minor units of their own currency.

Like the other shapes, a record that changes was made for one moment. Keys are numbers that stay the
same in every world and process; how a platform writes them as ids is the platform's business.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

Kind = Literal[
    "intent", "charge", "refund", "dispute", "payout", "invoice", "subscription", "entry", "event"
]
EntryType = Literal["charge", "refund", "adjustment", "stripe_fee", "payout"]
RATE_ONE = 100_000_000  # an exchange rate is in hundred-millionths


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """A wish to be paid: one of each web order, invoice with an amount, or abandoned checkout."""

    key: int
    created: datetime
    amount: int
    received: int
    currency: str  # what the buyer saw, "EUR"
    status: Literal["requires_payment_method", "succeeded", "canceled"]
    canceled: datetime | None
    charge: int | None  # key of the latest one
    customer: int
    order: int | None  # id of the store's order
    order_number: int | None
    country: str
    failure: str  # why the last attempt failed, "" when it did not


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """One attempt to take money. A disputed one keeps `refunded` 0."""

    key: int
    intent: int
    created: datetime
    amount: int
    refunded: int
    currency: str
    paid: bool
    disputed: bool
    failure: str
    entry: int | None  # key of its balance entry
    customer: int
    order: int | None
    order_number: int | None
    country: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentRefund:
    """Money given back for a charge, a positive amount in the charge's currency."""

    key: int
    charge: int
    intent: int
    created: datetime
    amount: int
    currency: str
    reason: Literal["requested_by_customer", "fraudulent"]
    entry: int
    order: int | None
    order_number: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispute:
    """A buyer's bank takes the money back until it is decided who keeps it."""

    key: int
    charge: int
    intent: int
    created: datetime
    amount: int
    currency: str
    reason: str
    status: Literal["needs_response", "under_review", "won", "lost"]
    due: datetime
    entries: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Payout:
    """The balance of a day on its way to the bank; negative when the bank is debited."""

    key: int
    created: datetime
    amount: int
    currency: str
    status: Literal["in_transit", "paid"]
    arrives: datetime
    entry: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A movement of the balance, in the settlement currency. net = amount - fee.

    `rate` is in RATE_ONE units of settlement currency for one unit of `source_currency`, 0 when
    both are the same. `payout` is the key of the payout that carried it, if one has.
    """

    key: int
    created: datetime
    available: datetime
    amount: int
    fee: int
    net: int
    currency: str
    type: EntryType
    reporting: Literal["charge", "refund", "dispute", "dispute_reversal", "fee", "payout"]
    status: Literal["pending", "available"]
    source: tuple[Kind, int] | None
    rate: int
    payout: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentEvent:
    """Something that happened to a thing, as the change feed tells it."""

    key: int
    created: datetime
    type: str  # "charge.succeeded"
    kind: Kind
    object: int  # key of the thing


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the linen club costs. `amount` in minor units: cents, whole yen, thousandths of a dinar.
    """

    id: str
    name: str
    currency: str
    amount: int
    interval: Literal["month", "year"]
    share: float  # of new members


@dataclass(frozen=True, slots=True, kw_only=True)
class Invoice:
    """A bill of the linen club as it stands."""

    key: int
    subscription: int
    number: str
    created: datetime
    amount: int
    paid: int
    currency: str
    status: Literal["draft", "open", "paid", "uncollectible"]
    reason: Literal["subscription_create", "subscription_cycle"]
    finalized_at: datetime | None
    paid_at: datetime | None
    uncollectible_at: datetime | None
    attempts: int
    period: tuple[datetime, datetime]
    customer: int
    intent: int | None
    plan: Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """A membership of the linen club as it stands."""

    key: int
    created: datetime
    status: Literal["trialing", "active", "past_due", "canceled"]
    plan: Plan
    period: tuple[datetime, datetime]
    anchor: datetime
    trial: tuple[datetime, datetime] | None
    cancel_at_end: bool
    canceled_at: datetime | None
    ended_at: datetime | None
    end_reason: str  # "cancellation_requested", "payment_failed", ""
    customer: int
    latest_invoice: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentDay:
    """What one day of the shop's calendar holds, by kind of entry, in cents of USD."""

    day: date
    entries: dict[str, int]  # reporting category -> how many
    amount: dict[str, int]
    fee: dict[str, int]

    @property
    def net(self) -> int:
        """What the balance grew by, payouts left out."""
        return sum(
            self.amount[name] - self.fee[name] for name in self.amount if name != "payout"
        )
