"""The trade program as data: who sells, through which stages, and where its leads come from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final

from liftos_app.services.sandbox.world.crm_shapes import (
    CampaignKind,
    CrmOwner,
    CrmPipeline,
    CrmStage,
)

OPENED: Final = date(2024, 9, 23)  # no record is older, whenever one looks
_START: Final = datetime(2024, 9, 16, 14, tzinfo=UTC)
EURO_SHARE: Final = 0.7  # of the EU's deals; the others are quoted in USD


@dataclass(frozen=True, slots=True)
class Source:
    """A way leads come in: `leads` for each order its channel causes, or a day without one."""

    id: str
    name: str
    leads: float
    converts: float  # share of leads that become a deal
    kind: CampaignKind | None = None
    trade_share: float = 0.0  # of the channel's spend that is booked on the trade program

    @property
    def paid(self) -> bool:
        """Whether an ad campaign stands behind it."""
        return self.kind in {"paid_social", "search"}


SOURCES: Final = (
    Source("linkedin", "LinkedIn", 3.2, 0.34, "paid_social", 1.0),
    Source("google_generic", "Google", 0.17, 0.24, "search", 0.05),
    Source("google_brand", "Google", 0.32, 0.38, "search", 0.08),
    Source("meta_prospecting", "Meta", 0.075, 0.15, "paid_social", 0.04),
    Source("email", "E-mail", 0.07, 0.42, "email"),
    Source("referral", "Referral", 0.75, 0.50),
    Source("direct", "Direct", 0.9, 0.30),
)


def _owner(number: int, name: str, market: str, left: datetime | None = None) -> CrmOwner:
    first, last = name.split(" ", 1)
    return CrmOwner(
        id=number,
        first_name=first,
        last_name=last,
        email=f"{first.lower()}@larkspur-home.example",
        team=f"Trade {market}",
        market=market,
        active=True,
        created_at=_START,
        updated_at=_START,
        left_at=left,
    )


OWNERS: Final = (
    _owner(1, "Ada Finch", "US"),
    _owner(2, "Bruno Castellane", "EU"),
    _owner(3, "Cleo Marchetti", "US"),
    _owner(4, "Dorian Veldkamp", "EU"),
    _owner(5, "Esme Oakhollow", "US", datetime(2025, 8, 29, 21, tzinfo=UTC)),
    _owner(6, "Falk Brenninger", "EU"),
    _owner(7, "Greta Lindqvarn", "EU", datetime(2026, 5, 29, 16, tzinfo=UTC)),
    _owner(8, "Hollis Pennwright", "US"),
)
PIPELINE: Final = CrmPipeline(
    id=1,
    name="Trade sales",
    created_at=_START,
    stages=tuple(
        CrmStage(id=i + 1, name=n, order=i, probability=p, closed=i > 3, won=i == 4)
        for i, (n, p) in enumerate(
            (
                ("Enquiry", 10),
                ("Samples sent", 25),
                ("Quote sent", 50),
                ("Negotiation", 75),
                ("Closed won", 100),
                ("Closed lost", 0),
            )
        )
    ),
)
WON, LOST = PIPELINE.stages[4], PIPELINE.stages[5]


@dataclass(frozen=True, slots=True)
class Show:
    """A trade show that comes every year; leads of its market are invited."""

    name: str
    market: str
    month: int
    day: int
    days: int
    budget: int  # cents, USD


SHOWS: Final = (
    Show("Fenland Interiors Fair", "EU", 1, 14, 4, 1_850_000),
    Show("Carolina Home Market", "US", 4, 22, 5, 2_400_000),
    Show("Salon Clair Atelier", "EU", 9, 10, 3, 1_200_000),
    Show("Carolina Home Market Autumn", "US", 10, 20, 5, 2_100_000),
)
NEWSLETTER_BUDGET: Final = 216_000  # a year, cents of USD
NEWSLETTER_COST: Final = 17_400  # a month

INDUSTRIES: Final = (  # name, kinds of business, typical deal in USD
    ("Interior design", ("Interiors", "Design Studio", "Atelier"), 2_600),
    ("Hotels", ("Hotel", "Guesthouse", "Inn"), 9_800),
    ("Restaurants", ("Bistro", "Table", "Kitchen"), 3_400),
    ("Property staging", ("Staging", "Homes", "Lettings"), 4_200),
    ("Retail", ("Concept Store", "Living", "Goods"), 5_100),
    ("Wellness", ("Spa", "Retreat", "Baths"), 4_600),
)
TITLES: Final = ("Owner", "Designer", "Purchasing manager", "Operations manager", "Director")
FORMS: Final = ("Trade application", "Catalogue download", "Sample request", "Contact form")
LOST_REASONS: Final = ("Price", "Chose a competitor", "No budget", "No answer", "Lead time")
FIRST_NAMES: Final = (
    "Alma", "Bastian", "Carys", "Dag", "Elodie", "Ferran", "Gesa", "Hugo", "Ines", "Jonas",
    "Katja", "Lorcan", "Mireille", "Nils", "Odile", "Pavel", "Quinn", "Rosa", "Søren", "Tess",
    "Ugo", "Vera", "Wim", "Zoë",
)  # fmt: skip
LAST_NAMES: Final = (
    "Abernathy", "Bellweather", "Castaing", "Dunmore", "Ekholt", "Fairbourne", "Grünwald",
    "Hawksby", "Iversholm", "Jardine", "Kestrel", "Lindenau", "Moreau-Brandt", "Northcliff",
    "O'Hallow", "Pemberley", "Quaintance", "Ravensdale", "Sommerville", "Thistlewood",
)  # fmt: skip
HOUSES: Final = (
    "Alder", "Birch & Bone", "Copper Lane", "Drift", "Elmhaus", "Fallow", "Granary", "Heron",
    "Islay Row", "Juniper", "Kiln", "Larch", "Maison Bleue", "North Quay", "Ochre", "Pebble",
    "Quarry", "Rosenhof", "Saltmarsh", "Tannery", "Umber", "Villa Märchen", "Willow & Sons",
    "Yarrow",
)  # fmt: skip
