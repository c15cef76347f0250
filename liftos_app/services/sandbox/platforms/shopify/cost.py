"""The calculated query cost and the leaky bucket it is paid from.

Documented rule: a scalar or enum costs nothing, an object 1, a connection is sized by `first` or
`last`. Values without an identity of their own (money, page info, UTM, plan, domain) are free here:
the per-field prices are not published, and this choice gives the documented totals for the shop
query (3) and the order page (about 400 for 50 orders).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
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
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    ValueNode,
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


@dataclass(frozen=True, slots=True)
class Part:
    """One selected field that returns objects. `kind`: object, list or connection."""

    key: str
    own: int
    kind: str
    size: ValueNode | None
    parts: tuple[Part, ...]

    def requested(self, variables: Mapping[str, Any]) -> int:
        """The most it can cost."""
        inside = sum(part.requested(variables) for part in self.parts)
        if self.kind == "connection":
            return CONNECTION_BASE + (self._size(variables) or 0) * inside
        if self.kind == "list":
            return (self._size(variables) or _LIST_SIZE) * (self.own + inside)
        return self.own + inside

    def actual(self, value: Any) -> int:
        """What the returned value costs."""
        if value is None:
            return 0
        if self.kind == "list":
            return sum(self._object(item) for item in value if item is not None)
        return (CONNECTION_BASE if self.kind == "connection" else 0) + self._object(value)

    def _object(self, value: Mapping[str, Any]) -> int:
        return self.own + sum(part.actual(value.get(part.key)) for part in self.parts)

    def _size(self, variables: Mapping[str, Any]) -> int | None:
        if self.size is None:
            return None
        number = value_from_ast_untyped(self.size, dict(variables))
        return max(0, number) if isinstance(number, int) else None


@dataclass(frozen=True, slots=True)
class Price:
    """The price of one operation, before it runs (`requested`) and after (`actual`)."""

    base: int
    parts: tuple[Part, ...]

    def requested(self, variables: Mapping[str, Any]) -> int:
        """The most the query can cost."""
        return max(1, self.base + sum(part.requested(variables) for part in self.parts))

    def actual(self, data: Mapping[str, Any] | None) -> int:
        """What the returned objects cost."""
        found = sum(part.actual((data or {}).get(part.key)) for part in self.parts)
        return max(1, self.base + found)


def price(
    schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode
) -> Price:
    """Read the objects an operation selects, once per query text."""
    is_mutation = operation.operation.value == "mutation"
    root = schema.mutation_type if is_mutation else schema.query_type
    fragments = {
        d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)
    }
    reader = _Reader(schema, fragments)
    return Price(
        MUTATION_BASE if is_mutation else 0,
        tuple(reader.parts(operation.selection_set, root)) if root is not None else (),
    )


@dataclass(frozen=True, slots=True)
class _Reader:
    schema: GraphQLSchema
    fragments: Mapping[str, FragmentDefinitionNode]

    def parts(
        self, selections: SelectionSetNode | None, parent: GraphQLNamedType
    ) -> Iterator[Part]:
        for node in selections.selections if selections else ():
            if isinstance(node, FieldNode):
                part = self.field(node, parent)
                if part is not None:
                    yield part
                continue
            inner = (
                self.fragments.get(node.name.value)
                if isinstance(node, FragmentSpreadNode)
                else node
            )
            if isinstance(inner, (InlineFragmentNode, FragmentDefinitionNode)):
                on = inner.type_condition
                narrowed = self.schema.type_map.get(on.name.value, parent) if on else parent
                yield from self.parts(inner.selection_set, narrowed)

    def field(self, node: FieldNode, parent: GraphQLNamedType) -> Part | None:
        definition = getattr(parent, "fields", {}).get(node.name.value)
        named = get_named_type(definition.type) if definition else None
        if definition is None or named is None or not is_composite_type(named):
            return None
        is_connection = named.name.endswith("Connection")
        free = is_connection or named.name in FREE or named.name.endswith("Edge")
        kind = "connection" if is_connection else "list" if is_list(definition.type) else "object"
        sizes = [a.value for a in node.arguments or () if a.name.value in {"first", "last"}]
        return Part(
            node.alias.value if node.alias else node.name.value, 0 if free else 1, kind,
            sizes[0] if sizes else None, tuple(self.parts(node.selection_set, named)),
        )  # fmt: skip


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
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, points: float, now: float) -> bool:
        """Pay `points` if the level allows it. `now` is in seconds."""
        with self.lock:
            self._refill(now)
            if points > self.level:
                return False
            self.level -= points
            return True

    def give_back(self, points: float) -> None:
        """Return what a query asked for and did not use."""
        with self.lock:
            self.level = min(self.size, self.level + max(0.0, points))

    def drain(self, points: float, seconds: float, now: float) -> None:
        """Leave so little that a query of `points` has to wait `seconds`."""
        with self.lock:
            self._refill(now)
            self.level = min(self.level, max(0.0, points - seconds * self.rate))

    def _refill(self, now: float) -> None:
        if self.level < 0:
            self.level = self.size
        elif now > self.at:
            self.level = min(self.size, self.level + (now - self.at) * self.rate)
        self.at = max(self.at, now)

    def status(self) -> dict[str, float | int]:
        """The throttleStatus object of an answer."""
        return {
            "maximumAvailable": float(self.size),
            "currentlyAvailable": int(self.level),
            "restoreRate": float(self.rate),
        }
