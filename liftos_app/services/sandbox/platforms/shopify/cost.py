"""The calculated query cost and the leaky bucket it is paid from.

Documented rule: a scalar or enum costs nothing, an object 1, a connection is sized by `first` or
`last`. Values without an identity of their own (money, page info, UTM, plan, domain) are free here:
the per-field prices are not published, and this choice gives the documented totals for the shop
query (3) and the order page (about 400 for 50 orders).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLList,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    get_named_type,
    is_composite_type,
)
from graphql.utilities import value_from_ast_untyped

SINGLE_QUERY_LIMIT = 1000
CONNECTION_BASE = 2
MUTATION_BASE = 10
FREE = frozenset(
    {
        "MoneyBag",
        "MoneyV2",
        "PageInfo",
        "UTMParameters",
        "Count",
        "Domain",
        "ShopPlan",
        "OrderAttribution",
        "OrderApp",
        "UserError",
        "BulkOperationUserError",
        "TransactionFee",
        "BulkOperationRunQueryPayload",
        "BulkOperationCancelPayload",
    }
)
_LIST_SIZE = 1  # a plain list without `first` is priced as one object, like accessScopes


@dataclass(slots=True)
class Pricer:
    """Prices one operation, before it runs (`requested`) and after (`actual`)."""

    schema: GraphQLSchema
    operation: OperationDefinitionNode
    fragments: Mapping[str, FragmentDefinitionNode]
    variables: Mapping[str, object]

    def requested(self) -> int:
        """The most the query can cost."""
        return max(1, self._root(None))

    def actual(self, data: object) -> int:
        """What the returned objects cost."""
        return max(1, self._root(data if isinstance(data, dict) else {}))

    def _root(self, data: dict[str, Any] | None) -> int:
        is_mutation = self.operation.operation.value == "mutation"
        root = self.schema.mutation_type if is_mutation else self.schema.query_type
        if root is None:
            return 0
        base = MUTATION_BASE if is_mutation else 0
        return base + self._selections(self.operation.selection_set, root, data)

    def _selections(
        self, selections: SelectionSetNode | None, parent: GraphQLNamedType, data: Any
    ) -> int:
        total = 0
        for node in selections.selections if selections else ():
            if isinstance(node, FieldNode):
                total += self._field(node, parent, data)
            elif isinstance(node, InlineFragmentNode):
                total += self._selections(node.selection_set, self._narrow(node, parent), data)
            elif isinstance(node, FragmentSpreadNode) and node.name.value in self.fragments:
                spread = self.fragments[node.name.value]
                total += self._selections(spread.selection_set, self._narrow(spread, parent), data)
        return total

    def _narrow(
        self, node: InlineFragmentNode | FragmentDefinitionNode, parent: GraphQLNamedType
    ) -> GraphQLNamedType:
        if node.type_condition is None:
            return parent
        return self.schema.type_map.get(node.type_condition.name.value, parent)

    def _field(self, node: FieldNode, parent: GraphQLNamedType, data: Any) -> int:
        definition = getattr(parent, "fields", {}).get(node.name.value)
        named = get_named_type(definition.type) if definition else None
        if definition is None or named is None or not is_composite_type(named):
            return 0
        key = node.alias.value if node.alias else node.name.value
        value = data.get(key) if isinstance(data, dict) else None
        if data is not None and value is None:
            return 0
        if named.name.endswith("Connection") and isinstance(named, GraphQLObjectType):
            size = 1 if isinstance(value, dict) else self._size(node) or 0
            return CONNECTION_BASE + size * self._items(node.selection_set, named, value)
        own = 0 if named.name in FREE or named.name.endswith("Edge") else 1
        if not is_list(definition.type):
            return own + self._selections(node.selection_set, named, value)
        if isinstance(value, list):
            return sum(own + self._selections(node.selection_set, named, v) for v in value if v)
        size = self._size(node) or _LIST_SIZE
        return size * (own + self._selections(node.selection_set, named, None))

    def _items(
        self, selections: SelectionSetNode | None, named: GraphQLObjectType, value: Any
    ) -> int:
        """Price of `nodes` and `edges`: of one item when `value` is None, else of what is there."""
        total = 0
        for child in selections.selections if selections else ():
            if isinstance(child, FieldNode) and child.name.value in {"nodes", "edges"}:
                total += self._field(child, named, value)
            elif isinstance(child, (InlineFragmentNode, FragmentSpreadNode)):
                inner = (
                    child
                    if isinstance(child, InlineFragmentNode)
                    else self.fragments.get(child.name.value)
                )
                if inner is not None:
                    total += self._items(inner.selection_set, named, value)
        return total

    def _size(self, node: FieldNode) -> int | None:
        for argument in node.arguments or ():
            if argument.name.value in {"first", "last"}:
                number = value_from_ast_untyped(argument.value, dict(self.variables))
                if isinstance(number, int) and not isinstance(number, bool):
                    return max(0, number)
        return None


def pricer(
    schema: GraphQLSchema,
    document: DocumentNode,
    operation: OperationDefinitionNode,
    variables: Mapping[str, object],
) -> Pricer:
    """A pricer for one operation of a document."""
    fragments = {
        d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)
    }
    return Pricer(schema, operation, fragments, variables)


def is_list(type_: object) -> bool:
    """Whether a type is a list, non-null or not."""
    while isinstance(type_, GraphQLNonNull):
        type_ = type_.of_type
    return isinstance(type_, GraphQLList)


@dataclass(slots=True)
class Bucket:
    """Points of one app on one shop; refills at `rate` points per second up to `size`."""

    size: float
    rate: float
    level: float = field(default=-1.0)
    at: float = field(default=0.0)

    def refill(self, now: float) -> None:
        """Bring the level up to `now`, in seconds."""
        if self.level < 0:
            self.level = self.size
        elif now > self.at:
            self.level = min(self.size, self.level + (now - self.at) * self.rate)
        self.at = max(self.at, now)

    def take(self, points: float, now: float) -> bool:
        """Pay `points` if the level allows it."""
        self.refill(now)
        if points > self.level:
            return False
        self.level -= points
        return True

    def give_back(self, points: float) -> None:
        """Return what a query asked for and did not use."""
        self.level = min(self.size, self.level + max(0.0, points))

    def status(self) -> dict[str, float | int]:
        """The throttleStatus object of an answer."""
        return {
            "maximumAvailable": float(self.size),
            "currentlyAvailable": int(self.level),
            "restoreRate": float(self.rate),
        }
