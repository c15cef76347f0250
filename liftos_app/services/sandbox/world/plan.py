"""The advertiser as data: regions, channels with their plans and true effects, promotions, prices.

A later channel is one more row of CHANNELS; it does nothing before its `live_from`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from liftos_app.services.sandbox.world.shapes import Region

EPOCH: Final = date(2024, 1, 1)  # the simulation begins here, whatever the clock says
HISTORY_MONTHS: Final = 26
SHOP_ZONE: Final = "America/New_York"
EU_ZONE: Final = "Europe/Berlin"
BASE_ORDERS: Final = 50.0  # a day, all regions, without any marketing, at the epoch
GROWTH: Final = 0.06  # of base demand, a year
PRICE_ELASTICITY: Final = -1.3
USD_PER_EUR: Final = 1.08  # by which EU budgets were planned


def _us(code: str, name: str, share: float, tax: float) -> Region:
    return Region(
        id=f"US-{code}",
        market="US",
        name=name,
        country="US",
        province=code,
        share=share,
        tax_percent=tax,
    )


def _eu(code: str, name: str, share: float, tax: float) -> Region:
    return Region(
        id=code, market="EU", name=name, country=code, province="", share=share, tax_percent=tax
    )


REGIONS: Final[tuple[Region, ...]] = (
    _us("CA", "California", 0.118, 8.25),
    _us("TX", "Texas", 0.088, 8.0),
    _us("FL", "Florida", 0.072, 7.0),
    _us("NY", "New York", 0.076, 8.5),
    _us("PA", "Pennsylvania", 0.050, 6.0),
    _us("IL", "Illinois", 0.050, 8.75),
    _us("OH", "Ohio", 0.042, 7.25),
    _us("GA", "Georgia", 0.042, 7.0),
    _us("NC", "North Carolina", 0.041, 7.0),
    _us("MI", "Michigan", 0.037, 6.0),
    _us("NJ", "New Jersey", 0.036, 6.625),
    _us("WA", "Washington", 0.036, 9.0),
    _eu("DE", "Germany", 0.074, 19.0),
    _eu("FR", "France", 0.051, 20.0),
    _eu("NL", "Netherlands", 0.036, 21.0),
    _eu("BE", "Belgium", 0.019, 21.0),
    _eu("AT", "Austria", 0.021, 20.0),
    _eu("ES", "Spain", 0.026, 21.0),
    _eu("IT", "Italy", 0.028, 22.0),
    _eu("IE", "Ireland", 0.012, 23.0),
    _eu("PT", "Portugal", 0.010, 23.0),
    _eu("FI", "Finland", 0.011, 25.5),
    _eu("GR", "Greece", 0.012, 24.0),
    _eu("SK", "Slovakia", 0.012, 23.0),
)
MARKETS: Final = ("US", "EU")


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A way to reach people.

    `daily_usd`: planned spend of a day over all regions. `orders`: what that spend causes a day,
    at saturation `knee` (spend in units of the plan at which half of the ceiling is reached) and
    memory `carry` (share of an effect that is left a day later). `follow`: how spend reacts to
    demand. `claim_caused`, `claim_touched`: shares of caused and of all other orders that the
    platform calls its own. `view_share`: part of its claims that nobody clicked for.
    """

    id: str
    name: str
    platform: str
    daily_usd: float
    orders: float
    knee: float
    slope: float
    carry: float
    follow: float
    claim_caused: float
    claim_touched: float
    view_share: float = 0.0
    cpm_usd: float = 9.0
    ctr: float = 0.012
    new_customers: float = 0.7  # share of its caused orders that are a first order
    eu_effect: float = 1.0
    live_from: date | None = EPOCH


CHANNELS: Final[tuple[Channel, ...]] = (
    Channel(
        id="meta_prospecting",
        name="Meta prospecting",
        platform="meta_business",
        daily_usd=520,
        orders=10.5,
        knee=1.1,
        slope=1.1,
        carry=0.6,
        follow=0.8,
        claim_caused=0.85,
        claim_touched=0.10,
        view_share=0.35,
        cpm_usd=9.5,
        ctr=0.011,
        new_customers=0.92,
        eu_effect=0.85,
    ),
    Channel(
        id="meta_retargeting",
        name="Meta retargeting",
        platform="meta_business",
        daily_usd=160,
        orders=2.2,
        knee=0.5,
        slope=1.0,
        carry=0.25,
        follow=1.3,
        claim_caused=1.0,
        claim_touched=0.17,
        view_share=0.5,
        cpm_usd=14.0,
        ctr=0.016,
        new_customers=0.45,
        eu_effect=1.1,
    ),
    Channel(
        id="google_brand",
        name="Google brand search",
        platform="google_ads",
        daily_usd=110,
        orders=1.4,
        knee=0.4,
        slope=1.0,
        carry=0.05,
        follow=1.6,
        claim_caused=1.0,
        claim_touched=0.15,
        cpm_usd=75.0,
        ctr=0.19,
        new_customers=0.5,
        eu_effect=0.9,
    ),
    Channel(
        id="google_generic",
        name="Google generic search",
        platform="google_ads",
        daily_usd=300,
        orders=5.6,
        knee=1.0,
        slope=1.2,
        carry=0.15,
        follow=1.1,
        claim_caused=0.95,
        claim_touched=0.03,
        cpm_usd=52.0,
        ctr=0.043,
        new_customers=0.88,
    ),
    Channel(
        id="google_shopping",
        name="Google Shopping and Performance Max",
        platform="google_ads",
        daily_usd=380,
        orders=7.2,
        knee=0.8,
        slope=1.1,
        carry=0.2,
        follow=1.3,
        claim_caused=0.95,
        claim_touched=0.09,
        cpm_usd=11.0,
        ctr=0.012,
        new_customers=0.75,
        eu_effect=1.15,
    ),
    Channel(
        id="email",
        name="E-mail",
        platform="klaviyo",
        daily_usd=0,
        orders=6.0,
        knee=0.8,
        slope=1.0,
        carry=0.55,
        follow=0.0,
        claim_caused=1.0,
        claim_touched=0.07,
        new_customers=0.06,
    ),
    Channel(
        id="tiktok",
        name="TikTok",
        platform="tiktok_ads",
        daily_usd=180,
        orders=3.0,
        knee=1.0,
        slope=1.2,
        carry=0.5,
        follow=0.4,
        claim_caused=0.8,
        claim_touched=0.06,
        view_share=0.5,
        cpm_usd=6.0,
        ctr=0.009,
        new_customers=0.95,
    ),
    Channel(
        id="linkedin",
        name="LinkedIn",
        platform="linkedin_ads",
        daily_usd=60,
        orders=0.5,
        knee=1.2,
        slope=1.0,
        carry=0.4,
        follow=0.2,
        claim_caused=0.9,
        claim_touched=0.01,
        view_share=0.2,
        cpm_usd=38.0,
        ctr=0.006,
        new_customers=0.95,
    ),
    Channel(
        id="x",
        name="X",
        platform="x_ads",
        daily_usd=70,
        orders=0.8,
        knee=1.1,
        slope=1.1,
        carry=0.4,
        follow=0.3,
        claim_caused=0.8,
        claim_touched=0.03,
        view_share=0.45,
        cpm_usd=5.5,
        ctr=0.008,
        new_customers=0.9,
    ),
)
CHANNEL_INDEX: Final = {c.id: i for i, c in enumerate(CHANNELS)}
EMAIL: Final = CHANNEL_INDEX["email"]


@dataclass(frozen=True, slots=True)
class Promotion:
    """Days with a code; both included."""

    code: str
    percent: int
    first: date
    last: date
    pull: float  # demand on its days, as a multiple


def promotions(year: int) -> tuple[Promotion, ...]:
    """The year's promotions, the same every year but for the feast they hang on."""
    friday = black_friday(year)
    return (
        Promotion("SPRING15", 15, date(year, 4, 10), date(year, 4, 16), 1.22),
        Promotion("SUMMER20", 20, date(year, 7, 4), date(year, 7, 14), 1.25),
        Promotion("NEST15", 15, date(year, 9, 19), date(year, 9, 25), 1.18),
        Promotion("BLACK25", 25, friday - timedelta(days=1), friday + timedelta(days=3), 1.55),
        Promotion("GIFT10", 10, date(year, 12, 10), date(year, 12, 16), 1.2),
    )


def black_friday(year: int) -> date:
    """The day after the fourth Thursday of November."""
    first = date(year, 11, 1)
    thursday = first + timedelta(days=(3 - first.weekday()) % 7)
    return thursday + timedelta(days=22)


def price_step(day: date) -> int:
    """Prices rise each first of March; the number of rises since the epoch."""
    return max(0, day.year - EPOCH.year + (1 if (day.month, day.day) >= (3, 1) else 0))


PRICE_RISE: Final = 1.025
