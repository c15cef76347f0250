"""Rest.li 2.0 queries: structure stays literal, what stands inside is percent-encoded.

A common form encoder would also encode the brackets, and LinkedIn would answer with nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

from liftos_app.errors import Quota
from liftos_app.services.connectors.client import Answer, Client
from liftos_app.services.connectors.paging import dig, walk
from liftos_app.services.connectors.read import listed
from liftos_app.services.connectors.rows import ident, shown


def text(value: object) -> str:
    """A plain value, ready to stand in a query."""
    return quote(str(value), safe="")


def items(values: Iterable[object]) -> str:
    """A list of plain values."""
    return f"List({','.join(text(v) for v in values)})"


def record(**parts: str) -> str:
    """An object of parts that are ready already."""
    return f"({','.join(f'{k}:{v}' for k, v in parts.items())})"


def query(parts: Mapping[str, str]) -> str:
    """A whole query of parts that are ready already."""
    return "&".join(f"{k}={v}" for k, v in parts.items())


def urn(kind: str, number: str) -> str:
    """A URN as LinkedIn writes it: sponsoredAccount, sponsoredCampaignGroup..."""
    return f"urn:li:{kind}:{number}"


def number_of(value: object, kind: str = "") -> str:
    """The number of a URN or of a plain id. Raises ValueError for another kind of thing."""
    if isinstance(value, str) and value.startswith("urn:li:"):
        _, _, found, number = [*value.split(":", 3), "", ""][:4]
        if (kind and found != kind) or not number.isdigit():
            raise ValueError(f"not a {kind or 'numbered'} URN: {shown(value)}")
        return ident(number)
    return ident(value)


def ask(
    client: Client, path: str, parts: Mapping[str, str], *, lane: str = "",
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """GET a resource. A limit that outlasts all tries is the day's: it ends at 00:00 UTC."""
    url = f"/rest{path}?{query(parts)}"
    try:
        return client.get(url, lane=lane, headers=headers)
    except Quota as error:
        if error.after is None:
            error.after = float(str(error.facts.get("midnight") or 3600))
        raise


def pages(
    client: Client, path: str, parts: Mapping[str, str], *, size: int, lane: str = "",
    headers: Mapping[str, str] | None = None,
) -> Iterator[Answer]:
    """All pages of a list with page tokens."""

    def one(token: str) -> Answer:
        more = {"pageToken": text(token)} if token else {}
        asked = {**parts, "pageSize": str(size), **more}
        return ask(client, path, asked, lane=lane, headers=headers)

    yield from walk(one, lambda data: dig(data, "metadata.nextPageToken"), records_of=elements)


def elements(data: Any) -> list[Any]:
    """The records of an answer. Raises GiveUp when there is no list."""
    return listed(dig(data, "elements"))
