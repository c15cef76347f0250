"""The example platform with streams that a person defines on two tables held in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from liftos_app.errors import Fix
from liftos_app.services.connectors import mapping
from liftos_app.services.connectors.client import Client
from liftos_app.services.connectors.defined import Definition, make_streams
from liftos_app.services.connectors.spec import (
    Page,
    Sample,
    SourceColumn,
    SourceObject,
    Stream,
    Task,
)
from tests.example_platform import PLATFORM as EXAMPLE

TABLES: dict[str, list[dict[str, Any]]] = {}
FACTS: dict[str, Any] = {
    "name": "podcasts", "title": "Podcasts", "object": "T.DAILY", "lands": "facts",
    "currencies": ["EUR", "USD"], "time_zone": "Europe/Berlin",
    "fields": {"day": "DAY", "campaign_id": "CAMPAIGN_ID", "spend": "SPEND", "currency": "CUR"},
}
DEALS: dict[str, Any] = {
    "name": "deals", "title": "Deals", "object": "T.DEALS", "lands": "crm", "kind": "deal",
    "mode": "whole", "currencies": ["EUR"],
    "fields": {"external_id": "ID", "created_at": "CREATED_AT", "amount": "AMOUNT",
               "person": "EMAIL"},
}


def fill() -> None:
    """Both tables as new: 60 days of two campaigns, and three deals."""
    from datetime import date, timedelta

    TABLES["T.DAILY"] = [
        {"DAY": (date(2026, 11, 23) - timedelta(days=i)).isoformat(), "CAMPAIGN_ID": f"c-{cur}",
         "SPEND": f"{i}.25", "CUR": cur}
        for i in range(60) for cur in ("EUR", "USD")
    ]
    TABLES["T.DEALS"] = [
        {"ID": n, "CREATED_AT": f"2026-11-0{n}T10:00:00", "AMOUNT": "100.50",
         "EMAIL": f"p{n}@example.com"}
        for n in (1, 2, 3)
    ]


def _table(name: str) -> list[dict[str, Any]]:
    if name not in TABLES:
        raise Fix(f"There is no table {name}.", why="It was dropped.", fix="Choose another one.")
    return TABLES[name]


def _read(definition: Definition, _client: Client, task: Task) -> Iterator[Page]:
    return mapping.pages(definition, task, [mapping.Chunk(_table(definition.object))])


def _define(options: Mapping[str, Any]) -> tuple[Stream, ...]:
    return make_streams(options, _read)


def _objects(_client: Client, folder: str) -> Sequence[SourceObject]:
    if not folder:
        return [SourceObject(id="T", name="T", kind="folder")]
    return [SourceObject(id=t, name=t.partition(".")[2], kind="table") for t in sorted(TABLES)]


def _preview(_client: Client, definition: Definition) -> Sample:
    rows = _table(definition.object)
    names = list(rows[0]) if rows else []
    return Sample(columns=tuple(SourceColumn(name=n) for n in names), records=tuple(rows[:20]))


PLATFORM = replace(EXAMPLE, define=_define, objects=_objects, preview=_preview)
