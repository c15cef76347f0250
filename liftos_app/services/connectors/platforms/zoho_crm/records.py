"""From Zoho CRM's records to ours. A look-up is an object on pages and a bare id in files; of both
only the id is kept, because its name is often a person's.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from typing import Any
from zoneinfo import ZoneInfo

from liftos_app.services.connectors import rows
from liftos_app.services.connectors.rows import ident, micros, moment, text
from liftos_app.services.connectors.spec import Row, Task

Record = Mapping[str, Any]
Make = Callable[[Record], Row]
_FLAGS: Mapping[Any, bool] = {True: True, False: False, "true": True, "false": False}
WON, LOST = "closed won", "closed lost"


def trimmed(record: Any) -> Any:
    """The record without the names behind its look-ups."""
    if not isinstance(record, dict):
        return record
    return {
        name: {"id": value.get("id")} if isinstance(value, dict) else value
        for name, value in record.items()
    }


def linked(value: object) -> str:
    """The id of a look-up, "" for none."""
    found = value.get("id") if isinstance(value, Mapping) else value
    return text(found, 80)


def person(found: str, salt: str) -> str:
    """A person's id as a keyed hash, "" for nobody."""
    if not found:
        return ""
    key = bytes.fromhex(salt) if salt else b""
    return hmac.new(key, f"zoho_crm:{found}".encode(), hashlib.sha256).hexdigest()


def money(value: object) -> int | None:
    """An amount in micro-units, None when none was entered."""
    return None if value is None else micros(value)


def day_or_none(value: object) -> str | None:
    """A calendar day, None when none was entered; of a time its own day."""
    return None if value is None else rows.day(value[:10] if isinstance(value, str) else value)


def _base(kind: str, task: Task, record: Record) -> Row:
    created = moment(record["Created_Time"])
    return {
        "external_id": ident(record["id"], 80),
        "kind": kind,
        "day": created.astimezone(ZoneInfo(task.account.time_zone)).date().isoformat(),
        "created_at": created,
        "updated_at": moment(record.get("Modified_Time") or record["Created_Time"]),
        "owner_id": linked(record.get("Owner")),
    }


def lead(task: Task) -> Make:
    """A lead; once converted it is closed and points to its company."""

    def make(record: Record) -> Row:
        converted = _flag(record.get("Converted__s"))
        contact = linked(record.get("Converted_Contact"))
        return {
            **_base("lead", task, record),
            "status": text(record.get("Lead_Status"), 80),
            "source": text(record.get("Lead_Source"), 120),
            "is_closed": converted,
            "closed_day": day_or_none(record.get("Converted_Date_Time")),
            "parent_id": linked(record.get("Converted_Account")),
            "person_ref": person(contact or ident(record["id"]), task.salt),
            "attrs": {"contact_id": contact, "deal_id": linked(record.get("Converted_Deal"))},
        }

    return make


def contact(task: Task) -> Make:
    """A person at a company, known by a hash only."""

    def make(record: Record) -> Row:
        return {
            **_base("contact", task, record),
            "source": text(record.get("Lead_Source"), 120),
            "parent_id": linked(record.get("Account_Name")),
            "person_ref": person(ident(record["id"]), task.salt),
            "attrs": {},
        }

    return make


def company(task: Task) -> Make:
    """A company. Its yearly revenue is an attribute, not an amount of ours."""

    def make(record: Record) -> Row:
        employees = record.get("Employees")
        return {
            **_base("company", task, record),
            "name": text(record.get("Account_Name"), 400),
            "currency": currency(task, record),
            "attrs": {
                "industry": text(record.get("Industry"), 120),
                "employees": None if employees is None else rows.whole(employees),
                "revenue_micros": money(record.get("Annual_Revenue")),
            },
        }

    return make


def deal(task: Task, stages: Mapping[str, str]) -> Make:
    """A deal in its own currency. `stages` are forecast types by stage; without one its name says
    whether a deal is won or lost.
    """

    def make(record: Record) -> Row:
        stage = text(record.get("Stage"), 120)
        outcome = stages.get(stage, stage).lower().replace("-", " ")
        won, lost = outcome.startswith(WON), outcome.startswith(LOST)
        return {
            **_base("deal", task, record),
            "name": text(record.get("Deal_Name"), 400),
            "status": text(record.get("Pipeline"), 80),
            "stage": stage,
            "amount_micros": money(record.get("Amount")),
            "currency": currency(task, record),
            "closed_day": day_or_none(record.get("Closing_Date")),
            "is_closed": won or lost,
            "is_won": won,
            "source": text(record.get("Lead_Source"), 120),
            "campaign_id": linked(record.get("Campaign_Source")),
            "parent_id": linked(record.get("Account_Name")),
            "person_ref": person(linked(record.get("Contact_Name")), task.salt),
            "attrs": {
                "type": text(record.get("Type"), 120),
                "probability": text(record.get("Probability"), 20),
                "expected_micros": money(record.get("Expected_Revenue")),
            },
        }

    return make


def campaign(task: Task) -> Make:
    """A campaign with what it was to cost and what it did."""

    def make(record: Record) -> Row:
        return {
            "external_id": ident(record["id"]),
            "level": rows.CRM_CAMPAIGN,
            "name": text(record.get("Campaign_Name"), 400),
            "status": text(record.get("Status"), 40).lower(),
            "attrs": {
                "type": text(record.get("Type"), 80),
                "starts": day_or_none(record.get("Start_Date")),
                "ends": day_or_none(record.get("End_Date")),
                "currency": currency(task, record),
                "budget_micros": money(record.get("Budgeted_Cost")),
                "cost_micros": money(record.get("Actual_Cost")),
                "expected_micros": money(record.get("Expected_Revenue")),
                "sent": text(record.get("Num_sent"), 40),
            },
        }

    return make


def owner(record: Record) -> Row:
    """Somebody who owns records: a number and a role, no name."""
    found = ident(record["id"])
    role = text(record.get("role"), 120)
    return {
        "external_id": found,
        "level": rows.OWNER,
        "name": f"{role or 'Owner'} {found[-4:]}",
        "status": text(record.get("status"), 40).lower(),
        "attrs": {"role": role},
    }


def currency(task: Task, record: Record) -> str:
    """The record's own currency where a company has several, else the company's."""
    own = record.get("Currency")
    if own is None:
        return task.account.currency
    if not (isinstance(own, str) and len(own) == 3 and own.isalpha()):
        raise ValueError(f"not a currency: {rows.shown(own)}")
    return own.upper()


def _flag(value: object) -> bool | None:
    if value is None:
        return None
    if value not in _FLAGS:
        raise ValueError(f"not true or false: {rows.shown(value)}")
    return _FLAGS[value]
