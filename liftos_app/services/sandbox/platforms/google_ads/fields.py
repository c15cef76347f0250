"""Which fields exist, what kind they are and which may stand together in one query."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from liftos_app.services.sandbox.platforms.google_ads import names_metrics, names_resources
from liftos_app.services.sandbox.platforms.google_ads.gaql import GaqlError

NUMBERS = frozenset({"int", "int32", "num"})
# Segments the imitation can split by. The vendor has more; asking for those is refused by name.
SEGMENTS = frozenset(
    {
        "date", "week", "month", "quarter", "year",
        "day_of_week", "month_of_year", "device", "ad_network_type",
    }
)  # fmt: skip
ENUMS = {
    "campaign.status": "ENABLED PAUSED REMOVED",
    "ad_group.status": "ENABLED PAUSED REMOVED",
    "ad_group_ad.status": "ENABLED PAUSED REMOVED",
    "customer.status": "ENABLED CANCELED SUSPENDED CLOSED",
    "customer_client.status": "ENABLED CANCELED SUSPENDED CLOSED",
    "campaign_budget.status": "ENABLED REMOVED",
    "campaign.advertising_channel_type": (
        "SEARCH DISPLAY SHOPPING HOTEL VIDEO MULTI_CHANNEL LOCAL SMART PERFORMANCE_MAX "
        "LOCAL_SERVICES TRAVEL DEMAND_GEN"
    ),
    "segments.device": "MOBILE TABLET DESKTOP OTHER CONNECTED_TV",
    "segments.day_of_week": "MONDAY TUESDAY WEDNESDAY THURSDAY FRIDAY SATURDAY SUNDAY",
}


@dataclass(frozen=True, slots=True)
class Field:
    """One selectable name. Kinds: int, int32, num, text, enum, bool, ints, texts, enums, msg."""

    path: str
    kind: str

    @property
    def prefix(self) -> str:
        """The resource it belongs to, or metrics, or segments."""
        return self.path.split(".", 1)[0]

    @property
    def name(self) -> str:
        """What follows the prefix."""
        return self.path.split(".", 1)[1]


@dataclass(frozen=True, slots=True)
class Resource:
    """What may be selected FROM it: its own fields and those of the resources it hangs on."""

    name: str
    attributes: tuple[str, ...]
    has_metrics: bool = True


RESOURCES = {
    r.name: r
    for r in (
        Resource("customer", ("customer",)),
        Resource("customer_client", ("customer_client", "customer"), has_metrics=False),
        Resource("campaign", ("campaign", "campaign_budget", "customer")),
        Resource("campaign_budget", ("campaign_budget", "customer")),
        Resource("ad_group", ("ad_group", "campaign", "customer")),
        Resource("ad_group_ad", ("ad_group_ad", "ad_group", "campaign", "customer")),
    )
}
# Names the vendor has and this imitation does not serve.
_ELSEWHERE = (
    "ad_group_ad_asset_view ad_group_audience_view ad_group_bid_modifier ad_group_criterion "
    "ad_group_label ad_group_ad_label ad_schedule_view age_range_view asset asset_group audience "
    "asset_group_asset bidding_strategy accessible_bidding_strategy call_view campaign_asset "
    "campaign_audience_view campaign_criterion campaign_label change_event change_status "
    "click_view conversion_action customer_label display_keyword_view gender_view "
    "geo_target_constant geographic_view group_placement_view keyword_view label "
    "landing_page_view location_view managed_placement_view recommendation search_term_view "
    "shopping_performance_view topic_view user_interest user_list user_location_view video"
)


@cache
def all_fields() -> dict[str, Field]:
    """Every known field by its path."""
    found: dict[str, Field] = {}
    tables = {name.lower(): text for name, text in vars(names_resources).items() if name.isupper()}
    tables |= {"metrics": names_metrics.METRICS, "segments": names_metrics.SEGMENTS}
    for prefix, table in tables.items():
        kind = ""
        for word in table.split():
            if word.endswith(":"):
                kind = word[:-1]
            else:
                found[f"{prefix}.{word}"] = Field(f"{prefix}.{word}", kind)
        if prefix not in {"metrics", "segments"}:
            found[f"{prefix}.resource_name"] = Field(f"{prefix}.resource_name", "text")
    found["ad_group_ad.ad.resource_name"] = Field("ad_group_ad.ad.resource_name", "text")
    return found


def resource(name: str) -> Resource:
    """The resource after FROM. Raises GaqlError."""
    if name in RESOURCES:
        return RESOURCES[name]
    if name in _ELSEWHERE.split():
        raise GaqlError(
            "PROHIBITED_RESOURCE_TYPE_IN_FROM_CLAUSE",
            f"Error in query: this imitation does not serve the resource '{name}'.",
            subject=name,
        )
    raise GaqlError(
        "BAD_RESOURCE_TYPE_IN_FROM_CLAUSE",
        f"Error in query: '{name}' is not a valid resource name.",
        subject=name,
    )


def field(path: str, clause: str) -> Field:
    """A field by its path. Raises GaqlError naming the field and the clause it stands in."""
    known = all_fields()
    if path in known:
        return known[path]
    if any(other.startswith(path + ".") for other in known):
        raise GaqlError(
            f"PROHIBITED_FIELD_IN_{clause}_CLAUSE",
            f"Error in query: '{path}' holds other fields and cannot be used itself.",
            subject=path,
        )
    raise GaqlError(
        "UNRECOGNIZED_FIELD",
        f"Error in query: unrecognized field in the {clause.replace('_', ' ')} clause: '{path}'.",
        subject=path,
    )


def check_allowed(item: Field, source: Resource, clause: str) -> None:
    """Raise GaqlError unless this field may be used in a query on that resource."""
    if item.prefix == "metrics":
        if not source.has_metrics:
            raise GaqlError(
                "PROHIBITED_METRIC_IN_SELECT_OR_WHERE_CLAUSE",
                f"Error in query: '{source.name}' has no metrics, so not '{item.path}'.",
                subject=item.path,
            )
    elif item.prefix == "segments":
        if not source.has_metrics or item.name not in SEGMENTS:
            raise GaqlError(
                "PROHIBITED_SEGMENT_IN_SELECT_OR_WHERE_CLAUSE",
                f"Error in query: '{item.path}' cannot be used with '{source.name}'.",
                subject=item.path,
            )
    elif item.prefix not in source.attributes:
        code = "WHERE" if clause == "WHERE" else "SELECT"
        raise GaqlError(
            f"PROHIBITED_RESOURCE_TYPE_IN_{code}_CLAUSE",
            f"Error in query: '{item.path}' cannot be used with FROM {source.name}.",
            subject=item.path,
        )
