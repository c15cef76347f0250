"""What `liftos doctor` looks at: settings, keys, database, page, port. Read-only."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from liftos_app.config import ConfigError, Settings
from liftos_app.db import Database, driver_version
from liftos_app.services import mail, migrations, revisions
from liftos_app.services.context import App
from liftos_app.services.vault import Vault


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at; `fix` says what to do when it is not well."""

    ok: bool
    text: str
    fix: str = ""


def examine(settings: Settings, *, page: Path, answers: bool) -> list[Finding]:
    """All findings, in the order a start would meet them."""
    return [
        *_home(settings),
        *_database(settings),
        _page(page),
        Finding(True, f"Public address: {settings.public_url}"),
        Finding(True, "A server answers on the port." if answers else "No server is running."),
    ]


def _home(settings: Settings) -> Iterator[Finding]:
    settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    writable = os.access(settings.home, os.W_OK)
    yield Finding(
        writable, "LIFTOS_HOME can be written." if writable else "LIFTOS_HOME cannot be written.",
        "" if writable else "Give this user the folder, or set LIFTOS_HOME to another.",
    )
    for key in sorted((settings.home / "keys").glob("*")):
        private = stat.S_IMODE(key.stat().st_mode) & 0o077 == 0
        yield Finding(
            private,
            f"The key file {key.name} is {'private' if private else 'readable by others'}.",
            "" if private else "Run: chmod 600 on it.",
        )
    free = shutil.disk_usage(settings.home).free
    roomy = free > 1_000_000_000
    yield Finding(
        roomy, f"Free disk: {free / 1e9:.1f} GB.",
        "" if roomy else "Make room: under 1 GB is left.",
    )


def _database(settings: Settings) -> Iterator[Finding]:
    database = Database(settings.database_url)
    try:
        yield Finding(True, f"Database: {driver_version(database)}.")
        current, newest = migrations.current(database), revisions.newest()
        fresh = current == newest
        yield Finding(
            fresh, f"Schema revision: {current or 'none'}; newest: {newest}.",
            "" if fresh else "Run: liftos migrate",
        )
        if fresh:
            with database.write() as session:
                Vault(settings.master_keys).boot_check(session)
            yield Finding(True, "The vault key opens what is stored.")
            yield from _wall(database)
            yield from _mail(settings, database)
    except (SQLAlchemyError, OSError) as error:
        yield Finding(
            False, f"The database does not answer: {type(error).__name__}.", "Check DATABASE_URL.",
        )
    except ConfigError as error:
        yield Finding(False, str(error), "Put the right key back into API_VAULT_MASTER_KEY.")
    finally:
        database.close()


def _wall(database: Database) -> Iterator[Finding]:
    """Only PostgreSQL has a second wall."""
    if not database.is_sqlite:
        fault = database.wall_fault()
        yield Finding(
            fault is None,
            "Row-level security keeps organizations apart." if fault is None
            else f"Row-level security does not hold: {fault.why}",
            fault.fix if fault else "",
        )


def _mail(settings: Settings, database: Database) -> Iterator[Finding]:
    with database.read() as session:
        now = mail.standing(session, App(settings, database, Vault(settings.master_keys)))
    hint = "Then run: liftos mail test <your address>"
    if not now.on:
        yield Finding(True, "Mail: not set up; links are shown to copy.")
    elif now.why:
        yield Finding(False, f"Mail: {now.waiting} waiting. {now.why}", hint)
    elif now.given_up:
        yield Finding(False, f"Mail: {now.given_up} given up within seven days.",
                      f"The audit log says why (mail.given_up). {hint}")
    else:
        yield Finding(True, f"Mail goes out; {now.waiting} waiting.")


def _page(folder: Path) -> Finding:
    built = (folder / "index.html").exists()
    return Finding(
        built, "The web page is built." if built else "The web page is not built.",
        "" if built else "Run: make page",
    )
