"""Klaviyo: campaigns, flows and the revenue they are credited with."""

from __future__ import annotations

import datetime as dt

from liftos_app.services.connectors import rows
from liftos_app.services.connectors.platforms.klaviyo import entities, lists, results
from liftos_app.services.connectors.platforms.klaviyo.errors import fault, pace
from liftos_app.services.connectors.platforms.klaviyo.signin import (
    API_KEY,
    OAUTH,
    SCOPES,
    authorize,
)
from liftos_app.services.connectors.platforms.klaviyo.version import REVISION
from liftos_app.services.connectors.spec import Lands, Platform, Prerequisite, Stream, Window

_HISTORY = 1095


def _window(days_per_request: int, reread_days: int, settle_days: int) -> Window:
    return Window(
        days_per_request=days_per_request,
        reread_days=reread_days,
        latency_hours=1.0,
        settle_days=settle_days,
        history_days=_HISTORY,
    )


_STREAMS = (
    Stream(
        name="metrics",
        title="Metrics",
        grain="metric",
        lands=Lands.ENTITIES,
        level=rows.METRIC,
        key=("external_id",),
        required=("name",),
        read=entities.read_metrics,
    ),
    Stream(
        name="campaigns",
        title="Campaigns and messages",
        grain="campaign or message",
        lands=Lands.ENTITIES,
        level=rows.MAIL_CAMPAIGN,
        key=("level", "external_id"),
        required=("name",),
        read=entities.read_campaigns,
    ),
    Stream(
        name="flows",
        title="Flows",
        grain="flow",
        lands=Lands.ENTITIES,
        level=rows.MAIL_FLOW,
        key=("external_id",),
        required=("name", "status"),
        read=entities.read_flows,
    ),
    Stream(
        name="lists",
        title="Lists",
        grain="list",
        lands=Lands.ENTITIES,
        level=rows.MAIL_LIST,
        key=("external_id",),
        default=False,
        read=entities.audiences("lists"),
    ),
    Stream(
        name="segments",
        title="Segments",
        grain="segment",
        lands=Lands.ENTITIES,
        level=rows.MAIL_LIST,
        key=("external_id",),
        default=False,
        read=entities.audiences("segments"),
    ),
    Stream(
        name="campaign_results",
        title="Results of campaigns",
        grain="message x send day",
        lands=Lands.MAIL,
        level=rows.MAIL_MESSAGE,
        key=("account", "entity_id", "day"),
        required=("recipients", "delivered", "opens_unique", "clicks_unique"),
        window=_window(90, 30, 30),
        about="Everything a campaign brought counts on the day it was sent.",
        read=results.read_campaign_results,
    ),
    Stream(
        name="flow_results",
        title="Results of flows",
        grain="message x day",
        lands=Lands.MAIL,
        level=rows.MAIL_FLOW_MESSAGE,
        key=("account", "entity_id", "day"),
        required=("recipients", "delivered"),
        window=_window(60, 30, 30),
        about="Everything a mail of a flow brought counts on the day it was sent.",
        read=results.read_flow_results,
    ),
    Stream(
        name="revenue_daily",
        title="Revenue by day and message",
        grain="message x day",
        lands=Lands.FACTS,
        level=rows.MAIL_MESSAGE,
        key=("account", "entity_id", "day"),
        required=("conversions_micros", "value_micros"),
        window=_window(30, 7, 7),
        about="By the day of the order, as Klaviyo credits it; campaign results count by the day "
        "of sending, so the two never agree exactly.",
        read=results.read_revenue,
    ),
)

PLATFORM = Platform(
    slug="klaviyo",
    name="Klaviyo",
    category="Mail",
    tier=1,
    summary="Campaigns, flows and the revenue Klaviyo credits them with.",
    hosts={"api": "https://a.klaviyo.com", "consent": "https://www.klaviyo.com"},
    api_version=REVISION,
    version_ends=dt.date(2028, 7, 15),
    auth=(API_KEY, OAUTH),
    scopes=SCOPES,
    streams=_STREAMS,
    prerequisites=(
        Prerequisite(
            text="A private key with read permissions, made by an owner or administrator.",
            who="your platform admin",
            link="https://www.klaviyo.com/settings/account/api-keys",
        ),
        Prerequisite(
            text="Your shop connected to Klaviyo, so that orders are counted there.", who="you"
        ),
    ),
    setup_minutes=(3, 10),
    needs_app=False,
    history="36 months",
    latency="up to 1 h",
    role_needed="Owner or administrator for a key",
    docs_url="https://developers.klaviyo.com/en/reference/api_overview",
    requests_per_minute=150,
    concurrency=1,
    never=(
        "We never read profiles, e-mail addresses or single events.",
        "We never send a message and never change a campaign, flow or list.",
    ),
    discover=lists.discover,
    test=lists.test,
    fault=fault,
    authorize=authorize,
    pace=pace,
)
