"""Queries to one shop, and reading single values of its answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from liftos_app.services.connectors.client import Answer, Client
from liftos_app.services.connectors.paging import lost
from liftos_app.services.connectors.platforms.shopify.errors import (
    TooCostly,
    refused_fields,
    refused_paths,
)
from liftos_app.services.connectors.platforms.shopify.version import VERSION
from liftos_app.services.connectors.rows import ident, micros

PATH = f"/admin/api/{VERSION}/graphql.json"


def ask(client: Client, query: str, variables: Mapping[str, Any] | None = None) -> Answer:
    """One query. Raises errors.*; single refused fields are told by `notes`."""
    body: dict[str, Any] = {"query": query}
    if variables:
        body["variables"] = dict(variables)
    return client.post(PATH, json=body)


def ask_sized(
    client: Client, query: str, variables: Mapping[str, Any], *, kind: str, first: int
) -> Answer:
    """A query with `$first`, lowered as far as the shop's limits need; what works is remembered."""
    key = f"shopify.first.{kind}"
    size = int(client.kept.get(key, first))
    while True:
        try:
            answer = ask(client, query, {**variables, "first": size})
        except TooCostly:
            if size <= 1:
                raise
            size = max(1, size // 2)
            client.kept[key] = size
        else:
            return answer


def next_cursor(connection: Mapping[str, Any]) -> str | None:
    """Where the next page of a connection begins; None after the last. Raises GiveUp."""
    info = connection.get("pageInfo") or {}
    if not info.get("hasNextPage"):
        return None
    if not info.get("endCursor"):
        raise lost()
    return str(info["endCursor"])


def refused(answer: Answer, root: str) -> frozenset[str]:
    """The fields of the records under `root` that Shopify did not let us read in an answer."""
    paths = (p.split(".") for p in refused_paths(answer.data))
    return frozenset(p[1] for p in paths if len(p) == 2 and p[0] == root)


def notes(client: Client, answer: Answer) -> tuple[str, ...]:
    """What a person should know about an answer, each sentence once per client."""
    found = list(refused_fields(answer.data))
    served = answer.headers.get("x-shopify-api-version", "")
    if served and served != VERSION:
        found.append(f"Shopify answered with version {served[:20]} instead of {VERSION}.")
    told: set[str] = client.kept.setdefault("shopify.told", set())
    fresh = tuple(n for n in found if n not in told)
    told.update(fresh)
    return fresh


def short(gid: Any, length: int = 80) -> str:
    """The number of `gid://shopify/Order/123`. Raises ValueError."""
    return ident(str(gid).rpartition("/")[2].partition("?")[0] if gid is not None else None, length)


def money(bag: Any) -> int:
    """A MoneyBag in micro-units of the shop's currency. Raises for a missing one."""
    return micros(bag["shopMoney"]["amount"])


def money_or_zero(bag: Any) -> int:
    """A MoneyBag that Shopify may leave out where nothing applies."""
    return 0 if bag is None else money(bag)
