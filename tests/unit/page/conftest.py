"""The page's process with a person signed in."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from liftos_app.models import Organization, Role, User
from liftos_app.services import sessions
from liftos_app.services.context import App, Principal
from liftos_app.state import process


@pytest.fixture
def page_app(app: App) -> App:
    process.install(app)
    return app


@pytest.fixture
def cookie_of(
    page_app: App, organization: Organization, make_principal: Callable[..., Principal]
) -> Callable[[], str]:
    """A Cookie header of a new person with a session of their own."""

    def make() -> str:
        who = make_principal(Role.ANALYST, organization)
        with page_app.db.write() as session:
            user = session.get_one(User, who.user_id)
            assert organization.id is not None
            token = sessions.create(
                session, page_app, user=user, org_id=organization.id, ip="", user_agent=""
            )
        return f"{sessions.cookie_name(page_app.settings)}={token}"

    return make
