"""The days, comparison and mode that an address or a request names, in words of its own."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlencode

from liftos_app.errors import Invalid
from liftos_app.models import Organization
from liftos_app.services.context import Context
from liftos_app.services.metrics import periods
from liftos_app.services.metrics.question import Compare, Mode, Question

CUSTOM = "custom"


@dataclass(frozen=True, slots=True)
class Asked:
    """What the address asks for; field names are those of the address."""

    range: str = "last_28"
    start: str = ""
    end: str = ""
    compare: str = Compare.PREVIOUS.value
    mode: str = ""
    today: str = ""  # "1": the day that is not over counts

    def query(self) -> str:
        """As the address writes it, usual values left out."""
        usual = asdict(Asked())
        said = {k: v for k, v in asdict(self).items() if v != usual[k]}
        if self.range != CUSTOM:
            said.pop("start", None)
            said.pop("end", None)
        return urlencode(said)


def read(parameters: dict[str, Any]) -> Asked:
    """From query parameters; unknown ones are ignored, known ones checked by `question`."""
    known = {k: str(parameters[k])[:40] for k in asdict(Asked()) if k in parameters}
    return Asked(**known)


def question(ctx: Context, asked: Asked, **more: Any) -> tuple[Question, dt.date]:
    """The question behind an address, and today in the organization's zone. Raises Invalid."""
    mine = ctx.session.get_one(Organization, ctx.org)
    today = periods.today_in(mine.time_zone, ctx.now())
    if asked.range == CUSTOM:
        start, end = _day(asked.start, "start"), _day(asked.end, "end")
    else:
        period = periods.preset(
            asked.range, today, week_start=mine.week_start, include_today=asked.today == "1"
        )
        start, end = period.start, period.end
    return Question(
        start=start,
        end=end,
        compare=Compare(_known(asked.compare, Compare, "compare")),
        mode=Mode(_known(asked.mode, Mode, "mode")),
        **more,
    ), today


def _day(text: str, field: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise Invalid(
            f"{text[:20]!r} is not a day." if text else "A day is missing.",
            why="Days are written as year, month and day: 2026-11-23.",
            fix="Choose both days.",
            field=field,
        ) from None


def _known(text: str, kind: Any, field: str) -> str:
    if text in {k.value for k in kind}:
        return text
    raise Invalid(
        f"{text[:40]!r} is not a choice for {field}.",
        why="The address was changed by hand.",
        fix="Reset the filters.",
        field=field,
    )
