"""Values on the wire: look-ups are objects in JSON and bare ids in files; times carry the company's
offset.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from liftos_app.services.sandbox.platforms.zoho_crm.modules import TRUE_ZONE
from liftos_app.services.sandbox.trouble import name_at

_ZONE: Final = ZoneInfo(TRUE_ZONE)


def json_value(value: Any) -> Any:
    """A value in an answer."""
    if isinstance(value, tuple):
        found = {"name": value[1], "id": value[0]}
        return {**found, "email": value[2]} if len(value) == 3 else found
    if isinstance(value, datetime):
        return value.astimezone(_ZONE).isoformat(timespec="seconds")
    return value.isoformat() if isinstance(value, date) else value


def record(fields: Sequence[str], row: Mapping[str, Any]) -> dict[str, Any]:
    """A record as pages and queries send it; its id comes always."""
    found = {name: json_value(row[name]) for name in fields if name in row}
    ident = name_at(row, 0)
    return {**found, ident: row[ident]}


def packed(
    name: str, fields: Sequence[str], rows: Sequence[Mapping[str, Any]]
) -> bytes:
    """A prepared file: a ZIP with one CSV, the id first."""
    others = [f for f in fields if f != "id"]
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    ident = name_at(rows[0], 0) if rows else "id"
    writer.writerow(["Id" if ident == "id" else ident, *others])
    for row in rows:
        writer.writerow([row[ident], *(_cell(row.get(f)) for f in others)])
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{name}.csv", out.getvalue())
    return body.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return str(value[0])
    return str(json_value(value))
