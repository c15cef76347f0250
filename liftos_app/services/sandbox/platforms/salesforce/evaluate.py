"""Runs a parsed query over records: unknown names are refused, values are compared by type."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from operator import ge, gt, le, lt
from typing import Any

from liftos_app.services.sandbox.platforms.salesforce.objects import BY_LOWER, Sobject
from liftos_app.services.sandbox.platforms.salesforce.refusals import Refusal
from liftos_app.services.sandbox.platforms.salesforce.soql import (
    Compare,
    Condition,
    Group,
    Order,
    Query,
    Value,
)

Record = Mapping[str, Any]
Test = Callable[[Record], bool]
_KINDS = {
    "datetime": {"moment"}, "date": {"day"}, "boolean": {"flag"}, "int": {"number"},
    "double": {"number"}, "currency": {"number"}, "percent": {"number"},
}  # fmt: skip
_IDS = frozenset({"id", "reference"})


def find_object(name: str, *, multi: bool) -> Sobject:
    """An object by its name in any case. Raises Refusal (400 INVALID_TYPE)."""
    found = BY_LOWER.get(name.lower())
    if found is None or (found.name == "CurrencyType" and not multi):
        raise Refusal(400, "INVALID_TYPE", f"sObject type '{name}' is not supported.")
    return found


def field_of(one: Sobject, name: str, *, multi: bool, hidden: frozenset[str]) -> str:
    """A field's own spelling. Raises Refusal (400 INVALID_FIELD)."""
    if "." in name:
        raise Refusal(
            400, "INVALID_FIELD",
            f"Didn't understand relationship '{name.split('.', maxsplit=1)[0]}' in field path.",
        )  # fmt: skip
    found = one.by_lower.get(name.lower())
    if found is None or found in hidden or (found == "CurrencyIsoCode" and not multi):
        raise Refusal(
            400, "INVALID_FIELD",
            f"\nSELECT {name} FROM {one.name}\n       ^\nERROR at Row:1:Column:8\n"
            f"No such column '{name}' on entity '{one.name}'. If you are attempting to use a "
            "custom field, be sure to append the '__c' after the custom field name.",
        )  # fmt: skip
    return found


def run(
    query: Query, one: Sobject, records: Sequence[Record], *, multi: bool, hidden: frozenset[str]
) -> tuple[tuple[str, ...], list[Record]]:
    """The selected fields and the records that fit, in order. Raises Refusal."""

    def name(text: str) -> str:
        return field_of(one, text, multi=multi, hidden=hidden)

    fields = tuple(name(f) for f in query.fields)
    fits = _test(query.where, one, name) if query.where is not None else None
    found = [r for r in records if fits is None or fits(r)]
    found.sort(key=lambda r: str(r["Id"]))
    for order in reversed(query.order):
        field = name(order.field)
        _sort(found, field, order)
    end = None if query.limit is None else query.offset + query.limit
    return fields, found[query.offset : end]


def _sort(records: list[Record], field: str, order: Order) -> None:
    nothing = [r for r in records if r.get(field) is None]
    rest = [r for r in records if r.get(field) is not None]
    rest.sort(key=lambda r: r[field], reverse=order.down)
    records[:] = [*rest, *nothing] if order.nulls_last else [*nothing, *rest]


def _test(condition: Condition, one: Sobject, name: Callable[[str], str]) -> Test:
    if isinstance(condition, Group):
        tests = [_test(part, one, name) for part in condition.parts]
        if condition.joint == "not":
            return lambda r: not tests[0](r)
        join = all if condition.joint == "and" else any
        return lambda r: join(t(r) for t in tests)
    return _compare(condition, one, name(condition.field))


def _compare(condition: Compare, one: Sobject, field: str) -> Test:
    kind = one.fields[field]
    if kind in {"textarea", "address"}:
        raise Refusal(
            400, "INVALID_FIELD", f"field '{field}' can not be filtered in a query call"
        )
    wanted = [_value(v, field, kind) for v in condition.values]
    match condition.operator:
        case "in":
            return lambda r: _plain(r.get(field), kind) in wanted
        case "not in":
            return lambda r: _plain(r.get(field), kind) not in wanted
        case "like":
            return _like(field, str(wanted[0]))
        case "=":
            return lambda r: _plain(r.get(field), kind) == wanted[0]
        case "!=":
            return lambda r: _plain(r.get(field), kind) != wanted[0]
        case sign:
            return _ranged(field, kind, sign, wanted[0])


def _ranged(field: str, kind: str, sign: str, wanted: Any) -> Test:
    """Nothing is never smaller or larger than something."""
    compare = {"<": lt, "<=": le, ">": gt, ">=": ge}[sign]

    def fits(record: Record) -> bool:
        value = _plain(record.get(field), kind)
        return value is not None and wanted is not None and bool(compare(value, wanted))

    return fits


def _like(field: str, pattern: str) -> Test:
    parts = re.escape(pattern.lower()).replace("%", ".*").replace("_", ".")
    expression = re.compile(parts, re.DOTALL)
    return lambda r: expression.fullmatch(str(r.get(field) or "").lower()) is not None


def _value(value: Value, field: str, kind: str) -> Any:
    """A literal in the form its field is compared in. Raises Refusal for another type."""
    if value.kind == "null":
        return None
    allowed = _KINDS.get(kind, {"text"})
    if value.kind not in allowed:
        want = "dateTime" if kind == "datetime" else kind
        quotes = (
            " and should not be enclosed in quotes"
            if value.kind == "text" else " and should be enclosed in quotes"
            if allowed == {"text"} else ""
        )  # fmt: skip
        raise Refusal(
            400, "INVALID_FIELD",
            f"value of filter criterion for field '{field}' must be of type {want}{quotes}",
        )  # fmt: skip
    return _plain(value.value, kind)


def _plain(value: Any, kind: str) -> Any:
    """Texts without case, ids by their first 15 characters, times in whole milliseconds."""
    if isinstance(value, str):
        return value[:15] if kind in _IDS else value.lower()
    if isinstance(value, datetime):
        return value - timedelta(microseconds=value.microsecond % 1000)
    if isinstance(value, date):
        return value
    return value
