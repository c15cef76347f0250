"""The row shapes a connector hands to the loader, and the conversions of single values.

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
CRM     external_id, kind (CRM_KINDS), day (of creation), created_at, updated_at (aware), name,
        status, stage, amount_micros, currency, closed_day, is_closed, is_won, source, campaign_id,
        parent_id, owner_id, person_ref (keyed hash), deleted, attrs. No e-mail, phone or address.
PAYMENTS external_id, kind (PAYMENT_KINDS), day, occurred_at, updated_at (aware), status, category,
        currency, amount_micros, fee_micros, net_micros, refunded_micros, customer_ref (keyed hash),
        parent_id (what it belongs to: the charge of a refund, the source of a balance entry),
        order_ref (the store's order), is_test, attrs. Amounts carry the platform's own sign.

Units: *_micros are 1/1,000,000 of the account's currency; conversions_micros 1/1,000,000 of a
conversion. None is "the platform did not say"; zero is zero. A value that is no value raises
ValueError, which rejects its one record (read.py) and never the page.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache

MICRO = Decimal(1_000_000)
BIGGEST = 2**63 - 1  # what a database column holds
_SHOWN = 60  # characters of a wrong value that a reason repeats

# What an entity is: the numbers of models.facts.Level, which a test keeps equal.
ACCOUNT, CAMPAIGN, AD_GROUP, AD, CREATIVE = 0, 1, 2, 3, 4
MAIL_CAMPAIGN, MAIL_MESSAGE, MAIL_FLOW, MAIL_LIST = 5, 6, 7, 8
METRIC, PRODUCT, VARIANT, MAIL_FLOW_MESSAGE = 9, 10, 11, 12
CRM_CAMPAIGN, PIPELINE, PIPELINE_STAGE, OWNER = 13, 14, 15, 16
FIELD, KEYWORD = 17, 18
FUNDING = 19

CRM_KINDS = ("contact", "company", "lead", "deal", "campaign_member", "activity")
PAYMENT_KINDS = (
    "balance_entry", "charge", "payment_intent", "refund", "invoice", "subscription", "dispute",
    "payout",
)

# Attribution settings are part of a number; stored as a small integer, never renumbered.
ATTRIBUTION: dict[str, int] = {
    "none": 0,
    "meta_7d_click_1d_view": 1,
    "google_conversion_window": 2,
    "klaviyo_event_date": 3,
    "klaviyo_send_date": 4,
    "tiktok_7d_click_1d_view": 5,
    "linkedin_30d_click_7d_view": 6,
    "x_30d_engagement_1d_view": 7,
    "imported": 8,  # as the warehouse or legacy source counted it
    "hubspot_send_date": 9,
}


def micros(value: object) -> int:
    """A decimal number (text, int or float as sent) in whole micro-units, exact for text.

    Raises ValueError for anything that is not a finite number a column can hold.
    """
    kind = type(value)
    if kind is str and len(value) <= 18:  # type: ignore[arg-type]
        head, _, tail = value.partition(".")  # type: ignore[attr-defined]
        if len(tail) <= 6 and value.isascii() and (head + tail).isdigit() and head:  # type: ignore[attr-defined]
            return int(head + tail.ljust(6, "0"))  # the plain form, without Decimal's cost
    if kind is int:
        result = value * 1_000_000  # type: ignore[operator]
    elif kind is str or kind is float or kind is Decimal:
        try:
            number = Decimal(repr(value)) if kind is float else Decimal(value)  # type: ignore[arg-type]
            result = int((number * MICRO).to_integral_value())
        except (InvalidOperation, OverflowError, ValueError) as error:
            raise ValueError(f"not a number: {shown(value)}") from error
        if kind is str and not _plain(str(value)):
            raise ValueError(f"not a number: {shown(value)}")
    else:
        raise ValueError(f"not a number: {shown(value)}")
    if not -BIGGEST <= result <= BIGGEST:
        raise ValueError(f"too large to be stored: {shown(value)}")
    return result


def _plain(words: str) -> bool:
    """Whether a number's text holds nothing that only Python would read as a number."""
    return words.isascii() and "_" not in words


def whole(value: object) -> int:
    """A whole count, from a number or its text. Raises ValueError for anything else."""
    kind = type(value)
    if kind is str and len(value) <= 18 and value.isdigit() and value.isascii():  # type: ignore[arg-type, attr-defined]
        return int(value)  # type: ignore[call-overload, no-any-return]
    if kind is int:
        result: int = value  # type: ignore[assignment]
    elif kind is str and value.isascii() and value.isdigit():  # type: ignore[attr-defined]
        if len(value) > 20:  # type: ignore[arg-type]
            raise ValueError(f"too large to be stored: {shown(value)}")
        result = int(value)  # type: ignore[call-overload]
    elif kind is str or kind is float:
        millionths = micros(value)
        if millionths % 1_000_000:
            raise ValueError(f"not a whole count: {shown(value)}")
        result = millionths // 1_000_000
    else:
        raise ValueError(f"not a count: {shown(value)}")
    if not -BIGGEST <= result <= BIGGEST:
        raise ValueError(f"too large to be stored: {shown(value)}")
    return result


def optional(value: object) -> int | None:
    """A whole count, or None when the platform did not say."""
    return None if value is None else whole(value)


@lru_cache(maxsize=4096)
def day(value: object) -> str:
    """A calendar day as `YYYY-MM-DD`. Raises ValueError for a day that does not exist."""
    if type(value) is not str or len(value) != 10:
        raise ValueError(f"not a day: {shown(value)}")
    try:
        return date.fromisoformat(value).isoformat()
    except ValueError:
        raise ValueError(f"not a day: {shown(value)}") from None


@lru_cache(maxsize=8192)
def moment(value: object) -> datetime:
    """An ISO 8601 time with its offset, as aware UTC. Raises ValueError without an offset."""
    if type(value) is not str:
        raise ValueError(f"not a time: {shown(value)}")
    try:
        time = datetime.fromisoformat(value)
    except ValueError:
        raise ValueError(f"not a time: {shown(value)}") from None
    if time.tzinfo is None:
        raise ValueError(f"a time without its zone: {shown(value)}")
    return time.astimezone(UTC)


def moment_or_none(value: object) -> datetime | None:
    """A time, or None when the platform sent none."""
    return None if value is None or value == "" else moment(value)


def ident(value: object, length: int = 120) -> str:
    """An id as text. Raises ValueError when it is missing, longer than a column, or no id."""
    if type(value) is int:
        return str(value)
    if type(value) is not str or not value:
        raise ValueError(f"not an id: {shown(value)}")
    if len(value) > length or not value.isprintable():
        raise ValueError(f"not an id that can be stored: {shown(value)}")
    return value


def text(value: object, length: int = 4_000) -> str:
    """Free text from a platform, made storable: no NUL, no broken characters, cut at `length`."""
    if value is None:
        return ""
    words = value if type(value) is str else str(value)
    if not words.isascii():  # half of a character pair, which no database takes
        words = words.encode("utf-8", "replace").decode("utf-8")
    return words.replace("\x00", "")[:length]


def shown(value: object) -> str:
    """A wrong value as a reason repeats it: short, and printable."""
    words = repr(value)
    return words if len(words) <= _SHOWN else f"{words[:_SHOWN]}…"
