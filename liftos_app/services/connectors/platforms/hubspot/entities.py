"""Owners, pipelines with their stages, properties, e-mails and campaigns, read whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from liftos_app.errors import Fix
from liftos_app.services.connectors import rows
from liftos_app.services.connectors.client import Answer, Client
from liftos_app.services.connectors.paging import dig
from liftos_app.services.connectors.platforms.hubspot import portal, search
from liftos_app.services.connectors.platforms.hubspot.values import money
from liftos_app.services.connectors.platforms.hubspot.version import VERSION
from liftos_app.services.connectors.read import listed, make_page
from liftos_app.services.connectors.rows import ident, text, whole
from liftos_app.services.connectors.spec import Page, Row, Task

MAIL_FIELDS = (
    "id", "name", "subject", "type", "state", "campaign", "campaignName", "publishDate",
    "createdAt", "updatedAt", "archived", "isPublished", "stats",
)  # fmt: skip
CAMPAIGN_FIELDS = (
    "hs_name", "hs_start_date", "hs_end_date", "hs_campaign_status", "hs_currency_code",
    "hs_utm", "hs_budget_items_sum_amount", "hs_spend_items_sum_amount",
)  # fmt: skip
MODEL = "LINEAR"  # of the revenue that HubSpot credits to a campaign


def read_owners(client: Client, task: Task) -> Iterator[Page]:
    """Owners by number and team, those who left too. Their names and addresses are not kept."""
    portal.check(client, task)
    for gone in ("false", "true"):
        params = [("limit", str(search.LIST_LIMIT)), ("archived", gone)]
        for answer in search.listing(client, f"/crm/owners/{VERSION}", params):
            yield make_page(_without_person(dig(answer.data, "results")), owner_row, answer=answer)


def _without_person(records: Any) -> list[Any]:
    """HubSpot sends names and addresses unasked; they are dropped before anything is kept."""
    hidden = {"email", "firstName", "lastName"}
    return [
        {k: v for k, v in r.items() if k not in hidden} if isinstance(r, dict) else r
        for r in listed(records)
    ]


def owner_row(record: Any) -> Row:
    """An owner, known by number and team."""
    teams = [text(t.get("name"), 100) for t in record.get("teams") or () if isinstance(t, dict)]
    number = ident(record["id"])
    return {
        "external_id": number,
        "level": rows.OWNER,
        "name": f"Owner {number}" + (f" ({teams[0]})" if teams else ""),
        "status": "archived" if record.get("archived") else "active",
        "attrs": {"teams": teams, "type": text(record.get("type"), 40)},
    }


def read_pipelines(client: Client, task: Task) -> Iterator[Page]:
    """Deal pipelines, then their stages below them."""
    portal.check(client, task)
    answer = client.get(f"/crm/pipelines/{VERSION}/deals")
    pipelines = listed(dig(answer.data, "results"))
    yield make_page(pipelines, pipeline_row, answer=answer)
    stages = [
        {**stage, "pipelineId": one.get("id")}
        for one in pipelines
        if isinstance(one, dict)
        for stage in one.get("stages") or ()
        if isinstance(stage, dict)
    ]
    yield make_page(stages, stage_row, columns=frozenset())


def pipeline_row(record: Any) -> Row:
    """A pipeline."""
    return {
        "external_id": ident(record["id"]),
        "level": rows.PIPELINE,
        "name": text(record.get("label"), 400),
        "status": "archived" if record.get("archived") else "active",
        "attrs": {"order": record.get("displayOrder")},
    }


def stage_row(record: Any) -> Row:
    """A stage; `probability` in millionths, as all shares of ours."""
    meta = record.get("metadata") or {}
    return {
        "external_id": ident(record["id"]),
        "level": rows.PIPELINE_STAGE,
        "parent_id": ident(record["pipelineId"]),
        "name": text(record.get("label"), 400),
        "status": "archived" if record.get("archived") else "active",
        "attrs": {
            "order": record.get("displayOrder"),
            "probability_micros": money(meta.get("probability")),
            "is_closed": meta.get("isClosed") == "true",
        },
    }


def read_properties(client: Client, task: Task) -> Iterator[Page]:
    """The properties of deals: name, label and type."""
    portal.check(client, task)
    answer = client.get(f"/crm/properties/{VERSION}/deals")
    yield make_page(dig(answer.data, "results"), property_row, answer=answer)


def property_row(record: Any) -> Row:
    """A property of deals."""
    name = ident(record["name"])
    return {
        "external_id": ident(f"deals.{name}"),
        "level": rows.FIELD,
        "parent_id": "deals",
        "name": text(record.get("label"), 400) or name,
        "attrs": {
            "type": text(record.get("type"), 40),
            "field_type": text(record.get("fieldType"), 40),
            "calculated": bool(record.get("calculated")),
        },
    }


def mails(client: Client) -> list[Answer]:
    """All marketing e-mails with their statistics so far; without sender and content.

    Read once for each client: their results are made of the same list.
    """
    if _MAILS not in client.kept:
        params = [("limit", str(search.LIST_LIMIT)), ("sort", "updatedAt")]
        params += [("includeStats", "true"), *(("includedProperties", n) for n in MAIL_FIELDS)]
        client.kept[_MAILS] = list(search.listing(client, f"/marketing/emails/{VERSION}", params))
    found: list[Answer] = client.kept[_MAILS]
    return found


def read_mails(client: Client, task: Task) -> Iterator[Page]:
    """Marketing e-mails: what they are called and what became of them."""
    portal.check(client, task)
    for answer in mails(client):
        yield make_page(dig(answer.data, "results"), mail_row, answer=answer)


def mail_row(record: Any) -> Row:
    """A marketing e-mail, below its campaign when it has one."""
    attrs = {
        "subject": text(record.get("subject"), 400),
        "type": text(record.get("type"), 60),
        "published_at": text(record.get("publishDate"), 40),
    }
    return {
        "external_id": ident(record["id"]),
        "level": rows.MAIL_MESSAGE,
        "parent_id": text(record.get("campaign"), 120),
        "name": text(record.get("name"), 400),
        "status": text(record.get("state"), 40).lower(),
        "attrs": {k: v for k, v in attrs.items() if v},
    }


def read_campaigns(client: Client, task: Task) -> Iterator[Page]:
    """Campaigns with budget, spend and what HubSpot credits them with."""
    portal.check(client, task)
    path = f"/marketing/campaigns/{VERSION}"
    params = [("limit", str(search.LIST_LIMIT)), ("properties", ",".join(CAMPAIGN_FIELDS))]
    for answer in search.listing(client, path, params):
        records = listed(dig(answer.data, "results"))
        reports: dict[str, dict[str, Any]] = {}
        notes: tuple[str, ...] = ()
        for record in records:
            guid = str(record.get("id") or "") if isinstance(record, dict) else ""
            if not guid:
                continue  # make_page rejects it, with the reason
            reports[guid] = _report(client, f"{path}/{guid}/reports/metrics", {})
            if client.kept.get(_NO_REVENUE):
                continue
            try:
                model = {"attributionModel": MODEL}
                reports[guid] |= _report(client, f"{path}/{guid}/reports/revenue", model)
            except Fix as error:
                if error.cause != "permission":
                    raise
                client.kept[_NO_REVENUE] = True
                notes = ("The key may not read the revenue of campaigns; they come without it.",)

        def make(record: Any, reports: Mapping[str, Any] = reports) -> Row:
            return campaign_row(record, reports.get(str(record["id"]), {}))

        yield make_page(records, make, answer=answer, notes=notes)


_NO_REVENUE, _MAILS = "hubspot.no_revenue", "hubspot.mails"


def _report(client: Client, path: str, params: Mapping[str, Any]) -> dict[str, Any]:
    found = client.get(path, params=params).data
    return dict(found) if isinstance(found, dict) else {}


def campaign_row(record: Any, report: Mapping[str, Any]) -> Row:
    """A campaign. Sums are of its whole life; revenue in the portal's currency."""
    own = record.get("properties") or {}
    attrs: dict[str, Any] = {
        "budget_micros": money(own.get("hs_budget_items_sum_amount")),
        "spend_micros": money(own.get("hs_spend_items_sum_amount")),
        "starts": text(own.get("hs_start_date"), 40),
        "ends": text(own.get("hs_end_date"), 40),
        "utm": text(own.get("hs_utm"), 200),
        "currency": text(report.get("currencyCode") or own.get("hs_currency_code"), 3),
    }
    counts = {
        "sessions": "sessions", "influencedContacts": "influenced_contacts",
        "newContactsFirstTouch": "new_contacts", "dealsNumber": "deals",
    }  # fmt: skip
    attrs |= {to: whole(report[name]) for name, to in counts.items() if name in report}
    amounts = {"dealAmount": "deal_amount_micros", "revenueAmount": "revenue_micros"}
    attrs |= {to: money(report[name]) for name, to in amounts.items() if name in report}
    return {
        "external_id": ident(record["id"]),
        "level": rows.CRM_CAMPAIGN,
        "name": text(own.get("hs_name"), 400),
        "status": text(own.get("hs_campaign_status"), 40).lower(),
        "attrs": {k: v for k, v in attrs.items() if v not in (None, "")},
    }
