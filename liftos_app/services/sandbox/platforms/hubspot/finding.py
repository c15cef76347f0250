"""The search: filter groups, one order, pages by offset, and the wall at 10,000."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from liftos_app.services.sandbox.platforms.hubspot.catalog import PROPERTIES, Property
from liftos_app.services.sandbox.platforms.hubspot.objects import bent, kind_of, shown
from liftos_app.services.sandbox.platforms.hubspot.refusals import Refusal, invalid
from liftos_app.services.sandbox.platforms.hubspot.serve import Asked, endpoint
from liftos_app.services.sandbox.platforms.hubspot.view import shelf

CAP = 10_000
_NEEDED = ("after", "filterGroups", "limit", "properties", "sorts")
_ONE = ("EQ", "NEQ", "LT", "LTE", "GT", "GTE", "CONTAINS_TOKEN", "NOT_CONTAINS_TOKEN")
_MANY, _NONE = ("IN", "NOT_IN"), ("HAS_PROPERTY", "NOT_HAS_PROPERTY")
Values = Mapping[str, str | None]
Test = Callable[[Values], bool]


@endpoint(scope="crm.objects.{kind}.read", search=True)
def search(asked: Asked) -> dict[str, Any]:
    """POST search. Deleted and merged records are not in the index."""
    kind = kind_of(asked.call)
    body = asked.body(*_NEEDED, "query")
    if asked.dated:
        for name in _NEEDED:
            if name not in body:
                raise invalid(f"Some required fields were not set: [{name}]", place="body")
    limit, after = _window(body)
    fits = _groups(body.get("filterGroups", []), PROPERTIES[kind])
    order = _order(body.get("sorts", []), PROPERTIES[kind])
    words = str(body.get("query") or "").lower()
    things = [
        t
        for t in shelf(asked.call, kind).living()
        if fits(t.properties) and (not words or _mentions(t.properties, words))
    ]
    things.sort(key=lambda t: t.id)
    if order is not None:
        name, descending, key = order
        there = [t for t in things if t.properties.get(name) is not None]
        there.sort(key=lambda t: key(t.properties[name]), reverse=descending)
        things = there + [t for t in things if t.properties.get(name) is None]
    rows = bent(asked.call, kind, things)
    page = rows[after : after + limit]
    names = [str(n) for n in body.get("properties") or ()]
    found: dict[str, Any] = {
        "total": len(rows),
        "results": [shown(asked, kind, row, names) for row in page],
    }
    if after + limit < len(rows):
        found["paging"] = {"next": {"after": str(after + limit)}}
    return found


def _window(body: Mapping[str, Any]) -> tuple[int, int]:
    limit = body.get("limit", 10)
    if type(limit) is not int or not 1 <= limit <= 200:
        raise invalid("limit must be a number from 1 to 200.", name="limit", place="body")
    after = "0" if body.get("after") is None else body["after"]
    if not isinstance(after, str) or not after.isdecimal():
        raise invalid("after must be a text of digits.", name="after", place="body")
    if int(after) >= CAP or int(after) + limit > CAP:
        raise Refusal(
            400,
            "VALIDATION_ERROR",
            f"The maximum number of results a search may page through is {CAP}.",
            context={"after": [after]},
        )
    return limit, int(after)


def _groups(groups: Any, known: Mapping[str, Property]) -> Test:
    if not isinstance(groups, list) or len(groups) > 5:
        raise invalid("At most 5 filterGroups are allowed.", name="filterGroups", place="body")
    made: list[list[Test]] = []
    for group in groups:
        filters = group.get("filters") if isinstance(group, dict) else None
        if not isinstance(filters, list) or len(filters) > 10 or set(group) != {"filters"}:
            raise invalid("A filterGroup holds up to 10 filters.", name="filters", place="body")
        made.append([_filter(one, known) for one in filters])
    if sum(map(len, made)) > 25:
        raise invalid("At most 25 filters are allowed.", name="filterGroups", place="body")
    return lambda values: not made or any(all(t(values) for t in tests) for tests in made)


def _filter(one: Any, known: Mapping[str, Property]) -> Test:
    if not isinstance(one, dict):
        raise invalid("A filter must be an object.", name="filters", place="body")
    unknown = set(one) - {"propertyName", "operator", "value", "values", "highValue"}
    name, operator = str(one.get("propertyName")), str(one.get("operator"))
    if unknown or name not in known:
        what = sorted(unknown)[0] if unknown else name
        raise invalid(f"There was a problem with the request: {what}", name="filters", place="body")
    kind = known[name].type
    if operator in _NONE:
        there = operator == "HAS_PROPERTY"
        return lambda values: (values.get(name) not in (None, "")) is there
    if operator in _MANY:
        texts = one.get("values")
        if not isinstance(texts, list) or not texts:
            raise invalid(f"{operator} needs values.", name="values", place="body")
        wanted = {_typed(kind, str(v)) for v in texts}
        inside = operator == "IN"
        return lambda values: (
            values.get(name) is not None and (_typed(kind, values[name]) in wanted) is inside
        )
    if operator == "BETWEEN":
        low, high = _typed(kind, one.get("value")), _typed(kind, one.get("highValue"))
        return lambda values: (
            values.get(name) is not None and low <= _typed(kind, values[name]) <= high
        )
    if operator not in _ONE:
        raise invalid(f"Unknown operator {operator}.", name="operator", place="body")
    if operator.endswith("CONTAINS_TOKEN"):
        pattern = re.compile(re.escape(str(one.get("value"))).replace(r"\*", ".*"), re.IGNORECASE)
        inside = not operator.startswith("NOT")
        return lambda values: bool(pattern.search(values.get(name) or "")) is inside
    return _comparison(name, kind, operator, _typed(kind, one.get("value")))


def _comparison(name: str, kind: str, operator: str, wanted: Any) -> Test:
    compare: Mapping[str, Callable[[Any], bool]] = {
        "EQ": lambda v: bool(v == wanted),
        "NEQ": lambda v: bool(v != wanted),
        "LT": lambda v: bool(v < wanted),
        "LTE": lambda v: bool(v <= wanted),
        "GT": lambda v: bool(v > wanted),
        "GTE": lambda v: bool(v >= wanted),
    }
    fits = compare[operator]

    def test(values: Values) -> bool:
        own = values.get(name)
        if own is None:
            return operator == "NEQ"
        return fits(_typed(kind, own))

    return test


def _typed(kind: str, text: Any) -> Any:
    """A value as it is compared: times in milliseconds, numbers as such, texts in lower case."""
    if not isinstance(text, str):
        raise invalid("A filter needs a value, as text.", name="value", place="body")
    try:
        if kind == "datetime":
            return int(text) if text.lstrip("-").isdecimal() else _millis(text)
        if kind == "number":
            return Decimal(text)
    except (ValueError, InvalidOperation):
        raise invalid(f"{text[:60]} is not a {kind}.", name="value", place="body") from None
    return text.lower()


def _millis(text: str) -> int:
    found = datetime.fromisoformat(text)
    found = found if found.tzinfo else found.replace(tzinfo=UTC)
    return round(found.timestamp() * 1000)


def _order(
    sorts: Any, known: Mapping[str, Property]
) -> tuple[str, bool, Callable[[Any], Any]] | None:
    """One order at most: a name, a name with a dash before it, or an object."""
    if not isinstance(sorts, list) or len(sorts) > 1:
        raise invalid("Only one sort is allowed.", name="sorts", place="body")
    if not sorts:
        return None
    one = sorts[0]
    if isinstance(one, dict):
        name, descending = str(one.get("propertyName")), one.get("direction") == "DESCENDING"
    else:
        name, descending = str(one).lstrip("-"), str(one).startswith("-")
    if name not in known:
        raise invalid(f"Cannot sort by {name}.", name="sorts", place="body")
    kind = known[name].type
    return name, descending, lambda text: _typed(kind, text)


def _mentions(values: Values, words: str) -> bool:
    names = ("email", "firstname", "lastname", "company", "name", "domain", "dealname")
    return any(words in (values.get(n) or "").lower() for n in names)
