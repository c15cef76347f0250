"""Runs a parsed query over a `Source`: joins, filters, groups, sorts. Knows no HTTP."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from liftos_app.services.sandbox.platforms.google_ads import dates, fields, filters
from liftos_app.services.sandbox.platforms.google_ads.fields import Field
from liftos_app.services.sandbox.platforms.google_ads.gaql import Condition, GaqlError, Query
from liftos_app.services.sandbox.platforms.google_ads.metrics import METRICS, Tally

Key = tuple[str, ...]
DEVICES = ("MOBILE", "DESKTOP", "TABLET")
DEVICE_WEIGHTS = (62, 33, 5)
NETWORKS = {
    "SEARCH": "SEARCH",
    "PERFORMANCE_MAX": "MIXED",
    "VIDEO": "YOUTUBE",
    "DISPLAY": "CONTENT",
}


@dataclass(frozen=True, slots=True)
class Entity:
    """One row of a resource with the values of everything it hangs on, by field path."""

    key: Key
    values: Mapping[str, Any]


class Source(Protocol):
    """What a customer's data must offer."""

    @property
    def today(self) -> dt.date:
        """The day it is in the customer's time zone."""

    @property
    def is_manager(self) -> bool:
        """Managers have no campaigns and no metrics."""

    def entities(self, resource: str) -> Sequence[Entity]:
        """All rows of a resource, removed ones too."""

    def days(self, resource: str, span: filters.Span) -> Iterable[tuple[Key, dt.date, Tally]]:
        """Delivery by entity and day inside the span."""


@dataclass(slots=True)
class Answer:
    """Rows of values by field path, in order, and what was selected."""

    fields: tuple[Field, ...]
    resource: str
    rows: list[dict[str, Any]]
    keep_names: bool  # resource names of every resource, also unselected


def run(query: Query, source: Source) -> Answer:
    """Evaluate a query. Raises GaqlError."""
    chosen = _Plan(query, source)
    rows = _rows(chosen, source)
    for condition in chosen.on_values:
        item = chosen.lookup(condition.field, "WHERE")
        test = filters.test_of(item, condition)
        rows = [row for row in rows if test(row.get(item.path))]
    for order in reversed(query.order):
        item = chosen.lookup(order.field, "ORDER_BY")
        rows.sort(key=partial(_sort_key, item=item), reverse=order.descending)
    if query.limit is not None:
        rows = rows[: query.limit]
    keep = query.parameters.get("omit_unselected_resource_names") != "true"
    return Answer(chosen.select, query.resource, rows, keep)


def total(query: Query, source: Source) -> Tally:
    """Everything the query covers, summed: the summary row. Raises GaqlError."""
    plan = _Plan(query, source)
    keys = {e.key for e in source.entities(plan.resource.name) if _passes(plan, e.values)}
    whole = Tally()
    for key, day, tally in source.days(plan.resource.name, plan.span):
        if key in keys and plan.span.holds(day):
            whole.add(tally)
    return whole


def selected(query: Query) -> tuple[Field, ...]:
    """The fields after SELECT. Raises GaqlError."""
    return tuple(fields.field(path.lower(), "SELECT") for path in query.select)


def _passes(plan: _Plan, values: Mapping[str, Any]) -> bool:
    """Whether an entity passes the conditions on its own fields."""
    for condition in plan.on_values:
        item = plan.lookup(condition.field, "WHERE")
        own = item.prefix not in {"metrics", "segments"}
        if own and not filters.test_of(item, condition)(values.get(item.path)):
            return False
    return True


def _sort_key(row: Mapping[str, Any], *, item: Field) -> Any:
    value = row.get(item.path)
    return value or 0 if item.kind in fields.NUMBERS | {"bool"} else str(value or "")


class _Plan:
    """A query checked against the rules of the vendor; raises GaqlError where it breaks one."""

    def __init__(self, query: Query, source: Source) -> None:
        self.resource = fields.resource(query.resource)
        self.select = tuple(self.lookup(path, "SELECT") for path in query.select)
        self.span = filters.Span()
        self.on_values: list[Condition] = []
        names = {f.path for f in self.select}
        for condition in query.where:
            item = self.lookup(condition.field, "WHERE")
            if item.prefix == "segments" and item.name in dates.CORE:
                filters.add_date(self.span, item, condition, source.today)
                continue
            if item.prefix == "segments" and item.path not in names:
                raise _unselected(item, "WHERE")
            filters.test_of(item, condition)
            self.on_values.append(condition)
        for order in query.order:
            item = self.lookup(order.field, "ORDER_BY")
            if item.prefix in {"segments", "metrics"} and item.path not in names:
                raise _unselected(item, "ORDER BY")
        self.segments = tuple(f.name for f in self.select if f.prefix == "segments")
        used = [self.lookup(c.field, "WHERE") for c in self.on_values]
        self.metrics = tuple(
            dict.fromkeys(f.name for f in (*self.select, *used) if f.prefix == "metrics")
        )
        self.needed = {f.path for f in (*self.select, *used)}
        self.needed |= {order.field.lower() for order in query.order}
        if self.segments and not self.span.is_finite:
            raise GaqlError(
                "EXPECTED_FILTERS_ON_DATE_RANGE",
                "Error in query: a segment in SELECT needs a finite date range in WHERE, "
                "for instance segments.date BETWEEN two days.",
                subject=f"segments.{self.segments[0]}",
            )
        if source.is_manager and self.metrics:
            raise GaqlError(
                "REQUESTED_METRICS_FOR_MANAGER",
                "Metrics cannot be requested for a manager account. Query each client account.",
            )

    def lookup(self, path: str, clause: str) -> Field:
        item = fields.field(path.lower(), clause)
        fields.check_allowed(item, self.resource, clause)
        return item


def _unselected(item: Field, clause: str) -> GaqlError:
    return GaqlError(
        "EXPECTED_REFERENCED_FIELD_IN_SELECT_CLAUSE",
        f"Error in query: '{item.path}' is used in {clause} and must be in SELECT.",
        subject=item.path,
    )


def _rows(plan: _Plan, source: Source) -> list[dict[str, Any]]:
    entities = source.entities(plan.resource.name)
    if not plan.segments and not plan.metrics:
        return [_needed(plan, e) for e in entities]
    groups = _grouped(plan, source, {e.key: e for e in entities})
    rows: list[dict[str, Any]] = []
    for entity in entities:
        found = groups.get(entity.key, {})
        if not plan.segments:
            found = {(): found.get((), Tally())}
        shared = _needed(plan, entity)
        for parts, tally in found.items():
            if plan.segments and tally.is_zero():
                continue  # a segmented report never holds all-zero rows
            row = dict(shared)
            row |= {f"segments.{n}": v for n, v in zip(plan.segments, parts, strict=True)}
            row |= {f"metrics.{n}": METRICS[n](tally) for n in plan.metrics if n in METRICS}
            rows.append(row)
    if plan.segments:
        paths = [f"segments.{n}" for n in plan.segments]
        rows.sort(key=lambda row: [str(row[path]) for path in paths])
    return rows


def _needed(plan: _Plan, entity: Entity) -> dict[str, Any]:
    """The values a query shows, tests or sorts by, and every resource name."""
    return {
        path: value
        for path, value in entity.values.items()
        if path in plan.needed or path.endswith(".resource_name")
    }


def _grouped(
    plan: _Plan, source: Source, entities: Mapping[Key, Entity]
) -> dict[Key, dict[tuple[Any, ...], Tally]]:
    groups: dict[Key, dict[tuple[Any, ...], Tally]] = {}
    by_device = "device" in plan.segments
    days: dict[dt.date, dict[str, str | int] | None] = {}  # None: not asked for
    for key, day, tally in source.days(plan.resource.name, plan.span):
        if key not in entities:
            continue
        if day not in days:
            days[day] = _day_parts(plan, day) if plan.span.holds(day) else None
        today = days[day]
        if today is None:
            continue
        network = NETWORKS.get(
            str(entities[key].values.get("campaign.advertising_channel_type", "")), "MIXED"
        )
        own = groups.setdefault(key, {})
        pieces = tally.split(DEVICE_WEIGHTS) if by_device else [tally]
        for device, piece in zip(DEVICES, pieces, strict=False):
            whole = {"device": device, "ad_network_type": network} | today
            parts = tuple(whole[name] for name in plan.segments)
            if parts in own:
                own[parts].add(piece)
            else:
                own[parts] = piece
    return groups


def _day_parts(plan: _Plan, day: dt.date) -> dict[str, str | int]:
    """The date segments of a day."""
    return {n: dates.of_day(n, day) for n in plan.segments if n in dates.SEGMENTS}
