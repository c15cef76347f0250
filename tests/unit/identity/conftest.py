"""People with passwords, quickly: hashing is tested where passwords are."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import pytest
from sqlmodel import select

from liftos_app.models import AuditEntry, Membership, Organization, Role, User
from liftos_app.services import passwords
from liftos_app.services.context import App, Context, Principal, open_context

PASSWORD = "kettle violin harbour 29"
IP = "203.0.113.9"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords and recovery codes are stored as typed."""
    for make, fits in (("make_hash", "fits"), ("make_code_hash", "fits_code")):
        monkeypatch.setattr(passwords, make, lambda given: given.replace("-", "").casefold())
        monkeypatch.setattr(
            passwords, fits, lambda given, stored: given.replace("-", "").casefold() == stored
        )


@pytest.fixture
def make_person(app: App, organization: Organization) -> Callable[..., Principal]:
    """A stored person with a password, proved just now: make_person(Role.ADMIN, name="Ann")."""

    def make(
        role: Role | None = Role.ADMIN, org: Organization | None = None, *, name: str = "Ann",
        super_admin: bool = False,
    ) -> Principal:
        home = org or organization
        email = f"{name.casefold()}@example.com"
        with app.db.write() as session:
            user = session.exec(select(User).where(User.email_key == email)).first() or User(
                email=email, email_key=email, name=name, password_hash=PASSWORD,
                created_at=app.now(), is_super_admin=super_admin,
            )
            session.add(user)
            session.flush()
            if role is not None:
                session.add(Membership(
                    org_id=home.id or 0, user_id=user.id, role=role, created_at=app.now()
                ))
        return Principal(
            kind="person", user_id=user.id, name=name, proved_at=app.now(), ip=IP,
            role=Role.SUPER_ADMIN if super_admin else role,
        )

    return make


Act = Callable[..., AbstractContextManager[Context]]


@pytest.fixture
def act(app: App, organization: Organization) -> Act:
    """A writing context: `with act(ann) as ctx:`; `act(ann, old=True)` proved an hour ago."""

    def make(
        who: Principal, org: Organization | None = None, *, old: bool = False
    ) -> AbstractContextManager[Context]:
        acting = replace(who, proved_at=None) if old else replace(who, proved_at=app.now())
        return open_context(app, acting, (org or organization).id, write=True)

    return make


def audited(app: App) -> list[str]:
    """The names of everything done so far."""
    with app.db.read() as session:
        return list(session.exec(select(AuditEntry.action).order_by(AuditEntry.seq)).all())


def role_of(app: App, who: Principal, org: Organization) -> Any:
    """The stored role of a person, None outside."""
    with app.db.read() as session:
        row = session.get(Membership, (org.id, who.user_id))
        return None if row is None else Role(row.role)
