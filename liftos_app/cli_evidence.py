"""`liftos evidence`: a signed bundle of what this installation can show, and its verification."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from liftos_app.services.context import App, Principal
    from liftos_app.services.evidence import Made, Verdict

evidence = typer.Typer(help="Evidence for an audit.", no_args_is_help=True)


@evidence.command("make")
def evidence_make(
    *,
    out: Annotated[Path, typer.Option(help="Folder for the bundle.")] = Path(),
    junit: Annotated[
        Path | None, typer.Option(help="JUnit file of a test run: adds results to controls.")
    ] = None,
) -> None:
    """Write controls, roles, keys by name, audit verification, versions and SBOM, signed."""
    from liftos_app import cli
    from liftos_app.services import evidence as service

    def work(app: App, who: Principal) -> Made:
        return service.make(app, who, out, junit=junit)

    made = cli.with_app("evidence make", work)
    typer.echo(f"Wrote {made.path} (SHA-256 {made.sha256}).")
    if not made.audit_ok:
        typer.echo("The audit log is NOT whole; the bundle says where.", err=True)
    if made.failed:
        typer.echo(f"Tests failed for {', '.join(made.failed)}.", err=True)
    raise typer.Exit(0 if made.audit_ok and not made.failed else 1)


@evidence.command("verify")
def evidence_verify(file: Annotated[Path, typer.Argument(help="The bundle.")]) -> None:
    """Check signature and contents of a bundle; needs the master key it was made under."""
    from liftos_app import cli
    from liftos_app.services import evidence as service

    def work(app: App, _: Principal) -> Verdict:
        return service.verify(app, file)

    found = cli.with_app("evidence verify", work)
    for problem in found.problems:
        typer.echo(f"FAIL {problem}", err=True)
    if not found.problems:
        typer.echo(f"{file.name} is as it was made at {found.made_at}.")
    raise typer.Exit(1 if found.problems else 0)
