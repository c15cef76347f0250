"""Larkspur Home: one invented advertiser, seeded, of which every imitated platform is a view."""

from liftos_app.services.sandbox.world.core import World
from liftos_app.services.sandbox.world.plan import CHANNELS, EPOCH, REGIONS, SHOP_ZONE
from liftos_app.services.sandbox.world.shapes import (
    Ad,
    AdAccount,
    AdDay,
    AdGroup,
    AdTotals,
    Campaign,
    Intervention,
    MailCampaign,
    MailEvents,
    MailFlow,
    MailList,
    MailMetric,
    MailStats,
    Order,
    Product,
    StoreDay,
)

__all__ = [
    "CHANNELS",
    "EPOCH",
    "REGIONS",
    "SHOP_ZONE",
    "Ad",
    "AdAccount",
    "AdDay",
    "AdGroup",
    "AdTotals",
    "Campaign",
    "Intervention",
    "MailCampaign",
    "MailEvents",
    "MailFlow",
    "MailList",
    "MailMetric",
    "MailStats",
    "Order",
    "Product",
    "StoreDay",
    "World",
]
