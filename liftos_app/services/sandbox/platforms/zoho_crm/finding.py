"""Records that fit: criteria of queries and of bulk reads, order, and what is hidden."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from operator import ge, gt, le, lt
from typing import Any

from liftos_app.services.sandbox.platforms.zoho_crm.coql import Compare, Condition, literal
from liftos_app.services.sandbox.platforms.zoho_crm.modules import Module
from liftos_app.services.sandbox.platforms.zoho_crm.refusals import bad_query

Record = Mapping[str, Any]
Test = Callable[[Record], bool]
_ORDERED: Mapping[str, Callable[[Any, Any], Any]] = {"<": lt, "<=": le, ">": gt, ">=": ge}


def check_field(module: Module, name: str, hidden: frozenset[str]) -> str:
    """A field that can be asked for. Raises Refusal."""
    if name not in module.fields or name in hidden:
        raise bad_query("column given seems to be invalid", column_name=name)
    return name


def test_of(condition: Condition, module: Module, hidden: frozenset[str]) -> Test:
    """Whether a record fits. Raises Refusal."""
    if not isinstance(condition, Compare):
        left = test_of(condition.left, module, hidden)
        right = test_of(condition.right, module, hidden)
        if condition.joint == "and":
            return lambda r: left(r) and right(r)
        return lambda r: left(r) or right(r)
    field = check_field(module, condition.field, hidden)
    kind = module.fields[field]
    wanted = [_plain(literal(v, field, kind), kind) for v in condition.values]
    return _compare(field, kind, condition.sign, wanted)


def _compare(field: str, kind: str, sign: str, wanted: Sequence[Any]) -> Test:
    match sign:
        case "=" | "in":
            return lambda r: _plain(r.get(field), kind) in wanted
        case "!=" | "not in":
            return lambda r: _plain(r.get(field), kind) not in wanted
        case "like":
            parts = re.escape(str(wanted[0])).replace("%", ".*")
            return lambda r: re.fullmatch(parts, str(_plain(r.get(field), kind) or "")) is not None
        case "between":
            return lambda r: _ranged(r.get(field), kind, lambda v: wanted[0] <= v <= wanted[1])
    compare = _ORDERED[sign]
    return lambda r: _ranged(r.get(field), kind, lambda v: compare(v, wanted[0]))


def _ranged(value: Any, kind: str, fits: Callable[[Any], Any]) -> bool:
    found = _plain(value, kind)
    return found is not None and bool(fits(found))


def ordered(records: list[Record], order: Sequence[tuple[str, bool]]) -> list[Record]:
    """In order of the fields, ids ascending where nothing is said; nothing comes last."""
    found = sorted(records, key=lambda r: int(r["id"]))
    for field, down in reversed(order):
        there = [r for r in found if r.get(field) is not None]
        there.sort(key=lambda r: _sortable(r, field), reverse=down)
        found = [*there, *(r for r in found if r.get(field) is None)]
    return found


def _sortable(record: Record, field: str) -> Any:
    value = record[field]
    if field == "id":
        return int(value)
    return value[0] if isinstance(value, tuple) else value


def _plain(value: Any, kind: str) -> Any:
    """Ids as numbers, look-ups by their id, texts without case, times to the second."""
    if isinstance(value, tuple):
        return str(value[0])
    if kind == "bigint" and isinstance(value, str):
        return int(value)
    if kind in {"lookup", "ownerlookup"} and isinstance(value, int):
        return str(value)
    if isinstance(value, datetime):
        return value.replace(microsecond=0)
    return value.lower() if isinstance(value, str) else value
