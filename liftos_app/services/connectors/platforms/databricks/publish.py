"""Writing our tables into Databricks: MERGE and DELETE by key, each batch one JSON parameter.

There is no idempotency key: a statement may run twice, which by key and digest changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import orjson

from liftos_app.services.connectors.client import Client
from liftos_app.services.connectors.platforms.databricks import statements
from liftos_app.services.connectors.platforms.databricks.tables import objects, quoted
from liftos_app.services.connectors.writing import (
    DIGEST,
    KEY,
    SCHEMA,
    Kind,
    Row,
    Table,
    not_ours,
)

_TYPES: Mapping[Kind, str] = {
    "text": "STRING", "number": "DECIMAL(38,9)", "day": "DATE", "time": "TIMESTAMP",
    "flag": "BOOLEAN",
}
_TAG = "publish"


class Publisher:
    """A `writing.Writer` for one catalog."""

    def __init__(self, client: Client, catalog: str) -> None:
        self._client, self._catalog = client, quoted(catalog)

    def prepare(self, table: Table) -> list[str]:
        """Make the schema and the table, or add the columns it lacks; says what was done."""
        done = []
        place = f"{self._catalog}.{quoted(SCHEMA)}"
        if SCHEMA not in {o.name for o in objects(self._client, self._catalog)}:
            self._run(f"CREATE SCHEMA IF NOT EXISTS {place}")
            done.append(f"schema {SCHEMA} made")
        name = self._name(table)
        columns = ", ".join(f"{quoted(c.name)} {_TYPES[c.kind]}" for c in table.all)
        if table.name not in {o.name for o in objects(self._client, place)}:
            self._run(f"CREATE TABLE IF NOT EXISTS {name} ({columns}) USING DELTA")
            return [*done, f"table {table.name} made"]
        there = set(self._run(f"SELECT * FROM {name} LIMIT 0").names)  # noqa: S608
        if KEY not in there:
            raise not_ours(name)
        for one in table.all:
            if one.name not in there:
                self._run(f"ALTER TABLE {name} ADD COLUMN {quoted(one.name)} {_TYPES[one.kind]}")
                done.append(f"column {one.name} added to {table.name}")
        return done

    def digests(self, table: Table) -> dict[str, str]:
        """Key -> digest of every row that is there."""
        found = self._run(
            f"SELECT {quoted(KEY)}, {quoted(DIGEST)} FROM {self._name(table)}"  # noqa: S608
        )
        return {
            str(r[KEY]): str(r[DIGEST])
            for part in statements.parts(self._client, found) for r in part.records
        }

    def upsert(self, table: Table, rows: Sequence[Row]) -> None:
        """Insert or replace rows by key."""
        form = ",".join(f"{c.name}:{_TYPES[c.kind].lower()}" for c in table.all)
        key, digest = quoted(KEY), quoted(DIGEST)
        self._run(
            f"MERGE INTO {self._name(table)} t USING (SELECT inline(from_json(:rows, "
            f"'array<struct<{form}>>'))) s ON t.{key} = s.{key} WHEN MATCHED AND t.{digest} <> "
            f"s.{digest} THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *",
            {"rows": orjson.dumps([dict(r) for r in rows]).decode()},
        )

    def delete(self, table: Table, keys: Sequence[str]) -> None:
        """Remove rows by key."""
        self._run(
            f"DELETE FROM {self._name(table)} WHERE {quoted(KEY)} IN "  # noqa: S608
            "(SELECT explode(from_json(:keys, 'array<string>')))",
            {"keys": orjson.dumps(list(keys)).decode()},
        )

    def count(self, table: Table) -> int:
        """How many rows are there."""
        found = self._run(f"SELECT COUNT(*) AS n FROM {self._name(table)}")  # noqa: S608
        return int(statements.all_records(self._client, found)[0]["n"])

    def _name(self, table: Table) -> str:
        return f"{self._catalog}.{quoted(SCHEMA)}.{quoted(table.name)}"

    def _run(self, sql: str, params: Mapping[str, str] | None = None) -> statements.Statement:
        return statements.run(self._client, sql, params, tag=_TAG)
