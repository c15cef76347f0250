"""Backups of the embedded database: a copy taken while LiftOS runs, its manifest, the way back.

A copy holds secrets only as the vault sealed them; the master keys are never in it. With
LIFTOS_BACKUP_KEY the whole copy is sealed too (backup_sealing.py). On PostgreSQL
the operator makes the copy (`pg_dump`) and lets LiftOS know.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from sqlmodel import Session, col, func, select

from liftos_app import __version__
from liftos_app.config import ConfigError, Settings
from liftos_app.db import Database
from liftos_app.errors import Conflict, Missing
from liftos_app.models import AuditEntry
from liftos_app.services import audit, backup_sealing, boot, migrations, revisions
from liftos_app.services.audit import checkpoints, verify
from liftos_app.services.context import App, Context, Principal, job_principal, open_context
from liftos_app.services.vault import Vault, rotation

MADE: Final = "backup.made"
PLAIN: Final = ".db"
SEALED: Final = ".sealed"
CHECKED: Final = "backup.checked"
KEPT: Final = timedelta(days=35)
CHECK_EVERY: Final = timedelta(days=7)
PG_DUMP: Final = 'pg_dump --format=custom --no-privileges --file=liftos.dump "$DATABASE_URL"'


def folder(settings: Settings) -> Path:
    """Where copies and manifests lie."""
    return settings.home / "backups"


def make(app: App, who: Principal) -> Path:
    """Copy the embedded database into a file of mode 0600, checked, with a manifest beside it;
    sealed when there is a key for backups.

    Copies older than 35 days go, never the newest. Raises Conflict on PostgreSQL or when the copy
    is not whole.
    """
    _require_sqlite(app.settings)
    keys, moment = app.settings.backup_keys, f"{app.now():%Y%m%dT%H%M%S%fZ}"
    target = folder(app.settings) / f"liftos-{moment}{SEALED if keys else PLAIN}"
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part, sealed = target.with_suffix(".part"), target.with_suffix(".sealing")
    _new_file(part)
    try:
        with closing(sqlite3.connect(_database(app.settings))) as source, closing(
            sqlite3.connect(part)
        ) as copy:
            source.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it
        facts, ready = _facts(part), part
        if keys:
            _new_file(sealed)
            backup_sealing.seal(part, sealed, keys[0])
            ready = sealed
        manifest = {
            "made_at": app.now().isoformat(), "version": __version__, **facts,
            "sealed": bool(keys), "bytes": ready.stat().st_size, "sha256": _digest(ready),
        }
        ready.rename(target)
    finally:
        part.unlink(missing_ok=True)
        sealed.unlink(missing_ok=True)
    _write_private(_manifest(target), json.dumps(manifest, indent=1))
    _remove_old(app, but=target)
    with open_context(app, who, None, write=True) as ctx:
        record(ctx, file=target.name, sha256=manifest["sha256"], bytes=manifest["bytes"],
               sealed=bool(keys))
    return target


def record(ctx: Context, **facts: Any) -> None:
    """Note in the audit log that a backup was made, by LiftOS or by the operator."""
    ctx.require("jobs.run")
    audit.record(ctx, MADE, **facts)


def check(settings: Settings, path: Path, *, deep: bool = False) -> dict[str, Any]:
    """The manifest of a copy that can be restored here: hash, key, integrity, row counts, revision
    and master keys are right; `deep`: also its sealed values and its audit log. Raises Missing or
    Conflict. Works on a scratch copy.
    """
    manifest = _read_manifest(path)
    if _digest(path) != manifest["sha256"]:
        raise _bad(path, "It is not the file its manifest tells of: the hashes differ.")
    with _scratch(settings, path) as copy:
        facts = _facts(copy)
        for name in ("rows", "revision"):
            if facts[name] != manifest[name]:
                raise _bad(path, f"Its {name} are not those of its manifest.")
        if facts["revision"] not in revisions.revisions():
            raise _bad(path, f"A newer LiftOS made it (revision {facts['revision']}).")
        _check_keys(settings, copy, path, deep=deep)
    return manifest


def restore(settings: Settings, path: Path) -> Path:
    """Put a checked copy in the place of the database, while LiftOS stands still.

    Returns where the replaced database went. The file of audit checkpoints is put aside too: the
    log goes back with the database, which the new file and rule I8 tell. Raises Missing, Conflict,
    or ConfigError when LiftOS is running.
    """
    _require_sqlite(settings)
    held = boot.hold_alone(settings)
    try:
        manifest = check(settings, path)
        place = _database(settings)
        aside = place.with_name(f"{place.name}.before-restore-{os.urandom(4).hex()}")
        fresh = place.with_name(f"{place.name}.restoring")
        fresh.unlink(missing_ok=True)
        _unpack(settings, path, fresh)
        for end in ("-wal", "-shm"):  # they belong to the old file
            old = place.with_name(place.name + end)
            if old.exists():
                old.rename(aside.with_name(aside.name + end))
        if place.exists():
            os.link(place, aside)
            aside.chmod(0o600)
        fresh.replace(place)  # at no moment is there no database
        points = checkpoints.path_of(settings)
        if points.exists():
            points.rename(points.with_name(f"{points.name}.{aside.name.rpartition('.')[2]}"))
        app = boot.build_app(settings)
        try:
            with open_context(app, Principal(kind="operator", name="restore"), None,
                              write=True) as ctx:
                audit.record(ctx, "backup.restored", file=path.name, made_at=manifest["made_at"])
            checkpoints.publish(app)
        finally:
            app.db.close()
        return aside
    finally:
        if held is not None:
            held.close()


def rehearse(app: App) -> None:
    """Once a week check that the newest copy can be restored; what came of it is recorded."""
    if not app.settings.is_sqlite:
        return
    found = _copies(app.settings)
    with app.db.read() as session:
        last = newest(session, CHECKED)
    if not found or (last is not None and last.at > app.now() - CHECK_EVERY):
        return
    reason = ""
    try:
        check(app.settings, found[-1], deep=True)
    except (Conflict, Missing) as error:
        reason = error.sentence()
    with open_context(app, job_principal("backup"), None, write=True) as ctx:
        audit.record(ctx, CHECKED, result="failed" if reason else "ok", reason=reason,
                     file=found[-1].name)


def newest(session: Session, action: str = MADE) -> AuditEntry | None:
    """The newest backup, or check of one, that the audit log knows."""
    return session.exec(
        select(AuditEntry).where(AuditEntry.action == action)
        .order_by(col(AuditEntry.seq).desc()).limit(1)
    ).first()


def _require_sqlite(settings: Settings) -> None:
    if not settings.is_sqlite:
        raise Conflict(
            "LiftOS does not copy a PostgreSQL database itself.",
            why="Its own tools do that, also while LiftOS runs.",
            fix=f"Run: {PG_DUMP} and then: liftos backup --record (pg_restore brings it back).",
        )


def _database(settings: Settings) -> Path:
    return Path(settings.database_url.removeprefix("sqlite:///"))


def _copies(settings: Settings) -> list[Path]:
    """Every copy, the oldest first."""
    here = folder(settings)
    return sorted([*here.glob(f"liftos-*{PLAIN}"), *here.glob(f"liftos-*{SEALED}")])


def _new_file(path: Path) -> None:
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


def _unpack(settings: Settings, path: Path, target: Path) -> None:
    """Put the database that a copy holds into a new file of mode 0600. Raises Conflict."""
    _new_file(target)
    if not backup_sealing.is_sealed(path):
        shutil.copyfile(path, target)
        return
    try:
        backup_sealing.unseal(path, target, settings.backup_keys)
    except backup_sealing.NotOpened as error:
        target.unlink()
        raise _bad(path, str(error), fix="Set LIFTOS_BACKUP_KEY to the key it was made under, or "
                                         "choose another backup.") from error


def _manifest(path: Path) -> Path:
    return path.with_suffix(".json")


def _read_manifest(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(_manifest(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        found = None
    if not path.is_file() or not isinstance(found, dict):
        raise Missing(
            f"There is no backup {path.name} with its manifest.",
            why=f"A copy and the .json beside it belong together in {path.parent}.",
            fix="Name a file that liftos backup made.",
        )
    if not {"sha256", "rows", "revision", "made_at"} <= set(found):
        raise _bad(path, "Its manifest is not one of LiftOS.")
    return found


def _facts(path: Path) -> dict[str, Any]:
    """Revision and rows of each table of a copy. Raises Conflict when SQLite finds it broken."""
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as copy:
            state = copy.execute("PRAGMA integrity_check").fetchone()[0]
            tables = [name for (name,) in copy.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table' "
                "AND name NOT LIKE 'sqlite_%' ORDER BY name"
            )]
            rows = {  # names come from the schema itself
                name: copy.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]  # noqa: S608
                for name in tables
            }
            revision = copy.execute("SELECT version_num FROM alembic_version").fetchone()[0]
    except sqlite3.Error as error:
        raise _bad(path, f"SQLite cannot read it: {error}.") from error
    if state != "ok":
        raise _bad(path, f"SQLite finds it broken: {state[:200]}.")
    return {"revision": revision, "rows": rows}


def _check_keys(settings: Settings, copy: Path, path: Path, *, deep: bool) -> None:
    database = Database(f"sqlite:///{copy}")
    try:
        migrations.migrate(database)
        vault = Vault(settings.master_keys)
        with database.write() as session:
            vault.boot_check(session)
        if deep:
            _look_inside(App(settings=replace(settings, home=copy.parent), db=database,
                             vault=vault), settings, path)
    except ConfigError as error:
        raise _bad(path, str(error)) from error
    finally:
        database.close()


def _look_inside(app: App, settings: Settings, path: Path) -> None:
    """Open what the vault sealed and read the audit log of a copy; the lines of the checkpoint file
    outside that are as old as the copy vouch for it too.
    """
    if failures := rotation.check(app).failures:
        raise _bad(path, f"{failures[0].what} does not open: {failures[0].reason}.")
    with app.db.read() as session:
        last = session.exec(select(func.max(col(AuditEntry.seq)))).one() or 0
    _write_private(checkpoints.path_of(app.settings), "".join(
        f"{kept.line}\n" for kept in checkpoints.read_file(settings) if kept.seq <= last
    ))
    found = [f for f in verify.verify(app).findings if f.code != "file"]
    if found:
        raise _bad(path, f"Its audit log is not whole. {found[0].words}")


@contextmanager
def _scratch(settings: Settings, path: Path) -> Iterator[Path]:
    """A copy to try things on, beside the backups and as private as they are."""
    with tempfile.TemporaryDirectory(dir=path.parent) as here:
        copy = Path(here) / "copy.db"
        _unpack(settings, path, copy)
        yield copy


def _remove_old(app: App, *, but: Path) -> None:
    for path in _copies(app.settings):
        try:
            made = datetime.fromisoformat(_read_manifest(path)["made_at"])
        except (Missing, Conflict, ValueError):
            continue  # not ours to judge
        if path != but and made < app.now() - KEPT:
            path.unlink()
            _manifest(path).unlink()


def _write_private(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _bad(
    path: Path, why: str, fix: str = "Choose another one; make a new one with: liftos backup"
) -> Conflict:
    return Conflict(f"The backup {path.name} cannot be restored.", why=why, fix=fix)
