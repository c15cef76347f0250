"""A small part of ShopifyQL: FROM sales SHOW ... [TIMESERIES day|week|month] [SINCE] [UNTIL] ...

What it does not understand comes back as parseErrors, like on the platform, never as a guess.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from liftos_app.services.sandbox.platforms.shopify.values import amount

if TYPE_CHECKING:
    from liftos_app.services.sandbox.world.shapes import StoreDay

METRICS: dict[str, Callable[[StoreDay], int]] = {
    "orders": lambda d: d.orders,
    "gross_sales": lambda d: d.gross,
    "discounts": lambda d: -d.discounts,
    "returns": lambda d: -d.refund_subtotal,
    "net_sales": lambda d: d.net_sales,
    "shipping_charges": lambda d: d.shipping,
    "taxes": lambda d: d.tax,
    "total_sales": lambda d: d.total - d.refunds,
}
_CLAUSE = re.compile(
    r"\b(FROM|SHOW|TIMESERIES|GROUP\s+BY|SINCE|UNTIL|DURING|ORDER\s+BY|LIMIT|WHERE|COMPARE\s+TO|"
    r"HAVING|VISUALIZE|WITH)\b",
    re.IGNORECASE,
)
_GRAINS = {"day": "DAY_TIMESTAMP", "week": "WEEK_TIMESTAMP", "month": "MONTH_TIMESTAMP"}


class Unreadable(ValueError):
    """The text is no query we can run."""


@dataclass(slots=True)
class Query:
    """A parsed query; days inclusive."""

    metrics: list[str]
    grain: str
    start: date
    end: date
    order_by: list[tuple[str, bool]] = field(default_factory=list)
    limit: int = 1000


def answer(
    text: str, *, today: date, days: Callable[[date, date], Iterable[StoreDay]]
) -> dict[str, Any]:
    """A ShopifyqlQueryResponse. `days` yields the shop's days from a first to a last."""
    try:
        query = parse(text, today)
    except Unreadable as error:
        return {"parseErrors": [str(error)], "tableData": None}
    rows = _rows(query, days(query.start, query.end))
    columns = [_column(query.grain, _GRAINS[query.grain])] if query.grain else []
    columns += [_column(m, "INTEGER" if m == "orders" else "MONEY") for m in query.metrics]
    return {"parseErrors": [], "tableData": {"columns": columns, "rows": rows}}


def _column(name: str, kind: str) -> dict[str, Any]:
    return {
        "name": name,
        "displayName": name.replace("_", " ").capitalize(),
        "dataType": kind,
        "subType": None,
    }


def parse(text: str, today: date) -> Query:
    """Read a query. Raises Unreadable."""
    parts = _CLAUSE.split(text.strip())
    if parts[0].strip():
        raise Unreadable(f"Unexpected input '{parts[0].strip()[:40]}' before FROM.")
    found: dict[str, str] = {}
    for keyword, rest in zip(parts[1::2], parts[2::2], strict=True):
        name = re.sub(r"\s+", " ", keyword).upper()
        if name in found:
            raise Unreadable(f"{name} is given twice.")
        found[name] = rest.strip()
    unknown = found.keys() - {
        "FROM",
        "SHOW",
        "TIMESERIES",
        "GROUP BY",
        "SINCE",
        "UNTIL",
        "ORDER BY",
        "LIMIT",
    }
    if unknown:
        raise Unreadable(f"{min(unknown)} is not supported here.")
    if found.get("FROM", "").lower() != "sales":
        raise Unreadable(f"Invalid dataset in FROM clause: '{found.get('FROM', '')[:40]}'.")
    metrics = [m.strip().lower() for m in found.get("SHOW", "").split(",") if m.strip()]
    for metric in metrics or [""]:
        if metric not in METRICS:
            raise Unreadable(f"Column '{metric[:40]}' not found.")
    grain = (found.get("TIMESERIES") or found.get("GROUP BY") or "").lower()
    if grain and grain not in _GRAINS:
        raise Unreadable(f"'{grain[:40]}' is not a supported time dimension.")
    end = _day(found.get("UNTIL", "today"), today)
    query = Query(metrics, grain, _day(found.get("SINCE", "-30d"), today), end)
    query.order_by = _order(found.get("ORDER BY", ""), [*metrics, grain])
    if "LIMIT" in found:
        if not found["LIMIT"].isdecimal():
            raise Unreadable("LIMIT must be a number.")
        query.limit = int(found["LIMIT"])
    return query


def _day(text: str, today: date) -> date:
    word = text.strip().strip("'\"").lower()
    if word in {"today", "yesterday"}:
        return today - timedelta(days=word == "yesterday")
    if match := re.fullmatch(r"-(\d{1,4})([dwmy])", word):
        length = int(match[1]) * {"d": 1, "w": 7, "m": 30, "y": 365}[match[2]]
        return today - timedelta(days=length)
    try:
        return date.fromisoformat(word)
    except ValueError:
        raise Unreadable(f"'{text[:40]}' is not a valid date.") from None


def _order(text: str, known: list[str]) -> list[tuple[str, bool]]:
    order: list[tuple[str, bool]] = []
    for part in (p.split() for p in text.split(",") if p.strip()):
        if part[0].lower() not in known or len(part) > 2:
            raise Unreadable(f"Cannot order by '{' '.join(part)[:40]}'.")
        order.append((part[0].lower(), len(part) == 2 and part[1].upper() == "DESC"))
    return order


def _rows(query: Query, days: Iterable[StoreDay]) -> list[dict[str, Any]]:
    sums: dict[str, dict[str, int]] = {}
    for day in days:
        key = _bucket(day.day, query.grain)
        total = sums.setdefault(key, dict.fromkeys(query.metrics, 0))
        for metric in query.metrics:
            total[metric] += METRICS[metric](day)
    rows: list[tuple[str, dict[str, int]]] = sorted(sums.items())
    for name, descending in reversed(query.order_by):
        if name != query.grain:
            rows.sort(key=lambda row, n=name: row[1][n], reverse=descending)  # type: ignore[misc]
        else:
            rows.sort(key=lambda row: row[0], reverse=descending)
    return [
        ({query.grain: key} if query.grain else {})
        | {m: str(v) if m == "orders" else amount(v) for m, v in values.items()}
        for key, values in rows[: query.limit]
    ]


def _bucket(day: date, grain: str) -> str:
    if grain == "week":
        day -= timedelta(days=day.weekday())
    elif grain == "month":
        day = day.replace(day=1)
    return day.isoformat() if grain else ""
