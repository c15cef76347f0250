"""Who may do a named thing now, across threads and processes: rows of the table `lease`.

Taking a lease raises its epoch; whoever was slower holds an old epoch and finds out with `holds`.
"""

from __future__ import annotations

from datetime import timedelta

from sqlmodel import Session, col, select

from liftos_app.models import Lease
from liftos_app.services.context import App

_NEVER = timedelta(days=-1)


def take(app: App, name: str, *, holder: str, seconds: float) -> int | None:
    """Take a free or expired lease: its epoch, or None while another holds it."""
    now = app.now()
    with app.db.write() as session:
        _make_sure(session, name, app)
        row = _locked(session, name)
        if row.expires_at > now and row.holder not in {"", holder}:
            return None
        row.holder, row.epoch = holder, row.epoch + 1
        row.expires_at = now + timedelta(seconds=seconds)
        session.add(row)
        session.flush()
        return row.epoch


def holds(session: Session, name: str, epoch: int) -> bool:
    """Whether `epoch` is still the current one; locks the row until the transaction ends."""
    return _locked(session, name).epoch == epoch


def release(app: App, name: str, epoch: int) -> None:
    """Give a lease back, unless somebody took it over meanwhile."""
    with app.db.write() as session:
        row = _locked(session, name)
        if row.epoch == epoch:
            row.holder, row.expires_at = "", app.now() + _NEVER
            session.add(row)


def _make_sure(session: Session, name: str, app: App) -> None:
    """The row exists afterwards, whoever of several inserted it."""
    if session.get(Lease, name) is not None:
        return
    dialect = session.get_bind().dialect.name
    if dialect == "postgresql":
        from sqlalchemy.dialects.postgresql import insert as pg_insert

        statement = pg_insert(Lease).on_conflict_do_nothing(index_elements=["name"])
        session.execute(statement, _free(name, app))
    else:
        from sqlalchemy.dialects.sqlite import insert as lite_insert

        session.execute(
            lite_insert(Lease).on_conflict_do_nothing(index_elements=["name"]), _free(name, app)
        )


def _free(name: str, app: App) -> dict[str, object]:
    return {"name": name, "holder": "", "epoch": 0, "expires_at": app.now() + _NEVER}


def _locked(session: Session, name: str) -> Lease:
    """The row, locked on PostgreSQL; on SQLite the writing transaction is the lock."""
    return session.exec(
        select(Lease)
        .where(col(Lease.name) == name)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one()
