"""One GraphQL request: parse, validate, price, pay, run. Always HTTP 200."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLError,
    GraphQLSchema,
    GraphQLSyntaxError,
    OperationDefinitionNode,
    execute_sync,
    parse,
    validate,
)
from graphql.utilities import value_from_ast_untyped

from liftos_app.services.sandbox.platforms.shopify import cost, guards

MAX_TOKENS = 20_000
LIMITS_PAGE = "https://shopify.dev/api/usage/rate-limits"


@dataclass(frozen=True, slots=True)
class Asked:
    """The three parts of a GraphQL request."""

    query: str
    variables: Mapping[str, Any]
    operation_name: str | None = None


@dataclass(frozen=True, slots=True)
class Runtime:
    """What a request runs against."""

    schema: GraphQLSchema
    root: Mapping[str, Any]
    scopes: frozenset[str]
    bucket: cost.Bucket
    seconds: float  # now, on the sandbox's clock
    throttle: float | None = None  # refuse, with points for the query back after these seconds


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A query text that was read once: valid with its prices by operation name, or refused."""

    document: DocumentNode | None
    prices: Mapping[str | None, tuple[OperationDefinitionNode, cost.Price]]
    errors: tuple[dict[str, Any], ...] = ()


def run(asked: Asked, at: Runtime) -> dict[str, Any]:
    """The body of the answer."""
    ready = _prepared(at.schema, asked.query)
    if ready.document is None:
        return {"errors": list(ready.errors)}
    chosen = ready.prices.get(asked.operation_name)
    if chosen is None:
        missing = GraphQLError(
            f'No operation named "{asked.operation_name}"'
            if asked.operation_name
            else "An operation name is required"
        )
        return {"errors": [_with_code(missing, "GRAPHQL_VALIDATION_FAILED")]}
    return _paid(ready.document, *chosen, asked, at)


@lru_cache(maxsize=128)
def _prepared(schema: GraphQLSchema, text: str) -> _Prepared:
    try:
        return _read(schema, text)
    except RecursionError:
        fault = GraphQLError("The query is nested too deeply.")
        return _Prepared(None, {}, (_with_code(fault, "GRAPHQL_PARSE_FAILED"),))


def _read(schema: GraphQLSchema, text: str) -> _Prepared:
    try:
        document = parse(text, max_tokens=MAX_TOKENS)
    except GraphQLSyntaxError as error:
        return _Prepared(None, {}, (_with_code(error, "GRAPHQL_PARSE_FAILED"),))
    faults = validate(schema, document, max_errors=20)
    if faults:
        errors = tuple(_with_code(f, "GRAPHQL_VALIDATION_FAILED") for f in faults)
        return _Prepared(None, {}, errors)
    found: dict[str | None, tuple[OperationDefinitionNode, cost.Price]] = {}
    for operation in document.definitions:
        if isinstance(operation, OperationDefinitionNode):
            name = operation.name.value if operation.name else None
            found[name] = (operation, cost.price(schema, document, operation))
    if len(found) == 1:
        found[None] = next(iter(found.values()))
    return _Prepared(document, found)


def _paid(
    document: DocumentNode, operation: OperationDefinitionNode, price: cost.Price, asked: Asked,
    at: Runtime,
) -> dict[str, Any]:  # fmt: skip
    requested = price.requested(_variables(operation, asked.variables))
    if requested > cost.SINGLE_QUERY_LIMIT:
        return {"errors": [_too_expensive(requested)]}
    if at.throttle is not None:
        at.bucket.drain(requested, at.throttle, at.seconds)
    if at.throttle is not None or not at.bucket.take(requested, at.seconds):
        error = {
            "message": "Throttled",
            "extensions": {"code": "THROTTLED", "documentation": LIMITS_PAGE},
        }
        return {"errors": [error], "extensions": _cost(requested, None, at.bucket)}
    result = execute_sync(
        at.schema,
        document,
        at.root,
        variable_values=dict(asked.variables),
        operation_name=asked.operation_name,
        field_resolver=guards.resolver(at.scopes),
    )
    actual = min(requested, price.actual(result.data))
    at.bucket.give_back(requested - actual)
    return _answer(result, requested, actual, at)


def _answer(result: ExecutionResult, requested: int, actual: int, at: Runtime) -> dict[str, Any]:
    body: dict[str, Any] = {}
    if result.errors:
        body["errors"] = [_with_code(e, "") for e in result.errors]
    if result.data is not None or not _before_execution(result):
        body["data"] = result.data
    body["extensions"] = _cost(requested, actual, at.bucket)
    return body


def _before_execution(result: ExecutionResult) -> bool:
    """Variables that cannot be read are refused before any field is."""
    return bool(result.errors) and all(e.path is None for e in result.errors or ())


def _variables(operation: OperationDefinitionNode, given: Mapping[str, Any]) -> dict[str, Any]:
    """The variables with the defaults of the operation, for pricing."""
    known = dict(given)
    for definition in operation.variable_definitions or ():
        name = definition.variable.name.value
        if name not in known and definition.default_value is not None:
            known[name] = value_from_ast_untyped(definition.default_value)
    return known


def _with_code(error: GraphQLError, code: str) -> dict[str, Any]:
    body: dict[str, Any] = dict(error.formatted)
    extensions = dict(error.extensions or {})
    if code or not extensions:
        extensions.setdefault(
            "code", code or ("INTERNAL_SERVER_ERROR" if error.path else "INVALID_VARIABLE")
        )
    body["extensions"] = extensions
    return body


def _too_expensive(requested: int) -> dict[str, Any]:
    return {
        "message": (
            f"Query cost is {requested}, which exceeds the single query max cost limit "
            f"({cost.SINGLE_QUERY_LIMIT})."
        ),
        "extensions": {
            "code": "MAX_COST_EXCEEDED",
            "cost": requested,
            "maxCost": cost.SINGLE_QUERY_LIMIT,
            "documentation": LIMITS_PAGE,
        },
    }


def _cost(requested: int, actual: int | None, bucket: cost.Bucket) -> dict[str, Any]:
    return {
        "cost": {
            "requestedQueryCost": requested,
            "actualQueryCost": actual,
            "throttleStatus": bucket.status(),
        }
    }
