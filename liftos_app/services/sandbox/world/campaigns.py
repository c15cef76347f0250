"""What is in the ad accounts: campaigns, ad groups and ads, with their days.

Everything hangs on absolute dates, so that a campaign of last spring stays the same whenever one
looks. Seasonal campaigns come back each year under the year's name.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Final, Literal
from zoneinfo import ZoneInfo

from liftos_app.services.sandbox.world.accounts import (
    BY_ID,
    GOOGLE_EU,
    GOOGLE_US,
    META_EU,
    META_US,
)
from liftos_app.services.sandbox.world.plan import EPOCH
from liftos_app.services.sandbox.world.shapes import Ad, AdAccount, AdGroup, Campaign, Status

Kind = Literal["prospecting", "retargeting", "search", "shopping", "pmax"]


@dataclass(frozen=True, slots=True)
class _Sketch:
    """A campaign before it is laid out. A season (month, day) pair repeats it every year."""

    name: str
    channel: str
    kind: Kind
    weight: float
    groups: tuple[str, ...]
    ads: int = 2
    season: tuple[tuple[int, int], tuple[int, int]] | None = None
    years: tuple[int, ...] = ()  # of a season; none means every year
    ends: date | None = None
    stop: Status = "ended"  # what it is after its last day
    budget: int = 5000  # a day, minor units


_SKETCHES: Final[dict[str, tuple[_Sketch, ...]]] = {
    META_US: (
        _Sketch(
            "Prospecting | Broad",
            "meta_prospecting",
            "prospecting",
            1.0,
            ("Broad 25-54", "Interest: interiors", "Interest: slow living"),
            3,
            budget=22000,
        ),
        _Sketch(
            "Prospecting | Lookalike",
            "meta_prospecting",
            "prospecting",
            0.7,
            ("LAL 1% buyers", "LAL 3% buyers", "LAL 1% high value"),
            3,
            budget=15000,
        ),
        _Sketch(
            "Retargeting | Visitors 30d",
            "meta_retargeting",
            "retargeting",
            1.0,
            ("Viewed product", "Added to cart", "Past buyers"),
            3,
            budget=12000,
        ),
        _Sketch(
            "Holiday {year}",
            "meta_prospecting",
            "prospecting",
            0.9,
            ("Gifts under 50", "Gifts over 50"),
            2,
            ((11, 10), (12, 22)),
            budget=18000,
        ),
        _Sketch(
            "Creative test <script>alert(1)</script>",
            "meta_prospecting",
            "prospecting",
            0.25,
            ("Short video", "Stills"),
            2,
            ((2, 3), (3, 14)),
            (2026,),
            stop="paused",
            budget=4000,
        ),
    ),
    META_EU: (
        _Sketch(
            "EU | Prospecting",
            "meta_prospecting",
            "prospecting",
            1.0,
            ("DE AT", "FR BE", "NL IE FI", "ES IT PT GR"),
            3,
            budget=14000,
        ),
        _Sketch(
            "EU | Retargeting",
            "meta_retargeting",
            "retargeting",
            1.0,
            ("Besucher 30 Tage", "Warenkorb"),
            2,
            budget=5000,
        ),
        _Sketch(
            "Été / Sommer {year} \U0001f33f \u201cNatürlich wohnen\u201d",
            "meta_prospecting",
            "prospecting",
            0.6,
            ("Balkon & Garten", "Terrasse"),
            2,
            ((6, 5), (8, 20)),
            budget=7000,
        ),
    ),
    GOOGLE_US: (
        _Sketch(
            "Brand | US",
            "google_brand",
            "search",
            1.0,
            ("Larkspur exact", "Larkspur + item"),
            2,
            budget=9000,
        ),
        _Sketch(
            "Generic | Bedding",
            "google_generic",
            "search",
            1.0,
            ("Linen duvet", "Pillowcases", "Throws"),
            2,
            budget=10000,
        ),
        _Sketch(
            "Generic | Lighting",
            "google_generic",
            "search",
            0.7,
            ("Table lamps", "Floor lamps", "Pendants"),
            2,
            budget=8000,
        ),
        _Sketch(
            "Generic | Rugs",
            "google_generic",
            "search",
            0.45,
            ("Jute rugs", "Runners"),
            2,
            ends=date(2026, 2, 10),
            stop="paused",
            budget=5000,
        ),
        _Sketch(
            "Shopping | All products",
            "google_shopping",
            "shopping",
            0.6,
            ("Textiles", "Lighting", "Kitchen"),
            2,
            budget=11000,
        ),
        _Sketch(
            "Performance Max | US", "google_shopping", "pmax", 1.0, ("Assets",), 1, budget=19000
        ),
        _Sketch(
            "Search | Gifts {year}",
            "google_generic",
            "search",
            0.5,
            ("Housewarming", "Wedding"),
            2,
            ((11, 1), (12, 20)),
            budget=6000,
        ),
    ),
    GOOGLE_EU: (
        _Sketch(
            "Marke | DE AT",
            "google_brand",
            "search",
            1.0,
            ("Larkspur", "Larkspur Shop"),
            2,
            budget=4000,
        ),
        _Sketch("Marque | FR BE", "google_brand", "search", 0.6, ("Larkspur",), 2, budget=2500),
        _Sketch(
            "Generic | Leinen & Bad",
            "google_generic",
            "search",
            1.0,
            ("Leinenbettwäsche", "Handtücher", "Plaids"),
            2,
            budget=7000,
        ),
        _Sketch(
            "Generic | Cuisine",
            "google_generic",
            "search",
            0.6,
            ("Vaisselle", "Planches"),
            2,
            ends=date(2025, 5, 31),
            stop="removed",
            budget=3500,
        ),
        _Sketch(
            "Shopping | EU",
            "google_shopping",
            "shopping",
            0.7,
            ("Textil", "Küche", "Licht"),
            2,
            budget=6000,
        ),
        _Sketch(
            "Performance Max | EU", "google_shopping", "pmax", 1.0, ("Assets",), 1, budget=9000
        ),
    ),
}


@dataclass(frozen=True, slots=True)
class Unit:
    """One ad with all that is above it: a row of the delivery tables.

    `hidden` units stand for a campaign that has no ad-level rows (Performance Max).
    """

    campaign: Campaign
    group: AdGroup
    ad: Ad
    weight: float
    first: date
    last: date | None
    hidden: bool


@lru_cache(maxsize=64)
def layout(account_id: str, until: date) -> tuple[Unit, ...]:
    """Everything that begins in the account up to a day, as it will stand after its end.

    Ordered by campaign, group, ad. Statuses are those of the far future; `standing` says what a
    moment sees.
    """
    account = BY_ID[account_id]
    zone = ZoneInfo(account.zone)
    found: list[Unit] = []
    for number, sketch in enumerate(_SKETCHES.get(account_id, ())):
        for run in _runs(sketch, number, until):
            found += _campaign(account, zone, sketch, run)
    return tuple(sorted(found, key=lambda u: (u.campaign.id, u.group.id, u.ad.id)))


_Run = tuple[str, date, date | None, int]  # name, first and last day, key of its ids


def _runs(sketch: _Sketch, number: int, until: date) -> Iterator[_Run]:
    if sketch.season is None:
        yield sketch.name, EPOCH, sketch.ends, number * 100
        return
    (m1, d1), (m2, d2) = sketch.season
    for year in range(EPOCH.year, until.year + 1):
        first = date(year, m1, d1)
        if first <= until and (not sketch.years or year in sketch.years):
            name = sketch.name.replace("{year}", str(year))
            yield name, first, date(year, m2, d2), number * 100 + year - EPOCH.year + 1


def _campaign(
    account: AdAccount,
    zone: ZoneInfo,
    sketch: _Sketch,
    run: _Run,
) -> Iterator[Unit]:
    name, first, last, key = run
    meta = account.platform == "meta_business"
    side = int(account.id[-1]) if meta else int(account.id[0])

    def identity(kind: int, item: int) -> str:
        tail = side * 10_000_000 + key * 1_000 + item
        if meta:
            return str(23_850_000_000_000_000 + kind * 100_000_000_000 + tail)
        return str(20_000_000_000 + kind * 1_000_000_000 + tail if kind else 700_000_000 + tail)

    made = _at(max(first - timedelta(days=3), account.created), zone, 10)
    ended = _at(last + timedelta(days=1), zone, 0) if last else None
    campaign = Campaign(
        id=identity(0, 0),
        account_id=account.id,
        name=name,
        channel=sketch.channel,
        kind=sketch.kind,
        status=sketch.stop if last else "active",
        starts=first,
        ends=last,
        daily_budget=sketch.budget,
        created_at=made,
        updated_at=ended or made,
    )
    plain = "".join(c if c.isalnum() and c.isascii() else " " for c in name.lower())
    slug = "-".join(plain.split())
    medium = "paid_social" if meta else "cpc"
    source = "facebook" if meta else "google"
    for g, group_name in enumerate(sketch.groups):
        group = AdGroup(
            id=identity(1, g + 1),
            campaign_id=campaign.id,
            name=group_name,
            status=campaign.status,
            starts=first,
            ends=last,
            created_at=made,
            updated_at=ended or made,
        )
        for a in range(sketch.ads):
            begins, stops = _turn(sketch, first, last, g, a)
            ad_made = _at(max(begins - timedelta(days=2), account.created), zone, 11 + a)
            ad_id = identity(2, (g + 1) * 10 + a)
            yield Unit(
                campaign,
                group,
                Ad(
                    id=ad_id,
                    group_id=group.id,
                    campaign_id=campaign.id,
                    name=f"{group_name} - {_STYLES[(g + a) % len(_STYLES)]}",
                    status=campaign.status if stops == last else "paused",
                    creative_id=identity(3, (g + 1) * 10 + a),
                    title=_TITLES[(g * 2 + a) % len(_TITLES)],
                    body=_BODIES[(g + a * 2) % len(_BODIES)],
                    url=f"https://larkspur-home.example/?utm_source={source}&utm_medium={medium}"
                    f"&utm_campaign={slug}&utm_content={ad_id}",
                    created_at=ad_made,
                    updated_at=_at(stops + timedelta(days=1), zone, 0) if stops else ad_made,
                ),
                sketch.weight * (1.0, 0.7, 0.45, 0.8)[a % 4] * (1.0, 0.75, 0.55, 0.4)[g % 4],
                begins,
                stops,
                sketch.kind == "pmax",
            )


def _turn(
    sketch: _Sketch, first: date, last: date | None, g: int, a: int
) -> tuple[date, date | None]:
    """Third ads of evergreen groups come late, second ads of some groups were stopped."""
    if sketch.season is None and a == 2:
        return date(2025, 3 + g, 4 + g), last
    if sketch.season is None and a == 1 and g == 2 and last is None:
        return first, date(2026, 4, 19)
    return first, last


def standing(status: Status, last: date | None, day: date) -> Status:
    """What an entity is on a day, given what it is after its last day."""
    return "active" if last is None or day <= last else status


def _at(day: date, zone: ZoneInfo, hour: int) -> datetime:
    return datetime.combine(day, time(hour), zone).astimezone(ZoneInfo("UTC"))


_STYLES: Final = ("Carousel", "Video 15s", "Still life", "Customer words", "Headline A")
_TITLES: Final = (
    "Linen that lasts",
    "A calmer home",
    "Made slowly, priced fairly",
    "Warm light, quiet rooms",
    "Ships in two days",
    "For the table you gather at",
)
_BODIES: Final = (
    "Stonewashed linen from a family mill.",
    "Wool throws in colours of the fen.",
    "Stoneware for every day.",
    "Lamps that make evenings longer.",
    "Free shipping from 75.",
)
