"""Uniqueness: no fact is stored twice.

The database refuses two rows with one key inside an account. What it cannot refuse is the same
account connected twice: then everything in it counts double.
"""

from __future__ import annotations

from dataclasses import replace

from liftos_app.services.connectors.spec import Lands
from liftos_app.services.metrics.sources import Source
from liftos_app.services.quality import tables
from liftos_app.services.quality.check import (
    Check,
    Dimension,
    Measure,
    Scope,
    chosen_streams,
)


def run(scope: Scope) -> Measure | None:
    """Rows that are the only ones of their key. The account read first keeps its rows."""
    if scope.stream.lands is Lands.ENTITIES or scope.window is None:
        return None
    [rows] = tables.counts(scope, tables.where(scope))
    twin = _twin(scope)
    if twin is None:
        return Measure(rows, rows)
    [theirs] = tables.counts(scope, tables.where(replace(scope, source=twin)))
    surplus = min(rows, theirs)
    return Measure(
        rows - surplus, rows,
        reason="The same account is connected twice; its figures count double."
        if surplus else "",
        evidence={"also_in": twin.connection, "account": twin.external_id},
    )


def _twin(scope: Scope) -> Source | None:
    """The same account of the platform, connected earlier and reading the same stream."""
    for other in scope.peers:
        if other.account_key == scope.account_key:
            return None
        if (
            (other.platform, other.external_id)
            == (scope.source.platform, scope.source.external_id)
            and any(s.name == scope.stream.name for s in chosen_streams(other))
        ):
            return other
    return None


CHECK = Check(
    name="unique_rows", title="Nothing counts twice", dimension=Dimension.UNIQUENESS,
    rule="No two rows stand for the same thing on the same day, also not through two connections "
         "of one account.",
    target=1.0, run=run,
)
