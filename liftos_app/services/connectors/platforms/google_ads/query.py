"""Asking Google's query language, page by page or as one stream."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from liftos_app.services.connectors.client import Answer, Client
from liftos_app.services.connectors.paging import walk
from liftos_app.services.connectors.platforms.google_ads.errors import PageExpired
from liftos_app.services.connectors.platforms.google_ads.version import VERSION
from liftos_app.services.connectors.spec import AccountInfo

_RESTARTS = 2


def gaql(resource: str, fields: tuple[str, ...], where: str = "", tail: str = "") -> str:
    """A query. `where` and `tail` are ours; nothing a person typed enters them."""
    text = f"SELECT {', '.join(fields)} FROM {resource}"  # noqa: S608
    if where:
        text += f" WHERE {where}"
    return f"{text} {tail}".rstrip()


def manager_header(manager: str) -> dict[str, str]:
    """The manager through which an account is reached; none for a direct one."""
    return {"login-customer-id": manager} if manager else {}


def manager_of(client: Client, account: AccountInfo) -> str:
    """The manager that discovery found to lead to the account, else the one a person named."""
    found = str(account.extra.get("login_customer_id") or "")
    return found or client.credential.text("login_customer_id")


def search(client: Client, customer: str, query: str, manager: str) -> list[Answer]:
    """All pages of 10,000 rows. When a page token runs out, the query starts again."""

    def ask(token: str) -> Answer:
        body = {"query": query, "pageToken": token} if token else {"query": query}
        return client.post(
            f"/{VERSION}/customers/{customer}/googleAds:search",
            json=body,
            headers=manager_header(manager),
            lane=customer,
        )

    for left in range(_RESTARTS, -1, -1):
        try:
            return list(walk(
                ask, lambda data: data.get("nextPageToken"),
                records_of=lambda data: data.get("results"),
            ))
        except PageExpired:
            if not left:
                raise
    raise AssertionError  # the loop returns or raises


def stream(client: Client, customer: str, query: str, manager: str) -> list[dict[str, Any]]:
    """All rows of a small query in one answer, which is a list of chunks."""
    answer = client.post(
        f"/{VERSION}/customers/{customer}/googleAds:searchStream",
        json={"query": query},
        headers=manager_header(manager),
        lane=customer,
    )
    chunks = answer.data if isinstance(answer.data, list) else [answer.data]
    return [row for chunk in chunks for row in chunk.get("results") or ()]


def columns(answer: Answer) -> frozenset[str]:
    """The fields of an answer: those it names, and what its first row holds beyond them.

    Rows leave out zeros, so the rows alone would seem to lose and gain columns all the time.
    """
    results = answer.data.get("results") or ()
    mask = answer.data.get("fieldMask") or ""
    named = frozenset(part.strip() for part in mask.split(",") if part.strip())
    return named | frozenset(_dotted(results[0])) if results else frozenset()


def _dotted(record: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in record.items():
        if isinstance(value, Mapping):
            yield from _dotted(value, f"{prefix}{name}.")
        elif name != "resourceName":
            yield f"{prefix}{name}"
