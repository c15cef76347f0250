"""HubSpot's search, which stops at 10,000 results: walks that never come near that.

Every page asks anew for ids above the last one read, so that neither the limit nor a record that
leaves the result in the middle of a walk can hide another one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from liftos_app.services.connectors.client import Answer, Client
from liftos_app.services.connectors.paging import Steps, dig, lost, walk
from liftos_app.services.connectors.platforms.hubspot.values import at, strange
from liftos_app.services.connectors.platforms.hubspot.version import VERSION
from liftos_app.services.connectors.read import listed

LIMIT = 200
LIST_LIMIT = 100
CAP = 10_000  # results a search hands out
MOST_LINKED = 1_000  # records whose links one request may ask for
ID = "hs_object_id"
Filter = dict[str, str]


def by_id(
    client: Client, kind: str, filters: Sequence[Filter], properties: Sequence[str]
) -> Iterator[Answer]:
    """Every record that fits, by id."""

    def ask(last: str) -> Answer:
        beyond = compare(ID, "GT", last or "0")
        return _ask(client, kind, [*filters, beyond], sort=ID, properties=properties)

    def following(data: Any) -> Any:
        return _last_id(data) if _after(data) else None

    yield from walk(ask, following, records_of=lambda data: dig(data, "results"))


def changed(
    client: Client, kind: str, by: str, *, since: datetime, properties: Sequence[str]
) -> Iterator[Answer]:
    """Every record that changed at a moment or later; `by` is the property of the last change.

    The moment of the newest change is looked up before the walk, which goes no further: what
    changes meanwhile is left for the next reading.
    """
    low, steps = millis(since), Steps()
    while True:
        filters = [compare(by, "GTE", str(low))]
        first = _ask(client, kind, filters, sort=by, properties=properties)
        if not _after(first.data):
            yield first
            return
        total = _total(first.data)
        edge = _ask(
            client, kind, filters, sort=by, properties=[by], limit=1, after=min(total, CAP) - 1
        )
        found = listed(dig(edge.data, "results"))
        if not found:  # some of them were changed again just now
            steps.page(listed(dig(first.data, "results")))
            continue
        high = millis(_time(found[0], by))
        steps.to(high)
        yield from by_id(client, kind, [*filters, compare(by, "LTE", str(high))], properties)
        if total <= CAP:
            return
        low = high + 1


def archived(client: Client, kind: str, properties: Sequence[str]) -> Iterator[Answer]:
    """Every record that was deleted and is still in the bin, which keeps them 90 days."""
    params = [("archived", "true"), ("limit", str(LIST_LIMIT))]
    params += [("properties", name) for name in properties]
    yield from listing(client, f"/crm/objects/{VERSION}/{kind}", params)


def listing(client: Client, path: str, params: Sequence[tuple[str, str]]) -> Iterator[Answer]:
    """All pages of a plain list; names may come more than once."""

    def ask(after: str) -> Answer:
        return client.get(path, params=[*params, ("after", after)] if after else params)

    yield from walk(ask, _after, records_of=lambda data: dig(data, "results"))


def links(client: Client, kind: str, to: str, ids: Sequence[str]) -> dict[str, str]:
    """The main record of another kind that each of these belongs to, where there is one."""
    found: dict[str, str] = {}
    path = f"/crm/associations/{VERSION}/{kind}/{to}/batch/read"
    for start in range(0, len(ids), MOST_LINKED):
        inputs = [{"id": i} for i in ids[start : start + MOST_LINKED]]
        data = client.post(path, json={"inputs": inputs}).data
        try:
            for result in listed(dig(data, "results")):
                ends = sorted(listed(result.get("to")), key=_rank)
                if ends:
                    found[str(result["from"]["id"])] = str(ends[0]["toObjectId"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise strange("A link between records does not say what it links.") from error
    return found


def compare(name: str, operator: str, value: str) -> Filter:
    """One condition of a search."""
    return {"propertyName": name, "operator": operator, "value": value}


def millis(moment: datetime) -> int:
    """A time as searches want it."""
    return int(moment.timestamp() * 1000)


def _ask(
    client: Client,
    kind: str,
    filters: Sequence[Filter],
    *,
    sort: str,
    properties: Sequence[str],
    limit: int = 0,
    after: int = 0,
) -> Answer:
    body = {
        "filterGroups": [{"filters": list(filters)}],
        "sorts": [sort],
        "properties": list(properties),
        "limit": limit or LIMIT,
        "after": str(after),
    }
    return client.post(f"/crm/objects/{VERSION}/{kind}/search", json=body, lane="search")


def _after(data: Any) -> Any:
    """Where the next page begins; None after the last. Raises GiveUp when it is not said."""
    if dig(data, "paging.next") is None:
        return None
    if not dig(data, "paging.next.after"):
        raise lost()
    return dig(data, "paging.next.after")


def _last_id(data: Any) -> str:
    ids = [str(r.get("id")) for r in listed(dig(data, "results")) if isinstance(r, dict)]
    numbers = [int(i) for i in ids if i.isdecimal()]
    if not numbers:
        raise strange("It says that there is more, but its records have no numbers.")
    return str(max(numbers))


def _total(data: Any) -> int:
    found = data.get("total") if isinstance(data, dict) else None
    if type(found) is not int or found < 1:
        raise strange("It says that there is more, but not how many.")
    return found


def _time(record: Any, name: str) -> datetime:
    try:
        return at(record["properties"][name])
    except (KeyError, TypeError, ValueError) as error:
        raise strange(f"A record does not say when it was changed ({name}).") from error


def _rank(end: Any) -> tuple[bool, int]:
    """Primary ones first, then the oldest."""
    labels = [t.get("label") for t in end.get("associationTypes") or () if isinstance(t, dict)]
    return not any(str(label).lower().startswith("primary") for label in labels), int(
        end["toObjectId"]
    )
