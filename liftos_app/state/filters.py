"""Dates, comparison and mode of a page: always read from its address, so a link says it all."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal
from urllib.parse import urlencode

import reflex as rx

from liftos_app.errors import Invalid
from liftos_app.services import format as fmt
from liftos_app.services import organization
from liftos_app.services.context import Context
from liftos_app.services.metrics import periods
from liftos_app.services.metrics.question import Compare, Mode, Question
from liftos_app.state.app import AppState, handler

CUSTOM = "custom"
PERIODS = (*periods.PRESETS.items(), (CUSTOM, "Custom days"))
COMPARISONS = (
    (Compare.PREVIOUS.value, "vs previous period"),
    (Compare.WEEKDAYS.value, "vs previous, same weekdays"),
    (Compare.YEAR.value, "vs previous year"),
    (Compare.NONE.value, "no comparison"),
)
MODES = (
    (Mode.AUTO.value, "Live, else demo"),
    (Mode.LIVE.value, "Live data"),
    (Mode.DEMO.value, "Demo data"),
)


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
    mine = organization.get(ctx)
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


def words(asked: Question, today: dt.date) -> str:
    """The days of a question: `27 Oct to 23 Nov, 28 days`."""
    count = (asked.end - asked.start).days + 1
    return f"{fmt.days(asked.start, asked.end, today)}, {fmt.plural(count, 'day')}"


class FilterState(AppState):
    """The filter bar. Page states with figures inherit from it and call `_asked()` when loading."""

    range: str = "last_28"
    start: str = ""
    end: str = ""
    compare: str = Compare.PREVIOUS.value
    mode: str = ""
    with_today: bool = False
    filtered: bool = False  # something differs from the usual
    choosing_days: bool = False  # custom days are being typed

    @handler("metrics.read")
    async def pick(self, name: Literal["range", "compare", "mode", "today"], value: str):
        """A choice in the bar: go to the address that says it."""
        if name == "range" and value == CUSTOM:
            self.choosing_days, self.range = True, CUSTOM
            return None
        return self._go(replace(self._asked(), **{name: value}))

    @handler("metrics.read")
    async def pick_days(self, form: dict[str, Any]):
        """Two days were typed."""
        return self._go(
            replace(
                self._asked(),
                range=CUSTOM,
                start=str(form.get("start", ""))[:10],
                end=str(form.get("end", ""))[:10],
            )
        )

    @handler("metrics.read")
    async def clear(self):
        """Back to the usual days and comparison."""
        return rx.redirect(self.router.url.path)

    def _asked(self) -> Asked:
        """Read the address and show it in the bar."""
        asked = read(dict(self.router.url.query_parameters))
        self.range, self.start, self.end = asked.range, asked.start, asked.end
        self.compare, self.mode, self.with_today = asked.compare, asked.mode, asked.today == "1"
        self.choosing_days = asked.range == CUSTOM
        self.filtered = asked != Asked()
        return asked

    def _go(self, asked: Asked) -> Any:
        query = asked.query()
        return rx.redirect(self.router.url.path + (f"?{query}" if query else ""))


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
