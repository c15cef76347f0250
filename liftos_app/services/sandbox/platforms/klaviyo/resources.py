"""The world's mail records as JSON:API resources: campaigns, messages, flows, lists, metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from liftos_app.services.sandbox.platforms.klaviyo.wire import sparse

if TYPE_CHECKING:
    from liftos_app.services.sandbox.world.shapes import (
        MailCampaign,
        MailFlow,
        MailList,
        MailMetric,
        Order,
    )

UTM = (("utm_source", "klaviyo"), ("utm_medium", "email"))


def moment(value: datetime | None, *, fraction: bool = False) -> str | None:
    """An ISO 8601 text with offset; some resources carry microseconds, some do not."""
    if value is None:
        return None
    return value.strftime("%Y-%m-%dT%H:%M:%S.%f+00:00" if fraction else "%Y-%m-%dT%H:%M:%S+00:00")


def resource(
    base: str,
    kind: str,
    path: str,
    identity: str,
    *,
    attributes: Mapping[str, Any],
    fields: Mapping[str, Sequence[str]],
    relationships: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """One resource object; `fields` are the sparse fieldsets by type."""
    body: dict[str, Any] = {
        "type": kind,
        "id": identity,
        "attributes": sparse(attributes, fields.get(kind, ())),
    }
    if relationships:
        body["relationships"] = dict(relationships)
    body["links"] = {"self": f"{base}/api/{path}/{identity}/"}
    return body


def relation(base: str, path: str, identity: str, name: str, data: Any = None) -> dict[str, Any]:
    """One relationship: its links and, when known, what it points to."""
    found: dict[str, Any] = {} if data is None else {"data": data}
    found["links"] = {
        "self": f"{base}/api/{path}/{identity}/relationships/{name}/",
        "related": f"{base}/api/{path}/{identity}/{name}/",
    }
    return found


def campaign(base: str, row: MailCampaign, fields: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """A campaign in the shape of revision 2026-07-15."""
    email = row.channel == "email"
    params = [{"type": "static", "value": value, "name": name} for name, value in UTM]
    params.append({"type": "dynamic", "value": "campaign_name", "name": "utm_campaign"})
    tracking: dict[str, Any] = {"add_tracking_params": True, "custom_tracking_params": params}
    if email:
        tracking |= {"is_tracking_clicks": True, "is_tracking_opens": True}
    strategy: dict[str, Any] = {"method": "immediate"}
    if row.send_at is not None:
        strategy = {
            "method": "static",
            "datetime": moment(row.send_at),
            "options": {"is_local": False},
        }
    scheduled = row.send_at is not None and row.status != "Draft"
    attributes = {
        "name": row.name,
        "status": row.status,
        "archived": row.archived,
        "audiences": {"included": list(row.list_ids), "excluded": []},
        "send_options": {"use_smart_sending": True},
        "tracking_options": tracking,
        "send_strategy": strategy,
        "created_at": moment(row.created_at, fraction=True),
        "scheduled_at": moment(row.created_at, fraction=True) if scheduled else None,
        "updated_at": moment(row.updated_at, fraction=True),
        "send_time": moment(row.send_at),
    }
    messages = [{"type": "campaign-message", "id": row.message_id}]
    return resource(
        base,
        "campaign",
        "campaigns",
        row.id,
        attributes=attributes,
        fields=fields,
        relationships={
            "campaign-messages": relation(base, "campaigns", row.id, "campaign-messages", messages),
            "tags": relation(base, "campaigns", row.id, "tags"),
        },
    )


def message(
    base: str, row: MailCampaign, fields: Mapping[str, Sequence[str]], sender: Mapping[str, str]
) -> dict[str, Any]:
    """The message of a campaign; its data sits under `definition`."""
    definition: dict[str, Any] = {
        "channel": "sms",
        "content": {"body": row.subject},
        "render_options": {
            "shorten_links": True,
            "add_org_prefix": True,
            "add_info_link": True,
            "add_opt_out_language": False,
        },
    }
    if row.channel == "email":
        definition = {
            "channel": "email",
            "label": row.name,
            "content": {
                "subject": row.subject,
                "preview_text": None,
                "from_email": sender["email"],
                "from_label": sender["name"],
                "reply_to_email": None,
                "cc_email": None,
                "bcc_email": None,
            },
        }
    times = [{"datetime": moment(row.send_at), "is_local": False}] if row.send_at else []
    attributes = {
        "definition": definition,
        "send_times": times,
        "created_at": moment(row.created_at),
        "updated_at": moment(row.updated_at),
    }
    owner = {"type": "campaign", "id": row.id}
    return resource(
        base,
        "campaign-message",
        "campaign-messages",
        row.message_id,
        attributes=attributes,
        fields=fields,
        relationships={
            "campaign": relation(base, "campaign-messages", row.message_id, "campaign", owner),
        },
    )


_STATUSES = {"Sent": "sent", "Scheduled": "scheduled", "Draft": "draft", "Sending": "sending"}


def campaign_new(
    base: str, row: MailCampaign, fields: Mapping[str, Sequence[str]], zone: str
) -> dict[str, Any]:
    """A campaign in the shape of revision 2026-10-15: its data under `definition`."""
    attributes = {
        "created_at": moment(row.created_at, fraction=True),
        "updated_at": moment(row.updated_at, fraction=True),
        "definition": {
            "name": row.name,
            "builder": "wizard",
            "archived": row.archived,
            "color": None,
            "description": None,
            "send_settings": {"send_timezone": zone, "send_strategy": "static"},
        },
    }
    messages = [{"type": "campaign-message", "id": row.message_id}]
    relationships = {
        "campaign-audiences": relation(base, "campaigns", row.id, "campaign-audiences"),
        "campaign-messages": relation(base, "campaigns", row.id, "campaign-messages", messages),
        "tags": relation(base, "campaigns", row.id, "tags"),
    }
    return resource(
        base, "campaign", "campaigns", row.id,
        attributes=attributes, fields=fields, relationships=relationships,
    )  # fmt: skip


def message_new(
    base: str, row: MailCampaign, fields: Mapping[str, Sequence[str]]
) -> dict[str, Any]:  # fmt: skip
    """A message in the shape of revision 2026-10-15."""
    attributes = {
        "created": moment(row.created_at),
        "updated": moment(row.updated_at),
        "definition": {"name": row.name, "status": _STATUSES.get(row.status, "cancelled")},
    }
    owner = {"type": "campaign", "id": row.id}
    path = "campaign-messages"
    return resource(
        base, "campaign-message", path, row.message_id, attributes=attributes, fields=fields,
        relationships={"campaign": relation(base, path, row.message_id, "campaign", owner)},
    )  # fmt: skip


def flow(base: str, row: MailFlow, fields: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """A flow."""
    attributes = {
        "name": row.name,
        "status": row.status,
        "archived": row.archived,
        "created": moment(row.created_at),
        "updated": moment(row.updated_at),
        "trigger_type": row.trigger,
    }
    return resource(
        base,
        "flow",
        "flows",
        row.id,
        attributes=attributes,
        fields=fields,
        relationships={
            name: relation(base, "flows", row.id, name) for name in ("flow-actions", "tags")
        },
    )


def mail_list(base: str, row: MailList, fields: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """A list, or a segment."""
    kind, path = ("segment", "segments") if row.segment else ("list", "lists")
    attributes: dict[str, Any] = {
        "name": row.name,
        "created": moment(row.created_at),
        "updated": moment(row.updated_at),
    }
    if row.segment:
        attributes |= {
            "definition": None,
            "is_active": True,
            "is_processing": False,
            "is_starred": False,
        }
    else:
        attributes["opt_in_process"] = "single_opt_in"
    return resource(
        base,
        kind,
        path,
        row.id,
        attributes=attributes,
        fields=fields,
        relationships={
            name: relation(base, path, row.id, name)
            for name in ("profiles", "tags", "flow-triggers")
        },
    )


def metric(base: str, row: MailMetric, fields: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """A metric and the integration it comes from."""
    name = row.integration or "Klaviyo"
    attributes = {
        "name": row.name,
        "created": moment(row.created_at),
        "updated": moment(row.created_at),
        "integration": {
            "object": "integration",
            "id": f"int-{name.lower().replace(' ', '-')}",
            "key": name.lower(),
            "name": name,
            "category": row.category,
        },
    }
    return resource(
        base,
        "metric",
        "metrics",
        row.id,
        attributes=attributes,
        fields=fields,
        relationships={
            "flow-triggers": relation(base, "metrics", row.id, "flow-triggers"),
        },
    )


def event(
    base: str, row: Order, metric_id: str, profile_id: str, fields: Mapping[str, Sequence[str]]
) -> dict[str, Any]:
    """A "Placed Order" event: ids and the amounts of the order, nothing personal."""
    identity = event_id(row)
    attributes = {
        "timestamp": int(row.created_at.timestamp()),
        "datetime": moment(row.created_at),
        "uuid": f"{identity[:8]}-{identity[8:12]}-1000-8000-{identity[12:24]}",
        "event_properties": {
            "$value": row.total / 100,
            "$value_currency": "USD",
            "$event_id": str(row.id),
            "OrderId": str(row.id),
            "ItemCount": sum(x.quantity for x in row.lines),
            "$attributed_message": row.mail_message or None,
        },
    }
    return resource(
        base,
        "event",
        "events",
        identity,
        attributes=attributes,
        fields=fields,
        relationships={
            "profile": relation(
                base, "events", identity, "profile", {"type": "profile", "id": profile_id}
            ),
            "metric": relation(
                base, "events", identity, "metric", {"type": "metric", "id": metric_id}
            ),
            "attributions": relation(
                base,
                "events",
                identity,
                "attributions",
                [{"type": "attribution", "id": f"a{identity}"}] if row.mail_message else [],
            ),
        },
    )


def event_id(row: Order) -> str:
    """The id of the event an order left behind: 24 hexadecimal characters."""
    return f"{row.id:024x}"
