"""The reading endpoints: account, metrics, campaigns and their messages, flows, lists, events."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from liftos_app.services.sandbox.call import Call
from liftos_app.services.sandbox.platforms.klaviyo import catalog, filters, pages, resources
from liftos_app.services.sandbox.platforms.klaviyo.serve import Admitted, endpoint
from liftos_app.services.sandbox.platforms.klaviyo.wire import invalid, not_found, page_size
from liftos_app.services.sandbox.world.plan import SHOP_ZONE

ACCOUNT_ID = "VqK7dR"
SENDER = {"email": "hello@larkspur-home.example", "name": "Larkspur Home"}
METRICS_PAGE = 200
Row = Any
Reader = Mapping[str, Callable[[Row], Any]]


def currency(call: Call) -> str:
    """The account's preferred currency."""
    return call.trouble.currency(call.platform, ACCOUNT_ID, "USD")


def _account(ask: Admitted) -> dict[str, Any]:
    attributes = {
        "test_account": False,
        "contact_information": {
            "default_sender_name": SENDER["name"], "default_sender_email": SENDER["email"],
            "website_url": "https://www.larkspur-home.example",
            "organization_name": "Larkspur Home",
            "street_address": {"address1": "12 Alder Lane", "address2": None, "city": "Hudson",
                               "region": "NY", "country": "US", "zip": "12534"},
        },
        "industry": "Home & Garden", "timezone": SHOP_ZONE,
        "preferred_currency": currency(ask.call), "public_api_key": ACCOUNT_ID, "locale": "en-US",
    }  # fmt: skip
    return resources.resource(ask.call.base, "account", "accounts", ACCOUNT_ID,
                              attributes=attributes, fields=ask.fields)  # fmt: skip


@endpoint(catalog.ACCOUNTS)
def accounts(ask: Admitted) -> dict[str, Any]:
    """GET /api/accounts."""
    found = bent(ask, "accounts", [_account(ask)])
    return pages.document(ask.call, pages.Page(found, None, None), found)


@endpoint(catalog.ACCOUNTS)
def account(ask: Admitted) -> dict[str, Any]:
    """GET /api/accounts/{id}."""
    if ask.call.params["id"] != ACCOUNT_ID:
        raise not_found("account", ask.call.params["id"])
    return one(ask, _account(ask))


@endpoint(catalog.METRICS)
def metrics(ask: Admitted) -> dict[str, Any]:
    """GET /api/metrics: 200 a page, no page[size]."""
    rows = ask.call.world.mail_metrics(as_of=ask.call.now)
    read: Reader = {
        "integration.name": lambda r: r.integration or "Klaviyo",
        "integration.category": lambda r: r.category,
    }
    return collection(
        ask, rows, read, size=METRICS_PAGE,
        make=lambda r: resources.metric(ask.call.base, r, ask.fields),
    )  # fmt: skip


_CAMPAIGN_READ: Reader = {
    "messages.channel": lambda r: r.channel, "builder": lambda _r: "wizard",
    "id": lambda r: r.id, "name": lambda r: r.name,
    "status": lambda r: r.status, "archived": lambda r: r.archived,
    "created_at": lambda r: r.created_at, "updated_at": lambda r: r.updated_at,
    "scheduled_at": lambda r: r.created_at if r.send_at and r.status != "Draft" else None,
}  # fmt: skip


def _campaign(ask: Admitted, row: Row) -> dict[str, Any]:
    if ask.revision >= catalog.RESHAPED:
        return resources.campaign_new(ask.call.base, row, ask.fields, SHOP_ZONE)
    return resources.campaign(ask.call.base, row, ask.fields)


def _message(ask: Admitted, row: Row) -> dict[str, Any]:
    if ask.revision >= catalog.RESHAPED:
        return resources.message_new(ask.call.base, row, ask.fields)
    return resources.message(ask.call.base, row, ask.fields, SENDER)


@endpoint(catalog.CAMPAIGNS)
def campaigns(ask: Admitted) -> dict[str, Any]:
    """GET /api/campaigns: archived ones only when asked for.

    Up to revision 2026-07-15 the channel filter is mandatory; later ones do not know it.
    """
    clauses = filters.parse(ask.query.get("filter"), ask.endpoint.filters)
    channel = "messages.channel"
    if channel in ask.endpoint.filters and not any(c.field == channel for c in clauses):
        raise invalid(
            "A channel filter is required to list campaigns: equals(messages.channel,'email').",
            parameter="filter",
        )
    rows = _unarchived(ask.call.world.mail_campaigns(as_of=ask.call.now), clauses)
    by_id = {r.id: r for r in rows}
    body = collection(ask, rows, _CAMPAIGN_READ, make=lambda r: _campaign(ask, r))
    if ask.includes:
        shown = [by_id[d["id"]] for d in body["data"] if d["id"] in by_id]
        body["included"] = (
            [_message(ask, row) for row in shown] if "campaign-messages" in ask.includes else []
        )
    return body


@endpoint(catalog.CAMPAIGN_ONE)
def campaign(ask: Admitted) -> dict[str, Any]:
    """GET /api/campaigns/{id}."""
    row = _campaign_row(ask)
    body = one(ask, _campaign(ask, row))
    if ask.includes:
        body["included"] = [_message(ask, row)] if "campaign-messages" in ask.includes else []
    return body


@endpoint(catalog.CAMPAIGN_MESSAGES)
def campaign_messages(ask: Admitted) -> dict[str, Any]:
    """GET /api/campaigns/{id}/campaign-messages."""
    row = _campaign_row(ask)
    found = bent(ask, "campaign-messages", [_message(ask, row)])
    included = None
    if ask.includes:
        included = [_campaign(ask, row)] if "campaign" in ask.includes else []
    return pages.document(ask.call, pages.Page(found, None, None), found, included)


def _campaign_row(ask: Admitted) -> Row:
    wanted = ask.call.params["id"]
    for row in ask.call.world.mail_campaigns(as_of=ask.call.now):
        if row.id == wanted:
            return row
    raise not_found("campaign", wanted[:40])


_FLOW_READ: Reader = {
    "id": lambda r: r.id, "name": lambda r: r.name, "status": lambda r: r.status,
    "archived": lambda r: r.archived, "created": lambda r: r.created_at,
    "updated": lambda r: r.updated_at, "trigger_type": lambda r: r.trigger,
}  # fmt: skip


@endpoint(catalog.FLOWS)
def flows(ask: Admitted) -> dict[str, Any]:
    """GET /api/flows: archived ones only when asked for."""
    clauses = filters.parse(ask.query.get("filter"), ask.endpoint.filters)
    rows = _unarchived(ask.call.world.mail_flows(as_of=ask.call.now), clauses)
    body = collection(ask, rows, _FLOW_READ,
                      make=lambda r: resources.flow(ask.call.base, r, ask.fields))  # fmt: skip
    return body | ({"included": []} if ask.includes else {})


@endpoint(catalog.FLOW_ONE)
def flow(ask: Admitted) -> dict[str, Any]:
    """GET /api/flows/{id}."""
    for row in ask.call.world.mail_flows(as_of=ask.call.now):
        if row.id == ask.call.params["id"]:
            return one(ask, resources.flow(ask.call.base, row, ask.fields))
    raise not_found("flow", ask.call.params["id"][:40])


_GROUP_READ: Reader = {
    "id": lambda r: r.id, "name": lambda r: r.name, "created": lambda r: r.created_at,
    "updated": lambda r: r.updated_at, "is_active": lambda _r: True,
    "is_starred": lambda _r: False,
}  # fmt: skip


def _groups(ask: Admitted, *, segment: bool) -> dict[str, Any]:
    rows = [r for r in ask.call.world.mail_lists(as_of=ask.call.now) if r.segment is segment]
    body = collection(ask, rows, _GROUP_READ,
                      make=lambda r: resources.mail_list(ask.call.base, r, ask.fields))  # fmt: skip
    return body | ({"included": []} if ask.includes else {})


@endpoint(catalog.LISTS)
def lists(ask: Admitted) -> dict[str, Any]:
    """GET /api/lists."""
    return _groups(ask, segment=False)


@endpoint(catalog.SEGMENTS)
def segments(ask: Admitted) -> dict[str, Any]:
    """GET /api/segments."""
    return _groups(ask, segment=True)


_EVENT_READ: Reader = {
    "metric_id": lambda r: r["relationships"]["metric"]["data"]["id"],
    "profile_id": lambda r: r["relationships"]["profile"]["data"]["id"],
    "profile": lambda r: r["relationships"]["profile"]["data"]["id"],
    "metric": lambda r: r["relationships"]["metric"]["data"]["id"],
}  # fmt: skip


@endpoint(catalog.EVENTS)
def events(ask: Admitted) -> dict[str, Any]:
    """GET /api/events: the "Placed Order" events, ids only; other metrics keep no single events."""
    call = ask.call
    if "profile" in ask.includes:
        raise invalid("Including profiles needs the scope profiles:read.", parameter="include")
    size = page_size(ask.query, default=200, maximum=1000)
    clauses = filters.parse(ask.query.get("filter"), ask.endpoint.filters)
    metric = call.world.placed_order_metric
    known = {m.id for m in call.world.mail_metrics(as_of=call.now)}
    for clause in clauses:
        if clause.field == "metric_id" and clause.value not in known:
            raise invalid("Metric IDs do not exist.", parameter="filter")
    low, high = _event_span(clauses, call.now)
    ids = list(call.world.find_orders(as_of=call.now, created=(low, high), sort="created"))
    others = [c for c in clauses if c.field in _EVENT_READ]
    if others:
        ids = [o.id for o in call.world.orders(ids, as_of=call.now) if _is_wanted(ask, o, others)]
    page = pages.cut(
        ids, lambda i: _event_key(call, i), size=size, cursor=ask.query.get("page[cursor]", ""),
        descending=ask.query.get("sort", "-datetime").startswith("-"),
    )  # fmt: skip
    orders = [o for o in call.world.orders(page.rows, as_of=call.now) if not o.test]
    data = [
        resources.event(call.base, o, metric, _profile(o.customer_id), ask.fields) for o in orders
    ]
    included: list[dict[str, Any]] | None = [] if ask.includes else None
    if included is not None and "metric" in ask.includes:
        every = call.world.mail_metrics(as_of=call.now)
        included += [resources.metric(call.base, m, ask.fields) for m in every if m.id == metric]
    return pages.document(call, page, bent(ask, "events", data), included)


def _event_key(call: Call, order_id: int) -> pages.Key:
    order = call.world.order(order_id, as_of=call.now)
    return pages.key(order.created_at if order else None, f"{order_id:024x}")


def _is_wanted(ask: Admitted, order: Row, clauses: Sequence[filters.Clause]) -> bool:
    event = resources.event(
        ask.call.base, order, ask.call.world.placed_order_metric, _profile(order.customer_id), {}
    )
    return bool(filters.keep([event], clauses, _EVENT_READ))


def _profile(customer: int) -> str:
    return f"01PROFILE{customer:017d}"


def _event_span(
    clauses: Sequence[filters.Clause], now: datetime
) -> tuple[datetime, datetime]:  # fmt: skip
    low, high = datetime(2000, 1, 1, tzinfo=UTC), now + timedelta(seconds=1)
    tick = timedelta(microseconds=1)
    for clause in clauses:
        if clause.field not in {"datetime", "timestamp"}:
            continue
        moment = (
            datetime.fromtimestamp(float(str(clause.value)), UTC)
            if clause.field == "timestamp" else filters.as_time(clause.value)
        )  # fmt: skip
        if moment is None:
            continue
        if clause.operator.startswith("greater"):
            low = max(low, moment + (tick if clause.operator == "greater-than" else timedelta()))
        else:
            high = min(high, moment + (tick if clause.operator == "less-or-equal" else timedelta()))
    return low, max(low, high)


def _unarchived(rows: Sequence[Row], clauses: Sequence[filters.Clause]) -> list[Row]:
    """Archived ones are left out unless the filter speaks of them."""
    if any(c.field == "archived" for c in clauses):
        return list(rows)
    return [r for r in rows if not r.archived]


def bent(
    ask: Admitted, stream: str, rows: list[dict[str, Any]]
) -> list[dict[str, Any]]:  # fmt: skip
    """The rows after the trouble aimed at this stream."""
    return ask.call.bend(stream, rows, account=ACCOUNT_ID)


def missing_days(ask: Admitted, stream: str, first: date, last: date) -> frozenset[date]:
    """Days between two, both included, of which a missing day withholds the rows."""
    days = (first + timedelta(days=n) for n in range((last - first).days + 1))
    trouble, platform = ask.call.trouble, ask.call.platform
    return frozenset(d for d in days if trouble.is_day_missing(platform, ACCOUNT_ID, stream, d))


def one(ask: Admitted, data: dict[str, Any]) -> dict[str, Any]:
    """A document with one resource."""
    return {"data": data, "links": {"self": pages.own(ask.call)}}


def collection(
    ask: Admitted, rows: Sequence[Row], read: Reader, *, make: Callable[[Row], dict[str, Any]],
    size: int = 0,
) -> dict[str, Any]:  # fmt: skip
    """Filter, sort, page and build, by the rules of the endpoint."""
    rules = ask.endpoint
    if not size and rules.size:
        size = page_size(ask.query, default=rules.size[0], maximum=rules.size[1])
    kept = filters.keep(rows, filters.parse(ask.query.get("filter"), rules.filters), read)
    sort = ask.query.get("sort", "")
    if sort and sort not in rules.orders():
        raise invalid(
            f"'{sort}' is not a valid sort. Allowed: {', '.join(rules.orders())}.",
            parameter="sort",
        )
    name = sort.removeprefix("-")
    key_of = read.get(name)
    keys = {id(r): pages.key(key_of(r) if key_of else None, r.id) for r in kept}
    kept.sort(key=lambda r: keys[id(r)])
    page = pages.cut(
        kept, lambda r: keys[id(r)], size=size or len(kept),
        cursor=ask.query.get("page[cursor]", ""), descending=sort.startswith("-"),
    )  # fmt: skip
    data = bent(ask, rules.name, [make(r) for r in page.rows])
    return pages.document(ask.call, page, data)
