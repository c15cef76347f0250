"""Reads the inner query of a bulk job: the platform's restrictions, then a plan that turns nodes
into JSONL lines, children as lines of their own with `__parentId`."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    get_named_type,
    is_composite_type,
    parse,
    validate,
)
from graphql.utilities import value_from_ast_untyped

from liftos_app.services.sandbox.platforms.shopify import guards
from liftos_app.services.sandbox.platforms.shopify.cost import is_list
from liftos_app.services.sandbox.platforms.shopify.paging import Children

MAX_CONNECTIONS, MAX_DEPTH = 5, 2
_IGNORED = frozenset({"first", "last", "after", "before"})


class NotBulk(ValueError):
    """The query may not run as a bulk job; the text says why."""


@dataclass(slots=True)
class Plan:
    """What to read from one kind of node."""

    values: list[tuple[str, str, dict[str, Any], Plan | None]] = field(default_factory=list)
    children: list[tuple[str, dict[str, Any], Plan]] = field(default_factory=list)
    denied: str = ""  # the first field the scopes do not allow

    def lines(self, node: Mapping[str, Any], parent: str | None = None) -> Iterator[dict[str, Any]]:
        """The node and, after it, its children, each with the id of its parent."""
        line = self.project(node)
        if parent is not None:
            line["__parentId"] = parent
        yield line
        for path, args, below in self.children:
            value: Any = node
            for part in path.split("."):
                value = value.get(part) if isinstance(value, dict) else None
            for child in value.every(**args) if isinstance(value, Children) else ():
                yield from below.lines(child, str(node["id"]))

    def project(self, node: Mapping[str, Any]) -> dict[str, Any]:
        """The node's own values, nested objects and plain lists included."""
        line: dict[str, Any] = {}
        for key, name, args, inner in self.values:
            value = node.get(name)
            if callable(value):
                value = value(**args)
            if inner is not None:
                if isinstance(value, list):
                    value = [inner.project(item) for item in value]
                elif value is not None:
                    value = inner.project(value)
            line[key] = value
        return line


@dataclass(frozen=True, slots=True)
class Inner:
    """The root connection of a bulk job and the plan of its nodes."""

    name: str
    args: dict[str, Any]
    plan: Plan

    @property
    def denied(self) -> str:
        """The field that ends the job with ACCESS_DENIED, empty when none."""
        return self.plan.denied


def read(schema: GraphQLSchema, text: str, scopes: Collection[str]) -> Inner:
    """Check and plan. Raises NotBulk."""
    try:
        document = parse(text, max_tokens=20_000)
    except (GraphQLError, RecursionError) as error:
        raise NotBulk(f"Invalid bulk query: {getattr(error, 'message', 'too deep')}") from None
    try:
        faults = validate(schema, document)
    except RecursionError:
        raise NotBulk("Invalid bulk query: too deep") from None
    if faults:
        raise NotBulk(f"Invalid bulk query: {faults[0].message}")
    operations = [d for d in document.definitions if isinstance(d, OperationDefinitionNode)]
    if len(operations) != 1 or operations[0].operation.value != "query":
        raise NotBulk("Bulk queries must contain exactly one query operation.")
    fragments = {
        d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)
    }
    return _Reader(schema, fragments, scopes).root(operations[0])


@dataclass(slots=True)
class _Reader:
    schema: GraphQLSchema
    fragments: Mapping[str, FragmentDefinitionNode]
    scopes: Collection[str]
    connections: int = 0
    denied: str = ""

    def root(self, operation: OperationDefinitionNode) -> Inner:
        query = self.schema.query_type
        fields = list(self.fields(operation.selection_set))
        if query is None or len(fields) != 1 or not self.is_connection(query, fields[0]):
            raise NotBulk(
                "Bulk queries must contain exactly one top-level field, and it must be a "
                "connection."
            )
        self.guard(query, fields[0])
        plan = self.connection(query, fields[0], depth=0)
        plan.denied = self.denied
        return Inner(fields[0].name.value, self.args(fields[0]), plan)

    def connection(self, parent: GraphQLObjectType, node: FieldNode, depth: int) -> Plan:
        self.connections += 1
        if self.connections > MAX_CONNECTIONS:
            raise NotBulk(f"Bulk queries cannot contain more than {MAX_CONNECTIONS} connections.")
        if depth > MAX_DEPTH:
            raise NotBulk(
                f"Bulk queries cannot contain connections nested deeper than {MAX_DEPTH} levels."
            )
        type_ = self.type_of(parent, node)
        item_type = get_named_type(type_.fields["nodes"].type)
        assert isinstance(item_type, GraphQLObjectType)  # noqa: S101 - our own schema
        plan = Plan()
        for child in self.fields(node.selection_set):
            if child.name.value == "nodes":
                self.fill(plan, item_type, child.selection_set, depth)
            elif child.name.value == "edges":
                for edge in self.fields(child.selection_set):
                    if edge.name.value == "node":
                        self.fill(plan, item_type, edge.selection_set, depth)
        if not plan.values and not plan.children:
            raise NotBulk("Bulk queries must select nodes, or edges with their node.")
        if plan.children and not any(name == "id" for _, name, _, _ in plan.values):
            raise NotBulk("The parent of a nested connection must select its id field.")
        return plan

    def fill(
        self, plan: Plan, type_: GraphQLObjectType, selections: SelectionSetNode | None, depth: int
    ) -> None:
        for child in self.fields(selections):
            name = child.name.value
            key = child.alias.value if child.alias else name
            if name == "__typename":
                continue
            self.guard(type_, child)
            if self.is_connection(type_, child):
                inner = self.connection(type_, child, depth + 1)
                plan.children.append((name, self.args(child), inner))
                continue
            named = get_named_type(type_.fields[name].type)
            nested: Plan | None = None
            if is_composite_type(named):
                nested = Plan()
                assert isinstance(named, GraphQLObjectType)  # noqa: S101 - no unions in the schema
                self.fill(nested, named, child.selection_set, depth)
                if nested.children and is_list(type_.fields[name].type):
                    raise NotBulk(
                        "Queries that contain a connection field within a list field "
                        "are not supported."
                    )
                plan.children += [
                    (f"{name}.{inner}", args, below) for inner, args, below in nested.children
                ]
                nested.children = []
            plan.values.append((key, name, self.args(child), nested))

    def guard(self, type_: GraphQLObjectType, node: FieldNode) -> None:
        if guards.refusal(type_.name, node.name.value, self.scopes) and not self.denied:
            self.denied = node.name.value

    def is_connection(self, type_: GraphQLObjectType, node: FieldNode) -> bool:
        return self.type_of(type_, node).name.endswith("Connection")

    def type_of(self, type_: GraphQLObjectType, node: FieldNode) -> GraphQLObjectType:
        named = get_named_type(type_.fields[node.name.value].type)
        return named if isinstance(named, GraphQLObjectType) else type_

    def args(self, node: FieldNode) -> dict[str, Any]:
        return {
            a.name.value: value_from_ast_untyped(a.value)
            for a in node.arguments or ()
            if a.name.value not in _IGNORED
        }

    def fields(self, selections: SelectionSetNode | None) -> Iterator[FieldNode]:
        for item in selections.selections if selections else ():
            if isinstance(item, FieldNode):
                yield item
            elif isinstance(item, InlineFragmentNode):
                yield from self.fields(item.selection_set)
            elif isinstance(item, FragmentSpreadNode):
                yield from self.fields(self.fragments[item.name.value].selection_set)
