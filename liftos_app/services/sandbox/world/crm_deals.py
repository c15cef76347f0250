"""What follows a conversion: deals that move through the pipeline, repeat deals, their money."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import cached_property
from typing import Any, Final

from liftos_app.services.sandbox.world.crm import Event, moment
from liftos_app.services.sandbox.world.crm_asks import DAY, Asks, Faces
from liftos_app.services.sandbox.world.crm_plan import (
    EURO_SHARE,
    INDUSTRIES,
    LOST,
    LOST_REASONS,
    PIPELINE,
    WON,
)
from liftos_app.services.sandbox.world.crm_shapes import CrmDeal
from liftos_app.services.sandbox.world.rates import Rates

_ROUNDS: Final = 3  # a company buys again twice at most
_QUOTE: Final = 2  # index of the stage at which an amount is certain
_EXPECTED: Final = 45  # days in which sales hopes to close
_WINS: Final = (0.42, 0.62, 0.62)


@dataclass(frozen=True, slots=True)
class Course:
    """How a deal goes: seconds at which it is made, moves on, ends and is deleted."""

    row: int  # the lead it goes back to
    round: int  # 0 is the first deal
    made: int
    steps: tuple[tuple[int, int], ...]  # (second, stage id)
    won: bool
    deleted: int | None

    @property
    def ended(self) -> int:
        """The second at which it is won or lost."""
        return self.steps[-1][0]


class Deals:
    """All deals of converting leads, from draws made once."""

    def __init__(self, rows: Asks, faces: Faces, rates: Rates) -> None:
        self._rows, self._faces, self._rates = rows, faces, rates

    @cached_property
    def _draws(self) -> list[dict[str, list[float]]]:
        names = ["win", "stop", "again", "pause", "delete", "deleted", "empty", "fixed", "euro"]
        names += ["reason", "cheaper", *(f"stage/{j}" for j in range(4))]
        return [
            {n: self._rows.draw(f"deal/{n}", r) for n in names}
            | {"size": self._rows.factor(0.7, "deal/size", r)}
            | {"quote": self._rows.factor(0.08, "deal/quote", r)}
            for r in range(_ROUNDS)
        ]

    def courses(self, row: int, made: int) -> Iterator[Course]:
        """The first deal of a lead that converts at a second, then what the company buys again."""
        for number in range(_ROUNDS):
            course = self._course(row, number, made)
            yield course
            draws = self._draws[number]
            if not course.won or course.deleted is not None or draws["again"][row] > 0.34:
                return
            made = course.ended + int((50 + 190 * draws["pause"][row]) * DAY)

    def _course(self, row: int, number: int, made: int) -> Course:
        draws = self._draws[number]
        won = draws["win"][row] < _WINS[number]
        last = 3 if won else int(draws["stop"][row] * 4)
        second, steps = made, []
        for j in range(last + 1):
            second += int((1.5 + 26 * draws[f"stage/{j}"][row] ** 1.6) * DAY)
            steps.append((second, PIPELINE.stages[j + 1].id))
        steps[-1] = second, (WON if won else LOST).id
        gone = made + int((2 + 100 * draws["deleted"][row]) * DAY)
        return Course(
            row, number, made, tuple(steps), won, gone if draws["delete"][row] < 0.015 else None
        )

    def story(
        self, number: int, course: Course, links: dict[str, Any]
    ) -> tuple[CrmDeal, list[Event]]:
        """A deal as it is made and what happens to it. `links` are the ids it starts with."""
        draws, row = self._draws[course.round], course.row
        region, face = self._rows.where(row), self._faces.lead(row)
        made = moment(course.made)
        euro = region.market == "EU" and draws["euro"][row] < EURO_SHARE
        guess, quote = self._amounts(course, euro=euro)
        empty = draws["empty"][row] < 0.2
        expected = made.date() + timedelta(days=_EXPECTED)
        usd = self._in_usd(made.date(), euro=euro)
        history = ((PIPELINE.stages[0].id, made),)
        first = CrmDeal(
            id=number,
            created_at=made,
            updated_at=made,
            deleted_at=None,
            name=f"{face.company} - {'reorder' if course.round else 'first order'}",
            repeat=course.round > 0,
            country=region.country,
            source=self._rows.whence(row).id,
            currency="EUR" if euro else "USD",
            amount=None if empty else guess,
            amount_usd=None if empty else _times(guess, usd),
            stage_id=PIPELINE.stages[0].id,
            probability=PIPELINE.stages[0].probability,
            history=history,
            close_date=expected,
            closed_at=None,
            is_closed=False,
            is_won=False,
            lost_reason="",
            **links,
        )
        events = self._moves(course, quote, usd)
        slip = second_of_day(expected + timedelta(days=1))
        if slip < course.ended:
            later = moment(course.ended).date() + timedelta(days=6)
            events.append((slip, {"close_date": max(later, expected + timedelta(days=30))}))
        if course.deleted is not None:
            events.append((course.deleted, {"deleted_at": moment(course.deleted)}))
        return first, events

    def _moves(self, course: Course, quote: int, usd: Decimal) -> list[Event]:
        draws, row = self._draws[course.round], course.row
        events: list[Event] = []
        for second, stage_id in course.steps:
            stage = PIPELINE.stages[stage_id - 1]
            changes: dict[str, Any] = {
                "stage_id": stage.id,
                "probability": stage.probability,
                "history": _longer(stage.id, second),
            }
            if stage.order == _QUOTE or stage.won:
                agreed = quote * 95 // 100 if stage.won and draws["cheaper"][row] < 0.3 else quote
                changes |= {"amount": agreed, "amount_usd": _times(agreed, usd)}
            if stage.closed:
                changes |= {
                    "closed_at": moment(second),
                    "close_date": moment(second).date(),
                    "is_closed": True,
                    "is_won": stage.won,
                }
                if not stage.won:
                    reason = LOST_REASONS[int(draws["reason"][row] * len(LOST_REASONS))]
                    changes["lost_reason"] = reason
            events.append((second, changes))
        if course.won and draws["fixed"][row] < 0.04:  # the day was entered wrongly
            right = moment(course.ended).date() - timedelta(days=1)
            events.append((course.ended + 2 * DAY, {"close_date": right}))
        return events

    def _amounts(self, course: Course, *, euro: bool) -> tuple[int, int]:
        """What sales guesses and what is quoted, cents of the deal's currency."""
        draws, row = self._draws[course.round], course.row
        typical = INDUSTRIES[self._faces.lead(row).industry][2]
        usd = typical * draws["size"][row] * (1.15 if course.round else 1.0)
        own = usd / 1.08 if euro else usd
        return int(own / 50) * 5_000 + 10_000, int(own * draws["quote"][row] * 100) + 5_000

    def _in_usd(self, day: date, *, euro: bool) -> Decimal:
        return self._rates.last_rate(day - timedelta(days=1), "USD") if euro else Decimal(1)


def second_of_day(day: date) -> int:
    """The second at which sales looks at the pipeline on a day."""
    return (day - date(1970, 1, 1)).days * DAY + 8 * 3_600


def _longer(stage_id: int, second: int) -> Any:
    return lambda deal: (*deal.history, (stage_id, moment(second)))


def _times(cents: int, rate: Decimal) -> int:
    return int((cents * rate).quantize(Decimal(1), ROUND_HALF_UP))
