"""The row shapes a connector hands to the loader. Plain dicts, checked by `loader` once per batch.

FACTS   entity_id str, day "YYYY-MM-DD", and any of impressions, clicks (int or None),
        spend_micros, conversions_micros, value_micros (int or None), setting (attribution name,
        see ATTRIBUTION), extra {metric: int micro-units}.
        Dimension help (optional, creates or renames the entity): entity_name, parent_id, status.
ENTITIES external_id str, level int, and parent_id, name, status, attrs {}.
ORDERS  external_id, name, processed_at, updated_at, cancelled_at (aware datetimes or None), day,
        is_test, financial_status, currency, gross_micros, subtotal_micros, discount_micros,
        shipping_micros, tax_micros, refunded_micros, items, customer_ref, customer_order_index,
        source, utm_source, utm_medium, utm_campaign, attrs,
        lines [{external_id, product_id, title, sku, quantity, amount_micros}],
        refunds [{external_id, day, processed_at, currency, amount_micros, goods_micros}].
MAIL    entity_id, day, and any of recipients, delivered, opens_unique, clicks_unique,
        unsubscribes, spam_complaints, bounced, conversions (int or None), value_micros,
        entity_name, parent_id, level.

Units: *_micros are 1/1,000,000 of the account's currency; conversions_micros 1/1,000,000 of a
conversion. None is "the platform did not say"; zero is zero.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

MICRO = Decimal(1_000_000)

# Attribution settings are part of a number; stored as a small integer, never renumbered.
ATTRIBUTION: dict[str, int] = {
    "none": 0,
    "meta_7d_click_1d_view": 1,
    "google_conversion_window": 2,
    "klaviyo_event_date": 3,
    "klaviyo_send_date": 4,
}


def micros(value: object) -> int:
    """A decimal number (text, int or float as sent) in whole micro-units, exact for text.

    Raises ValueError for anything that is not a finite number.
    """
    if isinstance(value, bool) or value is None:
        raise ValueError(f"not a number: {value!r}")
    try:
        number = Decimal(value) if isinstance(value, int | str) else Decimal(repr(value))
    except (InvalidOperation, ValueError) as error:
        raise ValueError(f"not a number: {value!r}") from error
    if not number.is_finite():
        raise ValueError(f"not a finite number: {value!r}")
    return int((number * MICRO).to_integral_value())


def whole(value: object) -> int:
    """A whole count, from a number or its text. Raises ValueError for anything else."""
    if isinstance(value, bool) or value is None:
        raise ValueError(f"not a count: {value!r}")
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        if not value.is_integer():
            raise ValueError(f"not a whole count: {value!r}")
        return int(value)
    if isinstance(value, str):
        return int(value)
    raise ValueError(f"not a count: {value!r}")
