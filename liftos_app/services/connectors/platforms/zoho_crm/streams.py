"""Reading each module: by the days its records were made, then by what changed since.

Modified_Time decides, with a look-back. Ids of deleted records are asked for beside the changes.
Converted leads may be hidden from a query that does not speak of them (the documentation is
silent), so where none came they are asked for by name as well, and each is taken once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from liftos_app.services.connectors.client import Client
from liftos_app.services.connectors.paging import dig, lost, walk
from liftos_app.services.connectors.platforms.zoho_crm import bulk, coql
from liftos_app.services.connectors.platforms.zoho_crm import records as made
from liftos_app.services.connectors.platforms.zoho_crm.coql import Batch, Criterion
from liftos_app.services.connectors.platforms.zoho_crm.errors import BadQuery, ModuleOff
from liftos_app.services.connectors.platforms.zoho_crm.version import API
from liftos_app.services.connectors.read import listed, make_page
from liftos_app.services.connectors.spec import Page, Task

OVERLAP_SECONDS = 600
BULK_AFTER = 5  # full answers of a query from which a prepared file is cheaper
PER_PAGE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """One module of Zoho CRM: its fields and how its records become rows."""

    name: str
    kind: str = ""
    fields: tuple[str, ...]
    make: Callable[[Task], made.Make] | None = None  # None: deals, which need the stages too


_STAMPS = ("Owner", "Created_Time", "Modified_Time")
_CONVERTED = "Converted__s"
LEADS = Module(
    name="Leads",
    kind="lead",
    fields=(
        "id", "Lead_Source", "Lead_Status", _CONVERTED, "Converted_Date_Time", "Converted_Contact",
        "Converted_Account", "Converted_Deal", *_STAMPS,
    ),
    make=made.lead,
)  # fmt: skip
CONTACTS = Module(
    name="Contacts",
    kind="contact",
    fields=("id", "Account_Name", "Lead_Source", *_STAMPS),
    make=made.contact,
)
ACCOUNTS = Module(
    name="Accounts",
    kind="company",
    fields=(
        "id", "Account_Name", "Industry", "Annual_Revenue", "Employees", "Currency", *_STAMPS,
    ),
    make=made.company,
)  # fmt: skip
DEALS = Module(
    name="Deals",
    kind="deal",
    fields=(
        "id", "Deal_Name", "Amount", "Stage", "Probability", "Closing_Date", "Expected_Revenue",
        "Type", "Lead_Source", "Campaign_Source", "Account_Name", "Contact_Name", "Pipeline",
        "Currency", *_STAMPS,
    ),
)  # fmt: skip
CAMPAIGNS = Module(
    name="Campaigns",
    fields=(
        "id", "Campaign_Name", "Type", "Status", "Start_Date", "End_Date", "Budgeted_Cost",
        "Actual_Cost", "Expected_Revenue", "Num_sent", "Currency", "Modified_Time",
    ),
    make=made.campaign,
)  # fmt: skip
_ALWAYS = frozenset({"id", "Created_Time", "Modified_Time"})
_OPTIONAL = frozenset({"Currency", "Pipeline"})  # there only when a function is switched on


def reader(one: Module) -> Callable[[Client, Task], Iterator[Page]]:
    """The `read` of a stream of records that change."""

    def read(client: Client, task: Task) -> Iterator[Page]:
        try:
            fields, notes = _fields(client, one)
            way = _changes if task.changes else _span
            yield from way(client, task, one, fields, notes)
        except ModuleOff as error:
            yield Page(rows=[], cursor=task.cursor, notes=(f"{one.name}: {error.why}",))

    return read


def read_campaigns(client: Client, task: Task) -> Iterator[Page]:
    """All campaigns, page by page: the first by number, all others by token."""
    try:
        fields, notes = _fields(client, CAMPAIGNS)
    except ModuleOff as error:
        yield Page(rows=[], notes=(f"Campaigns: {error.why}",))
        return
    asked = {"fields": ",".join(fields), "per_page": PER_PAGE, "sort_by": "id",
             "sort_order": "asc"}  # fmt: skip

    def turn(token: str) -> Any:
        way = {"page_token": token} if token else {"page": 1}
        return coql.call(client, f"{API}/{CAMPAIGNS.name}", params={**asked, **way})

    make = made.campaign(task)
    for answer in walk(turn, _next_token, records_of=_data):
        yield _page(Batch(_data(answer.data), answer.size), make, notes)


def read_owners(client: Client, task: Task) -> Iterator[Page]:  # noqa: ARG001
    """People who own records, past ones too; everything that names them is cut off at once."""

    def turn(number: str) -> Any:
        asked = {"type": "AllUsers", "per_page": PER_PAGE, "page": number or "1"}
        return coql.call(client, f"{API}/users", params=asked)

    def following(data: Any) -> str | None:
        info = data.get("info") or {} if isinstance(data, dict) else {}
        return str(int(info.get("page") or 1) + 1) if info.get("more_records") else None

    for answer in walk(turn, following, records_of=lambda data: dig(data, "users")):
        found = listed((answer.data or {}).get("users") or [])
        records = [
            {
                "id": r.get("id"),
                "status": r.get("status"),
                "role": (r.get("role") or {}).get("name"),
            }
            for r in found
        ]
        yield make_page(records, made.owner, answer=answer)


def _span(
    client: Client, task: Task, one: Module, fields: tuple[str, ...], notes: tuple[str, ...]
) -> Iterator[Page]:
    """Records made on the days of the task, in the company's time zone."""
    start, end = (_midnight(task, d) for d in (task.start, task.end + timedelta(days=1)))
    criteria = [
        Criterion("Created_Time", ">=", coql.literal(start)),
        Criterion("Created_Time", "<", coql.literal(end)),
    ]
    make = _maker(client, task, one)
    for batch in _batches(client, one, fields, criteria, first=coql.LARGE):
        yield _page(batch, make, notes)


def _changes(
    client: Client, task: Task, one: Module, fields: tuple[str, ...], notes: tuple[str, ...]
) -> Iterator[Page]:
    """Records that changed since the cursor, and the ids of deleted ones."""
    cursor = datetime.fromisoformat(task.cursor)
    since = cursor - timedelta(seconds=OVERLAP_SECONDS)
    criteria = [Criterion("Modified_Time", ">=", coql.literal(since))]
    newest, make = cursor, _maker(client, task, one)
    for batch in _batches(client, one, fields, criteria, first=coql.SMALL):
        page = _page(batch, make, notes)
        newest = max((newest, *(row["updated_at"] for row in page.rows)))
        yield page
    yield Page(
        rows=[],
        gone=_deleted(client, one, since),
        cursor=newest.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    )


def _batches(
    client: Client, one: Module, fields: tuple[str, ...], criteria: list[Criterion], *, first: int
) -> Iterator[Batch]:
    """Records that fit, each once; converted leads by name too, unless they are seen not to hide.
    """
    if one is not LEADS:
        yield from _some(client, one, fields, criteria, first=first)
        return
    seen: set[str] = set()
    hidden = True
    for batch in _some(client, one, fields, criteria, first=first):
        seen.update(str(r.get("id")) for r in batch.records)
        hidden = hidden and all(r.get(_CONVERTED) not in (True, "true") for r in batch.records)
        yield batch
    if not hidden:
        return
    converted = [*criteria, Criterion(_CONVERTED, "=", "true")]
    try:
        for batch in _some(client, one, fields, converted, first=first):
            fresh = [r for r in batch.records if str(r.get("id")) not in seen]
            yield Batch(fresh, batch.size)
    except BadQuery:  # an edition without that field hides nothing behind it
        return


def _some(
    client: Client, one: Module, fields: tuple[str, ...], criteria: list[Criterion], *, first: int
) -> Iterator[Batch]:
    """By query, and from some full answers on as a prepared file."""
    last = "0"
    for number, batch in enumerate(coql.records(client, one.name, fields, criteria, first=first)):
        yield batch
        if len(batch.records) < coql.LARGE:
            continue
        last = str(batch.records[-1].get("id"))
        if number + 1 == BULK_AFTER:
            rest = [*criteria, Criterion("id", ">", last)]
            prepared = bulk.records(client, one.name, fields, rest)
            if prepared is not None:
                yield from prepared
                return


def _deleted(client: Client, one: Module, since: datetime) -> frozenset[str]:
    """Ids of records deleted since a moment."""

    def turn(number: str) -> Any:
        return coql.call(
            client,
            f"{API}/{one.name}/deleted",
            params={"type": "all", "per_page": PER_PAGE, "page": number or "1"},
            headers={"If-Modified-Since": coql.stamp(since)},
        )

    def following(data: Any) -> str | None:
        info = data.get("info") or {} if isinstance(data, dict) else {}
        return str(int(info.get("page") or 1) + 1) if info.get("more_records") else None

    found: set[str] = set()
    for answer in walk(turn, following, records_of=_data):
        found.update(str(r.get("id")) for r in _data(answer.data))
    return frozenset(found)


def _fields(client: Client, one: Module) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The fields this company has, and a sentence for each it has not. Asked for once a client."""
    kept = f"zoho_crm.{one.name}"
    if kept not in client.kept:
        answer = coql.call(client, f"{API}/settings/fields", params={"module": one.name})
        listed_ = listed((answer.data or {}).get("fields") or [])
        client.kept[kept] = frozenset(str(f.get("api_name")) for f in listed_) | _ALWAYS
        client.kept[f"{kept}.stages"] = {
            str(v.get("actual_value")): str(v["forecast_type"])
            for f in listed_ if f.get("api_name") == "Stage"
            for v in f.get("pick_list_values") or () if v.get("forecast_type")
        }  # fmt: skip
    there = client.kept[kept]
    fields = tuple(f for f in one.fields if f in there)
    notes = tuple(
        f"Zoho CRM has no field {one.name}.{f} here; it is left out."
        for f in one.fields
        if f not in there and f not in _OPTIONAL
    )
    return fields, notes


def _maker(client: Client, task: Task, one: Module) -> made.Make:
    if one.make is not None:
        return one.make(task)
    return made.deal(task, client.kept.get(f"zoho_crm.{one.name}.stages") or {})


def _page(batch: Batch, make: made.Make, notes: tuple[str, ...]) -> Page:
    page = make_page(
        [made.trimmed(r) for r in batch.records], make, day_key="Created_Time", notes=notes
    )
    page.bytes_read = batch.size
    return page


def _data(data: Any) -> list[Any]:
    """The records of an answer; no body means none."""
    return [] if data is None else listed(data.get("data") if isinstance(data, dict) else None)


def _next_token(data: Any) -> str | None:
    info = data.get("info") or {} if isinstance(data, dict) else {}
    if not info.get("more_records"):
        return None
    if not info.get("next_page_token"):
        raise lost()
    return str(info["next_page_token"])


def _midnight(task: Task, day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(task.account.time_zone))
