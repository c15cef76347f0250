"""Metrics, campaigns with their messages, flows, lists and segments, read whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from liftos_app.services.connectors import rows
from liftos_app.services.connectors.client import Client
from liftos_app.services.connectors.platforms.klaviyo.lists import all_of
from liftos_app.services.connectors.read import listed, make_page
from liftos_app.services.connectors.rows import ident, text
from liftos_app.services.connectors.spec import Page, Row, Task

CHANNELS = ("email", "sms", "mobile_push")


def _campaign_filters() -> Iterator[str]:
    """Klaviyo lists campaigns of one channel at a time, archived or not."""
    for channel in CHANNELS:
        for archived in ("false", "true"):
            yield f"and(equals(messages.channel,'{channel}'),equals(archived,{archived}))"


def kept(
    client: Client, task: Task, read: Callable[[Client, Task], Iterator[Page]]
) -> Mapping[str, Row]:
    """The rows of `read_campaigns` or `read_flows` by id: those read in this run, else read now."""
    key = f"klaviyo.{read.__name__}"
    if key not in client.kept:
        for _ in read(client, task):
            pass
    found: Mapping[str, Row] = client.kept[key]
    return found


def read_campaigns(client: Client, task: Task) -> Iterator[Page]:  # noqa: ARG001
    """Campaigns (level 5) and the messages in them (level 6)."""
    found: dict[str, Row] = {}
    for condition in _campaign_filters():
        params = {
            "filter": condition,
            "include": "campaign-messages",
            "page[size]": 100,
            "sort": "updated_at",
        }
        for answer in all_of(client, "campaigns", params):
            campaigns = listed(answer.data.get("data"))
            names = {c.get("id"): (c.get("attributes") or {}) for c in campaigns}
            owner = {
                message["id"]: campaign["id"]
                for campaign in campaigns if campaign.get("id")
                for message in _related(campaign, "campaign-messages")
            }
            messages = [
                m for m in answer.data.get("included") or () if m.get("type") == "campaign-message"
            ]
            page = make_page(campaigns, campaign_row, answer=answer, columns=_columns(campaigns))
            found |= {row["external_id"]: row for row in page.rows}
            yield page
            yield make_page(messages, _message_maker(owner, names), columns=frozenset())
    client.kept["klaviyo.read_campaigns"] = found


def campaign_row(record: Any) -> Row:
    """A campaign. `sent_at` is what puts its results on a day."""
    own = record["attributes"]
    attrs = _present(
        own,
        {
            "send_time": "sent_at",
            "scheduled_at": "scheduled_at",
            "created_at": "created_at",
        },
    )
    attrs["archived"] = bool(own.get("archived"))
    return {
        "external_id": ident(record["id"]),
        "level": rows.MAIL_CAMPAIGN,
        "name": text(own.get("name"), 400),
        "status": text(own.get("status"), 40).lower(),
        "attrs": attrs,
    }


def _message_maker(
    owner: Mapping[str, str], names: Mapping[str, Mapping[str, Any]]
) -> Callable[[Any], Row]:
    def make(record: Any) -> Row:
        own = record.get("attributes") or {}
        definition = own.get("definition") or own
        content = definition.get("content") or {}
        campaign = owner.get(record["id"], "")
        label = definition.get("label") or names.get(campaign, {}).get("name")
        attrs = {
            "channel": text(definition.get("channel"), 40),
            "subject": text(content.get("subject"), 400),
        }
        return {
            "external_id": ident(record["id"]),
            "level": rows.MAIL_MESSAGE,
            "parent_id": campaign,
            "name": text(label, 400),
            "attrs": {k: v for k, v in attrs.items() if v},
        }

    return make


def read_flows(client: Client, task: Task) -> Iterator[Page]:  # noqa: ARG001
    """All flows, archived ones too."""
    found: dict[str, Row] = {}
    for archived in ("false", "true"):
        for answer in all_of(
            client, "flows", {"filter": f"equals(archived,{archived})", "page[size]": 50}
        ):
            records = answer.data.get("data")
            page = make_page(records, flow_row, answer=answer, columns=_columns(records))
            found |= {row["external_id"]: row for row in page.rows}
            yield page
    client.kept["klaviyo.read_flows"] = found


def flow_row(record: Any) -> Row:
    """A flow."""
    own = record["attributes"]
    return {
        "external_id": ident(record["id"]),
        "level": rows.MAIL_FLOW,
        "name": text(own.get("name"), 400),
        "status": text(own.get("status"), 40).lower(),
        "attrs": {
            **_present(own, {"trigger_type": "trigger_type"}),
            "archived": bool(own.get("archived")),
        },
    }


def read_metrics(client: Client, task: Task) -> Iterator[Page]:  # noqa: ARG001
    """All metrics, so that a person can choose which one counts as a conversion."""
    for answer in all_of(client, "metrics"):
        records = answer.data.get("data")
        yield make_page(records, metric_row, answer=answer, columns=_columns(records))


def metric_row(record: Any) -> Row:
    """A metric."""
    own = record["attributes"]
    integration = own.get("integration") or {}
    return {
        "external_id": ident(record["id"]),
        "level": rows.METRIC,
        "name": text(own.get("name"), 400),
        "attrs": {
            "integration": text(integration.get("name"), 100),
            "category": text(integration.get("category"), 100),
        },
    }


def audiences(kind: str) -> Callable[[Client, Task], Iterator[Page]]:
    """The `read` of lists or segments. Names only: the people in them are never read."""

    def make(record: Any) -> Row:
        own = record["attributes"]
        return {
            "external_id": ident(record["id"]),
            "level": rows.MAIL_LIST,
            "name": text(own.get("name"), 400),
            "attrs": {"kind": kind.removesuffix("s")},
        }

    def read(client: Client, task: Task) -> Iterator[Page]:  # noqa: ARG001
        for answer in all_of(client, kind, {"page[size]": 10}):
            records = answer.data.get("data")
            yield make_page(records, make, answer=answer, columns=_columns(records))

    return read


def _related(record: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    relation = (record.get("relationships") or {}).get(name) or {}
    found = relation.get("data") or []
    return [r for r in found if isinstance(r, dict) and r.get("id")]


_FRAME = {"type", "id", "attributes", "relationships", "links"}


def _columns(records: Any) -> frozenset[str]:
    """Names of attributes, which is where Klaviyo adds and renames, and of anything beside them."""
    found = [r for r in records if isinstance(r, dict)] if isinstance(records, list) else []
    inner = frozenset().union(*((r.get("attributes") or {}) for r in found))
    return inner | frozenset().union(*found) - _FRAME


def _present(record: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {to: text(record[name], 200) for name, to in names.items() if record.get(name)}
