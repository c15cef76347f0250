"""The reading endpoints: account, metrics, campaigns and their messages, flows, lists."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
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
        shown = [by_id[i] for d in body["data"] for i in _texts(d) if i in by_id]
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


def _texts(resource: dict[str, Any]) -> list[str]:
    """The texts of a resource, whose id may have another name."""
    return [v for v in resource.values() if isinstance(v, str)]


def _campaign_row(ask: Admitted) -> Row:
    return _by_id(ask, ask.call.world.mail_campaigns(as_of=ask.call.now), "campaign")


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
    row = _by_id(ask, ask.call.world.mail_flows(as_of=ask.call.now), "flow")
    return one(ask, resources.flow(ask.call.base, row, ask.fields))


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


def _by_id(ask: Admitted, rows: Sequence[Row], kind: str) -> Row:
    wanted = ask.call.params["id"]
    for row in rows:
        if row.id == wanted:
            return row
    raise not_found(kind, wanted[:40])


@endpoint(catalog.METRIC_ONE)
def metric(ask: Admitted) -> dict[str, Any]:
    """GET /api/metrics/{id}."""
    row = _by_id(ask, ask.call.world.mail_metrics(as_of=ask.call.now), "metric")
    return one(ask, resources.metric(ask.call.base, row, ask.fields))


@endpoint(catalog.LIST_ONE)
def mail_list(ask: Admitted) -> dict[str, Any]:
    """GET /api/lists/{id}."""
    rows = [r for r in ask.call.world.mail_lists(as_of=ask.call.now) if not r.segment]
    return one(ask, resources.mail_list(ask.call.base, _by_id(ask, rows, "list"), ask.fields))


@endpoint(catalog.SEGMENT_ONE)
def segment(ask: Admitted) -> dict[str, Any]:
    """GET /api/segments/{id}."""
    rows = [r for r in ask.call.world.mail_lists(as_of=ask.call.now) if r.segment]
    return one(ask, resources.mail_list(ask.call.base, _by_id(ask, rows, "segment"), ask.fields))


@endpoint(catalog.SEGMENTS)
def segments(ask: Admitted) -> dict[str, Any]:
    """GET /api/segments."""
    return _groups(ask, segment=True)


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
