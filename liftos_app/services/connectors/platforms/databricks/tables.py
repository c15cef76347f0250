"""What can be read from Databricks: catalogs, schemas, tables, views; their rows by definition."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from liftos_app.errors import GiveUp, Invalid
from liftos_app.services.connectors import mapping
from liftos_app.services.connectors.bounds import Asking, Kind, Limit, chunks
from liftos_app.services.connectors.client import Client
from liftos_app.services.connectors.defined import Definition, definitions, make_streams
from liftos_app.services.connectors.faults import check_open
from liftos_app.services.connectors.paging import Steps
from liftos_app.services.connectors.platforms.databricks import statements, values
from liftos_app.services.connectors.platforms.databricks.errors import TOO_BIG
from liftos_app.services.connectors.platforms.databricks.version import CATALOG, WAREHOUSES
from liftos_app.services.connectors.spec import (
    AccountInfo,
    Page,
    Sample,
    SourceColumn,
    SourceObject,
    Stream,
    Task,
)

PREVIEW_ROWS: Final = 20
DAYS_PER_STATEMENT: Final = 92  # no limit is known; a span is stored as one
_NAME = r"`((?:[^`]|``)+)`"
_PATH = re.compile(r"\.".join([_NAME] * 3))
_HIDDEN = frozenset({"information_schema"})
_KINDS: Mapping[str, Kind] = {
    "DATE": "day", "TIMESTAMP": "utc", "TIMESTAMP_NTZ": "wall", "STRING": "text", "CHAR": "text",
    **dict.fromkeys(("BYTE", "SHORT", "INT", "LONG", "BIGINT", "DECIMAL"), "whole"),
    "SCALED": "number",
}
_CAST: Mapping[Kind, str] = {
    "day": "CAST(:{0} AS DATE)", "utc": "CAST(:{0} AS TIMESTAMP)",
    "wall": "CAST(:{0} AS TIMESTAMP_NTZ)", "text": ":{0}",
    "number": "CAST(:{0} AS DECIMAL(38,0))", "whole": "CAST(:{0} AS DECIMAL(38,0))",
}
_EXACT = "\"yyyy-MM-dd'T'HH:mm:ss.SSSSSS\""


def quoted(name: str) -> str:
    """An identifier in backticks, inner ones doubled."""
    return "`" + name.replace("`", "``") + "`"


def warehouse(client: Client) -> Mapping[str, Any]:
    """The SQL warehouse as it stands. Asking starts nothing."""
    found = client.get(f"{WAREHOUSES}/{client.credential.text('warehouse_id')}").data
    if not isinstance(found, dict) or not found.get("id"):
        raise GiveUp(
            "Databricks' answer has another form than before.", why="The warehouse is missing.",
            fix="Report it to the people who run this installation.", cause="source_data",
        )
    return found


def discover(client: Client) -> Sequence[AccountInfo]:
    """The one workspace of this sign-in; the streams on its tables are defined by a person."""
    found = warehouse(client)
    host = client.credential.text("workspace")
    account = AccountInfo(
        external_id=host, name=host.partition(".")[0], time_zone="UTC",
        status=f"warehouse {str(found.get('name'))[:24]}",
    )
    return [_standing(account, found)]


def _standing(account: AccountInfo, found: Mapping[str, Any]) -> AccountInfo:
    dead = str(found.get("state")) in ("DELETED", "DELETING")
    reason = "Its SQL warehouse was deleted." if dead else ""
    return replace(account, usable=not dead, reason=reason)


def test(client: Client, account: AccountInfo) -> str:
    """Whether Databricks lets us use the warehouse. Starts nothing, so it costs nothing."""
    found = warehouse(client)
    check_open("Databricks", _standing(account, found))
    return (f"{account.name} answers: the warehouse {found.get('name')} is "
            f"{str(found.get('state') or 'there').lower()}. Nothing was started.")


def objects(client: Client, folder: str) -> Sequence[SourceObject]:
    """Catalogs; the schemas of one; the tables and views of a schema."""
    parts = [p.replace("``", "`") for p in re.findall(_NAME, folder)]
    if not parts:
        return [_folder(str(c["name"])) for c in _listed(client, "catalogs", {})]
    if len(parts) == 1:
        found = _listed(client, "schemas", {"catalog_name": parts[0]})
        return [_folder(parts[0], str(s["name"])) for s in found if s["name"] not in _HIDDEN]
    found = _listed(client, "tables", {"catalog_name": parts[0], "schema_name": parts[1]})
    return [
        SourceObject(
            id=".".join(map(quoted, (parts[0], parts[1], str(t["name"])))), name=str(t["name"]),
            kind="view" if "VIEW" in str(t.get("table_type")) else "table",
        )
        for t in found
    ]


def preview(client: Client, definition: Definition) -> Sample:
    """The first rows of a table with all its columns. It may start the warehouse."""
    sql = f"SELECT * FROM {path_of(definition.object)} LIMIT {PREVIEW_ROWS}"  # noqa: S608
    found = statements.run(client, sql, tag="preview")
    return Sample(
        columns=tuple(
            SourceColumn(name=str(c.get("name")), type=values.plain_type(c),
                         detail=str(c.get("type_text") or c.get("type_name")))
            for c in found.columns
        ),
        records=tuple(statements.all_records(client, found)),
    )


def path_of(text: str) -> str:
    """A table's three names in backticks. Raises Invalid for anything else."""
    if not _PATH.fullmatch(text):
        raise Invalid(
            "This stream cannot be used as it is defined.",
            why="The table is named as `catalog`.`schema`.`table`, each name in backticks.",
            fix="Choose it from the list of sources.", field="object",
            fields={"object": "Choose a table or view."},
        )
    return text


def define(options: Mapping[str, Any]) -> tuple[Stream, ...]:
    """The streams of a connection. Raises Invalid for a table that is not named fully."""
    for one in definitions(options):
        path_of(one.object)
    return make_streams(options, read, days_per_request=DAYS_PER_STATEMENT)


def read(definition: Definition, client: Client, task: Task) -> Iterator[Page]:
    """A span of days, the changes since the cursor, or everything. See connectors/spec.py."""
    asking = Asking(
        kind=lambda column: _kind(definition, client, column),
        newest=lambda column, kind: _newest(definition, client, column, kind),
        query=lambda limits, cursor: _query(definition, client, task, limits, cursor=cursor),
        too_big=lambda error: error.facts.get("platform_code") == TOO_BIG,
    )
    return mapping.pages(definition, task, chunks(definition, task, asking))


def _newest(definition: Definition, client: Client, column: str, kind: Kind | None) -> str:
    """The cursor column's newest value as text made by the server, to the last digit."""
    name = f"MAX({quoted(column)})"
    if kind == "wall":
        name = f"date_format({name}, {_EXACT})"
    elif kind == "utc":
        name = f"date_format(to_utc_timestamp({name}, current_timezone()), {_EXACT})"
    else:
        name = f"CAST({name} AS STRING)"
    sql = f"SELECT {name} AS newest FROM {path_of(definition.object)}"  # noqa: S608
    found = statements.all_records(client, statements.run(client, sql))
    text = str(found[0]["newest"] or "") if found else ""
    return f"{text}+00:00" if text and kind == "utc" else text


def _kind(definition: Definition, client: Client, column: str) -> Kind | None:
    """What a column holds, asked once per table; None for what cannot be compared."""
    key = f"databricks.types.{definition.object}"
    known: dict[str, str] = client.kept.get(key, {})
    if column not in known:
        names = ", ".join(quoted(c) for c in definition.columns)
        sql = f"SELECT {names} FROM {path_of(definition.object)} LIMIT 0"  # noqa: S608
        found = statements.run(client, sql)
        known = {str(c.get("name")): values.exact_kind(c) for c in found.columns}
        client.kept[key] = known
    return _KINDS.get(known.get(column, ""))


def _query(
    definition: Definition, client: Client, task: Task, limits: Sequence[Limit], *,
    cursor: str = "",
) -> Iterator[mapping.Chunk]:
    """The mapped columns of the rows within the limits, chunk by chunk."""
    names = ", ".join(quoted(c) for c in definition.columns)
    sql = f"SELECT {names} FROM {path_of(definition.object)}"  # noqa: S608
    params = {f"p{i}": b.value for i, (_, b) in enumerate(limits)}
    if limits:
        where = " AND ".join(
            f"{quoted(c)} {b.op} {_CAST[b.kind].format(f'p{i}')}"
            for i, (c, b) in enumerate(limits)
        )
        sql += f" WHERE {where} ORDER BY {quoted(limits[0][0])}"
    found = statements.run(client, sql, params, tag=task.stream.name)
    columns = frozenset(found.names)
    for part in statements.parts(client, found):
        yield mapping.Chunk(
            part.records, columns=columns, bytes_read=part.size,
            cursor=cursor if part.last else "",
        )


def _listed(client: Client, what: str, params: Mapping[str, str]) -> list[dict[str, Any]]:
    """Everything of a list of Unity Catalog, page by page; a repeated token ends in GiveUp."""
    found: list[dict[str, Any]] = []
    token, steps = "", Steps()
    while True:
        asked = {**params, "max_results": "100", **({"page_token": token} if token else {})}
        data = client.get(f"{CATALOG}/{what}", params=asked).data
        steps.page(data.get(what))
        found += [c for c in data.get(what) or () if isinstance(c, dict) and c.get("name")]
        if not data.get("next_page_token"):
            return found
        token = steps.to(data["next_page_token"])


def _folder(*names: str) -> SourceObject:
    return SourceObject(id=".".join(map(quoted, names)), name=names[-1], kind="folder")
