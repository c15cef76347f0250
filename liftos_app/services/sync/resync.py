"""Re-syncs: chosen days are read beside what is stored and swapped in at once, per stream.

What is read waits in `staged_unit`, so that a run whose process dies goes on where it was and the
old rows stay whole until the swap. Replaced rows are kept for seven days: an undo puts them back.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import Any

from sqlalchemy import delete
from sqlmodel import Session, col, select

from liftos_app.models import ResyncChange, StagedUnit
from liftos_app.services.connectors.spec import Page, Rejected, Stream
from liftos_app.services.sync import codec
from liftos_app.services.sync.load import Replaced
from liftos_app.services.sync.plan import Phase, Unit
from liftos_app.services.sync.provenance import Packed
from liftos_app.services.sync.reading import Reading, Work, span_of
from liftos_app.services.sync.window import count_reading, land, leased


def is_staged(unit: Unit) -> bool:
    """Whether a unit of a re-sync waits for the swap; what is read whole replaces itself."""
    return span_of(unit) is not None


def stage(work: Work, stream: Stream, unit: Unit, *, reading: Reading) -> None:
    """Keep what was read, in one transaction with the progress it means."""
    packed = reading.records()
    body = codec.pack({
        "rows": reading.rows, "read": reading.read, "skipped": reading.skipped,
        "rejected": [[r.record, r.reason, r.day] for r in reading.rejected],
        "columns": sorted(reading.columns), "notes": sorted(reading.notes),
        "began_at": reading.began_at, "slots": sorted(packed.slots),
        "fresh": [{**f, "body": b64encode(f["body"]).decode()} for f in packed.fresh],
        "gone": sorted(reading.gone),
        "alive": sorted(reading.alive) if reading.alive is not None else None,
        "phase": int(unit.phase),
    })
    with leased(work, windows=1) as session:
        session.add(StagedUnit(
            run_id=work.run_id, account_key=work.account_key, stream=stream.name,
            first_day=unit.start, last_day=unit.end, org_id=work.org_id, body=body,
            at=work.app.now(),
        ))
        count_reading(session, work, unit, reading=reading)


def swap(work: Work, stream: Stream) -> None:
    """Replace the stream's days by what was read, all of them in one transaction."""
    mine: Any = (
        col(StagedUnit.org_id) == work.org_id, col(StagedUnit.run_id) == work.run_id,
        col(StagedUnit.account_key) == work.account_key, col(StagedUnit.stream) == stream.name,
    )
    with leased(work, windows=0) as session:
        days = session.exec(
            select(col(StagedUnit.first_day)).where(*mine).order_by(col(StagedUnit.first_day))
        ).all()
        for day in days:  # one at a time: memory stays flat however many days there are
            staged = session.exec(
                select(StagedUnit).where(*mine, StagedUnit.first_day == day)
            ).one()
            unit, reading = _opened(staged, stream)
            session.expunge(staged)
            _, changes = land(session, work, stream, unit, reading=reading, staged=True)
            _keep(session, work, stream, changes.rows)
        session.execute(delete(StagedUnit).where(*mine))


def _opened(staged: StagedUnit, stream: Stream) -> tuple[Unit, Reading]:
    found = codec.unpack(staged.body)
    unit = Unit(
        staged.account_key, stream.name, Phase(found["phase"]), staged.first_day, staged.last_day
    )
    reading = Reading(
        began_at=found["began_at"],
        packed=Packed(
            frozenset(found["slots"]),
            tuple({**f, "body": b64decode(f["body"])} for f in found["fresh"]),
        ),
    )
    page = Page(
        rows=found["rows"], rejected=[Rejected(*r) for r in found["rejected"]],
        read_count=found["read"], skipped=found["skipped"], columns=frozenset(found["columns"]),
        notes=tuple(found["notes"]), gone=frozenset(found["gone"]),
        alive=frozenset(found["alive"]) if found["alive"] is not None else None,
    )
    reading.take(stream, page, {}, whole=True)
    return unit, reading


def _keep(session: Session, work: Work, stream: Stream, rows: list[Replaced]) -> None:
    """Write down what was replaced, by table, in blocks."""
    tables: dict[str, list[Replaced]] = {}
    for row in rows:
        tables.setdefault(row.table, []).append(row)
    for table, replaced in tables.items():
        for start in range(0, len(replaced), 5_000):
            part = replaced[start:start + 5_000]
            session.add(ResyncChange(
                org_id=work.org_id, run_id=work.run_id, account_key=work.account_key,
                stream=stream.name, table_name=table, row_count=len(part), at=work.app.now(),
                body=codec.pack([[dict(r.key), r.before, r.after] for r in part]),
            ))
    session.flush()
