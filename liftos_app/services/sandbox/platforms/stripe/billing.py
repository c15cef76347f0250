"""The linen club as Stripe writes it: prices, subscriptions and invoices; and the buyers."""

from __future__ import annotations

from typing import Any, Final

from liftos_app.services.sandbox.platforms.stripe import ids
from liftos_app.services.sandbox.platforms.stripe.payments import seconds
from liftos_app.services.sandbox.world.payment_shapes import Invoice, Plan, Subscription
from liftos_app.services.sandbox.world.payments import Payments

Body = dict[str, Any]
PRODUCT: Final = "prod_LinenClub7WZ01"
_OPENED: Final = 1_704_067_200
_ISSUER: Final = {"type": "self"}


def price_id(plan: Plan) -> str:
    """The id of a plan's price."""
    return f"price_{plan.id.replace('_', '')}7WZ01zgkW"


def price(plan: Plan, *, live: bool) -> Body:
    """A price: the amount in minor units, once as a number and once as a decimal text."""
    return {
        "id": price_id(plan),
        "object": "price",
        "active": True,
        "billing_scheme": "per_unit",
        "created": _OPENED,
        "currency": plan.currency.lower(),
        "custom_unit_amount": None,
        "livemode": live,
        "lookup_key": plan.id,
        "metadata": {},
        "nickname": plan.name,
        "product": PRODUCT,
        "recurring": {
            "interval": plan.interval, "interval_count": 1, "meter": None,
            "trial_period_days": None, "usage_type": "licensed",
        },
        "tax_behavior": "inclusive",
        "tiers_mode": None,
        "transform_quantity": None,
        "type": "recurring",
        "unit_amount": plan.amount,
        "unit_amount_decimal": str(plan.amount),
    }  # fmt: skip


def _plan(plan: Plan, *, live: bool) -> Body:
    return {
        "id": price_id(plan), "object": "plan", "active": True, "amount": plan.amount,
        "amount_decimal": str(plan.amount), "billing_scheme": "per_unit", "created": _OPENED,
        "currency": plan.currency.lower(), "interval": plan.interval, "interval_count": 1,
        "livemode": live, "metadata": {}, "meter": None, "nickname": plan.name,
        "product": PRODUCT, "tiers_mode": None, "transform_usage": None,
        "trial_period_days": None, "usage_type": "licensed",
    }  # fmt: skip


def subscription(view: Payments, one: Subscription) -> Body:
    """A subscription; its period stands at its item."""
    ident = ids.of("subscription", one.key)
    item: Body = {
        "id": ids.write("si", one.key),
        "object": "subscription_item",
        "billing_thresholds": None,
        "created": seconds(one.created),
        "current_period_end": seconds(one.period[1]),
        "current_period_start": seconds(one.period[0]),
        "discounts": [],
        "metadata": {},
        "plan": _plan(one.plan, live=view.live),
        "price": price(one.plan, live=view.live),
        "quantity": 1,
        "subscription": ident,
        "tax_rates": [],
    }
    return {
        "id": ident,
        "object": "subscription",
        "application": None,
        "application_fee_percent": None,
        "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
        "billing_cycle_anchor": seconds(one.anchor),
        "billing_cycle_anchor_config": None,
        "billing_mode": {"flexible": None, "type": "flexible"},
        "billing_schedules": [],
        "billing_thresholds": None,
        "cancel_at": seconds(one.period[1]) if one.cancel_at_end else None,
        "cancel_at_period_end": one.cancel_at_end,
        "canceled_at": seconds(one.canceled_at),
        "cancellation_details": {
            "comment": None, "feedback": None, "reason": one.end_reason or None,
        },
        "collection_method": "charge_automatically",
        "created": seconds(one.created),
        "currency": one.plan.currency.lower(),
        "customer": ids.write("cus", one.customer),
        "customer_account": None,
        "days_until_due": None,
        "default_payment_method": None,
        "default_source": None,
        "default_tax_rates": [],
        "description": None,
        "discounts": [],
        "ended_at": seconds(one.ended_at),
        "invoice_settings": {"account_tax_ids": None, "issuer": _ISSUER},
        "items": {
            "object": "list", "data": [item], "has_more": False, "total_count": 1,
            "url": f"/v1/subscription_items?subscription={ident}",
        },
        "latest_invoice": ids.of("invoice", one.latest_invoice),
        "livemode": view.live,
        "metadata": {"utm_source": "klaviyo"} if one.key % 5 == 0 else {},
        "next_pending_invoice_item_invoice": None,
        "on_behalf_of": None,
        "pause_collection": None,
        "payment_settings": {
            "payment_method_options": None, "payment_method_types": None,
            "save_default_payment_method": "off",
        },
        "pending_invoice_item_interval": None,
        "pending_setup_intent": None,
        "pending_update": None,
        "schedule": None,
        "start_date": seconds(one.created),
        "status": one.status,
        "test_clock": None,
        "transfer_data": None,
        "trial_end": seconds(one.trial[1]) if one.trial else None,
        "trial_settings": {"end_behavior": {"missing_payment_method": "create_invoice"}},
        "trial_start": seconds(one.trial[0]) if one.trial else None,
    }  # fmt: skip


def invoice(view: Payments, one: Invoice) -> Body:
    """An invoice. Whoever holds its addresses can open it."""
    ident, member = ids.of("invoice", one.key), ids.of("subscription", one.subscription)
    sent = one.status != "draft"
    link = f"https://invoice.stripe.com/i/{ids.ACCOUNT}/{ids.write('live', one.key)}"
    return {
        "id": ident,
        "object": "invoice",
        "account_country": "US",
        "account_name": "Larkspur Home",
        "account_tax_ids": None,
        "amount_due": one.amount,
        "amount_overpaid": 0,
        "amount_paid": one.paid,
        "amount_remaining": one.amount - one.paid,
        "amount_shipping": 0,
        "application": None,
        "attempt_count": one.attempts,
        "attempted": one.attempts > 0,
        "auto_advance": one.status in {"draft", "open"},
        "automatic_tax": {
            "disabled_reason": None, "enabled": False, "liability": None, "provider": None,
            "status": None,
        },
        "automatically_finalizes_at": None if sent else seconds(one.created),
        "billing_reason": one.reason,
        "collection_method": "charge_automatically",
        "confirmation_secret": {
            "client_secret": f"{ident}_secret_{ids.write('k', one.key)[3:]}",
            "type": "payment_intent",
        },
        "created": seconds(one.created),
        "currency": one.currency.lower(),
        "custom_fields": None,
        "customer": ids.write("cus", one.customer),
        "customer_account": None,
        "customer_address": {
            "city": "Sampleton", "country": "US", "line1": f"{one.customer % 900} Rose Row",
            "line2": None, "postal_code": "12534", "state": None,
        },
        "customer_email": f"buyer{one.customer % 1_000_000}@mail.example",
        "customer_name": f"Buyer Number{one.customer % 100_000}",
        "customer_phone": f"+1555{one.customer % 10_000_000:07d}",
        "customer_shipping": None,
        "customer_tax_exempt": "none",
        "customer_tax_ids": [],
        "default_payment_method": None,
        "default_source": None,
        "default_tax_rates": [],
        "description": None,
        "discounts": [],
        "due_date": None,
        "effective_at": seconds(one.finalized_at),
        "ending_balance": 0 if sent else None,
        "footer": None,
        "from_invoice": None,
        "hosted_invoice_url": link if sent else None,
        "invoice_pdf": link + "/pdf" if sent else None,
        "issuer": _ISSUER,
        "last_finalization_error": None,
        "latest_revision": None,
        "lines": {
            "object": "list", "data": [_line(view, one)], "has_more": False, "total_count": 1,
            "url": f"/v1/invoices/{ident}/lines",
        },
        "livemode": view.live,
        "metadata": {},
        "next_payment_attempt": None,
        "number": one.number if sent else None,
        "on_behalf_of": None,
        "parent": {
            "quote_details": None,
            "subscription_details": {"metadata": {}, "subscription": member},
            "type": "subscription_details",
        },
        "payment_settings": {
            "default_mandate": None, "payment_method_options": None, "payment_method_types": None,
        },
        "period_end": seconds(one.period[0]),
        "period_start": seconds(one.period[0]),
        "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0,
        "receipt_number": None,
        "rendering": None,
        "shipping_cost": None,
        "shipping_details": None,
        "starting_balance": 0,
        "statement_descriptor": None,
        "status": one.status,
        "status_transitions": {
            "finalized_at": seconds(one.finalized_at),
            "marked_uncollectible_at": seconds(one.uncollectible_at),
            "paid_at": seconds(one.paid_at), "voided_at": None,
        },
        "subtotal": one.amount,
        "subtotal_excluding_tax": one.amount,
        "test_clock": None,
        "total": one.amount,
        "total_discount_amounts": [],
        "total_excluding_tax": one.amount,
        "total_pretax_credit_amounts": [],
        "total_taxes": [],
        "webhooks_delivered_at": seconds(one.created),
    }  # fmt: skip


def _line(view: Payments, one: Invoice) -> Body:
    return {
        "id": ids.write("il", one.key),
        "object": "line_item",
        "amount": one.amount,
        "currency": one.currency.lower(),
        "description": f"1 × {one.plan.name}",
        "discount_amounts": [],
        "discountable": True,
        "discounts": [],
        "invoice": ids.of("invoice", one.key),
        "livemode": view.live,
        "metadata": {},
        "parent": {
            "invoice_item_details": None,
            "subscription_item_details": {
                "invoice_item": None, "proration": False, "proration_details": None,
                "subscription": ids.of("subscription", one.subscription),
                "subscription_item": ids.write("si", one.subscription),
            },
            "type": "subscription_item_details",
        },
        "period": {"end": seconds(one.period[1]), "start": seconds(one.period[0])},
        "pretax_credit_amounts": [],
        "pricing": {
            "price_details": {"price": price_id(one.plan), "product": PRODUCT},
            "type": "price_details", "unit_amount_decimal": str(one.amount),
        },
        "quantity": 1,
        "subtotal": one.amount,
        "taxes": [],
    }  # fmt: skip
