"""The wall inside PostgreSQL: policies on every table with `org_id`, and a role they bind.

The login role owns the tables and does the work of the system; row-level security does not bind
it. A transaction of an organization takes on the limited role `<login>_tenant`, which owns nothing,
and names the organization: it reaches rows of that one, and none without a name. Both settings end
with the transaction. docs/decisions/0004.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

log = logging.getLogger(__name__)
POLICY: Final = "one_organization"
SETTING: Final = "liftos.org"
# Asked once per statement, not once per row. Empty after a transaction that had it: then nothing.
CONDITION: Final = f"(SELECT nullif(current_setting('{SETTING}', true), '')::integer)"
HOME: Final = "organization"  # the one table whose own id is the organization
_ALL: Final = ("SELECT", "INSERT", "UPDATE", "DELETE")
# What the limited role may do with tables of which it must not change every row.
_LESS: Final[Mapping[str, tuple[str, ...]]] = {
    "audit_entry": ("SELECT", "INSERT"), "audit_checkpoint": ("SELECT",),
    "audit_key": ("SELECT",), "key_check": ("SELECT",),
}
_LIMIT: Final = f"SELECT set_config('role', %s, true), set_config('{SETTING}', %s, true)"
_BROKEN: Final = 3  # libpq's PQTRANS_INERROR
_LOCK: Final = 0x11F706  # names our lock for making the role


@dataclass(frozen=True, slots=True)
class Fault:
    """Why the wall does not stand, and what to type. `blind`: the system itself sees nothing."""

    why: str
    fix: str
    blind: bool = False

    def sentence(self) -> str:
        """For a log and for people."""
        return f"Row-level security does not hold: {self.why} {self.fix}"


class RowSecurity:
    """The wall of one database, as this process knows it."""

    def __init__(self, tables: Iterable[str]) -> None:
        self._tables = tables
        self._known: tuple[str, str, Fault | None] | None = None

    def holds(self, connection: Connection) -> bool:
        """Whether transactions can be limited. Asked of the database once."""
        return self.fault(connection) is None

    def fault(self, connection: Connection) -> Fault | None:
        """What keeps it from standing, as it was when this process asked."""
        return self._look(connection)[2]

    def limit(self, connection: Connection, org: int | None) -> None:
        """Let this transaction work for one organization only; None: as the login role again."""
        raw: Any = connection.connection.driver_connection
        if raw.info.transaction_status == _BROKEN:  # it can only roll back, which ends both
            return
        limited, usual, _ = self._look(connection)
        role = limited if org is not None else usual
        raw.execute(_LIMIT, (role, "" if org is None else str(org)))  # 40 µs; by SQLAlchemy 65

    def prepare(self, connection: Connection) -> Fault | None:
        """Make the role and give it its rights, as far as the login role may. What is missing."""
        connection.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": _LOCK})
        if fault(connection, self._tables) is not None:
            _make_role(connection)
            _give_rights(connection, self._tables)
        self._known = None
        return self.fault(connection)

    def _look(self, connection: Connection) -> tuple[str, str, Fault | None]:
        """The limited role, the usual one (`none`: the login role itself), the fault."""
        known = self._known
        if known is None:
            usual = connection.exec_driver_sql("SELECT current_setting('role')").scalar_one()
            known = role_of(connection), str(usual), fault(connection, self._tables)
            self._known = known
        return known


def open_tables(connection: Connection) -> list[str]:
    """Tables of organizations that lack the policy."""
    found = connection.execute(_OPEN, {"policy": POLICY, "home": HOME})
    return [str(name) for (name,) in found]


def protect(connection: Connection) -> None:
    """Give every table of organizations its policy, once."""
    quote = connection.dialect.identifier_preparer.quote
    for name in open_tables(connection):
        column = "id" if name == HOME else "org_id"
        connection.exec_driver_sql(f"ALTER TABLE {quote(name)} ENABLE ROW LEVEL SECURITY")
        connection.exec_driver_sql(f"DROP POLICY IF EXISTS {POLICY} ON {quote(name)}")
        connection.exec_driver_sql(
            f"CREATE POLICY {POLICY} ON {quote(name)} USING ({column} = {CONDITION})"
        )


def role_of(connection: Connection) -> str:
    """The name of the limited role: of this login role, so that installations on one server do
    not share it.
    """
    login = str(connection.exec_driver_sql("SELECT session_user").scalar_one())
    return login.encode()[:56].decode(errors="ignore") + "_tenant"


def fault(connection: Connection, tables: Iterable[str]) -> Fault | None:
    """The first thing that keeps the wall from standing; None when it does."""
    return next(_faults(connection, tables), None)


def _faults(connection: Connection, tables: Iterable[str]) -> Iterator[Fault]:
    role, names = role_of(connection), [t for t in tables if t not in _LESS]
    quote = connection.dialect.identifier_preparer.quote
    facts: Any = connection.execute(_FACTS, {"role": role, "names": names}).one()
    login = quote(str(facts.login))
    if facts.blind:
        yield Fault(
            f"The database user {login} does not own the tables, so it binds LiftOS's own work.",
            f"Type in psql: GRANT {quote(str(facts.owner))} TO {login};", blind=True,
        )
    if facts.bypasses is None:
        yield Fault(
            f"The database has no role {role}, and {login} may not make it.",
            f"Type in psql: CREATE ROLE {quote(role)} NOLOGIN; GRANT {quote(role)} TO {login}; "
            "and start LiftOS again.",
        )
        return
    if not facts.member:
        yield Fault(
            f"The database user {login} may not act as {role}.",
            f"Type in psql: GRANT {quote(role)} TO {login}; and start LiftOS again.",
        )
    if facts.bypasses:
        yield Fault(
            f"The role {role} passes by policies.",
            f"Type in psql: ALTER ROLE {quote(role)} NOSUPERUSER NOBYPASSRLS; "
            "and take away what was granted to it.",
        )
    if missing := open_tables(connection):
        yield Fault(f"The table {missing[0]} has no policy.", "Run: liftos migrate")
    if facts.closed:
        yield Fault(
            f"The role {role} may not use the table {facts.closed[0]}.",
            "Start LiftOS once as the owner of its tables.",
        )


def _make_role(connection: Connection) -> None:
    role, quote = role_of(connection), connection.dialect.identifier_preparer.quote
    with _tried(connection):
        there = connection.execute(
            text("SELECT true FROM pg_roles WHERE rolname = :role"), {"role": role}
        ).scalar()
        if not there:
            connection.exec_driver_sql(f"CREATE ROLE {quote(role)} NOLOGIN")
    with _tried(connection):
        facts = connection.execute(_FACTS, {"role": role, "names": []}).one()
        if facts.bypasses is not None and not facts.member:
            connection.exec_driver_sql(f"GRANT {quote(role)} TO SESSION_USER")


def _give_rights(connection: Connection, tables: Iterable[str]) -> None:
    quote = connection.dialect.identifier_preparer.quote
    role = quote(role_of(connection))
    schema, database = connection.exec_driver_sql(
        "SELECT current_schema(), current_database()"
    ).one()
    there = {str(name) for (name,) in connection.execute(_TABLES)}
    by_rights: dict[tuple[str, ...], list[str]] = {}
    for name in tables:
        if name in there:
            by_rights.setdefault(_LESS.get(name, _ALL), []).append(quote(name))
    with _tried(connection):
        connection.exec_driver_sql(f"GRANT USAGE ON SCHEMA {quote(schema)} TO {role}")
    with _tried(connection):  # for its size, which Settings tells
        connection.exec_driver_sql(f"GRANT CONNECT ON DATABASE {quote(database)} TO {role}")
    with _tried(connection):
        for rights, names in by_rights.items():
            connection.exec_driver_sql(f"GRANT {', '.join(rights)} ON {', '.join(names)} TO {role}")
        for (name,) in connection.execute(_SEQUENCES, {"names": list(tables)}).all():
            connection.exec_driver_sql(f"GRANT USAGE ON SEQUENCE {quote(str(name))} TO {role}")


@contextmanager
def _tried(connection: Connection) -> Iterator[None]:
    """Something the login role may not be allowed to do: what is missing is told afterwards."""
    try:
        with connection.begin_nested():
            yield
    except DBAPIError as error:
        log.info("row_security.refused", extra={"kind": type(error.orig).__name__})


_TABLES: Final = text(
    "SELECT c.relname FROM pg_class c WHERE c.relkind IN ('r', 'p') "
    "AND c.relnamespace = current_schema()::regnamespace"
)
_OPEN: Final = text(
    "SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid "
    "WHERE c.relkind IN ('r', 'p') AND c.relnamespace = current_schema()::regnamespace "
    "AND a.attname = CASE c.relname WHEN :home THEN 'id' ELSE 'org_id' END "
    "AND NOT a.attisdropped AND NOT (c.relrowsecurity AND EXISTS "
    "(SELECT 1 FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = :policy)) "
    "ORDER BY c.relname"
)
_SEQUENCES: Final = text(
    "SELECT s.relname FROM pg_class s JOIN pg_depend d ON d.objid = s.oid AND d.deptype IN "
    "('a', 'i') JOIN pg_class c ON c.oid = d.refobjid WHERE s.relkind = 'S' "
    "AND c.relnamespace = current_schema()::regnamespace AND c.relname = ANY(:names)"
)
_FACTS: Final = text("""
WITH ours AS (
    SELECT c.oid, c.relname, c.relowner FROM pg_class c
    WHERE c.relkind IN ('r', 'p') AND c.relnamespace = current_schema()::regnamespace
    AND c.relname = ANY(CAST(:names AS text[]))
)
SELECT session_user AS login,
    (SELECT r.rolsuper OR r.rolbypassrls OR coalesce((SELECT bool_or(
        pg_has_role(r.oid, o.relowner, 'MEMBER')) FROM ours o), false)
     FROM pg_roles r WHERE r.rolname = :role) AS bypasses,
    (SELECT pg_has_role(session_user, r.oid, CASE WHEN current_setting('server_version_num')::int
        >= 160000 THEN 'SET' ELSE 'MEMBER' END) FROM pg_roles r WHERE r.rolname = :role) AS member,
    (SELECT bool_or(row_security_active(o.oid)) FROM ours o) AS blind,
    (SELECT pg_get_userbyid(min(o.relowner::text)::oid) FROM ours o) AS owner,
    ARRAY(SELECT o.relname::text FROM ours o, pg_roles r WHERE r.rolname = :role AND NOT (
        has_table_privilege(r.oid, o.oid, 'SELECT') AND has_table_privilege(r.oid, o.oid, 'INSERT')
        AND has_table_privilege(r.oid, o.oid, 'UPDATE')
        AND has_table_privilege(r.oid, o.oid, 'DELETE')) ORDER BY 1) AS closed
""")
