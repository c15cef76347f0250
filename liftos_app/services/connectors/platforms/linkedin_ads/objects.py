"""The account, campaign groups, campaigns, creatives and conversion rules, removed ones too.

LinkedIn's campaign group is what others call a campaign, its campaign an ad group, its creative
an ad. Accounts, groups and campaigns have numbers as ids, creatives a URN: the digits are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from liftos_app.services.connectors import rows
from liftos_app.services.connectors.client import Client
from liftos_app.services.connectors.faults import check_open
from liftos_app.services.connectors.paging import Steps, dig
from liftos_app.services.connectors.platforms.linkedin_ads import accounts, restli
from liftos_app.services.connectors.platforms.linkedin_ads.errors import INVISIBLE
from liftos_app.services.connectors.read import Make, make_page
from liftos_app.services.connectors.spec import Page, Row, Task

PAGE, CREATIVE_PAGE, RULE_PAGE = 500, 100, 100
GROUP_STATES = (
    "ACTIVE", "ARCHIVED", "CANCELED", "DRAFT", "PAUSED", "PENDING_DELETION", "REMOVED",
)
CAMPAIGN_STATES = (
    "ACTIVE", "PAUSED", "ARCHIVED", "COMPLETED", "CANCELED", "DRAFT", "PENDING_DELETION", "REMOVED",
)
FINDER = {"X-RestLi-Method": "FINDER"}
_TIMES = {
    "runSchedule.start": "start_time", "runSchedule.end": "stop_time",
    "changeAuditStamps.created.time": "created_time",
    "changeAuditStamps.lastModified.time": "updated_time",
    "createdAt": "created_time", "lastModifiedAt": "updated_time",
}
_MONEY = {
    "dailyBudget": "daily_budget_micros", "totalBudget": "lifetime_budget_micros",
    "unitCost": "bid_micros",
}
_PLAIN = {
    "type": "type", "costType": "cost_type", "objectiveType": "objective",
    "attributionType": "attribution_type", "content.reference": "content_ref",
    "review.status": "review_status",
}
_WHOLE = {
    "postClickAttributionWindowSize": "click_window_days",
    "viewThroughAttributionWindowSize": "view_window_days",
}


def read_account(client: Client, task: Task) -> Iterator[Page]:
    """The ad account itself, as one row."""
    ident = task.account.external_id
    found = accounts.look(client, ident)
    if found is None:
        raise INVISIBLE.error(account=ident)
    check_open("LinkedIn", accounts.info(found))

    def make(record: Any) -> Row:
        return {
            **row(record, task, level=rows.ACCOUNT, kind="sponsoredAccount"),
            "status": accounts.words(record)[:40],
        }

    yield make_page([found], make)


def searcher(
    edge: str, states: tuple[str, ...], *, level: int, kind: str, parent: str = "",
) -> Callable[[Client, Task], Iterator[Page]]:
    """The `read` of campaign groups or campaigns. Removed ones are named, else they are hidden."""

    def read(client: Client, task: Task) -> Iterator[Page]:
        account = task.account.external_id
        wanted = restli.record(values=restli.items(states))
        parts = {"q": "search", "search": restli.record(status=wanted)}
        path = f"/adAccounts/{account}/{edge}"
        for answer in restli.pages(client, path, parts, size=PAGE, lane=account):
            yield make_page(
                restli.elements(answer.data),
                lambda record: row(record, task, level=level, kind=kind, parent=parent),
                answer=answer,
            )

    return read


def read_creatives(client: Client, task: Task) -> Iterator[Page]:
    """Creatives, whose list is a finder that must be named in a header."""
    account = task.account.external_id
    path = f"/adAccounts/{account}/creatives"
    for answer in restli.pages(
        client, path, {"q": "criteria"}, size=CREATIVE_PAGE, lane=account, headers=FINDER
    ):
        yield make_page(
            restli.elements(answer.data),
            lambda record: row(
                record, task, level=rows.AD, kind="sponsoredCreative", parent="campaign"
            ),
            answer=answer,
        )


def read_rules(client: Client, task: Task) -> Iterator[Page]:
    """Conversion rules: what counts as a conversion, and for how long. Paged by position."""
    account = task.account.external_id
    owner = restli.text(restli.urn("sponsoredAccount", account))

    def make(record: Any) -> Row:
        return {
            **row(record, task, level=rows.METRIC, kind="llaPartnerConversion"),
            "status": "active" if record.get("enabled") else "paused",
        }

    yield from by_position(client, "/conversions", {"q": "account", "account": owner}, make,
                           lane=account)


def by_position(
    client: Client, path: str, parts: Mapping[str, str], make: Make, *, lane: str
) -> Iterator[Page]:
    """All pages of a list that counts from `start`. Raises GiveUp when it stands still."""
    start, steps = 0, Steps()
    while True:
        asked = {**parts, "start": str(start), "count": str(RULE_PAGE)}
        answer = restli.ask(client, path, asked, lane=lane)
        found = restli.elements(answer.data)
        steps.page(found)
        yield make_page(found, make, answer=answer)
        links = dig(answer.data, "paging.links")
        more = any(isinstance(x, dict) and x.get("rel") == "next" for x in links or ())
        if not found or not more:
            return
        start += len(found)


def row(record: Any, task: Task, *, level: int, kind: str, parent: str = "") -> Row:
    """An entity row; budgets become micro-units where they are in the account's currency."""
    attrs: dict[str, Any] = {}
    for path, to in _PLAIN.items():
        value = dig(record, path)
        if isinstance(value, str) and value:
            attrs[to] = rows.text(value, 200)
    for path, to in _TIMES.items():
        if dig(record, path) is not None:
            attrs[to] = moment(dig(record, path))
    for name, to in _MONEY.items():
        money = record.get(name)
        if isinstance(money, dict) and money.get("currencyCode") == task.account.currency:
            attrs[to] = rows.micros(money["amount"])
    for name, to in _WHOLE.items():
        if record.get(name) is not None:
            attrs[to] = rows.whole(record[name])
    number = restli.number_of(record["id"], kind)
    return {
        "external_id": number,
        "level": level,
        "parent_id": restli.number_of(record[parent]) if parent else "",
        "name": rows.text(record.get("name"), 400) or _unnamed(kind, number),
        "status": rows.text(record.get("intendedStatus") or record.get("status"), 40).lower(),
        "attrs": attrs,
    }


def _unnamed(kind: str, number: str) -> str:
    """Most creatives have no name of their own."""
    return f"{kind.removeprefix('sponsored')} {number}"


def moment(milliseconds: object) -> str:
    """A time in milliseconds as ISO 8601 in UTC. Raises ValueError."""
    seconds = rows.whole(milliseconds) / 1000
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
