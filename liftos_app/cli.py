"""The `liftos` command: serve, migrate, admin, doctor, demo. An edge: opens contexts, prints."""

from __future__ import annotations

import errno
import os
import socket
import sqlite3
import sys
import urllib.error
import urllib.request
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, TypeVar

import typer

from liftos_app import __version__, cli_erase, cli_evidence, cli_mail, cli_security, config
from liftos_app.config import ConfigError, Settings
from liftos_app.errors import LiftOSError

if TYPE_CHECKING:
    from collections.abc import Callable

    from liftos_app.services.context import App, Context, Principal

T = TypeVar("T")
app = typer.Typer(
    help="LiftOS: self-hosted marketing intelligence.", no_args_is_help=True, add_completion=False,
    pretty_exceptions_enable=False,
)
admin = typer.Typer(help="Administrators of this installation.", no_args_is_help=True)
app.add_typer(admin, name="admin")
app.add_typer(cli_security.audit, name="audit")
app.add_typer(cli_security.keys, name="keys")
app.command("backup")(cli_security.backup)
app.command("restore")(cli_security.restore)
app.add_typer(cli_evidence.evidence, name="evidence")
app.add_typer(cli_erase.erase, name="erase")
app.add_typer(cli_mail.mail, name="mail")


# Command -> what it takes. Whoever runs commands on the machine acts as its operator, who holds
# every permission; the table keeps commands from coming in without anybody having thought of it.
ALLOW: Final[dict[str, str]] = {
    "version": "public",
    "serve": "installation.admin",
    "migrate": "installation.admin",
    "doctor": "installation.admin",
    "demo": "installation.admin",
    "admin create": "installation.admin",
    "admin reset": "installation.admin",
    "admin change-email": "installation.admin",
    "admin setup-token": "installation.admin",
    "admin remove-second-factor": "installation.admin",
    "audit verify": "installation.admin",
    "keys rotate": "installation.admin",
    "keys verify": "installation.admin",
    "backup": "installation.admin",
    "restore": "installation.admin",
    "mail test": "installation.admin",
    "evidence make": "installation.admin",
    "evidence verify": "installation.admin",
    "erase person": "installation.admin",
    "erase organization": "installation.admin",
}


def _settings() -> Settings:
    try:
        settings = config.load()
    except ConfigError as error:
        typer.echo(f"LiftOS did not start. {error}", err=True)
        raise typer.Exit(2) from error
    for notice in settings.notices()[:len(settings.generated)]:
        typer.echo(notice)
    return settings


def stop(error: Exception, code: int = 2) -> typer.Exit:
    """Say what went wrong; raise what this returns."""
    text = error.sentence() if isinstance(error, LiftOSError) else str(error)
    typer.echo(text, err=True)
    return typer.Exit(code)


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


@app.command()
def serve() -> None:
    """Migrate the database, then serve page, API and socket on one port."""
    settings = _settings()
    _check_page()
    _check_port(settings)
    if not _is_current(settings):
        _migrate(settings)
    sys.stdout.flush()
    os.chdir(config.ROOT)
    os.environ.update({
        "REFLEX_ENV_MODE": "prod",
        "REFLEX_TELEMETRY_ENABLED": "false",
        "REFLEX_CHECK_LATEST_VERSION": "false",
        "__REFLEX_SKIP_COMPILE": "true",
        "__REFLEX_MOUNT_FRONTEND_COMPILED_APP": "true",
        "PYTHONPATH": os.pathsep.join(
            dict.fromkeys([str(config.ROOT), *os.environ.get("PYTHONPATH", "").split(os.pathsep)])
        ).strip(os.pathsep),
    })
    command = [
        sys.executable, "-m", "granian", "--interface", "asgi", "--factory", "--workers", "1",
        "--host", settings.host, "--port", str(settings.port), "--log-level", "warning",
        "--no-access-log", "--workers-kill-timeout", "12", "liftos_app.liftos_app:app",
    ]
    os.execv(sys.executable, command)  # noqa: S606  (our own fixed command)


@app.command()
def migrate(
    to: Annotated[str, typer.Option(help="Revision to go to; `base` removes all tables.")] = "head",
) -> None:
    """Bring the database to a revision, by default the newest."""
    _migrate(_settings(), to)
    typer.echo("The database is up to date." if to == "head" else f"The database is at {to}.")


@admin.command("create")
def admin_create(
    email: Annotated[str, typer.Option(prompt="E-mail")],
    password: Annotated[
        str, typer.Option(prompt="Password", hide_input=True, confirmation_prompt=True)
    ],
    organization: Annotated[str, typer.Option(prompt="Organization")] = "My organization",
    name: Annotated[str, typer.Option()] = "",
) -> None:
    """Create the first administrator, when there is none."""
    from liftos_app.services import accounts, boot
    from liftos_app.services.context import Principal, open_context

    try:
        process = boot.build_app(_settings())
        with open_context(process, Principal(kind="operator"), None, write=True) as ctx:
            user = accounts.create_first_admin(
                ctx, email=email, password=password, organization=organization, name=name
            )
    except (LiftOSError, ConfigError) as error:
        raise stop(error) from error
    typer.echo(f"{user.email} can sign in now.")


@admin.command("reset")
def admin_reset(email: Annotated[str, typer.Argument(help="Whose password to reset.")]) -> None:
    """Print a link with which somebody chooses a new password, once, within thirty minutes."""
    from liftos_app.services import resets

    link = _as_operator("admin reset", lambda ctx: resets.create(ctx, email))
    typer.echo(f"{link.email} can choose a new password within 30 minutes, once:")
    typer.echo(link.url)


@admin.command("change-email")
def admin_change_email(
    email: Annotated[str, typer.Argument(help="The address somebody signs in with now.")],
    new: Annotated[str, typer.Argument(help="The address they sign in with from now on.")],
) -> None:
    """Change somebody's e-mail address; their sessions and tokens end. Ask them first."""
    from liftos_app.services import email_change

    user = _as_operator("admin change-email", lambda ctx: email_change.set_for(ctx, email, new))
    typer.echo(f"They sign in as {user.email} from now on.")


@admin.command("setup-token")
def admin_setup_token() -> None:
    """Print a token for the set-up page, when nobody exists yet."""
    from liftos_app.services import accounts, first_run

    def make(ctx: Context) -> str:
        return first_run.make_token(ctx) if accounts.needs_setup(ctx) else ""

    token = _as_operator("admin setup-token", make)
    if not token:
        typer.echo("LiftOS is set up already. Somebody can sign in.", err=True)
        raise typer.Exit(2)
    typer.echo(f"Enter this set-up token at /setup within 30 minutes: {token}")


@admin.command("remove-second-factor")
def admin_remove_second_factor(
    email: Annotated[str, typer.Argument(help="Who lost their phone and their recovery codes.")],
) -> None:
    """Take somebody's second factor away; their sessions and tokens end."""
    from liftos_app.services import second_factor

    _as_operator("admin remove-second-factor", lambda ctx: second_factor.take_away(ctx, email))
    typer.echo(f"{email} signs in with the password alone, or sets another second factor up.")


def _as_operator(command: str, work: Callable[[Context], T]) -> T:
    """Run one act in one transaction as the operator of the machine; say what went wrong."""
    from liftos_app.services.context import open_context

    def in_context(process: App, who: Principal) -> T:
        with open_context(process, who, None, write=True) as ctx:
            return work(ctx)

    return with_app(command, in_context)


def with_app(command: str, work: Callable[[App, Principal], T]) -> T:
    """Run `work(app, operator)` in a process of its own; say what went wrong."""
    from liftos_app.services import boot

    who = _operator(command)
    try:
        process = boot.build_app(_settings())
        try:
            return work(process, who)
        finally:
            process.db.close()
    except (LiftOSError, ConfigError) as error:
        raise stop(error) from error


def settings_for(command: str) -> Settings:
    """The settings, for a command that opens the database itself."""
    _operator(command)
    return _settings()


def _operator(command: str) -> Principal:
    from liftos_app.services import access, accounts
    from liftos_app.services.context import Principal

    who = Principal(kind="operator", name="command line", role=accounts.OPERATOR_ROLE)
    access.authorize(who, ALLOW[command])
    return who


@app.command()
def doctor(
    *, health: Annotated[bool, typer.Option(help="Only ask the running server.")] = False
) -> None:
    """Check settings, keys, database, page and port; say what to do about each finding."""
    settings = _settings()
    if health:
        raise typer.Exit(0 if _answers(settings) else 1)
    from liftos_app.services import doctor as checks

    findings = checks.examine(settings, page=_client_folder(), answers=_answers(settings))
    for finding in findings:
        typer.echo(f"{'ok  ' if finding.ok else 'FAIL'} {finding.text}")
        if finding.fix:
            typer.echo(f"     {finding.fix}")
    raise typer.Exit(0 if all(f.ok for f in findings) else 1)


@app.command()
def demo() -> None:
    """Connect the sandbox's platforms, sync them, and print the totals."""
    from liftos_app.services import lookaround

    settings = _settings()
    if not settings.demo_mode:
        typer.echo("The sandbox is off (DEMO_MODE=false). Start with DEMO_MODE=true.", err=True)
        raise typer.Exit(2)
    if _answers(settings):
        typer.echo(
            f"LiftOS is running at {settings.public_url}. "
            "Choose Look around there, or stop it and run this again.", err=True,
        )
        raise typer.Exit(2)
    _migrate(settings)
    try:
        for line in lookaround.run(settings):
            typer.echo(line)
    except (LiftOSError, ConfigError) as error:
        raise stop(error, 1) from error


def _migrate(settings: Settings, to: str = "head") -> None:
    from liftos_app.db import Database
    from liftos_app.services import migrations

    database = Database(settings.database_url)
    try:
        migrations.migrate(database, to)
    except (LiftOSError, ConfigError) as error:
        raise stop(error) from error
    finally:
        database.close()


def _is_current(settings: Settings) -> bool:
    """Whether an embedded database needs no migration, told without importing SQLAlchemy."""
    from liftos_app.services.revisions import newest

    path = Path(settings.database_url.removeprefix("sqlite:///"))
    if not settings.is_sqlite or not path.is_file():
        return False
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.Error:
        return False
    return row is not None and row[0] == newest()


def _client_folder() -> Path:
    return config.ROOT / ".web" / "build" / "client"


def _check_page() -> None:
    if not (_client_folder() / "index.html").exists():
        typer.echo("The web page is not built. Run: make run", err=True)
        raise typer.Exit(2)


def _check_port(settings: Settings) -> None:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
                typer.echo(
                    f"LIFTOS_HOST is {settings.host}, which is no address of this machine. "
                    "Use 127.0.0.1 for this machine alone, 0.0.0.0 for all.", err=True,
                )
                raise typer.Exit(2) from error
            typer.echo(
                f"Port {settings.port} on {settings.host} cannot be used: {error.strerror}. "
                "Stop what uses it, or set PORT to another number.", err=True,
            )
            raise typer.Exit(2) from error


def _answers(settings: Settings) -> bool:
    try:
        with urllib.request.urlopen(  # noqa: S310 (our own loopback)  # nosec B310
            f"{settings.self_url}/api/v1/health", timeout=3
        ) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError, ValueError):
        return False


if __name__ == "__main__":
    app()
