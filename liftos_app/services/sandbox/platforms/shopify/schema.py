"""The executable schema: our SDL, assembled once per process and version."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from graphql import GraphQLScalarType, GraphQLSchema, build_schema

from liftos_app.services.sandbox.platforms.shopify.sdl_orders import ORDERS_SDL
from liftos_app.services.sandbox.platforms.shopify.sdl_shop import SHOP_SDL

_PAGE = "after: String, before: String, first: Int, last: Int"
_FIND = "query: String, reverse: Boolean = false"
_CONNECTED = (
    "Order",
    "Product",
    "ProductVariant",
    "Customer",
    "LineItem",
    "RefundLineItem",
    "OrderTransaction",
    "AbandonedCheckout",
    "BulkOperation",
)


def sdl() -> str:
    """The whole schema text."""
    text = (SHOP_SDL + ORDERS_SDL).replace("%PAGE%", _PAGE).replace("%FIND%", _FIND)
    return text + "".join(_connection(name) for name in _CONNECTED)


def _connection(name: str) -> str:
    return (
        f"type {name}Edge {{ cursor: String!  node: {name}! }}\n"
        f"type {name}Connection {{\n  edges: [{name}Edge!]!\n  nodes: [{name}!]!\n"
        "  pageInfo: PageInfo!\n}\n"
    )


@lru_cache(maxsize=2)
def schema(*, has_attribution: bool = True) -> GraphQLSchema:
    """The schema with its type resolver; field values are plain keys of plain dictionaries.

    `Order.attribution` exists from 2026-07 on.
    """
    text = sdl() if has_attribution else sdl().replace("  attribution: OrderAttribution\n", "")
    built = build_schema(text, assume_valid=True)
    node = built.type_map["Node"]
    node.resolve_type = _type_name  # type: ignore[attr-defined]
    for name in ("UnsignedInt64", "Decimal", "Money"):
        scalar = built.type_map[name]
        if isinstance(scalar, GraphQLScalarType):
            scalar.serialize = str  # type: ignore[assignment]
    return built


def _type_name(value: Any, *_: object) -> str | None:
    gid = value.get("id") if isinstance(value, dict) else None
    return type_of(gid) if isinstance(gid, str) else None


def gid(kind: str, number: int | str) -> str:
    """A global id."""
    return f"gid://shopify/{kind}/{number}"


def type_of(value: str) -> str | None:
    """The type a global id names, None when it is not one of ours."""
    parts = value.split("/")
    known: Sequence[str] = (
        "Order",
        "Product",
        "ProductVariant",
        "Customer",
        "LineItem",
        "Refund",
        "OrderTransaction",
        "AbandonedCheckout",
        "BulkOperation",
        "Shop",
        "App",
        "AppInstallation",
        "CustomerVisit",
        "TransactionFee",
    )
    return (
        parts[3]
        if len(parts) == 5 and parts[:3] == ["gid:", "", "shopify"] and (parts[3] in known)
        else None
    )


def number_of(value: str, kind: str) -> int | None:
    """The number in a global id of one kind, None when it is another kind or no number."""
    tail = value.rsplit("/", 1)[-1]
    return int(tail) if type_of(value) == kind and tail.isdecimal() and len(tail) < 19 else None
