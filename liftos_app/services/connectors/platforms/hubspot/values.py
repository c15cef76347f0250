"""HubSpot's values: every property is a text or null, whatever it means."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from liftos_app.errors import GiveUp
from liftos_app.services.connectors.faults import REPORT
from liftos_app.services.connectors.rows import micros, moment, shown


def at(value: Any) -> datetime:
    """A time: ISO 8601, or milliseconds of the epoch in old fields. Raises ValueError."""
    if type(value) is str and value.lstrip("-").isdecimal():
        if len(value) > 15:
            raise ValueError(f"not a time: {shown(value)}")
        return datetime.fromtimestamp(int(value) / 1000, UTC)
    return moment(value)


def day(value: Any, zone: ZoneInfo) -> str | None:
    """The day of a date; midnight UTC is a day that somebody picked and is not shifted."""
    if value is None or value == "":
        return None
    found = at(value)
    if found.timetz() == time(tzinfo=UTC):
        return found.date().isoformat()
    return found.astimezone(zone).date().isoformat()


def money(value: Any) -> int | None:
    """An amount in micro-units; None when nobody entered one."""
    return None if value is None or value == "" else micros(value)


def flag(value: Any) -> bool | None:
    """A yes or no; None when it was not said."""
    if value is None or value == "":
        return None
    if value not in ("true", "false"):
        raise ValueError(f"neither true nor false: {shown(value)}")
    return bool(value == "true")


def strange(why: str) -> GiveUp:
    """The error for an answer that is not as HubSpot documents it."""
    return GiveUp(
        "HubSpot's answer has another form than before.",
        why=why,
        fix=REPORT,
        cause="source_data",
        owner="the_platform",
    )


def person(ident: str, salt: str) -> str:
    """A keyed hash of a contact's id; "" without an id, or without a salt to key it."""
    if not ident or not salt:
        return ""
    return hmac.new(salt.encode(), ident.encode(), hashlib.sha256).hexdigest()
