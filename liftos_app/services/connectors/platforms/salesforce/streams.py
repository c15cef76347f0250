"""Reading each object: by the days its records were made, then by what changed since.

Changes go by SystemModstamp with a look-back, because replicas lag and stamps repeat. Deleted
records come along while they are in the recycle bin; afterwards a list of their ids is asked for.
Members of campaigns are deleted without a trace, so once a week all their ids are compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from liftos_app.services.connectors.client import Client
from liftos_app.services.connectors.platforms.salesforce import records as made
from liftos_app.services.connectors.platforms.salesforce.soql import (
    Query,
    literal,
    records,
    version_of,
)
from liftos_app.services.connectors.platforms.salesforce.version import path
from liftos_app.services.connectors.read import listed, make_page
from liftos_app.services.connectors.spec import AccountInfo, Page, Task

OVERLAP_SECONDS = 600
SLICE_DAYS = 30  # of changes asked for at once
BIN_DAYS = 10  # a cursor older than this may have missed what left the recycle bin after 15 days
PURGED_DAYS = 29  # how far back ids of deleted records are told


@dataclass(frozen=True, slots=True, kw_only=True)
class Object:
    """One object of Salesforce: its fields and how its records become rows.

    `money`: it has a currency of its own in multi-currency organizations. `soft`: deleted records
    can be seen for a while.
    """

    name: str
    kind: str = ""  # of rows.CRM_KINDS
    fields: tuple[str, ...]
    make: Callable[[Task], made.Make]
    money: bool = False
    soft: bool = True


_STAMPS = ("CreatedDate", "SystemModstamp")
LEAD = Object(
    name="Lead",
    kind="lead",
    fields=(
        "Id", "IsDeleted", "LeadSource", "Status", "Rating", "Industry", "IsConverted",
        "ConvertedDate", "ConvertedContactId", "ConvertedAccountId", "ConvertedOpportunityId",
        "OwnerId", *_STAMPS,
    ),
    make=made.lead,
)  # fmt: skip
CONTACT = Object(
    name="Contact",
    kind="contact",
    fields=("Id", "IsDeleted", "AccountId", "LeadSource", "OwnerId", *_STAMPS),
    make=made.contact,
)
ACCOUNT = Object(
    name="Account",
    kind="company",
    fields=(
        "Id", "IsDeleted", "Name", "Type", "Industry", "AnnualRevenue", "NumberOfEmployees",
        "BillingCountry", "ParentId", "OwnerId", *_STAMPS,
    ),
    make=made.company,
    money=True,
)  # fmt: skip
OPPORTUNITY = Object(
    name="Opportunity",
    kind="deal",
    fields=(
        "Id", "IsDeleted", "Name", "AccountId", "CampaignId", "StageName", "Amount", "Probability",
        "ExpectedRevenue", "CloseDate", "Type", "LeadSource", "IsClosed", "IsWon",
        "ForecastCategoryName", "OwnerId", *_STAMPS,
    ),
    make=made.deal,
    money=True,
)  # fmt: skip
MEMBER = Object(
    name="CampaignMember",
    kind="campaign_member",
    fields=(
        "Id", "CampaignId", "LeadId", "ContactId", "Status", "HasResponded", "FirstRespondedDate",
        *_STAMPS,
    ),
    make=made.member,
    soft=False,
)  # fmt: skip
CAMPAIGN = Object(
    name="Campaign",
    fields=(
        "Id", "Name", "Type", "Status", "StartDate", "EndDate", "IsActive", "BudgetedCost",
        "ActualCost", "ExpectedRevenue", "ParentId", "NumberOfLeads", "NumberOfConvertedLeads",
        "NumberOfContacts", "NumberOfResponses", "NumberOfOpportunities",
        "NumberOfWonOpportunities", "AmountAllOpportunities", "AmountWonOpportunities",
    ),
    make=made.campaign,
    money=True,
)  # fmt: skip


def reader(one: Object) -> Callable[[Client, Task], Iterator[Page]]:
    """The `read` of a stream of records that change."""

    def read(client: Client, task: Task) -> Iterator[Page]:
        yield from _changes(client, task, one) if task.changes else _span(client, task, one)

    return read


def read_whole(client: Client, task: Task) -> Iterator[Page]:
    """All campaigns: their counts change without a new stamp."""
    yield from _pages(client, task, CAMPAIGN, (), everything=False)


def fields_of(one: Object, account: AccountInfo) -> tuple[str, ...]:
    """The fields to ask for. With person accounts a name may be a person's, so none is asked for.
    """
    fields = one.fields
    if one.name == "Account" and account.extra.get("person_accounts"):
        fields = tuple(f for f in fields if f != "Name")
    if one.money and account.extra.get("multi_currency"):
        fields = (*fields, "CurrencyIsoCode")
    return fields


def _span(client: Client, task: Task, one: Object) -> Iterator[Page]:
    """Records made on the days of the task, in the organization's time zone."""
    start, end = (_midnight(task, d) for d in (task.start, task.end + timedelta(days=1)))
    where = (f"CreatedDate >= {literal(start)}", f"CreatedDate < {literal(end)}")
    yield from _pages(client, task, one, where)


def _changes(client: Client, task: Task, one: Object) -> Iterator[Page]:
    """Records that changed since the cursor, and what is gone; the last page has the new cursor."""
    cursor = datetime.fromisoformat(task.cursor)
    newest = cursor
    begin, today = cursor - timedelta(seconds=OVERLAP_SECONDS), _midnight(task, task.today)
    while True:
        end = begin + timedelta(days=SLICE_DAYS)
        where = [f"SystemModstamp >= {literal(begin)}"]
        if end < today:  # the last slice is open: whatever changed meanwhile comes along
            where.append(f"SystemModstamp < {literal(end)}")
        for page in _pages(client, task, one, tuple(where)):
            newest = max((newest, *(row["updated_at"] for row in page.rows)))
            yield page
        if end >= today:
            break
        begin = end
    yield Page(
        rows=[],
        gone=_purged(client, task, one) if one.soft else frozenset(),
        alive=None if one.soft else _all_ids(client, task, one),
        cursor=newest.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    )


def _pages(
    client: Client, task: Task, one: Object, where: tuple[str, ...], *, everything: bool = True
) -> Iterator[Page]:
    query = Query(
        object=one.name,
        fields=fields_of(one, task.account),
        where=where,
        everything=everything and one.soft,
    )
    make = one.make(task)
    for batch in records(client, version_of(task.account), query):
        page = make_page(batch.records, make, day_key="CreatedDate", notes=batch.notes)
        page.bytes_read = batch.size
        yield page


def _purged(client: Client, task: Task, one: Object) -> frozenset[str]:
    """Ids of records deleted lately, asked for when the last reading is long ago."""
    if (task.today - datetime.fromisoformat(task.cursor).date()).days < BIN_DAYS:
        return frozenset()
    span = {
        "start": f"{task.today - timedelta(days=PURGED_DAYS)}T00:00:00+00:00",
        "end": f"{task.today}T00:00:00+00:00",
    }
    where = path(version_of(task.account), f"sobjects/{one.name}/deleted/")
    answer = client.get(where, params=span)
    return frozenset(str(r.get("id")) for r in listed(answer.data.get("deletedRecords")))


def _all_ids(client: Client, task: Task, one: Object) -> frozenset[str] | None:
    """The ids of all records there are, once in each week; None in between."""
    last = datetime.fromisoformat(task.cursor).date()
    if last.isocalendar()[:2] == task.today.isocalendar()[:2]:
        return None
    query = Query(object=one.name, fields=("Id",), everything=False)
    return frozenset(
        str(record["Id"])
        for batch in records(client, version_of(task.account), query)
        for record in batch.records
    )


def _midnight(task: Task, day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(task.account.time_zone))
