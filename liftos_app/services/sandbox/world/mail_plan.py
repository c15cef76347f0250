"""The mail account as data: lists, metrics, flows, subjects."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from liftos_app.services.sandbox.world.shapes import MailList, MailMetric

PLACED_ORDER: Final = "RESQ6t"
OPENED: Final = datetime(2023, 6, 1, 13, tzinfo=UTC)
ALL, ENGAGED, EU = "Xq7LmA", "Tz4WpB", "Vn9KcE"
LISTS: Final = (
    MailList(id=ALL, name="Newsletter", segment=False, created_at=OPENED, updated_at=OPENED),
    MailList(
        id=EU,
        name="Newsletter EU",
        segment=False,
        created_at=OPENED + timedelta(days=40),
        updated_at=OPENED + timedelta(days=40),
    ),
    MailList(
        id="Rd2HsF",
        name="Waitlist rugs",
        segment=False,
        created_at=OPENED + timedelta(days=300),
        updated_at=OPENED + timedelta(days=420),
    ),
    MailList(
        id=ENGAGED,
        name="Engaged 90 days",
        segment=True,
        created_at=OPENED,
        updated_at=OPENED + timedelta(days=200),
    ),
    MailList(id="Ub6JyG", name="Bought twice", segment=True, created_at=OPENED, updated_at=OPENED),
)
METRICS: Final = tuple(
    MailMetric(id=i, name=n, integration=g, category=c, created_at=OPENED)
    for i, n, g, c in (
        (PLACED_ORDER, "Placed Order", "Shopify", "eCommerce"),
        ("SdT4pQ", "Ordered Product", "Shopify", "eCommerce"),
        ("TbN7kW", "Refunded Order", "Shopify", "eCommerce"),
        ("Uk2mXe", "Checkout Started", "Shopify", "eCommerce"),
        ("V9rHcL", "Opened Email", "Klaviyo", "Internal"),
        ("W3yPzD", "Clicked Email", "Klaviyo", "Internal"),
        ("X8sFgJ", "Received Email", "Klaviyo", "Internal"),
        ("Yq5BvM", "Unsubscribed from Email Marketing", "Klaviyo", "Internal"),
        ("Zc1LtR", "Placed Order", "", "API"),  # of an old integration: two share the name
    )
)
# id, name, status, trigger, messages with their share of the flow's orders, recipients a day
FLOWS: Final = (
    (
        "WcM8dT",
        "Welcome series",
        "live",
        "Added to List",
        (("Welcome 1", 0.25), ("Welcome 2", 0.13)),
        30.0,
    ),
    ("AbC4rN", "Abandoned cart", "live", "Metric", (("Cart 1", 0.28), ("Cart 2", 0.12)), 26.0),
    ("PpT2vK", "Post-purchase thanks", "live", "Metric", (("Thanks", 0.12),), 70.0),
    ("WbK6sH", "Winback 120 days", "live", "Metric", (("We miss you", 0.10),), 18.0),
    ("BdY3qJ", "Birthday", "draft", "Date Based", (("Happy birthday", 0.0),), 0.0),
)
SUBJECTS: Final = (
    ("New: stoneware in moss", "The mug that started it all, in a new glaze"),
    ("Slow Sunday reading", "Three homes, three lamps"),
    ("Back in stock", "The linen you asked for"),
    ("Friday edit", "Five things under 50"),
    ("Caf\u00e9 table stories \u2615", "How Mara sets her table"),
    ("Care guide", "How to wash wool without fear"),
)
