"""The JSON of the vendor: camelCase, 64-bit integers as strings, zero metrics left out."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

from liftos_app.services.sandbox.platforms.google_ads.evaluate import Answer
from liftos_app.services.sandbox.platforms.google_ads.fields import Field

_PRESENT = frozenset({"int", "int32", "num", "bool"})


@cache
def camel(path: str) -> str:
    """`campaign_budget.amount_micros` becomes `campaignBudget.amountMicros`."""
    words = (part.split("_") for part in path.split("."))
    return ".".join(w[0] + "".join(p[:1].upper() + p[1:] for p in w[1:]) for w in words)


def field_mask(fields: Iterable[Field]) -> str:
    """What was selected, in the order of the query."""
    return ",".join(camel(f.path) for f in fields)


def results(answer: Answer, first: int, last: int) -> list[dict[str, Any]]:
    """Rows first..last-1 as the vendor writes them."""
    kinds = [(camel(f.path).split("."), f.path, f.kind) for f in answer.fields]
    prefixes = {f.prefix for f in answer.fields} - {"metrics", "segments"}
    if answer.keep_names:
        names = {f"{p}.resource_name" for p in (*prefixes, answer.resource)}
        if any(f.path.startswith("ad_group_ad.ad.") for f in answer.fields):
            names.add("ad_group_ad.ad.resource_name")
        kinds = [(camel(n).split("."), n, "text") for n in sorted(names)] + kinds
    messages = {camel(f.prefix) for f in answer.fields}
    return [_result(row, kinds, messages) for row in answer.rows[first:last]]


def _result(
    row: dict[str, Any], kinds: list[tuple[list[str], str, str]], messages: set[str]
) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for steps, path, kind in kinds:
        value = row.get(path)
        # A zero metric does not travel; an attribute that is set to zero or false does.
        if value is None or (not value and (steps[0] == "metrics" or kind not in _PRESENT)):
            continue
        place = out
        for step in steps[:-1]:
            place = place.setdefault(step, {})
        place[steps[-1]] = _value(value, kind)
    for message in messages - out.keys():
        out[message] = {}
    return out


def _value(value: Any, kind: str) -> Any:
    if kind == "int":
        return str(value)
    if kind == "ints":
        return [str(v) for v in value]
    if kind == "num":
        return int(value) if float(value).is_integer() else float(value)
    return value
