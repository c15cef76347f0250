"""GET /api/events: the shop's "Placed Order" events, ids and amounts only, nothing personal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from liftos_app.services.sandbox.call import Call
from liftos_app.services.sandbox.platforms.klaviyo import catalog, filters, pages, resources
from liftos_app.services.sandbox.platforms.klaviyo.endpoints import bent
from liftos_app.services.sandbox.platforms.klaviyo.serve import Admitted, endpoint
from liftos_app.services.sandbox.platforms.klaviyo.signin import no_permission
from liftos_app.services.sandbox.platforms.klaviyo.wire import invalid, page_size

_PROFILE = "01PROFILE"
_START = datetime(2000, 1, 1, tzinfo=UTC)


@endpoint(catalog.EVENTS)
def events(ask: Admitted) -> dict[str, Any]:
    """Newest first unless sorted otherwise; other metrics keep no single events here."""
    call = ask.call
    if "profile" in ask.includes and "profiles:read" not in ask.scopes:
        raise no_permission("profiles:read")
    size = page_size(ask.query, default=200, maximum=1000)
    ids = _ids(call, filters.parse(ask.query.get("filter"), ask.endpoint.filters))
    page = pages.cut(
        ids, lambda i: _key(call, i), size=size, cursor=ask.query.get("page[cursor]", ""),
        descending=ask.query.get("sort", "-datetime").startswith("-"),
    )  # fmt: skip
    orders = [o for o in call.world.orders(page.rows, as_of=call.now) if not o.test]
    metric = call.world.placed_order_metric
    data = [
        resources.event(call.base, o, metric, profile_id(o.customer_id), ask.fields) for o in orders
    ]
    return pages.document(call, page, bent(ask, "events", data), _included(ask, data))


def _included(ask: Admitted, data: Sequence[dict[str, Any]]) -> list[dict[str, Any]] | None:
    if not ask.includes:
        return None
    call = ask.call
    found: list[dict[str, Any]] = []
    if "metric" in ask.includes:
        every = call.world.mail_metrics(as_of=call.now)
        wanted = call.world.placed_order_metric
        found += [resources.metric(call.base, m, ask.fields) for m in every if m.id == wanted]
    if "profile" in ask.includes:  # the sandbox knows no names and addresses
        profiles = dict.fromkeys(d["relationships"]["profile"]["data"]["id"] for d in data)
        found += [
            resources.resource(
                call.base, "profile", "profiles", one, attributes={}, fields=ask.fields
            )
            for one in profiles
        ]
    if "attributions" in ask.includes:
        marks = (m["id"] for d in data for m in d["relationships"]["attributions"]["data"])
        found += [
            {
                "type": "attribution",
                "id": mark,
                "links": {"self": f"{call.base}/api/attributions/{mark}/"},
            }
            for mark in marks
        ]
    return found


def _ids(call: Call, clauses: Sequence[filters.Clause]) -> list[int]:
    """Orders whose events a filter selects, oldest first."""
    for clause in clauses:
        if clause.field == "metric_id" and not _has_placed_order(call, clause):
            return []
    low, high = _span(clauses, call.now)
    ids = list(call.world.find_orders(as_of=call.now, created=(low, high), sort="created"))
    for clause in clauses:
        if clause.field == "profile_id":
            number = str(clause.value).removeprefix(_PROFILE)
            one = call.world.customer(
                int(number) if number.isdecimal() and len(number) < 19 else 0, as_of=call.now
            )
            own = set(one.order_ids) if one is not None else set()
            ids = [i for i in ids if i in own]
    return ids


def _has_placed_order(call: Call, clause: filters.Clause) -> bool:
    """Custom metrics and unknown ids are refused, as the platform does."""
    wanted = clause.value if isinstance(clause.value, list) else [clause.value]
    known = {m.id for m in call.world.mail_metrics(as_of=call.now) if m.integration}
    if any(w not in known for w in wanted):
        raise invalid("Metric IDs do not exist.", parameter="filter")
    return call.world.placed_order_metric in wanted


def _key(call: Call, order_id: int) -> pages.Key:
    order = call.world.order(order_id, as_of=call.now)
    return pages.key(order.created_at if order else None, f"{order_id:024x}")


def profile_id(customer: int) -> str:
    """The id of a buyer's profile."""
    return f"{_PROFILE}{customer:017d}"


def _span(clauses: Sequence[filters.Clause], now: datetime) -> tuple[datetime, datetime]:
    low, high = _START, now + timedelta(seconds=1)
    tick = timedelta(microseconds=1)
    for clause in clauses:
        if clause.field not in {"datetime", "timestamp"}:
            continue
        moment = _moment(clause)
        if clause.operator.startswith("greater"):
            low = max(low, moment + (tick if clause.operator == "greater-than" else timedelta()))
        else:
            high = min(high, moment + (tick if clause.operator == "less-or-equal" else timedelta()))
    return low, max(low, high)


def _moment(clause: filters.Clause) -> datetime:
    try:
        moment = (
            datetime.fromtimestamp(float(str(clause.value)), UTC)
            if clause.field == "timestamp"
            else filters.as_time(clause.value)
        )
    except (ValueError, OverflowError, OSError):
        moment = None
    if moment is None:
        raise invalid(f"'{clause.value}' is no moment.", parameter="filter")
    return moment
