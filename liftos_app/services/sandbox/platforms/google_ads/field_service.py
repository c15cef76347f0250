"""The field service: describes names, so that clients can check their queries beforehand."""

from __future__ import annotations

from typing import Any

from liftos_app.services.sandbox.platforms.google_ads import fields, filters, gaql
from liftos_app.services.sandbox.platforms.google_ads.failures import GoogleAdsError

_TYPES = {
    "int": "INT64", "ints": "INT64", "int32": "INT32", "num": "DOUBLE", "text": "STRING",
    "texts": "STRING", "enum": "ENUM", "enums": "ENUM", "bool": "BOOLEAN", "msg": "MESSAGE",
}  # fmt: skip
_COLUMNS = frozenset(
    {
        "name", "category", "selectable", "filterable", "sortable", "selectable_with",
        "attribute_resources", "metrics", "segments", "enum_values", "data_type", "type_url",
        "is_repeated",
    }
)  # fmt: skip


def get(name: str) -> dict[str, Any]:
    """One field or resource. Raises GoogleAdsError."""
    found = _describe(name)
    if found is None:
        raise GoogleAdsError(
            404, "requestError", "RESOURCE_NOT_FOUND", f"There is no field '{name[:80]}'."
        )
    return found


def search(text: str) -> dict[str, Any]:
    """Fields by SELECT ... WHERE name = / IN / LIKE. Raises GaqlError."""
    query = gaql.parse(text, needs_from=False)
    for name in (*query.select, *(c.field for c in query.where)):
        if name.lower() not in _COLUMNS:
            raise gaql.GaqlError(
                "UNRECOGNIZED_FIELD",
                f"Error in query: unrecognized field in the SELECT clause: '{name}'.",
                subject=name,
            )
    names = [*fields.RESOURCES, *fields.all_fields()]
    rows = [row for row in map(_describe, names) if row is not None]
    for condition in query.where:
        column = condition.field.lower()
        kind = "bool" if column in {"selectable", "filterable", "sortable"} else "text"
        test = filters.test_of(fields.Field(f"field.{column}", kind), condition)
        rows = [row for row in rows if test(row.get(_camel(column)))]
    rows = rows[: query.limit] if query.limit is not None else rows
    wanted = {"resourceName", *(_camel(n.lower()) for n in query.select)}
    shown = [{k: v for k, v in row.items() if k in wanted} for row in rows]
    return {"results": shown, "totalResultsCount": str(len(shown))} if shown else {}


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.title() for part in rest)


def _describe(name: str) -> dict[str, Any] | None:
    base = {"resourceName": f"googleAdsFields/{name}", "name": name}
    if name in fields.RESOURCES:
        resource = fields.RESOURCES[name]
        others = [a for a in resource.attributes if a != name]
        known = fields.all_fields().values()
        metrics = [f.path for f in known if f.prefix == "metrics" and resource.has_metrics]
        segments = [f"segments.{s}" for s in sorted(fields.SEGMENTS) if resource.has_metrics]
        return base | {
            "category": "RESOURCE",
            "attributeResources": others,
            "metrics": metrics,
            "segments": segments,
            "dataType": "MESSAGE",
        }
    item = fields.all_fields().get(name)
    if item is None:
        return None
    category = {"metrics": "METRIC", "segments": "SEGMENT"}.get(item.prefix, "ATTRIBUTE")
    usable = category != "SEGMENT" or item.name in fields.SEGMENTS
    data = base | {
        "category": category,
        "selectable": usable,
        "filterable": usable and item.kind != "msg",
        "sortable": usable and item.kind not in {"msg", "texts", "ints", "enums"},
        "dataType": _TYPES[item.kind],
        "isRepeated": item.kind in {"texts", "ints", "enums"},
    }
    if item.path in fields.ENUMS:
        data["enumValues"] = fields.ENUMS[item.path].split()
    return data
