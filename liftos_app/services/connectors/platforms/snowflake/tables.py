"""What can be read from Snowflake: databases, schemas, tables, views; their rows by definition."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from liftos_app.errors import Invalid, SignInAgain
from liftos_app.services.connectors import mapping
from liftos_app.services.connectors.bounds import Asking, Kind, Limit, chunks
from liftos_app.services.connectors.client import Client
from liftos_app.services.connectors.defined import Definition, definitions, make_streams
from liftos_app.services.connectors.platforms.snowflake import signin, statements, values
from liftos_app.services.connectors.platforms.snowflake.errors import TOO_BIG
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
_PATH = re.compile(r'"((?:[^"]|"")+)"\."((?:[^"]|"")+)"\."((?:[^"]|"")+)"')
_NAMED = ("ORGANIZATION", "ACCOUNT", "USER_NAME", "ROLE_NAME", "REGION", "VERSION")
_WHO = (
    "SELECT CURRENT_ORGANIZATION_NAME(), CURRENT_ACCOUNT_NAME(), CURRENT_USER(), CURRENT_ROLE(), "
    "CURRENT_REGION(), CURRENT_VERSION()"
)
_HIDDEN = frozenset({"INFORMATION_SCHEMA"})
_KINDS: dict[str, Kind] = {
    "date": "day", "timestamp_ntz": "wall", "timestamp_ltz": "utc", "timestamp_tz": "utc",
    "text": "text", "fixed": "whole", "scaled": "number", "real": "number",
}
_CAST: dict[Kind, str] = {
    "day": "TO_DATE(?)", "wall": "TO_TIMESTAMP_NTZ(?)", "utc": "TO_TIMESTAMP_TZ(?)", "text": "?",
    "number": "TO_NUMBER(?)", "whole": "TO_NUMBER(?)",
}
_EXACT = "'YYYY-MM-DD\"T\"HH24:MI:SS.FF9'"


def quoted(name: str) -> str:
    """An identifier in quotes, inner ones doubled."""
    return '"' + name.replace('"', '""') + '"'


def who(client: Client) -> dict[str, str]:
    """Organization, account, user, role, region and version; needs no warehouse."""
    try:
        found = statements.run(client, _WHO, compute=False, tag="test")
    except SignInAgain as error:
        mark = signin.fingerprint_of(client.credential)
        if mark:
            error.why = f"{error.why} The fingerprint of our key is {mark}."
        raise
    row = found.first[0] if found.first else []
    return {n: str(v or "") for n, v in zip(_NAMED, row, strict=False)}


def discover(client: Client) -> Sequence[AccountInfo]:
    """The one account of this sign-in; the streams on its tables are defined by a person."""
    found = who(client)
    ident = f"{found['ORGANIZATION']}-{found['ACCOUNT']}".strip("-")
    return [AccountInfo(
        external_id=ident, name=ident, time_zone="UTC",
        status=f"role {found['ROLE_NAME']}" if found.get("ROLE_NAME") else "",
        extra={"region": found.get("REGION", "")},
    )]


def test(client: Client, account: AccountInfo) -> str:
    """Whether Snowflake lets us in. Starts no warehouse, so it costs nothing."""
    found = who(client)
    ident = f"{found['ORGANIZATION']}-{found['ACCOUNT']}"
    return (f"{account.name} answers: {found['USER_NAME']} with the role "
            f"{found['ROLE_NAME'] or 'none'} on {ident}. No warehouse was started.")


def objects(client: Client, folder: str) -> Sequence[SourceObject]:
    """Databases; the schemas of one; the tables and views of a schema."""
    parts = [p.replace('""', '"') for p in re.findall(r'"((?:[^"]|"")+)"', folder)]
    if not parts:
        return [_folder(quoted(n)) for n in _shown(client, "SHOW DATABASES")]
    if len(parts) == 1:
        database = quoted(parts[0])
        found = _shown(client, f"SHOW SCHEMAS IN DATABASE {database}")
        return [_folder(f"{database}.{quoted(n)}") for n in found if n not in _HIDDEN]
    place = f"{quoted(parts[0])}.{quoted(parts[1])}"
    tables = _shown(client, f"SHOW TABLES IN SCHEMA {place}")
    views = _shown(client, f"SHOW VIEWS IN SCHEMA {place}")
    return [
        *(SourceObject(id=f"{place}.{quoted(n)}", name=n, kind="table") for n in tables),
        *(SourceObject(id=f"{place}.{quoted(n)}", name=n, kind="view") for n in views),
    ]


def preview(client: Client, definition: Definition) -> Sample:
    """The first rows of a table with all its columns. It may start the warehouse."""
    sql = f"SELECT * FROM {path_of(definition.object)} LIMIT {PREVIEW_ROWS}"  # noqa: S608
    found = statements.run(client, sql, tag="preview")
    return Sample(
        columns=tuple(
            SourceColumn(name=str(c.get("name")), detail=str(c.get("type")),
                         type=values.plain_type(str(c.get("type"))))
            for c in found.row_type
        ),
        records=tuple(statements.all_records(client, found)),
    )


def path_of(text: str) -> str:
    """A table's three quoted names. Raises Invalid for anything else."""
    if not _PATH.fullmatch(text):
        raise Invalid(
            "This stream cannot be used as it is defined.",
            why='The table is named as "DATABASE"."SCHEMA"."TABLE", each name in quotes.',
            fix="Choose it from the list of sources.", field="object",
            fields={"object": "Choose a table or view."},
        )
    return text


def define(options: dict[str, Any] | Any) -> tuple[Stream, ...]:
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


def _newest(
    definition: Definition, client: Client, column: str, kind: Kind | None
) -> str:
    """The cursor column's newest value as text made by the server, to the last digit."""
    name = f"MAX({quoted(column)})"
    if kind == "wall":
        name = f"TO_CHAR({name}, {_EXACT})"
    elif kind == "utc":
        name = f"TO_CHAR(CONVERT_TIMEZONE('UTC', {name}), {_EXACT})"
    elif kind == "day":
        name = f"TO_CHAR({name}, 'YYYY-MM-DD')"
    else:
        name = f"TO_CHAR({name})"
    sql = f"SELECT {name} FROM {path_of(definition.object)}"  # noqa: S608
    found = statements.run(client, sql)
    text = str(found.first[0][0] or "") if found.first else ""
    return f"{text}+00:00" if text and kind == "utc" else text


def _kind(definition: Definition, client: Client, column: str) -> Kind | None:
    """What a column holds, asked once per table; None for what cannot be compared."""
    key = f"snowflake.types.{definition.object}"
    known: dict[str, str] = client.kept.get(key, {})
    if column not in known:
        names = ", ".join(quoted(c) for c in definition.columns)
        sql = f"SELECT {names} FROM {path_of(definition.object)} LIMIT 0"  # noqa: S608
        found = statements.run(client, sql)
        known = {str(c.get("name")): values.kind_of(c) for c in found.row_type}
        client.kept[key] = known
    return _KINDS.get(known.get(column, ""))


def _query(
    definition: Definition, client: Client, task: Task, limits: Sequence[Limit],
    *, cursor: str = "",
) -> Iterator[mapping.Chunk]:
    """The mapped columns of the rows within the limits, partition by partition."""
    names = ", ".join(quoted(c) for c in definition.columns)
    sql = f"SELECT {names} FROM {path_of(definition.object)}"  # noqa: S608
    if limits:
        where = " AND ".join(f"{quoted(c)} {b.op} {_CAST[b.kind]}" for c, b in limits)
        sql += f" WHERE {where} ORDER BY {quoted(limits[0][0])}"
    found = statements.run(client, sql, [b.value for _, b in limits], tag=task.stream.name)
    parts = list(range(max(len(found.partitions), 1)))
    columns = frozenset(found.names)
    for number, part in enumerate(statements.records(client, found), 1):
        last = number == len(parts)
        yield mapping.Chunk(
            part.records, columns=columns, bytes_read=part.size, cursor=cursor if last else ""
        )


def _shown(client: Client, sql: str) -> list[str]:
    found = statements.run(client, sql, compute=False, tag="browse")
    return [str(r.get("name")) for r in statements.all_records(client, found) if r.get("name")]


def _folder(path: str) -> SourceObject:
    name = re.findall(r'"((?:[^"]|"")+)"', path)[-1].replace('""', '"')
    return SourceObject(id=path, name=name, kind="folder")
