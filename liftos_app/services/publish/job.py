"""One publishing: each table compared with what the warehouse holds, the difference sent, counted.

No transaction is open while the warehouse is talked to: rows that differ wait in a file.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO, Any, Final
from uuid import UUID

import orjson

from liftos_app.errors import Fix, LiftOSError
from liftos_app.models import Account, Connection
from liftos_app.services import condition, links
from liftos_app.services.connections import reading
from liftos_app.services.connectors import registry
from liftos_app.services.connectors.writing import SYNCED, Writer
from liftos_app.services.context import App, Principal, open_context
from liftos_app.services.publish import tables

log = logging.getLogger(__name__)
BATCH_ROWS: Final = 2_000
BATCH_BYTES: Final = 400_000  # of JSON, which grows when it is quoted inside another
KIND: Final = "publish"  # of the lines in the timeline


@dataclass(slots=True)
class TableResult:
    """What publishing did to one table. `rows` is how many it holds now."""

    name: str
    rows: int = 0
    new: int = 0
    changed: int = 0
    removed: int = 0
    done: list[str] = field(default_factory=list)  # schema and columns made

    @property
    def words(self) -> str:
        """The result as one line."""
        made = f" ({', '.join(self.done)})" if self.done else ""
        same = self.rows - self.new - self.changed
        return (f"{self.name}: {self.rows:,} rows, {self.new:,} new, {self.changed:,} changed, "
                f"{self.removed:,} removed, {same:,} unchanged{made}.")


@dataclass(frozen=True, slots=True)
class Published:
    """A publishing that ended well."""

    place: str
    tables: tuple[TableResult, ...]


@dataclass(slots=True)
class _Difference:
    """What has to be sent for one table."""

    spool: IO[bytes]
    keys: set[str] = field(default_factory=set)
    new: int = 0
    changed: int = 0


def run(
    app: App, who: Principal, org_id: int, connection_id: UUID, place: str,
    *, alive: Callable[[], bool] | None = None,
) -> Published:
    """Publish all tables now, telling the timeline table by table. Raises what stops it.

    `alive` is asked between batches; False means that somebody else goes on with it.
    """
    with open_context(app, who, org_id) as ctx:
        ctx.require("connections.write")
        connection = reading.get(ctx, connection_id)
        platform = registry.get(connection.platform)
        accounts = tables.accounts_of(ctx, connection)
        origins = tables.origins_of(ctx, accounts)
        ctx.session.expunge_all()
    if platform.writer is None:
        raise Fix(f"{platform.name} takes no tables.", why="It cannot be published to.",
                  fix="Choose a connection of a warehouse.")
    _tell(app, who, connection, f"Publishing to {place} began.")
    results: list[TableResult] = []
    try:
        with links.open_client(
            app, org_id, connection_id, purpose="sync",
            cancelled=(lambda: not alive()) if alive else None,
        ) as client:
            writer = platform.writer(client, place)
            for source in tables.sources(origins):
                found = _table(app, org_id, source, accounts, writer)
                results.append(found)
                _tell(app, who, connection, found.words, table=found.name, rows=found.rows,
                      new=found.new, changed=found.changed, removed=found.removed)
    except LiftOSError as error:
        _tell(app, who, connection, f"Publishing to {place} stopped. {error.sentence()}",
              level="error", cause=condition.cause_of(error, now=app.now()))
        raise
    total = sum(r.new + r.changed + r.removed for r in results)
    _tell(app, who, connection, f"Published to {place}: " + (
        f"{total:,} rows written in {len(results)} tables." if total else "nothing had changed."))
    log.info("publish.finished", extra={"rows": total})
    return Published(place, tuple(results))


def _table(
    app: App, org_id: int, source: tables.Source, accounts: Mapping[int, Account], writer: Writer
) -> TableResult:
    found = TableResult(source.table.name, done=writer.prepare(source.table))
    there = writer.digests(source.table)
    with tempfile.TemporaryFile() as spool:
        difference = _compare(app, org_id, source, accounts, there=there, spool=spool)
        stamp = app.now().replace(tzinfo=None).isoformat(timespec="seconds")
        for rows in _batches(spool, stamp):
            writer.upsert(source.table, rows)
    gone = sorted(set(there) - difference.keys)
    for start in range(0, len(gone), BATCH_ROWS * 4):
        writer.delete(source.table, gone[start:start + BATCH_ROWS * 4])
    found.rows, found.removed = len(difference.keys), len(gone)
    found.new, found.changed = difference.new, difference.changed
    held = writer.count(source.table)
    if held != found.rows:
        raise Fix(
            f"The table {source.table.name} does not hold what was sent.",
            why=f"{found.rows:,} rows were published, {held:,} are there: somebody else writes "
                "into it.",
            fix="Leave the tables of LiftOS to LiftOS, then publish again.",
            cause="source_data", owner="your_platform_admin",
        )
    return found


def _compare(
    app: App, org_id: int, source: tables.Source, accounts: Mapping[int, Account], *,
    there: Mapping[str, str], spool: IO[bytes],
) -> _Difference:
    """Write the rows that differ into the spool, in one reading transaction."""
    found = _Difference(spool)
    with app.db.read() as session:
        for line in source.read(session, org_id, accounts):
            found.keys.add(line.key)
            before = there.get(line.key)
            if before == line.digest:
                continue
            found.new += before is None
            found.changed += before is not None
            spool.write(orjson.dumps(line.json()) + b"\n")
    spool.seek(0)
    return found


def _batches(spool: IO[bytes], stamp: str) -> Iterator[list[dict[str, Any]]]:
    """The spool's rows in batches that fit into one statement."""
    rows: list[dict[str, Any]] = []
    size = 0
    for raw in spool:
        if rows and (len(rows) >= BATCH_ROWS or size + len(raw) > BATCH_BYTES):
            yield rows
            rows, size = [], 0
        rows.append({**orjson.loads(raw), SYNCED: stamp})
        size += len(raw)
    if rows:
        yield rows


def _tell(
    app: App, who: Principal, connection: Connection, text: str, *, level: str = "info",
    **facts: Any,
) -> None:
    with open_context(app, who, connection.org_id, write=True) as ctx:
        row = reading.get(ctx, connection.id)
        row.updated_at = ctx.now()  # open pages see that there is something new
        ctx.session.add(row)
        condition.note(ctx, row, KIND, text[:1000], level=level, **facts)
