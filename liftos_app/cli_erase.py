"""`liftos erase`: the end of a person's account or of an organization, shown before it is done."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

if TYPE_CHECKING:
    from liftos_app.services.context import App, Principal

erase = typer.Typer(
    help="Erase a person's account, or an organization after seven days.", no_args_is_help=True
)
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what would be erased.")]
_WORD = "erase"


@erase.command("person")
def erase_person(
    email: Annotated[str, typer.Argument(help="Whose account.")], *, dry_run: DryRun = False
) -> None:
    """Make a person a pseudonym and end all that lets them in. Cannot be taken back."""
    from liftos_app import cli
    from liftos_app.services import rights
    from liftos_app.services.context import open_context

    def work(app: App, who: Principal) -> bool:
        with open_context(app, who, None) as ctx:
            _show(rights.preview_account(ctx, email))
        typer.echo("The account itself becomes a pseudonym.")
        if dry_run or not _typed(_WORD, f"Type {_WORD} to erase {email} for good"):
            return False
        with open_context(app, who, None, write=True) as ctx:
            rights.erase_account(ctx, email)
        return True

    if cli.with_app("erase person", work):
        typer.echo(f"The account of {email} is erased.")
    else:
        typer.echo("Nothing was erased.")


@erase.command("organization")
def erase_organization(
    organization: Annotated[UUID, typer.Argument(help="Its id, as GET /organizations tells it.")],
    *, dry_run: DryRun = False,
    cancel: Annotated[bool, typer.Option("--cancel", help="Take a deletion back.")] = False,
) -> None:
    """Delete an organization with all its rows and keys in seven days; until then --cancel."""
    from liftos_app import cli
    from liftos_app.services import rights
    from liftos_app.services.context import open_context
    from liftos_app.services.retention import choices

    def work(app: App, who: Principal) -> datetime | None:
        org_id, name = rights.find_organization(app, who, organization)
        if cancel:
            with open_context(app, who, org_id, write=True) as ctx:
                choices.cancel_erasure(ctx)
            return None
        with open_context(app, who, org_id) as ctx:
            _show(rights.preview_organization(ctx))
        if dry_run or not _typed(name, "Type the organization's name to delete it in seven days"):
            return None
        with open_context(app, who, org_id, write=True) as ctx:
            return choices.ask_erasure(ctx, name)

    at = cli.with_app("erase organization", work)
    if at is not None:
        typer.echo(f"The organization is deleted after {at:%Y-%m-%d %H:%M} UTC.")
    else:
        typer.echo("The deletion was taken back." if cancel else "Nothing was erased.")


def _show(counts: Mapping[str, int]) -> None:
    for table, count in counts.items():
        typer.echo(f"{count:>10} {table}")
    typer.echo("Audit entries stay, with ids and without names.")


def _typed(expected: str, words: str) -> bool:
    return str(typer.prompt(words)).strip() == expected
