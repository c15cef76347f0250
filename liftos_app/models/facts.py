"""The unified rows every platform lands in. Narrow, because ten million must stay quick.

`FactDaily` is entity x day x attribution setting. Its level is copied from the entity so that a
total reads one level only: levels overlap by nature and are never added up. The primary key begins
with account, level and day, so that a window is one range and the table needs no other index.
"""

from __future__ import annotations

import datetime as dt
from datetime import datetime
from enum import IntEnum
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, BigInteger, ForeignKeyConstraint, Index, SmallInteger, UniqueConstraint
from sqlmodel import Field, SQLModel


class Level(IntEnum):
    """What an entity is. Stored as a small integer."""

    ACCOUNT = 0
    CAMPAIGN = 1
    AD_GROUP = 2  # also ad set, line item
    AD = 3
    CREATIVE = 4
    MAIL_CAMPAIGN = 5
    MAIL_MESSAGE = 6
    MAIL_FLOW = 7
    MAIL_LIST = 8
    METRIC = 9
    PRODUCT = 10
    VARIANT = 11
    MAIL_FLOW_MESSAGE = 12
    CRM_CAMPAIGN = 13
    PIPELINE = 14
    PIPELINE_STAGE = 15
    OWNER = 16
    FIELD = 17
    KEYWORD = 18
    FUNDING = 19  # what pays for campaigns


class Entity(SQLModel, table=True):
    """A thing with metrics: campaign, ad group, ad, mail campaign, product."""

    __tablename__ = "entity"
    __table_args__ = (
        UniqueConstraint("account_key", "level", "external_id"),
        UniqueConstraint("org_id", "key"),
        ForeignKeyConstraint(["org_id", "account_key"], ["account.org_id", "account.key"]),
    )

    key: int | None = Field(default=None, primary_key=True)
    org_id: int = Field(index=True)
    account_key: int
    level: Level = Field(sa_type=SmallInteger)
    external_id: str = Field(max_length=120)
    parent_id: str = Field(default="", max_length=120)  # external id one level up
    name: str = ""
    status: str = Field(default="", max_length=40)
    attrs: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    first_seen_at: datetime
    updated_at: datetime


class FactDaily(SQLModel, table=True):
    """Entity x day. Null means the platform did not say; zero means it said zero.

    Units: counts are whole numbers; `spend_micros` and `value_micros` are 1/1,000,000 of the
    account's currency; `conversions_micros` is 1/1,000,000 of a conversion (Google reports
    fractions). `setting` numbers the attribution setting (services.metrics.attribution).
    """

    __tablename__ = "fact_daily"
    __table_args__ = (
        ForeignKeyConstraint(["org_id", "entity_key"], ["entity.org_id", "entity.key"]),
        {"sqlite_with_rowid": False},
    )

    account_key: int = Field(primary_key=True)
    level: int = Field(primary_key=True, sa_type=SmallInteger)
    day: dt.date = Field(primary_key=True)
    entity_key: int = Field(primary_key=True)
    setting: int = Field(default=0, primary_key=True, sa_type=SmallInteger)
    org_id: int
    impressions: int | None = Field(default=None, sa_type=BigInteger)
    clicks: int | None = Field(default=None, sa_type=BigInteger)
    spend_micros: int | None = Field(default=None, sa_type=BigInteger)
    conversions_micros: int | None = Field(default=None, sa_type=BigInteger)
    value_micros: int | None = Field(default=None, sa_type=BigInteger)


class FactExtra(SQLModel, table=True):
    """Rare metrics, aside: reach, link clicks, view-through conversions, engagements.

    `metric` is a name of services.metrics.definitions; `value` is in micro-units of its unit.
    """

    __tablename__ = "fact_extra"
    __table_args__ = (
        ForeignKeyConstraint(["org_id", "entity_key"], ["entity.org_id", "entity.key"]),
        {"sqlite_with_rowid": False},
    )

    account_key: int = Field(primary_key=True)
    level: int = Field(primary_key=True, sa_type=SmallInteger)
    day: dt.date = Field(primary_key=True)
    entity_key: int = Field(primary_key=True)
    metric: str = Field(max_length=40, primary_key=True)
    org_id: int
    value: int = Field(sa_type=BigInteger)


class Order(SQLModel, table=True):
    """One store order, in shop currency, dated by `processed_at` in the shop's time zone.

    gross_micros: what the customer was charged (net of discounts, with shipping and tax).
    subtotal_micros: goods after discounts, without shipping; without tax unless the shop's prices
    include it. Test orders are stored and never counted.
    """

    __tablename__ = "store_order"
    __table_args__ = (
        UniqueConstraint("account_key", "external_id"),
        ForeignKeyConstraint(["org_id", "account_key"], ["account.org_id", "account.key"]),
        Index("ix_store_order_account_day", "account_key", "day"),
        Index("ix_store_order_org_day", "org_id", "day"),
    )

    key: int | None = Field(default=None, primary_key=True)
    org_id: int
    account_key: int
    external_id: str = Field(max_length=80)
    name: str = Field(default="", max_length=40)
    day: dt.date
    processed_at: datetime
    updated_at: datetime
    cancelled_at: datetime | None = None
    is_test: bool = False
    financial_status: str = Field(default="", max_length=30)
    currency: str = Field(max_length=3)
    gross_micros: int = Field(sa_type=BigInteger)
    subtotal_micros: int = Field(sa_type=BigInteger)
    discount_micros: int = Field(sa_type=BigInteger)
    shipping_micros: int = Field(sa_type=BigInteger)
    tax_micros: int = Field(sa_type=BigInteger)
    refunded_micros: int = Field(default=0, sa_type=BigInteger)
    items: int = 0
    customer_ref: str = Field(default="", max_length=64)  # keyed hash, never the platform's id
    customer_order_index: int | None = None  # 1 = this customer's first order ever
    source: str = Field(default="", max_length=80)
    utm_source: str = Field(default="", max_length=120)
    utm_medium: str = Field(default="", max_length=120)
    utm_campaign: str = Field(default="", max_length=200)
    attrs: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)


class OrderLine(SQLModel, table=True):
    """A line of an order."""

    __tablename__ = "store_order_line"
    __table_args__ = (
        UniqueConstraint("account_key", "external_id"),
        ForeignKeyConstraint(["org_id", "account_key"], ["account.org_id", "account.key"]),
        Index("ix_store_order_line_order", "account_key", "order_id"),
    )

    key: int | None = Field(default=None, primary_key=True)
    org_id: int
    account_key: int
    external_id: str = Field(max_length=80)
    order_id: str = Field(max_length=80)
    product_id: str = Field(default="", max_length=80)
    title: str = Field(default="", max_length=400)
    sku: str = Field(default="", max_length=120)
    quantity: int = 0
    amount_micros: int = Field(sa_type=BigInteger)


class Refund(SQLModel, table=True):
    """Money given back, on the day it was given back in the shop's time zone. Positive amounts."""

    __tablename__ = "store_refund"
    __table_args__ = (
        UniqueConstraint("account_key", "external_id"),
        ForeignKeyConstraint(["org_id", "account_key"], ["account.org_id", "account.key"]),
        Index("ix_store_refund_account_day", "account_key", "day"),
        Index("ix_store_refund_org_day", "org_id", "day"),
    )

    key: int | None = Field(default=None, primary_key=True)
    org_id: int
    account_key: int
    external_id: str = Field(max_length=80)
    order_id: str = Field(max_length=80)
    day: dt.date
    processed_at: datetime
    currency: str = Field(max_length=3)
    amount_micros: int = Field(sa_type=BigInteger)  # all that went back
    goods_micros: int | None = Field(default=None, sa_type=BigInteger)  # the goods part of it


class MailFact(SQLModel, table=True):
    """Results of one mail message by send day (campaigns) or window start (flows).

    Counts are whole; `value_micros` is 1/1,000,000 of the account's currency.
    """

    __tablename__ = "mail_fact"
    __table_args__ = (
        ForeignKeyConstraint(["org_id", "entity_key"], ["entity.org_id", "entity.key"]),
        {"sqlite_with_rowid": False},
    )

    account_key: int = Field(primary_key=True)
    level: int = Field(primary_key=True, sa_type=SmallInteger)
    day: dt.date = Field(primary_key=True)
    entity_key: int = Field(primary_key=True)
    org_id: int
    recipients: int | None = Field(default=None, sa_type=BigInteger)
    delivered: int | None = Field(default=None, sa_type=BigInteger)
    opens_unique: int | None = Field(default=None, sa_type=BigInteger)
    clicks_unique: int | None = Field(default=None, sa_type=BigInteger)
    unsubscribes: int | None = Field(default=None, sa_type=BigInteger)
    spam_complaints: int | None = Field(default=None, sa_type=BigInteger)
    bounced: int | None = Field(default=None, sa_type=BigInteger)
    conversions: int | None = Field(default=None, sa_type=BigInteger)
    value_micros: int | None = Field(default=None, sa_type=BigInteger)


class CrmRecord(SQLModel, table=True):
    """A contact, company, lead, deal or campaign member, dated by its creation.

    `amount_micros` is in `currency` (a deal's value). `closed_day` is the day a deal is or will be
    closed, as people entered it. A record the platform deleted stays, marked. People are known by
    a keyed hash only.
    """

    __tablename__ = "crm_record"
    __table_args__ = (
        UniqueConstraint("account_key", "kind", "external_id"),
        ForeignKeyConstraint(["org_id", "account_key"], ["account.org_id", "account.key"]),
        Index("ix_crm_record_account_day", "account_key", "kind", "day"),
        Index("ix_crm_record_org_closed", "org_id", "kind", "closed_day"),
    )

    key: int | None = Field(default=None, primary_key=True)
    org_id: int
    account_key: int
    kind: str = Field(max_length=20)  # connectors.rows.CRM_KINDS
    external_id: str = Field(max_length=80)
    day: dt.date
    created_at: datetime
    updated_at: datetime
    name: str = Field(default="", max_length=400)
    status: str = Field(default="", max_length=80)
    stage: str = Field(default="", max_length=120)
    amount_micros: int | None = Field(default=None, sa_type=BigInteger)
    currency: str = Field(default="", max_length=3)
    closed_day: dt.date | None = None
    is_closed: bool | None = None
    is_won: bool | None = None
    source: str = Field(default="", max_length=120)
    campaign_id: str = Field(default="", max_length=120)
    parent_id: str = Field(default="", max_length=80)  # company of a contact or deal
    owner_id: str = Field(default="", max_length=80)
    person_ref: str = Field(default="", max_length=64)  # keyed hash, never the platform's id
    deleted: bool = False
    attrs: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)


class Payment(SQLModel, table=True):
    """A charge, refund, balance entry, invoice, subscription or payout, in its own currency.

    `day` is the account's calendar day of `occurred_at`. Amounts keep the platform's sign: in the
    balance a refund is negative. Charges and payment intents describe the same money twice.
    """

    __tablename__ = "payment"
    __table_args__ = (
        UniqueConstraint("account_key", "kind", "external_id"),
        ForeignKeyConstraint(["org_id", "account_key"], ["account.org_id", "account.key"]),
        Index("ix_payment_account_day", "account_key", "kind", "day"),
        Index("ix_payment_org_day", "org_id", "kind", "day"),
    )

    key: int | None = Field(default=None, primary_key=True)
    org_id: int
    account_key: int
    kind: str = Field(max_length=20)  # connectors.rows.PAYMENT_KINDS
    external_id: str = Field(max_length=80)
    day: dt.date
    occurred_at: datetime
    updated_at: datetime
    status: str = Field(default="", max_length=40)
    category: str = Field(default="", max_length=60)
    currency: str = Field(max_length=3)
    amount_micros: int = Field(sa_type=BigInteger)
    fee_micros: int | None = Field(default=None, sa_type=BigInteger)
    net_micros: int | None = Field(default=None, sa_type=BigInteger)
    refunded_micros: int | None = Field(default=None, sa_type=BigInteger)
    customer_ref: str = Field(default="", max_length=64)  # keyed hash, never the platform's id
    parent_id: str = Field(default="", max_length=80)
    order_ref: str = Field(default="", max_length=80)
    is_test: bool = False
    attrs: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)


class SourceRecord(SQLModel, table=True):
    """The untouched source records that rows were made of, compressed: where each number is from.

    `slot` is the ISO day for daily figures (all records of that day) and the record's own id for
    everything else. `body` is zlib over a JSON list. A newer reading replaces the slot.
    """

    __tablename__ = "source_record"
    __table_args__ = (
        ForeignKeyConstraint(["org_id", "account_key"], ["account.org_id", "account.key"]),
    )

    account_key: int = Field(primary_key=True)
    stream: str = Field(max_length=60, primary_key=True)
    slot: str = Field(max_length=120, primary_key=True)
    org_id: int
    records: int
    digest: str = Field(max_length=16)
    body: bytes
    read_at: datetime


class RateDay(SQLModel, table=True):
    """One unit of `currency` in `base`, on a day: how mixed currencies become one.

    `rate` is in millionths. A missing day has no rate; nothing is guessed.
    """

    __tablename__ = "rate_day"

    org_id: int = Field(foreign_key="organization.id", primary_key=True)
    base: str = Field(max_length=3, primary_key=True)
    currency: str = Field(max_length=3, primary_key=True)
    day: dt.date = Field(primary_key=True)
    rate: int = Field(sa_type=BigInteger)
    source: str = Field(max_length=40)
    entered_by: UUID | None = None
