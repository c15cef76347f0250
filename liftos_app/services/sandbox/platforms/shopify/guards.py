"""Field-level access: which scope a field needs, and how the platform says no."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from graphql import GraphQLError, GraphQLResolveInfo

SCOPES: dict[tuple[str, str], str] = {
    ("QueryRoot", "orders"): "read_orders",
    ("QueryRoot", "order"): "read_orders",
    ("QueryRoot", "ordersCount"): "read_orders",
    ("QueryRoot", "abandonedCheckouts"): "read_orders",
    ("QueryRoot", "products"): "read_products",
    ("QueryRoot", "product"): "read_products",
    ("QueryRoot", "productVariants"): "read_products",
    ("QueryRoot", "productVariant"): "read_products",
    ("QueryRoot", "customers"): "read_customers",
    ("QueryRoot", "customer"): "read_customers",
    ("QueryRoot", "shopifyqlQuery"): "read_reports",
    ("Order", "customer"): "read_customers",
    ("AbandonedCheckout", "customer"): "read_customers",
    ("LineItem", "product"): "read_products",
    ("LineItem", "variant"): "read_products",
}
PROTECTED = frozenset(
    {
        ("Order", "email"),
        ("Order", "phone"),
        ("Order", "clientIp"),
        ("Order", "note"),
    }
)  # personal data of level 2: no app of the sandbox is approved for it


def refusal(parent: str, name: str, scopes: Collection[str]) -> GraphQLError | None:
    """Why a field may not be read with these scopes; None when it may."""
    if (parent, name) in PROTECTED:
        return GraphQLError(
            f"This app is not approved to read the protected customer field {name}.",
            extensions={
                "code": "ACCESS_DENIED",
                "documentation": "https://shopify.dev/docs/apps/launch/protected-customer-data",
            },
        )
    needed = SCOPES.get((parent, name))
    if needed is None or needed in scopes:
        return None
    access = f"`{needed}` access scope."
    return GraphQLError(
        f"Access denied for {name} field. Required access: {access}",
        extensions={
            "code": "ACCESS_DENIED",
            "documentation": "https://shopify.dev/api/usage/access-scopes",
            "requiredAccess": access,
        },
    )


def resolver(scopes: Collection[str]) -> Callable[..., Any]:
    """A field resolver: guards first, then the key of the dictionary, called when it is lazy."""
    checked: dict[tuple[str, str], bool] = {}

    def resolve(source: Any, info: GraphQLResolveInfo[Any], **args: Any) -> Any:
        place = (info.parent_type.name, info.field_name)
        if place in SCOPES or place in PROTECTED:
            if place not in checked:
                checked[place] = refusal(*place, scopes) is None
            if not checked[place]:
                raise refusal(*place, scopes) or GraphQLError("Access denied.")
        value = source.get(info.field_name) if isinstance(source, dict) else None
        return value(**args) if callable(value) else value

    return resolve
