"""Each endpoint as data: scope, tier, parameters, filters, sorts, fields, page sizes."""

from __future__ import annotations

from dataclasses import dataclass, field

from liftos_app.services.sandbox.platforms.klaviyo import limits
from liftos_app.services.sandbox.platforms.klaviyo.filters import ORDER, Rule

CAMPAIGN_STATUSES = (
    "Adding Recipients",
    "Cancelled",
    "Cancelled: Account Disabled",
    "Cancelled: Billing Limit",
    "Cancelled: Internal Error",
    "Cancelled: Misconfigured",
    "Cancelled: No Recipients",
    "Cancelled: Smart Sending",
    "Draft",
    "Preparing to schedule",
    "Preparing to send",
    "Queued without Recipients",
    "Scheduled",
    "Sending",
    "Sending Segments",
    "Sent",
    "Unknown",
    "Variations Sent",
)
TRIGGERS = (
    "Added to List",
    "Date Based",
    "Low Inventory",
    "Metric",
    "Price Drop",
    "Unconfigured",
)
ACCOUNT = (
    "contact_information",
    "id",
    "industry",
    "locale",
    "preferred_currency",
    "public_api_key",
    "test_account",
    "timezone",
)
CAMPAIGN = (
    "archived",
    "audiences",
    "created_at",
    "id",
    "name",
    "scheduled_at",
    "send_options",
    "send_strategy",
    "send_time",
    "status",
    "tracking_options",
    "updated_at",
)
MESSAGE = ("created_at", "definition", "id", "send_times", "updated_at")
FLOW = ("archived", "created", "id", "name", "status", "trigger_type", "updated")
FLOW_ACTION = ("created", "definition", "id", "updated")
LIST = ("created", "id", "name", "opt_in_process", "updated")
SEGMENT = (
    "created",
    "definition",
    "id",
    "is_active",
    "is_processing",
    "is_starred",
    "name",
    "updated",
)
METRIC = ("created", "id", "integration", "name", "updated")
EVENT = ("datetime", "event_properties", "id", "timestamp", "uuid")
PROFILE = (
    "created",
    "email",
    "external_id",
    "first_name",
    "id",
    "image",
    "last_event_date",
    "last_name",
    "locale",
    "location",
    "organization",
    "phone_number",
    "properties",
    "title",
    "updated",
)
TAG = ("id", "name")
TEMPLATE = ("amp", "created", "editor_type", "html", "id", "name", "text", "updated")
IMAGE = ("format", "hidden", "id", "image_url", "name", "size", "updated_at")
RESHAPED = "2026-10-15"  # campaigns keep their data under `definition` from this revision on
CAMPAIGN_NEW = ("created_at", "definition", "id", "updated_at")
MESSAGE_NEW = ("created", "definition", "id", "updated")
AUDIENCE = ("id", "name")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What one resource accepts. `fields`: type -> attributes a sparse fieldset may name."""

    name: str
    scope: str
    tier: limits.Tier
    fields: dict[str, tuple[str, ...]] = field(default_factory=dict)
    filters: dict[str, Rule] = field(default_factory=dict)
    sorts: tuple[str, ...] = ()
    includes: tuple[str, ...] = ()
    size: tuple[int, int] | None = None  # default and maximum of page[size]
    pages: bool = False
    others: tuple[str, ...] = ()
    newer: Endpoint | None = None  # the rules from revision 2026-10-15 on, when they changed

    def parameters(self) -> tuple[str, ...]:
        """Every query parameter the endpoint knows."""
        names = [f"fields[{kind}]" for kind in self.fields]
        names += ["filter"] if self.filters else []
        names += ["sort"] if self.sorts else []
        names += ["include"] if self.includes else []
        names += ["page[cursor]"] if self.pages else []
        names += ["page[size]"] if self.size else []
        return (*names, *self.others)

    def at(self, revision: str) -> Endpoint:
        """The rules of a revision."""
        return self.newer if self.newer is not None and revision >= RESHAPED else self

    def orders(self) -> tuple[str, ...]:
        """The values `sort` takes."""
        return tuple(sign + name for name in self.sorts for sign in ("", "-"))


_ORDER_OR_EQUAL = ("equals", *ORDER)

ACCOUNTS = Endpoint("accounts", "accounts:read", limits.XS, {"account": ACCOUNT})
METRICS = Endpoint(
    "metrics",
    "metrics:read",
    limits.M,
    {"metric": METRIC, "flow": FLOW},
    {"integration.name": Rule(("equals",)), "integration.category": Rule(("equals",))},
    includes=("flow-triggers",),
    pages=True,
)
_CAMPAIGN_FIELDS_NEW = {
    "campaign": CAMPAIGN_NEW,
    "campaign-message": MESSAGE_NEW,
    "campaign-audience": AUDIENCE,
    "tag": TAG,
}
CAMPAIGNS_NEW = Endpoint(
    "campaigns",
    "campaigns:read",
    limits.M,
    _CAMPAIGN_FIELDS_NEW,
    {
        "id": Rule(("any",)),
        "name": Rule(("contains",)),
        "archived": Rule(("equals",), "bool"),
        "builder": Rule(("equals",)),
        "created_at": Rule(ORDER, "time"),
        "updated_at": Rule(ORDER, "time"),
    },
    sorts=("created_at", "id", "name", "updated_at"),
    includes=("campaign-audiences", "campaign-messages", "tags"),
    size=(100, 100),
    pages=True,
)
CAMPAIGN_ONE_NEW = Endpoint(
    "campaign",
    "campaigns:read",
    limits.M,
    _CAMPAIGN_FIELDS_NEW,
    includes=("campaign-audiences", "campaign-messages", "tags"),
)
CAMPAIGN_MESSAGES_NEW = Endpoint(
    "campaign-messages",
    "campaigns:read",
    limits.M,
    {"campaign-message": MESSAGE_NEW, "campaign": CAMPAIGN_NEW},
    includes=("campaign",),
    pages=True,
)
CAMPAIGNS = Endpoint(
    "campaigns",
    "campaigns:read",
    limits.M,
    {"campaign": CAMPAIGN, "campaign-message": MESSAGE, "tag": TAG},
    {
        "messages.channel": Rule(("equals",), values=("email", "sms", "mobile_push")),
        "id": Rule(("any",)),
        "name": Rule(("contains",)),
        "status": Rule(("any", "equals"), values=CAMPAIGN_STATUSES),
        "archived": Rule(("equals",), "bool"),
        "created_at": Rule(ORDER, "time"),
        "scheduled_at": Rule(ORDER, "time"),
        "updated_at": Rule(ORDER, "time"),
    },
    sorts=("created_at", "id", "name", "scheduled_at", "updated_at"),
    includes=("campaign-messages", "tags"),
    size=(100, 100),
    pages=True,
    newer=CAMPAIGNS_NEW,
)
CAMPAIGN_ONE = Endpoint(
    "campaign",
    "campaigns:read",
    limits.M,
    {"campaign": CAMPAIGN, "campaign-message": MESSAGE, "tag": TAG, "campaign-audience": AUDIENCE},
    includes=("campaign-messages", "tags"),
    newer=CAMPAIGN_ONE_NEW,
)
CAMPAIGN_MESSAGES = Endpoint(
    "campaign-messages",
    "campaigns:read",
    limits.M,
    {"campaign-message": MESSAGE, "campaign": CAMPAIGN, "image": IMAGE, "template": TEMPLATE},
    includes=("campaign", "image", "template"),
    newer=CAMPAIGN_MESSAGES_NEW,
)
FLOWS = Endpoint(
    "flows",
    "flows:read",
    limits.S,
    {"flow": FLOW, "flow-action": FLOW_ACTION, "tag": TAG},
    {
        "id": Rule(("any",)),
        "name": Rule(("contains", "ends-with", "equals", "starts-with")),
        "status": Rule(("equals",)),
        "archived": Rule(("equals",), "bool"),
        "created": Rule(_ORDER_OR_EQUAL, "time"),
        "updated": Rule(_ORDER_OR_EQUAL, "time"),
        "trigger_type": Rule(("equals",), values=TRIGGERS),
    },
    sorts=("created", "id", "name", "status", "trigger_type", "updated"),
    includes=("flow-actions", "tags"),
    size=(50, 50),
    pages=True,
)
FLOW_ONE = Endpoint(
    "flow",
    "flows:read",
    limits.S,
    {"flow": FLOW, "flow-action": FLOW_ACTION, "tag": TAG},
    includes=("flow-actions", "tags"),
    others=("additional-fields[flow]",),
)
_GROUP_FILTERS = {
    "name": Rule(("any", "equals")),
    "id": Rule(("any", "equals")),
    "created": Rule(("greater-than",), "time"),
    "updated": Rule(("greater-than",), "time"),
}
LISTS = Endpoint(
    "lists",
    "lists:read",
    limits.L,
    {"list": LIST, "flow": FLOW, "tag": TAG},
    _GROUP_FILTERS,
    sorts=("created", "id", "name", "updated"),
    includes=("flow-triggers", "tags"),
    size=(10, 10),
    pages=True,
)
SEGMENTS = Endpoint(
    "segments",
    "segments:read",
    limits.L,
    {"segment": SEGMENT, "flow": FLOW, "tag": TAG},
    _GROUP_FILTERS
    | {"is_active": Rule(("any", "equals"), "bool"), "is_starred": Rule(("equals",), "bool")},
    sorts=("created", "id", "name", "updated"),
    includes=("flow-triggers", "tags"),
    size=(10, 10),
    pages=True,
)
METRIC_ONE = Endpoint(
    "metric",
    "metrics:read",
    limits.M,
    {"metric": METRIC, "flow": FLOW},
    includes=("flow-triggers",),
)
LIST_ONE = Endpoint(
    "list",
    "lists:read",
    limits.L,
    {"list": LIST, "flow": FLOW, "tag": TAG},
    includes=("flow-triggers", "tags"),
    others=("additional-fields[list]",),
)
SEGMENT_ONE = Endpoint(
    "segment",
    "segments:read",
    limits.L,
    {"segment": SEGMENT, "flow": FLOW, "tag": TAG},
    includes=("flow-triggers", "tags"),
    others=("additional-fields[segment]",),
)
EVENTS = Endpoint(
    "events",
    "events:read",
    limits.XL,
    {"event": EVENT, "metric": METRIC, "profile": PROFILE, "attribution": ("id",)},
    {
        "metric_id": Rule(("equals",)),
        "profile_id": Rule(("equals",)),
        "profile": Rule(("has",)),
        "metric": Rule(("has",)),
        "datetime": Rule(ORDER, "time"),
        "timestamp": Rule(ORDER, "number"),
    },
    sorts=("datetime", "timestamp"),
    includes=("attributions", "metric", "profile"),
    size=(200, 1000),
    pages=True,
)
AGGREGATES = Endpoint(
    "metric-aggregates",
    "metrics:read",
    limits.S,
    {"metric-aggregate": ("data", "dates", "id")},
)
CAMPAIGN_VALUES = Endpoint(
    "campaign-values-reports",
    "campaigns:read",
    limits.REPORTS,
    {"campaign-values-report": ("id", "results")},
    others=("page_cursor",),
)
FLOW_VALUES = Endpoint(
    "flow-values-reports",
    "flows:read",
    limits.REPORTS,
    {"flow-values-report": ("id", "results")},
    others=("page_cursor",),
)
FLOW_SERIES = Endpoint(
    "flow-series-reports",
    "flows:read",
    limits.REPORTS,
    {"flow-series-report": ("date_times", "id", "results")},
    others=("page_cursor",),
)
