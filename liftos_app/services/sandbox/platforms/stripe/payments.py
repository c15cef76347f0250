"""Payment intents, charges, refunds and disputes as Stripe writes them, personal data invented."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from liftos_app.services.sandbox.platforms.stripe import ids
from liftos_app.services.sandbox.world.payment_shapes import Charge, Dispute, Intent, PaymentRefund
from liftos_app.services.sandbox.world.payments import Payments

Body = dict[str, Any]
_BRANDS: Final = ("visa", "mastercard", "amex")
_WORDS: Final = {
    "card_declined": "Your card was declined.",
    "insufficient_funds": "Your card has insufficient funds.",
    "expired_card": "Your card has expired.",
    "incorrect_cvc": "Your card's security code is incorrect.",
}


def seconds(moment: datetime | None) -> int | None:
    """Unix seconds, or nothing."""
    return None if moment is None else int(moment.timestamp())


def order_of(order: int | None, number: int | None) -> dict[str, str]:
    """What the shop leaves in the metadata of a payment."""
    return {} if order is None else {"order_id": str(order), "order_number": str(number)}


def intent(view: Payments, one: Intent) -> Body:
    """A payment intent. Its client secret opens the payment to whoever holds it."""
    ident = ids.of("intent", one.key)
    return {
        "id": ident,
        "object": "payment_intent",
        "amount": one.amount,
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": one.received,
        "application": None,
        "application_fee_amount": None,
        "automatic_payment_methods": None,
        "canceled_at": seconds(one.canceled),
        "cancellation_reason": "abandoned" if one.canceled else None,
        "capture_method": "automatic",
        "client_secret": f"{ident}_secret_{ids.write('k', one.key)[3:]}",
        "confirmation_method": "automatic",
        "created": seconds(one.created),
        "currency": one.currency.lower(),
        "customer": ids.write("cus", one.customer),
        "customer_account": None,
        "description": _description(one.order_number),
        "last_payment_error": _error(one) if one.failure else None,
        "latest_charge": None if one.charge is None else ids.of("charge", one.charge),
        "livemode": view.live,
        "metadata": order_of(one.order, one.order_number),
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None if one.canceled else ids.write("pm", one.key),
        "payment_method_options": {},
        "payment_method_types": ["card"],
        "processing": None,
        "receipt_email": _email(one.customer),
        "review": None,
        "setup_future_usage": None,
        "shipping": None,
        "source": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": one.status,
        "transfer_data": None,
        "transfer_group": None,
    }


def _error(one: Intent) -> Body:
    found: Body = {
        "code": "card_declined" if one.failure == "insufficient_funds" else one.failure,
        "message": _WORDS[one.failure],
        "type": "card_error",
    }
    if one.charge is not None:
        found["charge"] = ids.of("charge", one.charge)
    return found


def charge(view: Payments, one: Charge) -> Body:
    """A charge with everything Stripe says about its buyer."""
    refunded = one.refunded > 0
    return {
        "id": ids.of("charge", one.key),
        "object": "charge",
        "amount": one.amount,
        "amount_captured": one.amount if one.paid else 0,
        "amount_refunded": one.refunded,
        "application": None,
        "application_fee": None,
        "application_fee_amount": None,
        "balance_transaction": None if one.entry is None else ids.of("entry", one.entry),
        "billing_details": {
            "address": {
                "city": "Sampleton", "country": one.country,
                "line1": f"{one.customer % 900} Rose Row", "line2": None,
                "postal_code": f"{one.customer % 90_000 + 10_000}", "state": None,
            },
            "email": _email(one.customer),
            "name": f"Buyer Number{one.customer % 100_000}",
            "phone": f"+1555{one.customer % 10_000_000:07d}",
            "tax_id": None,
        },
        "calculated_statement_descriptor": "LARKSPUR HOME",
        "captured": one.paid,
        "created": seconds(one.created),
        "currency": one.currency.lower(),
        "customer": ids.write("cus", one.customer),
        "description": _description(one.order_number),
        "disputed": one.disputed,
        "failure_balance_transaction": None,
        "failure_code": one.failure or None,
        "failure_message": _WORDS[one.failure] if one.failure else None,
        "fraud_details": {},
        "livemode": view.live,
        "metadata": order_of(one.order, one.order_number),
        "on_behalf_of": None,
        "outcome": {
            "advice_code": None,
            "network_decline_code": None,
            "network_status": "approved_by_network" if one.paid else "declined_by_network",
            "reason": one.failure or None,
            "risk_level": "normal",
            "risk_score": one.key % 60,
            "seller_message": "Payment complete." if one.paid else "The bank declined the payment.",
            "type": "authorized" if one.paid else "issuer_declined",
        },
        "paid": one.paid,
        "payment_intent": ids.of("intent", one.intent),
        "payment_method": ids.write("pm", one.intent),
        "payment_method_details": {"card": _card(one), "type": "card"},
        "radar_options": {},
        "receipt_email": _email(one.customer),
        "receipt_number": None,
        "receipt_url": "https://pay.stripe.com/receipts/payment/" + ids.write("CAca", one.key),
        "refunded": refunded and one.refunded == one.amount,
        "review": None,
        "shipping": None,
        "source": None,
        "source_transfer": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": "succeeded" if one.paid else "failed",
        "transfer_data": None,
        "transfer_group": None,
    }  # fmt: skip


def _card(one: Charge) -> Body:
    return {
        "amount_authorized": one.amount if one.paid else None,
        "brand": _BRANDS[one.customer % 3],
        "checks": {
            "address_line1_check": None, "address_postal_code_check": "pass", "cvc_check": "pass",
        },
        "country": one.country,
        "exp_month": one.customer % 12 + 1,
        "exp_year": 2029,
        "fingerprint": ids.write("f", one.customer)[3:19],
        "funding": "credit" if one.customer % 4 else "debit",
        "installments": None,
        "last4": f"{one.customer % 10_000:04d}",
        "mandate": None,
        "network": _BRANDS[one.customer % 3],
        "three_d_secure": None,
        "wallet": None,
    }  # fmt: skip


def refund(view: Payments, one: PaymentRefund) -> Body:  # noqa: ARG001
    """A refund; it has no livemode of its own."""
    return {
        "id": ids.of("refund", one.key),
        "object": "refund",
        "amount": one.amount,
        "balance_transaction": ids.of("entry", one.entry),
        "charge": ids.of("charge", one.charge),
        "created": seconds(one.created),
        "currency": one.currency.lower(),
        "destination_details": {
            "card": {"reference_status": "pending", "reference_type": "acquirer_reference_number",
                     "type": "refund"},
            "type": "card",
        },
        "metadata": order_of(one.order, one.order_number),
        "payment_intent": ids.of("intent", one.intent),
        "reason": one.reason,
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": "succeeded",
        "transfer_reversal": None,
    }  # fmt: skip


def dispute(view: Payments, one: Dispute, entries: list[Body]) -> Body:
    """A dispute. Its evidence holds what the shop knows about the buyer."""
    charged = view.charge(one.charge)
    customer = charged.customer if charged else 0
    return {
        "id": ids.of("dispute", one.key),
        "object": "dispute",
        "amount": one.amount,
        "balance_transactions": entries,
        "charge": ids.of("charge", one.charge),
        "created": seconds(one.created),
        "currency": one.currency.lower(),
        "enhanced_eligibility_types": [],
        "evidence": {
            "customer_email_address": _email(customer),
            "customer_name": f"Buyer Number{customer % 100_000}",
            "customer_purchase_ip": f"203.0.113.{customer % 250}",
            "product_description": "Linen",
        },
        "evidence_details": {
            "due_by": seconds(one.due),
            "has_evidence": one.status != "needs_response",
            "past_due": False,
            "submission_count": int(one.status != "needs_response"),
        },
        "is_charge_refundable": False,
        "livemode": view.live,
        "metadata": {},
        "payment_intent": ids.of("intent", one.intent),
        "payment_method_details": {
            "card": {"brand": _BRANDS[customer % 3], "case_type": "chargeback"},
            "type": "card",
        },
        "reason": one.reason,
        "status": one.status,
    }


def _description(number: int | None) -> str:
    return f"Order {number}" if number else "Subscription creation or update"


def _email(customer: int) -> str:
    return f"buyer{customer % 1_000_000}@mail.example"
