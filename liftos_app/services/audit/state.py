"""A verification as an act: what came of it stands in the log, and where to find the last one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, select

from liftos_app.models import AuditEntry
from liftos_app.services.audit.chain import record
from liftos_app.services.audit.verify import Report, as_facts, verify
from liftos_app.services.context import App, Principal, job_principal, open_context

VERIFIED = "audit.verified"


@dataclass(frozen=True, slots=True)
class LastVerified:
    """When the log was last verified, and what came of it."""

    at: datetime
    ok: bool
    rows: int
    first_bad: int | None


def verify_and_note(app: App, who: Principal | None = None) -> Report:
    """Verify the log and write the outcome into it; what the daily job and the command do."""
    report = verify(app)
    with open_context(app, who or job_principal("audit"), None, write=True) as ctx:
        record(ctx, VERIFIED, result="ok" if report.ok else "failed",
               reason=report.findings[0].words if report.findings else "", **as_facts(report))
    return report


def last_verified(session: Session) -> LastVerified | None:
    """The newest verification that stands in the log."""
    row = session.exec(
        select(AuditEntry).where(AuditEntry.action == VERIFIED)
        .order_by(col(AuditEntry.seq).desc()).limit(1)
    ).first()
    if row is None:
        return None
    return LastVerified(row.at, row.result == "ok", int(row.data.get("rows", 0)),
                        row.data.get("first_bad"))
