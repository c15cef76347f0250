"""Shapes that several resources share: strict models, pages of lists, causes of failures."""

from __future__ import annotations

import datetime as dt
import re
from typing import Annotated, Any, Final, Generic, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from liftos_app.services import condition

Item = TypeVar("Item")
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def _is_whole(value: object) -> object:
    if type(value) in {bool, str}:
        raise ValueError("It must be a whole number, without quotes.")
    return value


def _is_day(value: object) -> object:
    if not isinstance(value, dt.date) and not (isinstance(value, str) and _DAY.fullmatch(value)):
        raise ValueError("Write the day as 2026-11-23.")
    return value


def _is_some(value: object) -> object:
    if value == []:
        raise ValueError("The list is empty. Leave it out, or name at least one.")
    return value


# What requests hold, taken as the document says it: no "yes" for true, no true for 1, no seconds
# since 1970 for a day, no empty list for everything.
Flag = Annotated[bool, Field(strict=True)]
Exact = BeforeValidator(_is_whole)  # stands last: Annotated[int, Field(ge=1), Exact]
Whole = Annotated[int, Exact]
Day = Annotated[dt.date, BeforeValidator(_is_day)]
Some = BeforeValidator(_is_some)  # of a list, beside Field(min_length=1), which the document shows


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
