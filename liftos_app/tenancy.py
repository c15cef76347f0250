"""The wall inside the ORM: a session of an organization sees and writes that organization only.

Every select, update and delete over a class with `org_id`, and over Organization itself, gets the
organization as one more condition, `session.get` and lazy loads included; a flush of another
organization's row is refused.
Statements over tables (Core, raw SQL) pass by here: on PostgreSQL row_security.py holds them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import ColumnElement, Integer, bindparam, event, inspect, true
from sqlalchemy.orm import Mapper, ORMExecuteState, SessionTransaction
from sqlalchemy.orm import Session as OrmSession
from sqlalchemy.orm.util import LoaderCriteriaOption
from sqlalchemy.sql.util import _deep_annotate
from sqlmodel import Session, SQLModel

from liftos_app import row_security

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

_ORG: Final = "org"  # in session.info: the organization; None while the wall is lifted
_WALL: Final = "wall"  # the row security of its database; None on SQLite
_LIMITED: Final = "limited"  # the connection whose transaction works as the limited role


class OtherOrganization(RuntimeError):
    """Code tried to write a row of another organization than the session's."""


class OrganizationSession(Session):
    """A session behind the walls of one organization. Made by `Database.read` and `write`."""


def enclose(session: OrganizationSession, org: int, wall: row_security.RowSecurity | None) -> None:
    """Name the organization of a session that has not asked anything yet."""
    session.info[_ORG], session.info[_WALL] = org, wall


@contextmanager
def lifted(session: OrmSession, *, when: bool = True) -> Iterator[None]:
    """Look over both walls for a moment: for what a person holds in all their organizations.

    What waits to be written is written before and after, each on its side. The places that may do
    this are listed in tests/unit/test_walls.py. Without effect in a session without walls.
    """
    org = session.info.get(_ORG)
    if org is None or not when:
        yield
        return
    _write_waiting(session)
    _stand(session, None)
    try:
        yield
        _write_waiting(session)
    finally:
        _stand(session, org)


def organization_of(session: OrmSession) -> int | None:
    """The organization whose walls stand around a session; None without walls."""
    org: int | None = session.info.get(_ORG)
    return org


def _write_waiting(session: OrmSession) -> None:
    if not session.info.get("reads"):
        session.flush()


def _stand(session: OrmSession, org: int | None) -> None:
    session.info[_ORG] = org
    connection: Connection | None = session.info.get(_LIMITED)
    if connection is not None and not connection.closed and connection.in_transaction():
        if org is None:  # a savepoint that waits for its first statement begins before
            connection = session.connection()
        session.info[_WALL].limit(connection, org)


class _Own(LoaderCriteriaOption):
    """`org_id == <organization>` for every class that belongs to one.

    As `with_loader_criteria` over the base class, but without a lambda that it would have to
    analyse: the organization is a bound value, so all organizations share one compiled statement.
    """

    __slots__ = ()
    _traverse_internals = LoaderCriteriaOption._traverse_internals
    _cache_key_traversal = LoaderCriteriaOption._traverse_internals

    def __init__(self, org: int) -> None:
        super().__init__(SQLModel, true(), include_aliases=True, propagate_to_loaders=False)
        own: Any = bindparam("own_org", org, Integer, unique=True)
        self.where_criteria = own

    def _all_mappers(self) -> Iterator[Mapper[Any]]:
        return (one for one in super()._all_mappers() if _column(one))

    def _resolve_where_criteria(self, ext_info: Any) -> ColumnElement[bool]:
        found: ColumnElement[bool] = _deep_annotate(
            getattr(ext_info.entity, _column(ext_info.mapper)) == self.where_criteria,
            {"for_loader_criteria": self}, detect_subquery_cols=True, ind_cols_on_fromclause=True,
        )
        return found


@cache
def _column(mapper: Mapper[Any]) -> str:
    """The column that names the organization; empty for what belongs to none."""
    if mapper.local_table.name == row_security.HOME:  # type: ignore[attr-defined]
        return "id"
    return "org_id" if "org_id" in mapper.columns else ""


_own: Final = lru_cache(maxsize=1000)(_Own)


@event.listens_for(OrganizationSession, "do_orm_execute")
def _limit(state: ORMExecuteState) -> None:
    org = state.session.info.get(_ORG)
    if org is not None and (state.is_select or state.is_update or state.is_delete):
        state.statement = state.statement.options(_own(org))


@event.listens_for(OrganizationSession, "before_flush")
def _refuse_foreign(session: OrmSession, *_: object) -> None:
    org = session.info.get(_ORG)
    if org is None:
        return
    for row in (*session.new, *session.dirty, *session.deleted):
        state = inspect(row)
        name = _column(state.mapper)
        if not name:
            continue
        before = state.committed_state.get(name, org)
        for theirs in (getattr(row, name), before if isinstance(before, int | None) else org):
            if theirs != org:
                raise OtherOrganization(
                    f"A row of {type(row).__tablename__} of organization {theirs} in a session of "
                    f"organization {org}. Open a context of that organization, or lift the wall."
                )


@event.listens_for(OrganizationSession, "after_begin")
def _take_role(
    session: OrmSession, transaction: SessionTransaction, connection: Connection
) -> None:
    wall, org = session.info.get(_WALL), session.info.get(_ORG)
    if wall is None or transaction.nested or not wall.holds(connection):
        return
    session.info[_LIMITED] = connection
    if org is not None:
        wall.limit(connection, org)


@event.listens_for(OrganizationSession, "after_transaction_end")
def _leave_role(session: OrmSession, transaction: SessionTransaction) -> None:
    if transaction.parent is None:
        session.info.pop(_LIMITED, None)
