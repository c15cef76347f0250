"""Dates, comparison and mode of a page: always read from its address, so a link says it all."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any, Literal

import reflex as rx

from liftos_app.services import format as fmt
from liftos_app.services.metrics import periods
from liftos_app.services.metrics.asked import CUSTOM, Asked, read
from liftos_app.services.metrics.question import Compare, Mode, Question
from liftos_app.state.app import AppState, handler

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
