"""Every metric once: what is summed, over what, in which unit, and what it means.

A metric is a sum of components divided by a sum of components, so that no ratio is ever averaged.
To add a metric, add one entry to `METRICS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Supply(StrEnum):
    """What a connection brings."""

    ADS = "ads"
    STORE = "store"
    MAIL = "mail"


class Unit(StrEnum):
    """Money is in the answer's currency; a share is a fraction of 1."""

    MONEY = "money"
    RATIO = "ratio"
    SHARE = "share"
    COUNT = "count"


class Better(StrEnum):
    """The direction that is good news; spend is neither."""

    UP = "up"
    DOWN = "down"
    NEUTRAL = "neutral"


class Kind(StrEnum):
    """How a component is stored."""

    MONEY = "money"  # micro-units of a currency
    WHOLE = "whole"  # a count
    MICRO = "micro"  # 1/1,000,000 of a count


@dataclass(frozen=True, slots=True)
class Component:
    """A column that adds up, and who brings it."""

    supply: Supply
    kind: Kind


_MONEY, _WHOLE, _MICRO = Kind.MONEY, Kind.WHOLE, Kind.MICRO
COMPONENTS: Final[dict[str, Component]] = {
    # campaign level of the advertising platforms
    "spend": Component(Supply.ADS, _MONEY),
    "impressions": Component(Supply.ADS, _WHOLE),
    "clicks": Component(Supply.ADS, _WHOLE),
    "ad_conversions": Component(Supply.ADS, _MICRO),
    "ad_value": Component(Supply.ADS, _MONEY),
    "reach": Component(Supply.ADS, _MICRO),  # people, from the rare metrics
    # mail platforms, by day of the order
    "mail_conversions": Component(Supply.MAIL, _MICRO),
    "mail_value": Component(Supply.MAIL, _MONEY),
    # store orders, tests and voided ones out
    "sales_goods": Component(Supply.STORE, _MONEY),  # after discounts
    "sales_charged": Component(Supply.STORE, _MONEY),  # with shipping and tax
    "discounts": Component(Supply.STORE, _MONEY),
    "shipping": Component(Supply.STORE, _MONEY),
    "tax": Component(Supply.STORE, _MONEY),
    "cancelled_orders": Component(Supply.STORE, _WHOLE),
    # the same without cancelled orders
    "orders": Component(Supply.STORE, _WHOLE),
    "items": Component(Supply.STORE, _WHOLE),
    "kept_goods": Component(Supply.STORE, _MONEY),
    "kept_charged": Component(Supply.STORE, _MONEY),
    "kept_discounts": Component(Supply.STORE, _MONEY),
    "new_customers": Component(Supply.STORE, _WHOLE),  # customer's first order ever
    "first_goods": Component(Supply.STORE, _MONEY),
    "first_charged": Component(Supply.STORE, _MONEY),
    "first_discounts": Component(Supply.STORE, _MONEY),
    # by day of the refund
    "returned_goods": Component(Supply.STORE, _MONEY),
    "refunded": Component(Supply.STORE, _MONEY),
}

# People seen on two days or by two campaigns are counted twice: such a sum is refused.
NOT_ADDITIVE: Final = frozenset({"reach"})
Sum = Mapping[str, int]  # component -> factor

# What each part of a metric called revenue, kept_revenue or first_revenue is, by revenue basis.
BASES: Final[dict[str, dict[str, Sum]]] = {
    "net_sales": {
        "revenue": {"sales_goods": 1, "returned_goods": -1},
        "kept_revenue": {"kept_goods": 1},
        "first_revenue": {"first_goods": 1},
    },
    "gross_sales": {
        "revenue": {"sales_goods": 1, "discounts": 1},
        "kept_revenue": {"kept_goods": 1, "kept_discounts": 1},
        "first_revenue": {"first_goods": 1, "first_discounts": 1},
    },
    "total_sales": {
        "revenue": {"sales_charged": 1, "refunded": -1},
        "kept_revenue": {"kept_charged": 1},
        "first_revenue": {"first_charged": 1},
    },
    "order_revenue": {
        "revenue": {"sales_charged": 1},
        "kept_revenue": {"kept_charged": 1},
        "first_revenue": {"first_charged": 1},
    },
}
BASIS_WORDS: Final = {
    "net_sales": "Net sales: goods after discounts, minus goods returned on the day of the refund; "
                 "without shipping, and without tax unless the shop's prices include it.",
    "gross_sales": "Gross sales: goods before discounts and returns.",
    "total_sales": "Total sales: all that was charged with shipping and tax, minus all refunds on "
                   "the day of the refund.",
    "order_revenue": "Order revenue: all that was charged with shipping and tax, before refunds.",
}
BASIS_TITLES: Final = {
    "net_sales": "net sales", "gross_sales": "gross sales", "total_sales": "total sales",
    "order_revenue": "order revenue",
}
# Sums over the kinds of platform that are connected: one that is not there is not missing.
CLAIMS: Final[dict[str, Sum]] = {
    "claimed_value": {"ad_value": 1, "mail_value": 1},
    "claimed_conversions": {"ad_conversions": 1, "mail_conversions": 1},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """`over` divided by `under` (nothing: 1), times `times`."""

    key: str
    title: str
    unit: Unit
    better: Better
    over: Sum
    under: Sum | None = None
    times: int = 1
    formula: str  # for people
    definition: str
    additive: bool = True  # false: a total is not the sum of its rows
    attributed: bool = False  # platform-reported: an attribution setting belongs to it
    uses_basis: bool = False  # the organization's revenue basis belongs to it

    @property
    def parts(self) -> frozenset[str]:
        """Names of the components and basis parts it needs."""
        return frozenset({*self.over, *(self.under or {})})


def _metric(  # noqa: PLR0917 - reads as a table row
    key: str, title: str, unit: Unit, better: Better, over: str | Sum, under: str = "",
    *, formula: str, definition: str, times: int = 1, attributed: bool = False,
    uses_basis: bool = False,
) -> Metric:
    return Metric(
        key=key, title=title, unit=unit, better=better, times=times,
        over={over: 1} if isinstance(over, str) else over, under={under: 1} if under else None,
        formula=formula, definition=definition, attributed=attributed,
        additive=not under and not NOT_ADDITIVE & ({over} if isinstance(over, str) else {*over}),
        uses_basis=uses_basis,
    )


_M, _R, _S, _C = Unit.MONEY, Unit.RATIO, Unit.SHARE, Unit.COUNT
_UP, _DOWN, _NEUTRAL = Better.UP, Better.DOWN, Better.NEUTRAL

_ADS: Final = (
    _metric("spend", "Spend", _M, _NEUTRAL, "spend", formula="spend",
            definition="Cost of delivery as the platforms report it, without tax and agency fee."),
    _metric("impressions", "Impressions", _C, _NEUTRAL, "impressions", formula="impressions",
            definition="How often ads were shown."),
    _metric("clicks", "Clicks", _C, _UP, "clicks", formula="clicks",
            definition="All clicks on ads, as each platform counts them."),
    _metric("ctr", "CTR", _S, _UP, "clicks", "impressions", formula="clicks / impressions",
            definition="Share of impressions that were clicked; all clicks."),
    _metric("cpc", "CPC", _M, _DOWN, "spend", "clicks", formula="spend / clicks",
            definition="Cost of one click; all clicks."),
    _metric("cpm", "CPM", _M, _DOWN, "spend", "impressions", times=1000,
            formula="spend / impressions x 1,000",
            definition="Cost of a thousand impressions."),
    _metric("ad_conversions", "Claimed conversions, ads", _C, _UP, "ad_conversions",
            formula="sum of platform claims", attributed=True,
            definition="Conversions the advertising platforms attribute to themselves. They "
                       "overlap, so their sum is not the number of orders."),
    _metric("ad_value", "Claimed revenue, ads", _M, _UP, "ad_value",
            formula="sum of platform claims", attributed=True,
            definition="Revenue the advertising platforms attribute to themselves; claims "
                       "overlap."),
    _metric("cvr", "CVR (click)", _S, _UP, "ad_conversions", "clicks",
            formula="claimed conversions / clicks", attributed=True,
            definition="Claimed conversions per click. A store's orders per session is another "
                       "metric."),
    _metric("cpa", "CPA", _M, _DOWN, "spend", "ad_conversions",
            formula="spend / claimed conversions", attributed=True,
            definition="Cost of one conversion as the platforms attribute them."),
    _metric("roas", "ROAS (platform)", _R, _UP, "ad_value", "spend",
            formula="claimed revenue / spend", attributed=True,
            definition="Revenue claimed by the platform per unit of spend."),
)
_PEOPLE: Final = (
    _metric("reach", "Reach", _C, _NEUTRAL, "reach", formula="people reached",
            definition="People who saw an ad at least once, for one campaign on one day. It does "
                       "not add up over days or campaigns."),
    _metric("frequency", "Frequency", _R, _NEUTRAL, "impressions", "reach",
            formula="impressions / reach",
            definition="How often a person saw an ad of one campaign on one day."),
)
_CLAIMED: Final = (
    _metric("claimed_conversions", "Sum of platform claims", _C, _UP, "claimed_conversions",
            formula="claims of ads + claims of mail", attributed=True,
            definition="Conversions claimed by all platforms together; claims overlap."),
    _metric("claimed_value", "Claimed revenue", _M, _UP, "claimed_value",
            formula="claims of ads + claims of mail", attributed=True,
            definition="Revenue claimed by all platforms together; claims overlap."),
    _metric("mail_value", "Claimed revenue, mail", _M, _UP, "mail_value",
            formula="sum of platform claims", attributed=True,
            definition="Revenue the mail platform attributes to its messages, by day of the "
                       "order."),
    _metric("claim_ratio", "Claim ratio", _R, _NEUTRAL, "claimed_value", "revenue",
            formula="claimed revenue / store revenue", attributed=True, uses_basis=True,
            definition="Revenue claimed by all platforms per unit of store revenue. Above 1 the "
                       "claims overlap for certain; that is no error."),
)
_STORE: Final = (
    _metric("revenue", "Revenue", _M, _UP, "revenue", formula="by the revenue basis",
            uses_basis=True, definition="Store revenue. Test and voided orders are left out."),
    _metric("net_sales", "Net sales", _M, _UP, BASES["net_sales"]["revenue"],
            formula="goods - discounts - returned goods", definition=BASIS_WORDS["net_sales"]),
    _metric("gross_sales", "Gross sales", _M, _UP, BASES["gross_sales"]["revenue"],
            formula="goods before discounts", definition=BASIS_WORDS["gross_sales"]),
    _metric("total_sales", "Total sales", _M, _UP, BASES["total_sales"]["revenue"],
            formula="charged - refunded", definition=BASIS_WORDS["total_sales"]),
    _metric("order_revenue", "Order revenue", _M, _UP, BASES["order_revenue"]["revenue"],
            formula="charged", definition=BASIS_WORDS["order_revenue"]),
    _metric("discounts", "Discounts", _M, _NEUTRAL, "discounts", formula="discounts",
            definition="Discounts given on orders."),
    _metric("shipping", "Shipping charged", _M, _NEUTRAL, "shipping", formula="shipping",
            definition="Shipping charged to customers."),
    _metric("tax", "Tax charged", _M, _NEUTRAL, "tax", formula="tax",
            definition="Tax charged to customers."),
    _metric("refunds", "Refunds", _M, _DOWN, "refunded", formula="money given back",
            definition="All that was given back, on the day it was given back."),
    _metric("orders", "Orders", _C, _UP, "orders", formula="orders",
            definition="Store orders on their order day. Test, voided and cancelled orders are "
                       "left out."),
    _metric("cancelled_orders", "Cancelled orders", _C, _DOWN, "cancelled_orders",
            formula="cancelled orders", definition="Orders cancelled since, on their order day."),
    _metric("items", "Items sold", _C, _UP, "items", formula="items",
            definition="Pieces on orders that were not cancelled."),
    _metric("aov", "AOV", _M, _UP, "kept_revenue", "orders", uses_basis=True,
            formula="order value / orders",
            definition="Average value of an order by the revenue basis, before returns. Test, "
                       "voided and cancelled orders are left out."),
    _metric("new_customers", "New customers", _C, _UP, "new_customers",
            formula="first orders", definition="Customers whose first order ever in the store "
                                               "falls in the period."),
)
_BLENDED: Final = (
    _metric("blended_roas", "Blended ROAS", _R, _UP, "revenue", "spend", uses_basis=True,
            formula="store revenue / ad spend",
            definition="Store revenue per unit of advertising spend, whoever claims it."),
    _metric("mer", "MER", _R, _UP, "revenue", "spend", uses_basis=True,
            formula="total revenue / total marketing spend",
            definition="Total revenue per unit of all marketing spend that is connected. Higher "
                       "is better. Equals blended ROAS while advertising is the only cost read."),
    _metric("spend_share", "Spend share of revenue", _S, _DOWN, "spend", "revenue",
            uses_basis=True, formula="marketing spend / total revenue",
            definition="Part of revenue that goes into marketing: MER turned round."),
    _metric("new_customer_mer", "New-customer MER", _R, _UP, "first_revenue", "spend",
            uses_basis=True, formula="first-order revenue / total marketing spend",
            definition="Value of customers' first orders per unit of all marketing spend."),
    _metric("cac", "CAC", _M, _DOWN, "spend", "new_customers",
            formula="total marketing spend / new customers",
            definition="Marketing spend per new customer; new means the first order ever in the "
                       "store, not the first in the period."),
)
METRICS: Final[dict[str, Metric]] = {
    m.key: m for m in (*_ADS, *_PEOPLE, *_CLAIMED, *_STORE, *_BLENDED)
}


def resolve(parts: Sum, basis: str) -> dict[str, int]:
    """Components behind a sum, with the parts of the revenue basis put in."""
    table = BASES.get(basis, BASES["net_sales"])
    out: dict[str, int] = {}
    for name, factor in parts.items():
        for part, weight in table.get(name, CLAIMS.get(name, {name: 1})).items():
            out[part] = out.get(part, 0) + factor * weight
    return out
