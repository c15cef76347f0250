"""Who asks about the trade program: when, from where, sent by what, and whether they convert."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Final

import numpy as np

from liftos_app.services.sandbox.world.crm_plan import (
    FIRST_NAMES,
    HOUSES,
    INDUSTRIES,
    LAST_NAMES,
    OPENED,
    OWNERS,
    SOURCES,
    TITLES,
    Source,
)
from liftos_app.services.sandbox.world.model import SHARES, Model, day_number, day_of
from liftos_app.services.sandbox.world.noise import Floats, Ints, Noise
from liftos_app.services.sandbox.world.plan import CHANNEL_INDEX, EPOCH, REGIONS
from liftos_app.services.sandbox.world.shapes import Region

DAY: Final = 86_400
_WEEKEND: Final = 0.3  # of a working day's leads
_OPENS: Final = {"US": 13, "EU": 7}  # UTC hour at which business begins; it lasts ten
_EPOCH_SECOND: Final = (EPOCH - date(1970, 1, 1)).days * DAY


@dataclass(frozen=True, slots=True)
class Asks:
    """Raw leads in order of creation: lead 1 is row 0. Rows of a longer run begin the same."""

    noise: Noise
    source: Ints
    region: Ints
    day: Ints  # number of the UTC day
    slot: Ints
    created: Ints  # seconds

    def draw(self, name: str, *more: int) -> list[float]:
        """A uniform number of each lead."""
        at = (self.source, self.region, self.day, self.slot, *more)
        found: list[float] = self.noise.uniform(f"crm/{name}", *at).tolist()
        return found

    def factor(self, sd: float, name: str, *more: int) -> list[float]:
        """A log-normal factor of each lead."""
        at = (self.source, self.region, self.day, self.slot, *more)
        found: list[float] = self.noise.factor(sd, f"crm/{name}", *at).tolist()
        return found

    def where(self, row: int) -> Region:
        """The region of a lead."""
        return REGIONS[int(self.region[row])]

    def whence(self, row: int) -> Source:
        """The source of a lead."""
        return SOURCES[int(self.source[row])]

    def root(self, row: int) -> date:
        """The day of a lead."""
        return day_of(int(self.day[row]))


def asks(noise: Noise, model: Model, *, volume: float) -> Asks:
    """All leads of the model's days since the program opened."""
    first = day_number(OPENED)
    day = np.arange(first, model.days)
    rate = np.stack([_rate(s, model, volume)[:, first:] for s in SOURCES])
    weekend = np.array([day_of(int(d)).weekday() >= 5 for d in day])
    rate = rate * np.where(weekend, _WEEKEND, 1.0)
    source, region = np.arange(len(SOURCES))[:, None, None], np.arange(len(REGIONS))[None, :, None]
    counts = noise.poisson(rate, "crm/leads", source, region, day[None, None, :])
    s, r, d = (axis.astype(np.int64) for axis in np.nonzero(counts))
    many = counts[s, r, d]
    slot = np.concatenate([np.arange(n) for n in many]) if len(many) else many
    s, r, d = (np.repeat(axis, many) for axis in (s, r, d))
    d += first
    opens = np.array([_OPENS[one.market] for one in REGIONS])[r]
    share = noise.uniform("crm/hour", s, r, d, slot)
    created = _EPOCH_SECOND + d * DAY + np.floor((opens + 10 * share) * 3_600).astype(np.int64)
    order = np.lexsort((slot, r, s, created))
    return Asks(noise, s[order], r[order], d[order], slot[order], created[order])


def _rate(source: Source, model: Model, volume: float) -> Floats:
    """Expected leads by region and day; a working day's without one for the weekend."""
    if source.id in CHANNEL_INDEX:
        return np.asarray(model.rate[CHANNEL_INDEX[source.id]] * source.leads)
    return np.asarray(model.demand * SHARES[:, None] * source.leads * volume)


@dataclass(frozen=True, slots=True)
class Face:
    """Who a lead is: all invented."""

    first_name: str
    last_name: str
    email: str
    phone: str
    title: str
    company: str
    domain: str
    industry: int  # index of INDUSTRIES


class Faces:
    """Names for every lead, drawn at once."""

    def __init__(self, rows: Asks) -> None:
        self._rows = rows

    @cached_property
    def _draws(self) -> tuple[list[float], ...]:
        names = ("first", "last", "title", "house", "industry", "kind", "first2", "last2")
        return tuple(self._rows.draw(f"face/{name}") for name in names)

    def lead(self, row: int) -> Face:
        """The person who asked."""
        return self._face(row, colleague=False)

    def colleague(self, row: int) -> Face:
        """Somebody else at the same company."""
        return self._face(row, colleague=True)

    def _face(self, row: int, *, colleague: bool) -> Face:
        first, last, title, house, industry, kind, first2, last2 = (d[row] for d in self._draws)
        given = _pick(FIRST_NAMES, first2 if colleague else first)
        family = _pick(LAST_NAMES, last2 if colleague else last)
        trade = int(industry * len(INDUSTRIES))
        company = f"{_pick(HOUSES, house)} {_pick(INDUSTRIES[trade][1], kind)}"
        domain = f"{_slug(company)}-{row + 1}.example"
        return Face(
            given,
            family,
            f"{_slug(given)}.{_slug(family)}@{domain}",
            f"+1 555 01{int(first * 90 + 10)} {row % 10_000:04d}",
            _pick(TITLES, title if not colleague else 1 - title),
            company,
            domain,
            trade,
        )


def owner_of(market: str, second: int, share: float) -> int:
    """The id of the salesperson a record goes to: one of its market who is there."""
    there = [
        o.id
        for o in OWNERS
        if o.market == market and (o.left_at is None or o.left_at.timestamp() > second)
    ]
    return there[int(share * len(there))]


def _pick(choices: tuple[str, ...], share: float) -> str:
    return choices[int(share * len(choices))]


def _slug(words: str) -> str:
    plain = unicodedata.normalize("NFKD", words.replace("ø", "o")).encode("ascii", "ignore")
    return re.sub(r"[^a-z0-9]+", "-", plain.decode().lower()).strip("-")
