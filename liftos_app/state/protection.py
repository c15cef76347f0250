"""Protection: open incidents and how well the installation is guarded."""

from __future__ import annotations

from dataclasses import dataclass, field

from liftos_app.models import Incident, Organization
from liftos_app.services import format as fmt
from liftos_app.services import incidents, mail, protection
from liftos_app.services.context import Context
from liftos_app.services.protection import Protection
from liftos_app.state.app import AppState, as_id, handler, perform

_KINDS = {"medium": "warn", "high": "bad", "critical": "bad"}


@dataclass
class IncidentRow:
    """An open incident in finished words."""

    id: str
    rule: str
    level: str
    kind: str
    words: str
    opened: str
    count: str


@dataclass
class ProtectionView:
    """What the page shows; `facts` are triples of name, value and the kind of its mark."""

    incidents: list[IncidentRow] = field(default_factory=list)
    facts: list[list[str]] = field(default_factory=list)


class ProtectionState(AppState):
    """The page at /settings/protection."""

    protection: ProtectionView = ProtectionView()
    protection_loaded: bool = False

    @handler("audit.read")
    async def load(self):
        """Read incidents and facts."""
        self.protection = await perform(_view)
        self.protection_loaded = True

    @handler("audit.read")
    async def acknowledge(self, incident_id: str):
        """Say that somebody looks after an incident."""
        await perform(_acknowledge, incident_id, write=True)
        self._note("ok", "The incident is acknowledged.", more="The audit log keeps it.")
        self.protection = await perform(_view)


def _acknowledge(ctx: Context, incident_id: str) -> None:
    incidents.acknowledge(ctx, as_id(incident_id))


def _view(ctx: Context) -> ProtectionView:
    zone = ctx.session.get_one(Organization, ctx.org).time_zone
    return ProtectionView(
        incidents=[_row(ctx, one, zone) for one in incidents.list_open(ctx)],
        facts=_facts(ctx, protection.read(ctx), zone),
    )


def _row(ctx: Context, one: Incident, zone: str) -> IncidentRow:
    return IncidentRow(
        id=str(one.id), rule=one.rule, level=one.level.capitalize(),
        kind=_KINDS.get(one.level, "warn"), words=one.words,
        opened=fmt.ago(one.opened_at, ctx.now(), zone),
        count="" if one.count == 1 else f"{one.count} times, last "
        f"{fmt.ago(one.last_at, ctx.now(), zone)}",
    )


def _mail(now: mail.Standing) -> tuple[str, str]:
    if not now.on:
        return "Not set up: links are shown to copy", "mute"
    if now.why:
        return f"{fmt.plural(now.waiting, 'message')} waiting. {now.why}", "bad"
    if now.given_up:
        return f"{fmt.plural(now.given_up, 'message')} not sent within seven days", "warn"
    return "Sent", "ok"


def _facts(ctx: Context, now: Protection, zone: str) -> list[list[str]]:
    ago = fmt.ago
    verified, kind = "Not yet. To read it all now: liftos audit verify", "warn"
    if now.verified is not None:
        when = ago(now.verified.at, ctx.now(), zone)
        verified, kind = f"Whole, {when}, {fmt.count(now.verified.rows)} rows", "ok"
        if not now.verified.ok:
            verified, kind = f"Not whole, {when}: first bad row {now.verified.first_bad}", "bad"
    covered = now.with_factor == now.people
    oldest = ago(now.oldest_data_key, ctx.now(), zone) if now.oldest_data_key else "none made yet"
    wrapped = f"{now.master_key}; wraps every data key" if not now.on_older_keys else (
        f"{now.master_key}; {now.on_older_keys} data keys are still wrapped by an older one")
    return [
        ["Audit log verified", verified, kind],
        ["Last checkpoint of the log", ago(now.checkpoint, ctx.now(), zone) if now.checkpoint
         else "None yet", "ok" if now.checkpoint else "warn"],
        ["Last backup", ago(now.last_backup, ctx.now(), zone) if now.last_backup
         else "None known of. To make one: liftos backup",
         "ok" if now.last_backup else "warn"],
        ["Second factor", f"{now.with_factor} of {fmt.plural(now.people, 'person', 'people')}",
         "ok" if covered else "warn"],
        ["Mail", *_mail(now.mail)],
        ["Signed-in browsers", str(now.sessions), "mute"],
        ["Active master key", wrapped, "warn" if now.on_older_keys else "ok"],
        ["Data keys", f"{now.data_keys}, the oldest: {oldest}", "mute"],
        *([] if now.wall is None else [
            ["Row-level security", now.wall or "Keeps organizations apart in the database",
             "warn" if now.wall else "ok"]
        ]),
    ]
