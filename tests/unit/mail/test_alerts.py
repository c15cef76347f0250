"""Incidents reach the people who look after them by mail, each incident once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from sqlmodel import select

from liftos_app.config_mail import Smtp
from liftos_app.models import Organization, Outbox, Role, User
from liftos_app.services import mail
from liftos_app.services.context import App, Principal, job_principal, open_context
from liftos_app.services.incidents import book
from liftos_app.services.incidents.rules import Signal
from tests.smtp_server import SmtpServer

People = Callable[..., Principal]


@pytest.fixture
def server(app: App) -> Iterator[SmtpServer]:
    with SmtpServer() as opened:
        app.settings = replace(
            app.settings, smtp=Smtp("127.0.0.1", opened.port, "none"),
            mail_from=("LiftOS", "liftos@example.com"),
        )
        yield opened


def happen(app: App, org: int | None, *, rule: str = "I3", level: str = "high") -> None:
    with open_context(app, job_principal("incidents"), org, write=True) as ctx:
        book._open(ctx, Signal(
            rule=rule, key="k", level=level, org_id=org, words=f"Words of {rule}.", evidence="1",
        ))


def test_L110_administrators_get_one_message_for_an_incident(
    app: App, server: SmtpServer, organization: Organization, other_organization: Organization,
    make_principal: People,
) -> None:
    make_principal(Role.ADMIN, organization)
    make_principal(Role.ADMIN, organization)
    gone = make_principal(Role.ADMIN, organization)
    for role, org in ((Role.MANAGER, organization), (Role.ADMIN, other_organization),
                      (Role.SUPER_ADMIN, None)):
        make_principal(role, org)
    with app.db.write() as session:
        session.get_one(User, gone.user_id).disabled_at = app.now()
    happen(app, organization.id)
    assert [mail.deliver(app), mail.deliver(app)] == [2, 0]
    assert sorted(m.to[0] for m in server.received) == [
        "person0@example.com", "person1@example.com"]
    got = server.received[0]
    assert got.mail["Subject"] == "LiftOS: high incident I3"
    assert "Words of I3." in got.text
    assert "/settings/protection" in got.text


def test_L110_incidents_of_the_installation_go_to_super_administrators(
    app: App, server: SmtpServer, organization: Organization, make_principal: People
) -> None:
    make_principal(Role.ADMIN, organization)
    make_principal(Role.SUPER_ADMIN)
    happen(app, None)
    assert mail.deliver(app) == 1
    assert server.received[0].to == ["person1@example.com"]


def test_L110_further_incidents_wait_a_quarter_of_an_hour_and_come_together(
    app: App, server: SmtpServer, organization: Organization, make_principal: People, clock: Any
) -> None:
    make_principal(Role.ADMIN, organization)
    happen(app, organization.id)
    assert mail.deliver(app) == 1
    for rule in ("I4", "I5"):
        happen(app, organization.id, rule=rule)
    assert mail.deliver(app) == 0
    clock.advance(minutes=15)
    assert mail.deliver(app) == 1
    assert server.received[1].mail["Subject"] == "LiftOS: 2 incidents"
    happen(app, organization.id, rule="I6", level="critical")
    assert mail.deliver(app) == 1
    text = "".join(m.text for m in server.received)
    assert all(text.count(f"Words of {rule}.") == 1 for rule in ("I3", "I4", "I5", "I6"))


def test_L110_without_mail_the_alert_waits(
    app: App, organization: Organization, make_principal: People
) -> None:
    make_principal(Role.ADMIN, organization)
    happen(app, organization.id)
    assert mail.deliver(app) == 0
    with app.db.read() as session:
        assert session.exec(select(Outbox)).one().taken_at is None
