"""A request sent twice with the same key is done once; the second gets the first one's answer."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select
from sqlmodel.sql.expression import SelectOfScalar

from liftos_app.errors import Conflict, Invalid
from liftos_app.models import KeptAnswer
from liftos_app.services.context import App, Principal

KEPT: Final = timedelta(hours=24)
STALE: Final = timedelta(minutes=5)  # an unfinished request this old died with its process
_KEY = re.compile(r"[\x21-\x7e]{1,100}")


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and JSON body of an answer; never holds a secret."""

    status: int
    body: dict[str, Any]


def once(
    app: App, who: Principal, org_id: int, key: str, *, request: object,
    work: Callable[[], Answer], stands: Callable[[Answer], None] | None = None,
) -> Answer:
    """Do `work`, or give the answer it gave before. Without a key it is simply done.

    `stands` raises when what the earlier answer told of is not there any more. The key stays used.
    Raises Invalid for an unusable key, Conflict when the key was used for another request or the
    first one is still being worked on. A failed request is forgotten, so that it can be repeated.
    """
    if not key:
        return work()
    if not _KEY.fullmatch(key):
        raise Invalid(
            "The idempotency key cannot be used.",
            why="It must have 1 to 100 printable characters without spaces.",
            fix="Send a random UUID.", field="Idempotency-Key",
        )
    actor = str(who.user_id or who.name or who.kind)[:40]
    # keyed: a request may hold a secret
    fingerprint = app.vault.token_hash(json.dumps(request, sort_keys=True, default=str))
    kept = _begin(app, org_id, actor, key, fingerprint)
    if kept is not None:
        if stands is not None:
            stands(kept)
        return kept
    done = False
    try:
        answer = work()
        with app.db.write() as session:
            row = session.exec(_row(org_id, actor, key)).first()
            if row is not None:
                row.status, row.answer = answer.status, answer.body
                session.add(row)
        done = True
        return answer
    finally:
        if not done:
            _forget(app, org_id, actor, key)


def _begin(app: App, org_id: int, actor: str, key: str, fingerprint: str) -> Answer | None:
    now = app.now()
    with app.db.write() as session:
        session.execute(
            delete(KeptAnswer).where(
                (col(KeptAnswer.created_at) < now - KEPT)
                | ((col(KeptAnswer.created_at) < now - STALE) & (col(KeptAnswer.status) == 0))
            )
        )
        row = KeptAnswer(
            org_id=org_id, actor=actor, key=key, request_hash=fingerprint, created_at=now
        )
        try:
            with session.begin_nested():
                session.add(row)
        except IntegrityError:
            pass
        else:
            return None
        there = session.exec(_row(org_id, actor, key)).one()
        if there.request_hash != fingerprint:
            raise Conflict(
                "This idempotency key belongs to another request.",
                why="It was sent before with other content.", fix="Send a new key.",
            )
        if there.status == 0:
            raise Conflict(
                "This request is already being worked on.",
                why="The same idempotency key arrived a moment ago.",
                fix="Wait a few seconds, then ask again with the same key.",
            )
        return Answer(there.status, dict(there.answer))


def _forget(app: App, org_id: int, actor: str, key: str) -> None:
    with app.db.write() as session:
        row = session.exec(_row(org_id, actor, key)).first()
        if row is not None and row.status == 0:
            session.delete(row)


def _row(org_id: int, actor: str, key: str) -> SelectOfScalar[KeptAnswer]:
    return select(KeptAnswer).where(
        col(KeptAnswer.org_id) == org_id, col(KeptAnswer.actor) == actor,
        col(KeptAnswer.key) == key,
    )
