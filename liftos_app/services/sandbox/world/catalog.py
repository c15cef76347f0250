"""What Larkspur Home sells: products and variants, and their prices over time."""

from __future__ import annotations

from datetime import UTC, date, datetime
from functools import cache
from typing import Final

import numpy as np

from liftos_app.services.sandbox.world.noise import Ints
from liftos_app.services.sandbox.world.plan import EPOCH, PRICE_RISE, price_step
from liftos_app.services.sandbox.world.shapes import Product, Variant

_FIRST_PRODUCT: Final = 8_810_000_000_001
_FIRST_VARIANT: Final = 47_200_000_000_001

# title, kind, base price in cents, variants, how often it is bought
_RANGE: Final[tuple[tuple[str, str, int, tuple[str, ...], float], ...]] = (
    ("Heron Linen Duvet Cover", "Bedding", 12900, ("Twin", "Queen", "King"), 8),
    ("Heron Linen Pillowcase Pair", "Bedding", 4200, ("Chalk", "Clay"), 10),
    ("Fen Wool Throw", "Throws", 8900, ("Moss", "Oat", "Rust"), 8),
    ("Brook Cotton Bath Towel", "Bath", 2800, ("White", "Sage"), 12),
    ("Brook Bath Towel Set", "Bath", 7600, ("White", "Sage"), 6),
    ("Marsh Table Lamp", "Lighting", 9800, ("Brass", "Black"), 6),
    ("Marsh Floor Lamp", "Lighting", 18900, ("Brass", "Black"), 2.5),
    ("Reed Pendant Shade", "Lighting", 7400, ("Small", "Large"), 4),
    ("Alder Serving Board", "Kitchen", 3900, ("Medium", "Large"), 9),
    ("Alder Salad Bowl", "Kitchen", 4800, ("One size",), 6),
    ("Kiln Stoneware Mug", "Kitchen", 1600, ("Sand", "Slate", "Moss"), 14),
    ("Kiln Dinner Plate Set of 4", "Kitchen", 6800, ("Sand", "Slate"), 7),
    ("Kiln Vase", "Decor", 3600, ("Small", "Tall"), 6),
    ("Meadow Jute Rug", "Rugs", 14900, ("120 x 180", "160 x 230"), 3),
    ("Meadow Runner", "Rugs", 7900, ("70 x 200",), 3.5),
    ("Wren Cushion Cover", "Throws", 2900, ("Rust", "Oat", "Ink"), 11),
    ("Larkspur Scented Candle", "Decor", 2400, ("Fig", "Cedar", "Sea Salt"), 12),
    ("Oriel Wall Mirror", "Decor", 15900, ("60 cm", "80 cm"), 2),
    ("Tarn Storage Basket", "Storage", 4400, ("Medium", "Large"), 7),
    ("Tarn Laundry Hamper", "Storage", 8200, ("One size",), 3),
    ("Gift Card, not \u201cplastic\u201d \U0001f381", "Gifts", 5000, ("50",), 2),
)


@cache
def variants() -> tuple[Variant, ...]:
    """Every variant at its first price."""
    found: list[Variant] = []
    for number, (title, _kind, price, names, _weight) in enumerate(_RANGE):
        for step, name in enumerate(names):
            raised = round(price * (1 + 0.18 * step)) // 100 * 100
            code = "".join(word[0] for word in title.split()[:3]).upper()
            found.append(
                Variant(
                    id=_FIRST_VARIANT + len(found),
                    product_id=_FIRST_PRODUCT + number,
                    title=name,
                    sku=f"LH-{code}-{number:02d}{step}",
                    price=raised,
                    cost=round(raised * 0.42),
                )
            )
    return tuple(found)


@cache
def prices() -> Ints:
    """Cents by [price step, variant]; rises end on 50 cents."""
    first = np.array([v.price for v in variants()], dtype=np.float64)
    steps = [first.astype(np.int64)]
    for step in range(1, 40):
        steps.append((np.rint(first * PRICE_RISE**step / 50) * 50).astype(np.int64))
    return np.array(steps)


@cache
def weights() -> tuple[float, ...]:
    """How often each variant is bought, adding up to 1."""
    every = [w / len(names) for _, _, _, names, w in _RANGE for _ in names]
    total = sum(every)
    return tuple(w / total for w in every)


def title_of(product_id: int) -> str:
    """A product's title."""
    return _RANGE[product_id - _FIRST_PRODUCT][0]


def products(day: date) -> tuple[Product, ...]:
    """The range at the prices of a day."""
    step = price_step(day)
    table = prices()[step]
    changed = EPOCH if step == 0 else date(EPOCH.year + step - 1, 3, 1)
    at = datetime(changed.year, changed.month, changed.day, 6, tzinfo=UTC)
    found = []
    for number, (title, kind, *_rest) in enumerate(_RANGE):
        product_id = _FIRST_PRODUCT + number
        own = tuple(
            Variant(
                id=v.id,
                product_id=v.product_id,
                title=v.title,
                sku=v.sku,
                price=int(table[i]),
                cost=v.cost,
            )
            for i, v in enumerate(variants())
            if v.product_id == product_id
        )
        handle = "-".join("".join(c if c.isalnum() else " " for c in title.lower()).split())
        found.append(
            Product(
                id=product_id,
                handle=handle,
                title=title,
                kind=kind,
                vendor="Larkspur Home",
                variants=own,
                created_at=datetime(2023, 5, 2, 14, number, tzinfo=UTC),
                updated_at=at,
            )
        )
    return tuple(found)
