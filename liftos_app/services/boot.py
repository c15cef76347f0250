"""Makes the one App of a process: database, migrations, vault check, first administrator.

Used by the server, the command line and tests, so that all of them start alike.
"""

from __future__ import annotations

import ctypes
import fcntl
import gc
import logging
from pathlib import Path
from typing import IO, Final

from sqlalchemy.exc import DBAPIError

from liftos_app.config import PLATFORM_URL_PREFIX, ConfigError, Settings
from liftos_app.db import Database, driver_version
from liftos_app.errors import Conflict, Unavailable
from liftos_app.services import accounts, logs, migrations, passwords, revisions
from liftos_app.services.audit import opening
from liftos_app.services.context import App, Clock, Context, Principal, open_context, utc_now
from liftos_app.services.vault import Vault

log = logging.getLogger(__name__)
# A sync makes hundreds of thousands of small rows that die together; Python's defaults look at all
# of them again and again (measured: a third of a sync's time).
COLLECTOR: Final = (100_000, 20, 100)
# glibc gives each of many threads a heap of its own, which a sync's short-lived threads leave half
# empty (measured over a look-around: 455 MB at most, with two heaps 423 MB).
HEAPS: Final = 2
_M_ARENA_MAX: Final = -8  # malloc.h
BANK: Final = "ecb"  # has an address of its own beside the platforms: exchange rates
REDIS_SECONDS: Final = 3
FIRST_ORGANIZATION: Final = "My organization"


def build_app(settings: Settings, *, migrate: bool = True, now: Clock = utc_now) -> App:
    """The App, ready for use. Raises ConfigError with one sentence when it cannot be made.

    With `migrate=False` a database at another revision is refused instead of changed.
    """
    _check_names(settings)
    kept = logs.protect(settings)
    gc.set_threshold(*COLLECTOR)
    _limit_heaps()
    try:
        database = Database(settings.database_url)
    except OSError as error:
        raise _unusable(error) from error
    try:
        _prepare(database, migrate=migrate)
        _raise_wall(database)
        vault = Vault(settings.master_keys)
        with database.write() as session:
            vault.boot_check(session)
        app = App(settings=settings, db=database, vault=vault, now=now)
        app.extras["secrets"] = kept  # alive as long as the App: the log filter masks them
        opening.prepare(app)
        with open_context(app, Principal(kind="operator", name="start"), None, write=True) as ctx:
            _first_person(ctx)
    except BaseException:
        database.close()
        raise
    log.info(
        "app.built",
        extra={"database": driver_version(database), "demo_mode": settings.demo_mode,
               "revision": revisions.newest()},
    )
    return app


def _check_names(settings: Settings) -> None:
    """An address for a platform that does not exist would be ignored in silence."""
    if not settings.platform_urls:
        return
    from liftos_app.services.connectors import registry

    known = sorted({*(p.slug for p in registry.all_platforms()), BANK})
    for name in settings.platform_urls:
        if name not in known:
            raise ConfigError(
                f"{PLATFORM_URL_PREFIX}{name.upper()} names no platform. Known names end in: "
                f"{', '.join(k.upper() for k in known)}."
            )


def check_redis(settings: Settings) -> None:
    """Find out at the start, not at the first event, that REDIS_URL leads nowhere."""
    if not settings.redis_url:
        return
    from redis import Redis, RedisError

    try:
        with Redis.from_url(
            settings.redis_url, socket_timeout=REDIS_SECONDS, socket_connect_timeout=REDIS_SECONDS
        ) as there:
            there.ping()
    except (RedisError, OSError, ValueError) as error:  # the address may hold a password
        raise ConfigError(
            f"REDIS_URL: nothing usable answers there ({type(error).__name__}). Start Redis, "
            "correct the address, or leave it unset for a single process."
        ) from error


def _limit_heaps() -> None:
    """Keep the memory of this process's threads together, where the C library is glibc."""
    tune = getattr(ctypes.CDLL(None), "mallopt", None)
    if tune is not None:
        tune(_M_ARENA_MAX, HEAPS)


def hold_alone(settings: Settings) -> IO[str] | None:
    """Keep other LiftOS processes from the embedded database as long as the file stays open.

    Raises ConfigError when one has it already: two would take each other's syncs over. None on
    PostgreSQL, where replicas are welcome.
    """
    if not settings.is_sqlite:
        return None
    path = Path(settings.database_url.removeprefix("sqlite:///") + ".lock")
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    held = path.open("a", encoding="utf-8")
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        held.close()
        raise ConfigError(
            "Another LiftOS process uses this embedded database, and only one may. "
            "Stop it, or set LIFTOS_HOME or DATABASE_URL to another place."
        ) from error
    return held


def _prepare(database: Database, *, migrate: bool) -> None:
    try:
        if migrate:
            migrations.migrate(database)
            return
        here, needed = migrations.current(database), revisions.newest()
    except Conflict as error:
        raise ConfigError(f"DATABASE_URL: {error.sentence()}") from error
    except (Unavailable, DBAPIError, OSError) as error:
        raise _unusable(error) from error
    if here != needed:
        raise ConfigError(
            f"The database is at revision {here or 'none'} and needs {needed}. Run: liftos migrate"
        )


def _raise_wall(database: Database) -> None:
    """Let PostgreSQL keep organizations apart too. The app works without, and says so loudly."""
    fault = database.prepare_wall()
    if fault is not None and fault.blind:
        raise ConfigError(f"DATABASE_URL: {fault.sentence()}")
    if fault is not None:
        log.warning("row_security.down", extra={"why": fault.why, "fix": fault.fix})


def _unusable(error: Exception) -> ConfigError:
    return ConfigError(
        f"DATABASE_URL names a database that cannot be used ({type(error).__name__}). "
        "Check the address, the rights, and that the database is running."
    )


def _first_person(ctx: Context) -> None:
    settings = ctx.settings
    if not accounts.needs_setup(ctx):
        return
    if settings.admin_email:
        if len(settings.admin_password) < passwords.SHORTEST_FROM_OPERATOR:
            raise ConfigError(
                f"LIFTOS_ADMIN_PASSWORD has fewer than {passwords.SHORTEST_FROM_OPERATOR} "
                "characters."
            )
        if len(settings.admin_password) > passwords.LONGEST:
            raise ConfigError(
                f"LIFTOS_ADMIN_PASSWORD has more than {passwords.LONGEST} characters."
            )
        accounts.create_first_admin(
            ctx, email=settings.admin_email, password=settings.admin_password,
            organization=FIRST_ORGANIZATION, shortest=passwords.SHORTEST_FROM_OPERATOR,
        )
        log.info("app.first_administrator_created")
    elif not settings.auth_required:
        accounts.ensure_local_admin(ctx)
