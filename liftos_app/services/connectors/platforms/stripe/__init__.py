"""Stripe: the balance, payments, refunds, disputes, invoices and subscriptions of an account."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from liftos_app.services.connectors.client import Client
from liftos_app.services.connectors.platforms.stripe import account
from liftos_app.services.connectors.platforms.stripe import rows_of_billing as billing
from liftos_app.services.connectors.platforms.stripe import rows_of_payments as payments
from liftos_app.services.connectors.platforms.stripe.errors import fault
from liftos_app.services.connectors.platforms.stripe.signin import (
    OAUTH,
    RESTRICTED_KEY,
    SCOPES,
    SECRET_KEY,
    authorize,
)
from liftos_app.services.connectors.platforms.stripe.streams import Source, reader
from liftos_app.services.connectors.platforms.stripe.version import VERSION
from liftos_app.services.connectors.spec import (
    Lands,
    Page,
    Platform,
    Prerequisite,
    Stream,
    Task,
    Window,
)

_OVERLAP = 600  # events arrive within seconds of what they tell, mostly
_DAYS = 86_400


def _stream(
    name: str,
    title: str,
    kind: str,
    read: Callable[[Client, Task], Iterator[Page]],
    *,
    settle_days: int,
    about: str,
    grain: str = "",
    days_per_request: int = 30,
    overlap_seconds: int = _OVERLAP,
) -> Stream:
    return Stream(
        name=name,
        title=title,
        grain=grain or kind,
        lands=Lands.PAYMENTS,
        kind=kind,
        key=("kind", "external_id"),
        required=("status", "currency", "amount_micros"),
        window=Window(
            days_per_request=days_per_request,
            reread_days=0,
            latency_hours=0.25,
            settle_days=settle_days,
            history_days=3650,
        ),
        cursor="time",
        overlap_seconds=overlap_seconds,
        about=about,
        read=read,
    )


_DISPUTES = (
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.closed",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.funds_reinstated",
)
_REFUNDS = (  # several of them tell of one refund; older accounts send only some
    "charge.refunded",
    "charge.refund.updated",
    "refund.created",
    "refund.updated",
    "refund.failed",
)

_STREAMS = (
    _stream(
        "balance_transactions",
        "Movements of the balance",
        "balance_entry",
        reader(Source(
            path="balance_transactions", object="balance_transaction", make=payments.entry_row
        )),
        grain="movement",
        settle_days=10,
        overlap_seconds=8 * _DAYS,  # an entry is pending for up to 7 days and changes only then
        days_per_request=15,
        about="What really arrived, in the currency it is settled in: charges, fees, refunds, "
        "disputes and payouts. Refunds are negative. Payouts are no costs.",
    ),
    _stream(
        "charges",
        "Charges",
        "charge",
        reader(Source(
            path="charges", object="charge", make=payments.charge_row,
            events=(
                "charge.succeeded", "charge.failed", "charge.pending", "charge.captured",
                "charge.expired", "charge.updated", *_REFUNDS, *_DISPUTES,
            ),
        )),
        grain="attempt to take money",
        settle_days=120,
        days_per_request=15,
        about="Attempts to take money, in the currency the customer paid in; failed ones are kept "
        "with their status. A disputed charge counts as not refunded: its money leaves by the "
        "balance.",
    ),
    _stream(
        "payment_intents",
        "Payment intents",
        "payment_intent",
        reader(Source(
            path="payment_intents", object="payment_intent", make=payments.intent_row,
            events=tuple(f"payment_intent.{what}" for what in (
                "created", "succeeded", "payment_failed", "canceled", "processing",
                "requires_action", "amount_capturable_updated", "partially_funded",
            )),
        )),
        grain="wish to pay",
        settle_days=30,
        days_per_request=15,
        about="Wishes to pay, also those given up. They tell of the same money as charges: never "
        "add both.",
    ),
    _stream(
        "refunds",
        "Refunds",
        "refund",
        reader(Source(
            path="refunds", object="refund", make=payments.refund_row, events=_REFUNDS, again=120
        )),
        settle_days=120,
        about="What went back to customers, as positive amounts in the currency of the charge.",
    ),
    _stream(
        "invoices",
        "Invoices",
        "invoice",
        reader(Source(
            path="invoices", object="invoice", make=billing.invoice_row,
            events=tuple(f"invoice.{what}" for what in (
                "created", "deleted", "finalized", "finalization_failed", "marked_uncollectible",
                "overdue", "overpaid", "paid", "payment_action_required", "payment_failed",
                "payment_succeeded", "sent", "updated", "voided",
            )),
        )),
        settle_days=60,
        about="What was billed, tax included, by the day the invoice was made.",
    ),
    _stream(
        "subscriptions",
        "Subscriptions",
        "subscription",
        reader(Source(
            path="subscriptions", object="subscription", make=billing.subscription_row,
            events=tuple(f"customer.subscription.{what}" for what in (
                "created", "deleted", "updated", "paused", "resumed", "trial_will_end",
                "pending_update_applied", "pending_update_expired",
            )),
            params={"status": "all"},  # without it canceled ones are left out
            again=None,
        )),
        settle_days=30,
        days_per_request=90,
        about="By the day they began; the amount is that of one period, discounts apart.",
    ),
    _stream(
        "disputes",
        "Disputes",
        "dispute",
        reader(Source(
            path="disputes", object="dispute", make=payments.dispute_row, events=_DISPUTES,
            again=120,
        )),
        settle_days=120,
        days_per_request=90,
        about="What customers' banks contest, by the day it began.",
    ),
    _stream(
        "payouts",
        "Payouts",
        "payout",
        reader(Source(
            path="payouts", object="payout", make=payments.payout_row,
            events=tuple(f"payout.{what}" for what in (
                "created", "updated", "paid", "failed", "canceled", "reconciliation_completed",
            )),
        )),
        settle_days=10,
        days_per_request=90,
        about="What went to the bank; negative when the bank was debited.",
    ),
)  # fmt: skip

PLATFORM = Platform(
    slug="stripe",
    name="Stripe",
    category="Payments",
    tier=2,
    summary="Payments, fees, refunds, disputes and subscriptions: what really reached the account.",
    hosts={"api": "https://api.stripe.com", "connect": "https://connect.stripe.com"},
    api_version=VERSION,
    version_ends=None,  # versions are kept for years, and no end is named
    auth=(RESTRICTED_KEY, SECRET_KEY, OAUTH),
    scopes=SCOPES,
    streams=_STREAMS,
    prerequisites=(
        Prerequisite(
            text="A restricted key with read permissions, made by an administrator or developer "
            "of the account.",
            who="your platform admin",
            link="https://dashboard.stripe.com/apikeys",
        ),
    ),
    setup_minutes=(3, 8),
    needs_app=False,
    history="everything",
    latency="minutes",
    role_needed="Administrator or developer",
    docs_url="https://docs.stripe.com/api",
    requests_per_minute=600,
    concurrency=2,
    never=(
        "We never keep names, e-mail addresses, phone numbers, postal addresses or card numbers.",
        "We never keep links that open a receipt, an invoice or a payment.",
        "We never store a customer's id as it is: it is scrambled with a key of your own.",
        "We never charge, refund, pay out or change anything.",
    ),
    discover=account.discover,
    test=account.test,
    granted=account.granted,
    fault=fault,
    authorize=authorize,
)
