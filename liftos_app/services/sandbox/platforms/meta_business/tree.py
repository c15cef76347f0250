"""What an ad account holds, as Graph objects, and the delivery of its parts by day."""

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
    """Delivery of one object on one day. `ids` name it and what it belongs to, "" if unknown."""

    entity: str
    ids: Mapping[str, str]
    day: dt.date
    figures: Figures


class Account(Protocol):
    """One ad account. `digits` are the decimals of its currency."""

    digits: int
    today: dt.date

    @property
    def account_id(self) -> str:
        """The digits without act_."""

    @property
    def node(self) -> Node:
        """The account as a Graph object, without its currency."""

    @property
    def currency(self) -> str:
        """ISO 4217 code, read only when shown."""

    def nodes(self, kind: str) -> Sequence[Node]:
        """All objects of a kind, deleted and archived ones too, in a stable order."""

    def cells(self, first: dt.date, last: dt.date, level: str) -> Iterator[Cell]:
        """Delivery on a level between two days, both inclusive."""
