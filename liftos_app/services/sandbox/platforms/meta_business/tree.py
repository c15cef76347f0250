"""What an ad account holds, as Graph objects, and the delivery of its ads by day."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from liftos_app.services.sandbox.platforms.meta_business.figures import Figures

KINDS = ("campaign", "adset", "ad", "adcreative")


@dataclass(frozen=True, slots=True)
class Node:
    """One Graph object. `up` has the ids of what it belongs to, by kind."""

    kind: str
    id: str
    values: Mapping[str, Any]
    up: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What a person called it."""
        return str(self.values.get("name", ""))


@dataclass(frozen=True, slots=True)
class Cell:
    """Delivery of one ad on one day."""

    ad_id: str
    day: dt.date
    figures: Figures


class Account(Protocol):
    """One ad account. `digits` are the decimals of its currency."""

    node: Node
    currency: str
    digits: int
    today: dt.date

    def nodes(self, kind: str) -> Sequence[Node]:
        """All objects of a kind, deleted and archived ones too, in a stable order."""

    def cells(self, first: dt.date, last: dt.date) -> Iterator[Cell]:
        """Delivery between two days, both inclusive."""
