"""Forms of the Privacy page: downloads and erasure, each after a fresh proof of who it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from liftos_app.api import plain_page
from liftos_app.api.deps import Caller
from liftos_app.api.forms import Form, act, go
from liftos_app.api.rights import zipped
from liftos_app.api.web import signed_out
from liftos_app.errors import Invalid
from liftos_app.services import retention, rights
from liftos_app.services.context import Context
from liftos_app.services.retention import choices

router = APIRouter(prefix="/auth", include_in_schema=False)
PRIVACY: Final = "/settings/privacy"


@router.post("/export/me")
def ask_mine(request: Request, given: Form) -> Response:
    """A link to a copy of all about the person."""
    return _ask(request, given, rights.ask_mine, title="Your data")


@router.get("/export/me/file")
def show_mine(request: Request) -> Response:
    """The form a link leads to."""
    return _download_page(request, "Your data")


@router.post("/export/me/file")
def export_me(request: Request, given: Form) -> Response:
    """All that is stored about the person: JSON and CSV files in a ZIP."""

    def work(caller: Caller) -> Response:
        with caller.write() as ctx:
            found = rights.export_me(ctx, given.get("token", ""))
        answer = Response(rights.personal_zip(found), media_type="application/zip")
        answer.headers["Content-Disposition"] = 'attachment; filename="liftos-me.zip"'
        return plain_page.quiet(answer)

    return act(request, given, work, title="Your data", back=PRIVACY)


@router.post("/export/organization")
def ask_ours(request: Request, given: Form) -> Response:
    """A link to a copy of the organization."""
    return _ask(request, given, rights.ask_ours, title="Export")


@router.get("/export/organization/file")
def show_ours(request: Request) -> Response:
    """The form a link leads to."""
    return _download_page(request, "Export")


@router.post("/export/organization/file")
def export_organization(request: Request, given: Form) -> Response:
    """Everything of the organization, as a ZIP that is made while it is sent."""

    def work(caller: Caller) -> Response:
        with caller.write() as ctx:
            name = rights.begin_export(ctx, given.get("token", ""))
        return plain_page.quiet(zipped(caller.app, caller.who, caller.org_id, name))

    return act(request, given, work, title="Export", back=PRIVACY)


@router.post("/erase/me")
def erase_me(request: Request, given: Form) -> Response:
    """Erase the account and leave."""

    def work(caller: Caller) -> Response:
        _typed(given, "erase", "erase")
        with caller.write() as ctx:
            rights.erase_me(ctx)
        return signed_out(caller.app)

    return act(request, given, work, title="Erase your account", back=PRIVACY)


@router.post("/erase/organization")
def erase_organization(request: Request, given: Form) -> Response:
    """Delete the organization in seven days."""

    def work(caller: Caller) -> Response:
        with caller.write() as ctx:
            choices.ask_erasure(ctx, given.get("name", ""))
        return go(f"{PRIVACY}?done=erasure")

    return act(request, given, work, title="Delete the organization", back=PRIVACY)


@router.post("/retention")
def change(request: Request, given: Form) -> Response:
    """Keep marketing data for so many days."""

    def work(caller: Caller) -> Response:
        days = given.get("marketing_days", "")
        with caller.write() as ctx:
            retention.change(ctx, int(days) if days.isdecimal() and len(days) < 6 else 0)
        return go(f"{PRIVACY}?done=retention")

    return act(request, given, work, title="Retention", back=PRIVACY)


@router.post("/retention/hold")
def hold(request: Request, given: Form) -> Response:
    """Begin a legal hold, or end it with an empty reason and `end`."""

    def work(caller: Caller) -> Response:
        with caller.write() as ctx:
            if given.get("end"):
                retention.release(ctx)
            else:
                retention.hold(ctx, given.get("reason", ""))
        return go(f"{PRIVACY}?done=hold")

    return act(request, given, work, title="Legal hold", back=PRIVACY)


def _ask(
    request: Request, given: dict[str, str], ask: Callable[[Context], str], *, title: str
) -> Response:
    """Make a link, show it once, and offer to download at once."""

    def work(caller: Caller) -> Response:
        with caller.write() as ctx:
            token = ask(ctx)
        path = f"{request.url.path}/file"
        address = f"{caller.app.settings.public_url.rstrip('/')}{path}#{token}"
        return plain_page.page(
            title,
            plain_page.text("Your copy can be downloaded once, by you alone, within 24 hours: now, "
                            "or later with this link."),
            plain_page.shown_once(address, label="Link"),
            plain_page.form(path, send="Download now", hidden={"token": token}),
            plain_page.link("Back to Privacy", PRIVACY),
        )

    return act(request, given, work, title=title, back=PRIVACY)


def _download_page(request: Request, title: str) -> Response:
    return plain_page.page(
        title,
        plain_page.text("This link works once. Stay signed in as the person who asked for it."),
        plain_page.form(
            request.url.path,
            plain_page.entry("token", "Token of your link", data_from_hash="keep",
                             help_text="The part behind # in the link you were given."),
            send="Download",
        ),
        plain_page.link("Back to Privacy", PRIVACY),
    )


def _typed(given: dict[str, str], field: str, word: str) -> None:
    if given.get(field, "").strip().lower() != word:
        raise Invalid(
            f"Type the word {word} to confirm.", why="So that nothing is erased by accident.",
            field=field,
        )
