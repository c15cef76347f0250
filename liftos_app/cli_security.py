"""`liftos audit` and `liftos keys`: is the log whole, do the secrets open, new keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

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
