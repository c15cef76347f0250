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
    LINKEDIN_EU,
    LINKEDIN_US,
    META_EU,
    META_US,
    TIKTOK_EU,
    TIKTOK_US,
    X_EU,
    X_US,
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
    TIKTOK_US: (
        _Sketch(
            "TT | Prospecting | Broad",
            "tiktok",
            "prospecting",
            1.0,
            ("Broad 18-44", "Home and garden", "Lookalike buyers"),
            3,
            budget=9000,
        ),
        _Sketch(
            "TT | Spark ads",
            "tiktok",
            "prospecting",
            0.6,
            ("Creators A", "Creators B"),
            2,
            budget=5000,
        ),
        _Sketch(
            "TT | Holiday {year}",
            "tiktok",
            "prospecting",
            0.7,
            ("Gifts",),
            2,
            ((11, 12), (12, 20)),
            budget=6000,
        ),
    ),
    TIKTOK_EU: (
        _Sketch(
            "TT | EU | Broad",
            "tiktok",
            "prospecting",
            1.0,
            ("DE AT", "FR BE", "ES IT"),
            2,
            budget=6000,
        ),
        _Sketch(
            "TT | EU | Sommer {year}",
            "tiktok",
            "prospecting",
            0.5,
            ("Balkon",),
            2,
            ((6, 1), (8, 15)),
            budget=3000,
        ),
    ),
    LINKEDIN_US: (
        _Sketch(
            "Trade program | Designers",
            "linkedin",
            "prospecting",
            1.0,
            ("Interior designers", "Architects"),
            2,
            budget=3500,
        ),
        _Sketch(
            "Trade program | Hotels & restaurants",
            "linkedin",
            "prospecting",
            0.7,
            ("Hospitality buyers",),
            2,
            budget=2500,
        ),
    ),
    LINKEDIN_EU: (
        _Sketch(
            "Trade | DACH",
            "linkedin",
            "prospecting",
            1.0,
            ("Innenarchitekten", "Hotellerie"),
            2,
            budget=2500,
        ),
    ),
    X_US: (
        _Sketch(
            "X | Reach & clicks",
            "x",
            "prospecting",
            1.0,
            ("Followers of design titles", "Keywords: slow living"),
            2,
            budget=3500,
        ),
        _Sketch(
            "X | Launch {year}",
            "x",
            "prospecting",
            0.6,
            ("Launch week",),
            2,
            ((3, 1), (4, 10)),
            budget=3000,
        ),
    ),
    X_EU: (
        _Sketch(
            "X | EU | Website clicks",
            "x",
            "prospecting",
            1.0,
            ("DE", "FR"),
            2,
            budget=2500,
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


@dataclass(frozen=True, slots=True)
class Place:
    """How a platform names its things, and what its links say.

    Kinds are campaign, group, ad and creative, in this order. `bases` are added to a thing's own
    number; with `base36` ids are written in digits and letters.
    """

    source: str
    medium: str
    bases: tuple[int, int, int, int]
    base36: bool = False

    def ident(self, kind: int, tail: int) -> str:
        """The id of a thing as the platform writes it."""
        number = self.bases[kind] + tail
        return _base36(number) if self.base36 else str(number)

    def number(self, ident: str) -> int:
        """The number behind an id, for draws of chance."""
        return int(ident, 36) if self.base36 else int(ident)


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, rest = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[rest] + digits
    return digits


_META_STEP = 100_000_000_000
PLACES: Final[dict[str, Place]] = {
    "meta_business": Place(
        "facebook",
        "paid_social",
        (
            23_850_000_000_000_000,
            23_850_000_000_000_000 + _META_STEP,
            23_850_000_000_000_000 + 2 * _META_STEP,
            23_850_000_000_000_000 + 3 * _META_STEP,
        ),
    ),
    "google_ads": Place(
        "google", "cpc", (700_000_000, 21_000_000_000, 22_000_000_000, 23_000_000_000)
    ),
    "tiktok_ads": Place(
        "tiktok",
        "paid_social",
        (
            1_781_000_000_000_000,
            1_782_000_000_000_000,
            1_783_000_000_000_000,
            1_784_000_000_000_000,
        ),
    ),
    "linkedin_ads": Place(
        "linkedin", "paid_social", (610_000_000, 310_000_000, 190_000_000, 7_100_000_000)
    ),
    "x_ads": Place(
        "x",
        "paid_social",
        (20_000_000_000, 40_000_000_000, 50_000_000_000, 60_000_000_000),
        base36=True,
    ),
}


def _side(account: AdAccount) -> int:
    """A digit of its own for each account of a platform."""
    if account.platform == "google_ads":
        return int(account.id[0])
    if account.platform == "x_ads":
        return 1 if account.id == X_US else 2
    return int(account.id[-1])


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
    place = PLACES[account.platform]
    side = _side(account)

    def identity(kind: int, item: int) -> str:
        return place.ident(kind, side * 10_000_000 + key * 1_000 + item)

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
                    url=f"https://larkspur-home.example/?utm_source={place.source}"
                    f"&utm_medium={place.medium}"
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
