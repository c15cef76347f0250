"""Takes out of Stripe's records what is not kept: people, free text, and links that open something.

Stripe sends whole records and offers no choice of fields, so they are cleaned before anything else
sees them: rows, rejected records and kept source records are all made of the cleaned form.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from typing import Any

# Whoever holds one of these can open a receipt, an invoice or a payment.
BEARER = frozenset({
    "client_secret", "confirmation_secret", "hosted_invoice_url", "hosted_regulatory_receipt_url",
    "hosted_verification_url", "hosted_voucher_url", "invoice_pdf", "next_action", "receipt_url",
    "redirect", "return_url",
})  # fmt: skip
# People, their cards, and text that somebody typed.
PERSONAL = frozenset({
    "account_holder_name", "account_number", "account_tax_ids", "address", "address_kana",
    "address_kanji", "business_name", "calculated_statement_descriptor", "cash_balance",
    "client_reference_id", "comment", "custom_fields", "customer_email", "customer_name",
    "customer_phone", "customer_reference", "customer_shipping", "customer_tax_ids",
    "default_payment_method", "default_source", "description", "destination_details", "email",
    "evidence", "fingerprint", "footer", "individual_name", "instructions_email", "ip",
    "ip_address", "last4", "level3", "memo", "name", "owner", "payment_method",
    "payment_method_options", "phone", "receipt_email", "receipt_number", "shipping",
    "shipping_details", "sources", "statement_descriptor", "statement_descriptor_suffix", "tax_id",
    "tax_ids", "tos_acceptance", "user_agent", "verified_email", "verified_name", "verified_phone",
})  # fmt: skip
METADATA = re.compile(r"(shopify_)?order(_?(id|number|ref|reference))?|utm_[a-z]{1,20}", re.I)
_DROPPED = BEARER | PERSONAL
_DEEPEST = 12
_Reduce = Callable[[Any, str], Any]


def clean(record: Any, salt: str) -> Any:
    """A record without people and bearer links; customers are keyed hashes. Others pass as is."""
    return _clean(record, salt, 0) if isinstance(record, dict) else record


def person(value: Any, salt: str) -> str:
    """A keyed hash of a customer's id; "" for guests, or when there is no salt to key it."""
    ident = value.get("id") if isinstance(value, Mapping) else value
    if not isinstance(ident, str) or not ident or not salt:
        return ""
    return hmac.new(salt.encode(), ident.encode(), hashlib.sha256).hexdigest()


def _clean(value: Any, salt: str, depth: int) -> Any:
    if depth > _DEEPEST:
        return None
    if isinstance(value, list):
        return [_clean(v, salt, depth + 1) for v in value]
    if not isinstance(value, dict):
        return value
    found = {}
    for name, inner in value.items():
        if name in _REDUCED:
            found[name] = _REDUCED[name](inner, salt)
        elif name not in _DROPPED:
            found[name] = _clean(inner, salt, depth + 1)
    return found


def _country(value: Any, _: str) -> Any:
    """Of an address only its country."""
    return {"country": value.get("country")} if isinstance(value, dict) else None


def _billing(value: Any, salt: str) -> Any:
    address = value.get("address") if isinstance(value, dict) else None
    return {"address": _country(address, salt)}


def _method(value: Any, _: str) -> Any:
    """Of a payment method its kind, and of a card its brand, country and kind."""
    if not isinstance(value, dict):
        return None
    kind = value.get("type")
    inner = value.get(kind) if isinstance(kind, str) else None
    kept = ("brand", "country", "funding", "network", "case_type")
    if not isinstance(inner, dict):
        return {"type": kind}
    return {"type": kind, kind: {k: inner[k] for k in kept if k in inner}}


def _error(value: Any, _: str) -> Any:
    if not isinstance(value, dict):
        return None
    return {k: value[k] for k in ("code", "decline_code", "type", "charge") if k in value}


def _source(value: Any, _: str) -> Any:
    """The id of what a balance entry came from; a charge's own source is a card."""
    if isinstance(value, dict):
        return value.get("id") if value.get("object") in _ENTRY_SOURCES else None
    return value


def _metadata(value: Any, _: str) -> Any:
    """Keys of metadata that say where an order came from, and nothing else."""
    if not isinstance(value, dict):
        return {}
    return {
        k: v for k, v in value.items()
        if isinstance(k, str) and METADATA.fullmatch(k) and "@" not in str(v)
    }  # fmt: skip


_ENTRY_SOURCES = frozenset({"charge", "refund", "dispute", "payout", "transfer", "topup"})
_REDUCED: Mapping[str, _Reduce] = {
    "customer": person,
    "customer_account": person,
    "billing_details": _billing,
    "customer_address": _country,
    "payment_method_details": _method,
    "last_payment_error": _error,
    "last_finalization_error": _error,
    "source": _source,
    "metadata": _metadata,
}
