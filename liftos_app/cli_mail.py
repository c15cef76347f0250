"""`liftos mail`: does mail go out?"""

from __future__ import annotations

from typing import Annotated

import typer

mail = typer.Typer(help="Mail to people.", no_args_is_help=True)


@mail.callback()
def group() -> None:
    """Mail to people."""


@mail.command("test")
def mail_test(to: Annotated[str, typer.Argument(help="Where to send the message.")]) -> None:
    """Send one message now and say what happened."""
    from liftos_app import cli
    from liftos_app.services.mail import wire

    settings = cli.settings_for("mail test")
    try:
        place = wire.send_test(settings, to)
    except wire.NotSent as error:
        raise cli.stop(error, 1) from error
    typer.echo(f"{place} took the message for {to}. Look into the mailbox, also under spam.")
