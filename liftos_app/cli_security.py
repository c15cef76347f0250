"""`liftos audit`, `keys`, `backup`, `restore`: is the log whole, do the secrets open, copies."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from liftos_app.config import ConfigError
from liftos_app.errors import LiftOSError

if TYPE_CHECKING:
    from liftos_app.services.audit.verify import Report
    from liftos_app.services.context import App, Principal
    from liftos_app.services.vault.rotation import Checked

audit = typer.Typer(help="The audit log.", no_args_is_help=True)
keys = typer.Typer(help="Master keys and data keys of the vault.", no_args_is_help=True)


@audit.command("verify")
def audit_verify() -> None:
    """Read the whole audit log and name the first row that was changed, removed or replaced."""
    from liftos_app import cli
    from liftos_app.services.audit import state

    def work(app: App, who: Principal) -> Report:
        return state.verify_and_note(app, who)

    report = cli.with_app("audit verify", work)
    for finding in report.findings:
        typer.echo(f"FAIL {finding.words}", err=True)
    if report.first_bad:
        typer.echo(f"The first bad row is {report.first_bad}.", err=True)
    words = "is whole" if report.ok else "is NOT whole"
    typer.echo(
        f"The audit log {words}: {report.rows} rows and {report.checkpoints} checkpoints read in "
        f"{report.seconds:.1f} s."
    )
    raise typer.Exit(0 if report.ok else 1)


@keys.command("rotate")
def keys_rotate(
    *,
    data_keys: Annotated[
        bool, typer.Option("--data-keys", help="Also make new data keys and re-encrypt values.")
    ] = False,
) -> None:
    """Wrap all data keys by the first key of API_VAULT_MASTER_KEY. May run beside the server."""
    from liftos_app import cli
    from liftos_app.services.vault import rotation

    def work(app: App, _: Principal) -> tuple[str, dict[str, int], int]:
        left = rotation.rewrap(app)
        renewed = rotation.renew_data_keys(app) if data_keys else 0
        return app.vault.active_kid, left, renewed

    active, left, renewed = cli.with_app("keys rotate", work)
    if data_keys:
        typer.echo(f"{renewed} data keys were replaced and their values encrypted anew.")
    for kid, count in sorted(left.items()):
        typer.echo(f"Key {kid!r} still wraps {count} data keys. Run this again.", err=True)
    if left:
        raise typer.Exit(1)
    typer.echo(f"Every data key is wrapped by {active!r}. Older master keys may be removed.")


@keys.command("verify")
def keys_verify() -> None:
    """Open every data key and every sealed value, and name what does not open."""
    from liftos_app import cli
    from liftos_app.services.vault import rotation

    def work(app: App, _: Principal) -> Checked:
        return rotation.check_and_note(app)

    found = cli.with_app("keys verify", work)
    for failure in found.failures:
        typer.echo(f"FAIL {failure.what}: {failure.reason}", err=True)
    typer.echo(
        f"{found.keys} data keys and {found.values} values were opened, "
        f"{len(found.failures)} failed."
    )
    raise typer.Exit(1 if found.failures else 0)


def backup(
    *, record: Annotated[
        bool, typer.Option("--record", help="Only note that you made one yourself (pg_dump).")
    ] = False,
) -> None:
    """Copy the embedded database into LIFTOS_HOME/backups, also while LiftOS runs."""
    from liftos_app import cli
    from liftos_app.services import backups
    from liftos_app.services.context import open_context

    def note(app: App, who: Principal) -> None:
        with open_context(app, who, None, write=True) as ctx:
            backups.record(ctx, by="operator")

    if record:
        cli.with_app("backup", note)
        typer.echo("Noted. LiftOS has not seen the file: try it with pg_restore now and then.")
        return
    made = cli.with_app("backup", backups.make)
    typer.echo(f"Backup made: {made}")
    keys = "master keys and LIFTOS_BACKUP_KEY" if made.suffix == backups.SEALED else "master keys"
    typer.echo(f"Keep it on another machine. The {keys} are not in it: keep them elsewhere.")


def restore(
    file: Annotated[Path, typer.Argument(help="A file that liftos backup made.")],
    *, check: Annotated[
        bool, typer.Option("--check", help="Only say whether it could be restored.")
    ] = False,
) -> None:
    """Put a backup in the place of the database. LiftOS must not be running."""
    from liftos_app import cli
    from liftos_app.services import backups

    settings = cli.settings_for("restore")
    try:
        if check:
            manifest = backups.check(settings, file)
            typer.echo(f"{file.name} of {manifest['made_at']} can be restored.")
            return
        aside = backups.restore(settings, file)
    except (LiftOSError, ConfigError) as error:
        raise cli.stop(error) from error
    typer.echo(f"Restored {file.name}. The database before it: {aside}")
    typer.echo("What happened since then is missing. Run: liftos audit verify")
