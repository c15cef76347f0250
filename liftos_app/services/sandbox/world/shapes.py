"""What the world hands out: frozen records, in whole cents, micro-units and aware UTC.

A record that depends on the moment of reading (an order's refunds, a campaign's status) was made
for one `as_of` and says nothing about later.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal

Status = Literal["active", "paused", "ended", "removed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """A place where people buy and where advertising can be switched."""

    id: str  # "US-CA", "DE"
    market: Literal["US", "EU"]
    name: str
    country: str  # ISO 3166-1 alpha-2
    province: str  # ISO 3166-2 part after the dash, "" outside the US
    share: float  # of all demand
    tax_percent: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Intervention:
    """Spend of a channel multiplied in chosen regions for chosen days, both days included.

    `scale` 0 is off, 1 changes nothing. No regions means all regions.
    """

    channel: str
    start: date
    end: date
    scale: float = 0.0
    regions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AdAccount:
    """An account of an ad platform. `parents` are the managers that reach it."""

    platform: str
    id: str
    name: str
    currency: str
    zone: str
    market: str  # "US", "EU", or "" where it never delivers
    status: Literal["active", "disabled", "cancelled"] = "active"
    manager: bool = False
    parents: tuple[str, ...] = ()
    created: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """A campaign as it stands at one moment. Money in minor units of the account's currency."""

    id: str
    account_id: str
    name: str
    channel: str  # key of plan.CHANNELS
    kind: Literal["prospecting", "retargeting", "search", "shopping", "pmax"]
    status: Status
    starts: date
    ends: date | None  # last day of delivery, when one is known
    daily_budget: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AdGroup:
    """An ad set, ad group or line item."""

    id: str
    campaign_id: str
    name: str
    status: Status
    starts: date
    ends: date | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Ad:
    """An ad with its creative."""

    id: str
    group_id: str
    campaign_id: str
    name: str
    status: Status
    creative_id: str
    title: str
    body: str
    url: str  # landing page with utm parameters
    created_at: datetime
    updated_at: datetime


WINDOWS = ("1d_click", "7d_click", "28d_click", "1d_view", "1d_ev")


@dataclass(frozen=True, slots=True, kw_only=True)
class AdDay:
    """What an ad platform shows for one entity on one day of its account's time zone.

    Money in micro-units of the account's currency (always whole cents). `conversions` are the
    claimed purchases in hundredths (Google shares them, the others' are whole: `7d_click +
    1d_view`). `counts` (whole purchases) and `values` (micro-units) split by attribution window
    exist for all but Google. `group_id` and `ad_id` are "" above their level and for PMax.
    """

    account_id: str
    campaign_id: str
    group_id: str
    ad_id: str
    day: date
    impressions: int
    reach: int
    clicks: int
    link_clicks: int
    spend: int
    conversions: int
    value: int
    all_conversions: int  # hundredths
    all_value: int
    view_through: int  # whole
    engagements: int
    interactions: int
    video_views: int
    counts: Mapping[str, int] = field(default_factory=dict)
    values: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AdTotals:
    """Sums of AdDay over anything, same units. What tests reconcile against."""

    impressions: int = 0
    clicks: int = 0
    link_clicks: int = 0
    spend: int = 0
    conversions: int = 0
    value: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """Something Larkspur sells. Prices in cents of USD at one moment."""

    id: int
    handle: str
    title: str
    kind: str
    vendor: str
    variants: tuple[Variant, ...]
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A size or colour of a product."""

    id: int
    product_id: int
    title: str
    sku: str
    price: int  # cents, USD
    cost: int  # cents, USD


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of an order. `discount` is this line's share; money in cents of USD."""

    id: int
    variant_id: int
    product_id: int
    title: str
    variant_title: str
    sku: str
    quantity: int
    unit_price: int
    discount: int
    tax: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundLine:
    """What came back of a line."""

    line_id: int
    quantity: int
    subtotal: int  # cents, after discount, without tax
    tax: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refund:
    """Money given back. `total` = subtotal + tax + shipping, cents of USD."""

    id: int
    processed_at: datetime
    subtotal: int
    tax: int
    shipping: int
    total: int
    lines: tuple[RefundLine, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One visit of the buyer to the shop's site."""

    occurred_at: datetime
    landing_page: str
    referrer: str | None
    source: str  # "Google", "Facebook", "direct"...
    source_type: str | None
    utm: Mapping[str, str] | None  # source, medium, campaign, term, content


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An order as the shop shows it at one moment. Money in cents of USD unless said.

    gross = subtotal + discounts; total = subtotal + shipping + tax (`taxes_included` is False);
    cancelled orders keep their totals and carry a full refund.
    """

    id: int
    number: int  # 1042 is shown as "#1042"
    created_at: datetime
    processed_at: datetime
    updated_at: datetime
    cancelled_at: datetime | None
    cancel_reason: str | None
    test: bool
    region: str
    country: str
    province: str
    source_name: str  # "web", "pos"
    presentment_currency: str
    presentment_rate: int  # micro: presentment units per 1 USD
    lines: tuple[Line, ...]
    discount_codes: tuple[str, ...]
    tags: tuple[str, ...]
    subtotal: int  # after discounts, before tax and shipping
    discounts: int
    shipping: int
    tax: int
    total: int
    refunds: tuple[Refund, ...]
    refunded: int
    financial_status: str  # PAID, PARTIALLY_REFUNDED, REFUNDED, PENDING
    fulfillment_status: str  # FULFILLED, UNFULFILLED
    fulfilled_at: datetime | None
    customer_id: int
    customer_index: int  # 1 = first order of this customer
    customer_orders: int  # orders of this customer so far
    first_visit: Visit | None
    last_visit: Visit | None
    days_to_conversion: int
    mail_message: str  # Klaviyo message this order is attributed to, or ""

    def presentment(self, cents: int) -> int:
        """An amount in minor units of the currency the buyer saw."""
        return (cents * self.presentment_rate + 500_000) // 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreDay:
    """Store revenue of one shop-local day, cents of USD, test orders out.

    `orders`, `gross`, `discounts`, `subtotal`, `tax`, `shipping`, `total` belong to the day of the
    order (cancelled ones included: their refund takes them out); `refunds`, `refund_subtotal` to
    the day of the refund. `net_sales` = subtotal - refund_subtotal.
    """

    day: date
    orders: int = 0
    cancelled: int = 0
    new_customers: int = 0
    units: int = 0
    gross: int = 0
    discounts: int = 0
    subtotal: int = 0
    tax: int = 0
    shipping: int = 0
    total: int = 0
    refunds: int = 0
    refund_subtotal: int = 0

    @property
    def net_sales(self) -> int:
        """Subtotal less returned goods, cents."""
        return self.subtotal - self.refund_subtotal


@dataclass(frozen=True, slots=True, kw_only=True)
class MailCampaign:
    """A mailing to a list at one time."""

    id: str  # 26 characters
    message_id: str
    name: str
    subject: str
    channel: Literal["email", "sms"]
    status: str  # "Draft", "Scheduled", "Sent", "Cancelled"
    archived: bool
    send_at: datetime | None
    created_at: datetime
    updated_at: datetime
    list_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MailFlow:
    """A series of messages that starts by itself."""

    id: str  # 6 characters
    name: str
    status: str  # "live", "draft", "manual"
    archived: bool
    trigger: str  # "Added to List", "Metric", "Low Inventory"...
    message_ids: tuple[str, ...]
    message_names: tuple[str, ...]
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class MailList:
    """A list, or a segment when `segment`."""

    id: str
    name: str
    segment: bool
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class MailMetric:
    """Something that can happen to a profile; `integration` is "" for Klaviyo's own API."""

    id: str
    name: str
    integration: str
    category: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class MailStats:
    """Results of one message by SEND day, grown up to the moment of reading. Cents of USD."""

    message_id: str
    parent_id: str  # campaign or flow
    day: date  # account-local day of sending
    channel: str = "email"
    recipients: int = 0
    bounced: int = 0
    delivered: int = 0
    opens: int = 0
    opens_unique: int = 0
    clicks: int = 0
    clicks_unique: int = 0
    unsubscribes: int = 0
    spam_complaints: int = 0
    conversions: int = 0
    conversion_uniques: int = 0
    value: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class MailEvents:
    """ "Placed Order" events of one account-local EVENT day and attributed message ("" = none)."""

    day: date
    message_id: str
    count: int
    unique: int
    value: int  # cents of USD
