"""Writing our tables into Snowflake: MERGE and DELETE by key, each batch one JSON bind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import orjson

from liftos_app.services.connectors.client import Client
from liftos_app.services.connectors.platforms.snowflake import statements
from liftos_app.services.connectors.platforms.snowflake.tables import quoted
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
    "text": "TEXT", "number": "NUMBER(38,9)", "day": "DATE", "time": "TIMESTAMP_NTZ",
    "flag": "BOOLEAN",
}
_TAG = "publish"


class Publisher:
    """A `writing.Writer` for one database."""

    def __init__(self, client: Client, database: str) -> None:
        self._client, self._database = client, quoted(database)

    def prepare(self, table: Table) -> list[str]:
        """Make the schema and the table, or add the columns it lacks; says what was done."""
        done = []
        schemas = self._shown(f"SHOW SCHEMAS IN DATABASE {self._database}")
        place = f"{self._database}.{quoted(SCHEMA.upper())}"
        if SCHEMA.upper() not in schemas:
            self._run(f"CREATE SCHEMA IF NOT EXISTS {place}")
            done.append(f"schema {SCHEMA.upper()} made")
        name = self._name(table)
        columns = ", ".join(f"{quoted(c.name.upper())} {_TYPES[c.kind]}" for c in table.all)
        if table.name.upper() not in self._shown(f"SHOW TABLES IN SCHEMA {place}"):
            self._run(f"CREATE TABLE IF NOT EXISTS {name} ({columns})")
            return [*done, f"table {table.name.upper()} made"]
        there = set(self._run(f"SELECT * FROM {name} LIMIT 0").names)  # noqa: S608
        if KEY.upper() not in there:
            raise not_ours(name)
        for one in table.all:
            if one.name.upper() not in there:
                self._run(f"ALTER TABLE {name} ADD COLUMN IF NOT EXISTS "
                          f"{quoted(one.name.upper())} {_TYPES[one.kind]}")
                done.append(f"column {one.name.upper()} added to {table.name.upper()}")
        return done

    def digests(self, table: Table) -> dict[str, str]:
        """Key -> digest of every row that is there."""
        key, digest = quoted(KEY.upper()), quoted(DIGEST.upper())
        found = self._run(f"SELECT {key}, {digest} FROM {self._name(table)}")  # noqa: S608
        return {
            str(r[KEY.upper()]): str(r[DIGEST.upper()])
            for part in statements.records(self._client, found) for r in part.records
        }

    def upsert(self, table: Table, rows: Sequence[Row]) -> None:
        """Insert or replace rows by key."""
        names = [c.name.upper() for c in table.all]
        cells = ", ".join(
            f'value:"{c.name.upper()}"::{_TYPES[c.kind]} AS {quoted(c.name.upper())}'
            for c in table.all
        )
        sets = ", ".join(f"{quoted(n)} = s.{quoted(n)}" for n in names if n != KEY.upper())
        listed = ", ".join(map(quoted, names))
        values = ", ".join(f"s.{quoted(n)}" for n in names)
        key, digest = quoted(KEY.upper()), quoted(DIGEST.upper())
        self._run(
            f"MERGE INTO {self._name(table)} t USING "  # noqa: S608
            f"(SELECT {cells} FROM TABLE(FLATTEN(INPUT => "
            f"PARSE_JSON(?)))) s ON t.{key} = s.{key} WHEN MATCHED AND t.{digest} <> s.{digest} "
            f"THEN UPDATE SET {sets} WHEN NOT MATCHED THEN INSERT ({listed}) VALUES ({values})",
            orjson.dumps([{n.upper(): v for n, v in row.items()} for row in rows]).decode(),
        )

    def delete(self, table: Table, keys: Sequence[str]) -> None:
        """Remove rows by key."""
        self._run(
            f"DELETE FROM {self._name(table)} WHERE {quoted(KEY.upper())} IN "  # noqa: S608
            "(SELECT value::TEXT FROM TABLE(FLATTEN(INPUT => PARSE_JSON(?))))",
            orjson.dumps(list(keys)).decode(),
        )

    def count(self, table: Table) -> int:
        """How many rows are there."""
        found = self._run(f"SELECT COUNT(*) FROM {self._name(table)}")  # noqa: S608
        return int(found.first[0][0] or 0)

    def _name(self, table: Table) -> str:
        return f"{self._database}.{quoted(SCHEMA.upper())}.{quoted(table.name.upper())}"

    def _shown(self, sql: str) -> set[str]:
        found = statements.run(self._client, sql, compute=False, tag=_TAG)
        return {str(r.get("name")) for r in statements.all_records(self._client, found)}

    def _run(self, sql: str, *binds: str) -> statements.Statement:
        return statements.run(self._client, sql, binds, tag=_TAG)
