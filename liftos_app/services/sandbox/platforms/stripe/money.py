"""The balance and the payouts as Stripe writes them, the account itself, and events."""

from __future__ import annotations

from typing import Any, Final

from liftos_app.services.sandbox.platforms.stripe import ids, versions
from liftos_app.services.sandbox.platforms.stripe.payments import seconds
from liftos_app.services.sandbox.world.payment_shapes import (
    RATE_ONE,
    Entry,
    PaymentEvent,
    Payout,
)
from liftos_app.services.sandbox.world.payments import Payments
from liftos_app.services.sandbox.world.plan import SHOP_ZONE

Body = dict[str, Any]
_WORDS: Final = {
    "charge": "Payment",
    "refund": "REFUND FOR CHARGE",
    "dispute": "Chargeback withdrawal",
    "dispute_reversal": "Chargeback reversal",
    "fee": "Radar: screened payments",
    "payout": "STRIPE PAYOUT",
}


def entry(view: Payments, one: Entry) -> Body:  # noqa: ARG001
    """A balance transaction; it has no livemode of its own."""
    charge_fee = one.reporting == "charge"
    details = {
        "amount": one.fee, "application": None, "currency": one.currency.lower(),
        "description": "Stripe processing fees" if charge_fee else "Dispute fee",
        "type": "stripe_fee",
    }  # fmt: skip
    return {
        "id": ids.of("entry", one.key),
        "object": "balance_transaction",
        "amount": one.amount,
        "available_on": seconds(one.available),
        "balance_type": "payments",
        "created": seconds(one.created),
        "currency": one.currency.lower(),
        "description": _WORDS[one.reporting],
        "exchange_rate": one.rate / RATE_ONE if one.rate else None,
        "fee": one.fee,
        "fee_details": [details] if one.fee else [],
        "net": one.net,
        "reporting_category": one.reporting,
        "source": None if one.source is None else ids.of(*one.source),
        "status": one.status,
        "type": one.type,
    }


def payout(view: Payments, one: Payout) -> Body:
    """A payout to the bank."""
    return {
        "id": ids.of("payout", one.key),
        "object": "payout",
        "amount": one.amount,
        "application_fee": None,
        "application_fee_amount": None,
        "arrival_date": seconds(one.arrives),
        "automatic": True,
        "balance_transaction": ids.of("entry", one.entry),
        "created": seconds(one.created),
        "currency": one.currency.lower(),
        "description": "STRIPE PAYOUT",
        "destination": ids.write("ba", 7),
        "failure_balance_transaction": None,
        "failure_code": None,
        "failure_message": None,
        "livemode": view.live,
        "metadata": {},
        "method": "standard",
        "original_payout": None,
        "reconciliation_status": "completed" if one.status == "paid" else "in_progress",
        "reversed_by": None,
        "source_type": "card",
        "statement_descriptor": None,
        "status": one.status,
        "trace_id": None,
        "type": "bank_account",
    }


def event(view: Payments, one: PaymentEvent, thing: Body) -> Body:
    """An event. Its object has the shape of the version the account was pinned to then."""
    return {
        "id": ids.of("event", one.key),
        "object": "event",
        "api_version": versions.PINNED,
        "created": seconds(one.created),
        "data": {"object": versions.shaped(thing, versions.PINNED)},
        "livemode": view.live,
        "pending_webhooks": 0,
        "request": {"id": None, "idempotency_key": None},
        "type": one.type,
    }


def customer(view: Payments, key: int, created: int) -> Body:
    """A buyer."""
    return {
        "id": ids.write("cus", key),
        "object": "customer",
        "address": None,
        "balance": 0,
        "created": created,
        "currency": None,
        "default_source": None,
        "delinquent": False,
        "description": None,
        "discount": None,
        "email": f"buyer{key % 1_000_000}@mail.example",
        "invoice_prefix": f"LRK{key % 10_000:04d}",
        "invoice_settings": {
            "custom_fields": None, "default_payment_method": None, "footer": None,
            "rendering_options": None,
        },
        "livemode": view.live,
        "metadata": {},
        "name": f"Buyer Number{key % 100_000}",
        "phone": f"+1555{key % 10_000_000:07d}",
        "preferred_locales": [],
        "shipping": None,
        "tax_exempt": "none",
        "test_clock": None,
    }  # fmt: skip


def account(ident: str, name: str, currency: str) -> Body:
    """An account with its settings; the time zone of its Dashboard cuts its days."""
    nothing: Body = {
        "alternatives": [], "current_deadline": None, "currently_due": [],
        "disabled_reason": None, "errors": [], "eventually_due": [], "past_due": [],
        "pending_verification": [],
    }  # fmt: skip
    return {
        "id": ident,
        "object": "account",
        "business_profile": {
            "annual_revenue": None, "estimated_worker_count": None, "mcc": "5719",
            "name": name, "product_description": None, "support_address": None,
            "support_email": None, "support_phone": None, "support_url": None,
            "url": "https://larkspur-home.example",
        },
        "business_type": "company",
        "capabilities": {"card_payments": "active", "transfers": "active"},
        "charges_enabled": True,
        "controller": {"type": "account"},
        "country": "US",
        "created": 1_683_547_200,
        "default_currency": currency.lower(),
        "details_submitted": True,
        "email": "finance@larkspur-home.example",
        "external_accounts": {
            "object": "list", "data": [], "has_more": False,
            "url": f"/v1/accounts/{ident}/external_accounts",
        },
        "future_requirements": nothing,
        "metadata": {},
        "payouts_enabled": True,
        "requirements": nothing,
        "settings": {
            "bacs_debit_payments": {"display_name": None, "service_user_number": None},
            "branding": {
                "icon": None, "logo": None, "primary_color": None, "secondary_color": None,
            },
            "card_issuing": {"tos_acceptance": {"date": None, "ip": None}},
            "card_payments": {
                "decline_on": {"avs_failure": True, "cvc_failure": True},
                "statement_descriptor_prefix": None,
            },
            "dashboard": {"display_name": name, "timezone": SHOP_ZONE},
            "payments": {"statement_descriptor": "LARKSPUR HOME"},
            "payouts": {
                "debit_negative_balances": True,
                "schedule": {"delay_days": 2, "interval": "daily"},
                "statement_descriptor": None,
            },
            "sepa_debit_payments": {},
        },
        "tos_acceptance": {"date": None, "ip": None, "user_agent": None},
        "type": "standard",
    }  # fmt: skip
