"""Forms of the Privacy page: downloads and erasure, each after a fresh proof of who it is."""

from __future__ import annotations

import json
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
from liftos_app.services.retention import choices

router = APIRouter(prefix="/auth", include_in_schema=False)
PRIVACY: Final = "/settings/privacy"


@router.post("/export/me")
def export_me(request: Request, given: Form) -> Response:
    """All that is stored about the person, as a JSON file."""

    def work(caller: Caller) -> Response:
        with caller.write() as ctx:
            body = json.dumps(rights.export_me(ctx), ensure_ascii=False, indent=1)
        answer = Response(body, media_type="application/json")
        answer.headers["Content-Disposition"] = 'attachment; filename="liftos-me.json"'
        return plain_page.quiet(answer)

    return act(request, given, work, title="Your data", back=PRIVACY)


@router.post("/export/organization")
def export_organization(request: Request, given: Form) -> Response:
    """Everything of the organization, as a ZIP that is made while it is sent."""

    def work(caller: Caller) -> Response:
        with caller.write() as ctx:
            name = rights.begin_export(ctx)
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


def _typed(given: dict[str, str], field: str, word: str) -> None:
    if given.get(field, "").strip().lower() != word:
        raise Invalid(
            f"Type the word {word} to confirm.", why="So that nothing is erased by accident.",
            field=field,
        )
