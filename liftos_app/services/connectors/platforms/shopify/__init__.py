"""Shopify: orders, refunds and products of a shop, over the GraphQL Admin interface."""

from __future__ import annotations

import datetime as dt

from liftos_app.services.connectors import rows
from liftos_app.services.connectors.platforms.shopify import catalogue, orders, shop
from liftos_app.services.connectors.platforms.shopify.errors import fault, pace
from liftos_app.services.connectors.platforms.shopify.signin import (
    CLIENT_CREDENTIALS,
    OAUTH,
    SCOPES,
    TOKEN,
    authorize,
)
from liftos_app.services.connectors.platforms.shopify.version import VERSION
from liftos_app.services.connectors.spec import Lands, Platform, Prerequisite, Stream, Window

_HISTORY = 3650

_STREAMS = (
    Stream(
        name="orders",
        title="Orders and refunds",
        grain="order",
        lands=Lands.ORDERS,
        key=("external_id",),
        required=("processed_at", "currency", "gross_micros", "subtotal_micros"),
        window=Window(
            days_per_request=15,
            reread_days=0,
            latency_hours=0.25,
            settle_days=90,
            history_days=_HISTORY,
        ),
        cursor="time",
        overlap_seconds=1800,  # the search index lags, and visits are added some minutes later
        about="In the shop's currency and by the shop's calendar. Refunds count on the day the "
        "money went back. Test orders are stored and never counted.",
        reach=shop.orders_reach,
        read=orders.read,
    ),
    Stream(
        name="products",
        title="Products",
        grain="product",
        lands=Lands.ENTITIES,
        level=rows.PRODUCT,
        key=("external_id",),
        required=("name",),
        read=catalogue.read_products,
    ),
    Stream(
        name="variants",
        title="Product variants",
        grain="variant",
        lands=Lands.ENTITIES,
        level=rows.VARIANT,
        key=("external_id",),
        default=False,
        read=catalogue.read_variants,
    ),
    Stream(
        name="abandoned_checkouts",
        title="Abandoned checkouts",
        grain="shop x day",
        lands=Lands.FACTS,
        level=rows.ACCOUNT,
        key=("account", "day"),
        window=Window(
            days_per_request=30, reread_days=7, latency_hours=1.0, settle_days=30, history_days=90
        ),
        default=False,
        read=catalogue.read_checkouts,
        about="Checkouts that were begun and not paid. Nothing about the people is kept.",
    ),
)

PLATFORM = Platform(
    slug="shopify",
    name="Shopify",
    category="Store",
    tier=1,
    summary="Orders, refunds and products: the revenue every claim is compared with.",
    hosts={"api": "https://{shop}"},
    api_version=VERSION,
    version_ends=dt.date(2027, 10, 1),
    auth=(CLIENT_CREDENTIALS, OAUTH, TOKEN),
    scopes=SCOPES,
    streams=_STREAMS,
    prerequisites=(
        Prerequisite(
            text="An app of your own in the Dev Dashboard, installed on the shop.",
            who="you",
            link="https://dev.shopify.com/dashboard",
        ),
        Prerequisite(
            text="The permission read_all_orders, for orders older than 60 days. Your own app on "
            "your own shop can choose it; an app for other shops has to ask Shopify.",
            who="the platform",
            wait="days, for apps that other shops install",
        ),
    ),
    setup_minutes=(5, 15),
    needs_app=True,
    history="all orders with read_all_orders, else 60 days",
    latency="minutes",
    role_needed="Owner, or staff who may develop apps",
    docs_url="https://shopify.dev/docs/api/admin-graphql",
    requests_per_minute=600,
    concurrency=1,
    never=(
        "We never read names, e-mail addresses, phone numbers or postal addresses.",
        "We never store a customer's number as it is: it is scrambled with a key of your own.",
        "We never change anything in the shop.",
    ),
    discover=shop.discover,
    test=shop.test,
    granted=shop.granted,
    fault=fault,
    authorize=authorize,
    pace=pace,
)
