"""Shapes that several resources share: strict models, pages of lists, causes of failures."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from liftos_app.services import condition

Item = TypeVar("Item")


class Strict(BaseModel):
    """Refuses what it does not know."""

    model_config = ConfigDict(extra="forbid")


class Listed(Strict, Generic[Item]):
    """A page of a list; `next_cursor` is null on the last one."""

    data: list[Item]
    next_cursor: str | None = None


class CauseOut(Strict):
    """Why something is not well: what happened, why, who can fix it, how, and what goes on."""

    code: str
    what: str
    why: str
    fix: str
    cause: str
    owner: str
    action: str
    meanwhile: str
    request_id: str
    first_at: str
    last_at: str
    until: str | None = None
    days: str
    streams: list[str]

    @classmethod
    def of(cls, stored: dict[str, Any] | None) -> CauseOut | None:
        """From a stored cause, whoever wrote it."""
        whole = condition.whole_cause(stored)
        if whole is None:
            return None
        return cls(**{k: v for k, v in whole.items() if k in cls.model_fields})
