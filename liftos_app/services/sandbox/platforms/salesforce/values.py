"""Values on the wire: typed in JSON, as texts in CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from typing import Any

from liftos_app.services.sandbox.platforms.salesforce.objects import Sobject


def json_value(value: Any) -> Any:
    """A value in a record of the REST interface; times have no colon in their offset."""
    if isinstance(value, datetime):
        return f"{_seconds(value)}+0000"
    return value.isoformat() if isinstance(value, date) else value


def csv_value(value: Any) -> str:
    """A value in a prepared file; nothing and the empty text look the same."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return f"{_seconds(value)}Z"
    return value.isoformat() if isinstance(value, date) else str(value)


def record(one: Sobject, version: str, row: dict[str, Any]) -> dict[str, Any]:
    """A record as the REST interface sends it."""
    url = f"/services/data/v{version}/sobjects/{one.name}/{row.get('Id', '')}"
    return {
        "attributes": {"type": one.name, "url": url},
        **{name: json_value(value) for name, value in row.items()},
    }


def table(fields: Sequence[str], rows: Iterable[dict[str, Any]]) -> str:
    """A prepared file: every cell quoted, lines end with LF."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(fields)
    for row in rows:
        writer.writerow([csv_value(row.get(name)) for name in fields])
    return out.getvalue()


def _seconds(value: datetime) -> str:
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000")
