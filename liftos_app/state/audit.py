"""The audit log as a page: filters from the address, entries in finished words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final
from urllib.parse import urlencode

import reflex as rx

from liftos_app.errors import Invalid
from liftos_app.models import Organization
from liftos_app.services import format as fmt
from liftos_app.services.audit import reading
from liftos_app.services.context import Context
from liftos_app.state.app import AppState, handler, perform

PAGE: Final = 50
FILTERS: Final = ("actor", "action", "target", "start", "end")


@dataclass
class AuditRow:
    """An entry; `details` are pairs of what and how, `change` of what and before → after."""

    seq: str
    at: str
    actor: str
    action: str
    target: str
    result: str
    kind: str
    reason: str
    details: list[list[str]]


@dataclass
class AuditView:
    """What the page shows."""

    rows: list[AuditRow] = field(default_factory=list)
    actions: list[str] = field(default_factory=list)
    older: str = ""
    filtered: bool = False


class AuditState(AppState):
    """The page at /settings/audit."""

    audit: AuditView = AuditView()
    audit_asked: dict[str, str] = {}
    audit_loaded: bool = False

    @handler("audit.read")
    async def load(self):
        """Read the filters from the address, then the entries."""
        given = self.router.url.query_parameters
        asked = {name: str(given.get(name, ""))[:254] for name in FILTERS}
        before = str(given.get("before", ""))
        self.audit_asked = asked
        try:
            self.audit = await perform(_view, asked, before)
        except Invalid as error:
            self.audit = AuditView(filtered=True)
            self._note("warn", error.what, more=error.fix)
        self.audit_loaded = True

    @handler("audit.read")
    async def find(self, form: dict[str, Any]):
        """Filters go to the address."""
        asked = {name: str(form.get(name, "")).strip() for name in FILTERS}
        words = urlencode({name: text for name, text in asked.items() if text})
        return rx.redirect(f"/settings/audit?{words}" if words else "/settings/audit")


def _view(ctx: Context, asked: dict[str, str], before: str) -> AuditView:
    zone = ctx.session.get_one(Organization, ctx.org).time_zone
    found = reading.browse(
        ctx,
        reading.Asked(
            actor=asked["actor"].strip(), action=asked["action"].strip(),
            target=asked["target"].strip(), start=reading.day_begins(_day(asked["start"])),
            end=reading.day_ends(_day(asked["end"])),
        ),
        before=int(before) if before.isdecimal() and len(before) <= 18 else None, limit=PAGE + 1,
    )
    older = ""
    if len(found) > PAGE:
        kept = {k: v for k, v in asked.items() if v}
        older = "/settings/audit?" + urlencode({**kept, "before": found[PAGE - 1].entry.seq})
    return AuditView(
        rows=[_row(one, zone) for one in found[:PAGE]], actions=reading.actions(ctx), older=older,
        filtered=any(asked.values()),
    )


def _row(one: reading.Shown, zone: str) -> AuditRow:
    entry = one.entry
    return AuditRow(
        seq=str(entry.seq), at=fmt.moment(entry.at, zone),
        actor=one.actor or {"nobody": "Nobody signed in"}.get(entry.actor_type, entry.actor_type),
        action=entry.action,
        target=f"{entry.object_type} {entry.object_id}".strip(), result=entry.result,
        kind="ok" if entry.result == "ok" else "warn", reason=entry.reason,
        details=[*_changes(entry.data), *(
            [name, text] for name, text in (
                ("Address", entry.ip), ("Request", entry.request_id), ("Hash", entry.hash),
            ) if text
        )],
    )


def _changes(data: Mapping[str, Any]) -> list[list[str]]:
    """What came with an entry; a `before` and an `after` side by side, field by field."""
    rest = {k: v for k, v in data.items() if k not in {"before", "after"}}
    found = [[str(k), _text(v)] for k, v in rest.items()]
    if not {"before", "after"} & set(data):
        return found
    before, after = data.get("before"), data.get("after")
    if isinstance(before, dict) and isinstance(after, dict):
        names = list(dict.fromkeys([*before, *after]))
        pairs = [(str(n), before.get(n), after.get(n)) for n in names]
        return [[n, f"{_text(b)} → {_text(a)}"] for n, b, a in pairs if b != a] + found
    return [["Changed", f"{_text(before)} → {_text(after)}"], *found]


def _text(value: Any) -> str:
    if value is None:
        return "nothing"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as error:
        raise Invalid("This is not a day.", fix="Choose another one.", field="start") from error
