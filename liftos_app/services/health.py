"""Is this installation well: database, scheduler, sandbox, vault. Cheap, and without secrets."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import col, func, select

from liftos_app.db import driver_version
from liftos_app.models import DataKey, KeyCheck
from liftos_app.services import migrations, revisions
from liftos_app.services.context import App, Context

State = Literal["ok", "degraded", "down", "off"]
LATE_TICK: Final = timedelta(seconds=60)  # the engine ticks every 2 s


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceHealth:
    """One part of the installation. `milliseconds` is how long the look took."""

    name: str
    status: State
    detail: str = ""
    milliseconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseHealth:
    """The database, its schema and its size (bytes; None where it cannot be told)."""

    status: State
    software: str
    revision: str
    newest_revision: str
    size_bytes: int | None
    milliseconds: float


def answers(app: App) -> bool:
    """Whether the database answers at all. Public; says nothing more."""
    try:
        with app.db.read() as session:
            session.connection().execute(text("SELECT 1"))
    except SQLAlchemyError:
        return False
    return True


def database(ctx: Context) -> DatabaseHealth:
    """Kind, schema revision and size of the database."""
    ctx.require("organization.read")
    start = time.perf_counter()
    answered = answers(ctx.app)
    took = (time.perf_counter() - start) * 1000
    here = migrations.current(ctx.app.db) or "" if answered else ""
    newest = revisions.newest()
    status: State = "down" if not answered else "ok" if here == newest else "degraded"
    return DatabaseHealth(
        status=status, software=driver_version(ctx.app.db) if answered else "",
        revision=here, newest_revision=newest, size_bytes=_size(ctx) if answered else None,
        milliseconds=round(took, 2),
    )


def services(ctx: Context) -> list[ServiceHealth]:
    """Every part this process is made of, each looked at now."""
    ctx.require("organization.read")
    parts: list[tuple[str, Callable[[Context], tuple[State, str]]]] = [
        ("database", _database), ("scheduler", _scheduler), ("vault", _vault),
        ("sandbox", _sandbox),
    ]
    return [_timed(ctx, name, look) for name, look in parts]


def worst(states: list[State]) -> State:
    """The state of the whole: its worst part; what is off on purpose does not count."""
    for state in ("down", "degraded"):
        if state in states:
            return "down" if state == "down" else "degraded"
    return "ok"


def _timed(ctx: Context, name: str, look: Callable[[Context], tuple[State, str]]) -> ServiceHealth:
    start = time.perf_counter()
    try:
        state, detail = look(ctx)
    except SQLAlchemyError:
        state, detail = "down", "It does not answer."
    took = (time.perf_counter() - start) * 1000
    return ServiceHealth(name=name, status=state, detail=detail, milliseconds=round(took, 2))


def _database(ctx: Context) -> tuple[State, str]:
    found = database(ctx)
    if found.status == "degraded":
        return "degraded", "The schema is not the newest: run liftos migrate."
    return found.status, found.software


def _scheduler(ctx: Context) -> tuple[State, str]:
    engine = ctx.app.extras.get("engine")
    last = getattr(engine, "last_tick_at", None)
    if not isinstance(last, datetime):
        return "off", "No sync engine runs in this process."
    silent = ctx.now() - last
    if silent > LATE_TICK:
        return "degraded", f"No tick for {int(silent.total_seconds())} s."
    if not ctx.settings.auto_sync_enabled:
        return "ok", "It runs; schedules are off (AUTO_SYNC_ENABLED=false)."
    return "ok", "It ticks."


def _vault(ctx: Context) -> tuple[State, str]:
    active = ctx.app.vault.active_kid
    kids = set(ctx.session.exec(select(KeyCheck.kid)).all())
    if active not in kids:
        return "degraded", "The active key is not registered: restart LiftOS."
    older = ctx.session.exec(
        select(func.count())
        .select_from(DataKey)
        .where(
            col(DataKey.wrapped).is_not(None), DataKey.kid != active, DataKey.org_id == ctx.org
        )
    ).one()
    return "ok", "An older key still protects some credentials." if older else "AES-256-GCM."


def _sandbox(ctx: Context) -> tuple[State, str]:
    return ("ok", "Demo mode is on.") if ctx.settings.demo_mode else ("off", "Demo mode is off.")


def _size(ctx: Context) -> int | None:
    connection = ctx.session.connection()
    if ctx.app.db.is_sqlite:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        return int(pages) * int(connection.exec_driver_sql("PRAGMA page_size").scalar_one())
    return int(
        connection.exec_driver_sql("SELECT pg_database_size(current_database())").scalar_one()
    )
