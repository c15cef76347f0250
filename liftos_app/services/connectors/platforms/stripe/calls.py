"""Calls of the interface: for an account where Connect is used, and walks through lists."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from liftos_app.errors import Fix, GiveUp
from liftos_app.services.connectors.client import Answer, Client, Params
from liftos_app.services.connectors.faults import REPORT
from liftos_app.services.connectors.paging import walk
from liftos_app.services.connectors.platforms.stripe.errors import PERMISSION
from liftos_app.services.connectors.platforms.stripe.signin import ACCOUNT_HEADER
from liftos_app.services.connectors.spec import AccountInfo

LIMIT = 100  # the most a page may hold


def get(
    client: Client, path: str, account: AccountInfo | None, params: Params | None = None
) -> Answer:
    """GET a path of the interface, for an account or for whoever the credential is."""
    headers = {}
    if account is not None and client.credential.method == "oauth":
        headers[ACCOUNT_HEADER] = account.external_id
    answer = client.get(f"/v1/{path}", params=params, headers=headers)
    if not isinstance(answer.data, dict):
        raise _odd("Its answer is not an object, which all of its answers are.")
    return answer


def pages(client: Client, path: str, account: AccountInfo, params: Params) -> Iterator[Answer]:
    """All pages of a list, newest first; every page repeats the filters."""
    filters = list(params.items() if isinstance(params, Mapping) else params)

    def turn(after: str) -> Answer:
        sent = [*filters, ("limit", str(LIMIT)), *([("starting_after", after)] if after else [])]
        return get(client, path, account, sent)

    yield from walk(turn, _following, records_of=lambda data: data.get("data"))


def _following(data: Any) -> str | None:
    rows = data.get("data") if isinstance(data, dict) else None
    if not isinstance(rows, list) or not data.get("has_more"):
        return None
    last = rows[-1].get("id") if rows and isinstance(rows[-1], dict) else None
    if not isinstance(last, str) or not last:
        raise _odd("It says that there is more, but its last record has no id.")
    return last


def _odd(why: str) -> GiveUp:
    return GiveUp(
        "Stripe's answer cannot be followed.", why=why, fix=REPORT, cause="source_data",
        owner="the_platform",
    )  # fmt: skip


def is_permission(error: Fix) -> bool:
    """Whether it is a permission that the key lacks."""
    return error.facts.get("platform_code") == PERMISSION


def midnight(day: dt.date, zone: ZoneInfo) -> int:
    """The beginning of an account's day in unix seconds."""
    return seconds(datetime(day.year, day.month, day.day, tzinfo=zone))


def seconds(moment: datetime) -> int:
    """Unix seconds."""
    return int(moment.astimezone(UTC).timestamp())
