"""Copies of data: a person's (JSON and CSV) and an organization's (CSV), as ZIP, never on disk.

Who proves anew who they are gets a token that downloads one copy once, within 24 hours (L99).
"""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import IO, Any, Final, cast

from sqlalchemy import Table
from sqlalchemy import select as sql_select

from liftos_app.db import metadata
from liftos_app.errors import Missing
from liftos_app.models import AuditEntry, LoginAttempt, Organization, User
from liftos_app.services import audit, cells, links_once
from liftos_app.services.context import App, Context, Principal, open_context
from liftos_app.services.rights import datamap
from liftos_app.tenancy import lifted

LINK_LIFE: Final = timedelta(hours=24)
MINE: Final = "export_me"
OURS: Final = "export_org"
_FETCH: Final = 1000
_PIECE: Final = 64 * 1024  # bytes held before they are sent on
_README: Final = (
    "Everything LiftOS stores for this organization, one CSV file per table. Left out: hashes and "
    "sealed values. Texts that a spreadsheet would run as a formula begin with an apostrophe.\n"
)


def ask_mine(ctx: Context) -> str:
    """A token for `export_me`. Earlier ones of the person end."""
    ctx.require("profile.write")
    ctx.require_proof()
    audit.record(ctx, "data.export_asked", what="person")
    return links_once.make(ctx, MINE, ctx.who.user_id, life=LINK_LIFE)


def export_me(ctx: Context, token: str) -> dict[str, Any]:
    """All LiftOS stores about the person who asked, as JSON-ready data, without hashes.

    Raises LinkOver.
    """
    ctx.require("profile.write")
    links_once.use_own(ctx, MINE, token)
    user = ctx.session.get(User, ctx.who.user_id)
    if user is None:
        raise Missing("This person does not exist.")
    found: dict[str, Any] = {"made_at": ctx.now().isoformat()}
    with lifted(ctx.session):  # in every organization of theirs
        found |= _of_person(ctx, user)
    audit.record(ctx, "data.exported", user, what="person",
                 rows=sum(len(rows) for rows in found.values() if isinstance(rows, list)))
    return found


def _of_person(ctx: Context, user: User) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for table in metadata.sorted_tables:
        column = table.c.get("id" if table.name == "user_account" else "user_id")
        if column is not None and table.name in datamap.TABLES:
            found[table.name] = _rows(ctx, table, column == user.id)
    invitations = metadata.tables["invitation"]
    found["invitation"] = _rows(ctx, invitations, invitations.c.email_key == user.email_key)
    entries = metadata.tables[str(AuditEntry.__tablename__)]
    found["audit_entry"] = _rows(ctx, entries, entries.c.actor_id == str(user.id))
    attempts = metadata.tables[str(LoginAttempt.__tablename__)]
    mine = ctx.app.vault.token_hashes(f"account\x00{user.email_key}")
    found["login_attempt"] = _rows(ctx, attempts, attempts.c.account_hash.in_(mine))
    return found


def personal_zip(found: dict[str, Any]) -> bytes:
    """What `export_me` gave, for people: all of it as JSON, and one CSV file per table."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("liftos-me.json", json.dumps(found, ensure_ascii=False, indent=1))
        for name, rows in found.items():
            if isinstance(rows, list) and rows:
                lines = [list(rows[0]), *([cells.cell(v) for v in row.values()] for row in rows)]
                archive.writestr(f"{name}.csv", _lines(lines))
    return target.getvalue()


def ask_ours(ctx: Context) -> str:
    """A token for `begin_export`, here and for this person alone. Earlier ones of theirs end."""
    ctx.require("data.export")
    ctx.require_proof()
    organization = ctx.session.get_one(Organization, ctx.org)
    audit.record(ctx, "data.export_asked", organization, what="organization")
    return links_once.make(ctx, OURS, ctx.who.user_id, org_id=ctx.org, life=LINK_LIFE)


def begin_export(ctx: Context, token: str) -> str:
    """Check and record that the organization is exported. Returns a safe file name.

    Raises LinkOver.
    """
    ctx.require("data.export")
    links_once.use_own(ctx, OURS, token, org_id=ctx.org)
    organization = ctx.session.get_one(Organization, ctx.org)
    audit.record(ctx, "data.exported", organization, what="organization")
    return f"liftos-{ctx.now():%Y-%m-%d}.zip"


def organization_zip(app: App, who: Principal, org_id: int) -> Iterator[bytes]:
    """The ZIP piece by piece, read in one transaction, as one moment of the database."""
    sink = _Sink()
    target = cast("IO[bytes]", sink)  # zipfile needs write and flush of it, nothing else
    with open_context(app, who, org_id) as ctx, zipfile.ZipFile(
        target, "w", zipfile.ZIP_DEFLATED
    ) as archive:
        ctx.require("data.export")
        archive.writestr("README.txt", _README)
        for table in metadata.sorted_tables:
            condition = _of_organization(ctx, table)
            if condition is None:
                continue
            with archive.open(f"{table.name}.csv", "w") as file:
                for lines in _csv(ctx, table, condition):
                    file.write(lines)
                    if len(sink.held) >= _PIECE:
                        yield sink.take()
    yield sink.take()


def _of_organization(ctx: Context, table: Table) -> Any:
    """Which rows of a table are the organization's; None when it has none for it."""
    entry = datamap.TABLES.get(table.name)
    if entry is None:
        return None
    if table.name == "organization":
        return table.c.id == ctx.org
    if entry.of == "organization" or table.name == "audit_entry":
        return table.c.org_id == ctx.org if "org_id" in table.c else None
    return None


def _csv(ctx: Context, table: Table, condition: Any) -> Iterator[bytes]:
    names = datamap.exported_columns(table)
    yield _lines([names])
    result = ctx.session.connection().execution_options(yield_per=_FETCH).execute(
        sql_select(*(table.c[n] for n in names)).where(condition)
    )
    for rows in result.partitions():
        yield _lines([[cells.cell(v) for v in row] for row in rows])


def _lines(rows: Sequence[Sequence[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def _rows(ctx: Context, table: Table, condition: Any) -> list[dict[str, Any]]:
    names = datamap.exported_columns(table)
    rows = ctx.session.connection().execute(
        sql_select(*(table.c[n] for n in names)).where(condition)
    )
    return [dict(zip(names, (_plain(v) for v in row), strict=True)) for row in rows]


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float, str, list, dict)):
        return value
    return cells.text_of(value)


class _Sink:
    """What zipfile writes into: no file, only what has not been sent yet."""

    def __init__(self) -> None:
        self.held = bytearray()

    def write(self, data: bytes) -> int:
        self.held += data
        return len(data)

    def flush(self) -> None:
        """Nothing is buffered below."""

    def take(self) -> bytes:
        piece, self.held = bytes(self.held), bytearray()
        return piece
