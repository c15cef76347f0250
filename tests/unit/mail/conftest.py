"""A mail server to send to, and looks at what waits."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from sqlmodel import select

from liftos_app.config_mail import parse_server
from liftos_app.models import AuditEntry, Outbox
from liftos_app.services import logs, mail, mailer
from liftos_app.services.context import App, Principal, open_context
from liftos_app.services.mail import delivery
from tests.smtp_server import SmtpServer, make_certificate

FROM = ("LiftOS", "liftos@example.com")
CANARY = "canary-secret-value"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def server() -> Iterator[SmtpServer]:
    with SmtpServer() as opened:
        yield opened


@pytest.fixture
def mailing(app: App, server: SmtpServer) -> App:
    """The app, with mail going to `server`."""
    return point(app, f"smtp://127.0.0.1:{server.port}")


def point(app: App, url: str) -> App:
    app.settings = replace(app.settings, smtp=parse_server(url), mail_from=FROM)
    return app


def queue(app: App, to: str = "ann@example.com", subject: str = "Hello", text: str = "Hi.") -> None:
    with open_context(app, Principal(), None, write=True) as ctx:
        assert mailer.send(ctx, to=to, subject=subject, text=text, about="notice")


def rows(app: App) -> list[Outbox]:
    with app.db.read() as session:
        return list(session.exec(select(Outbox).where(Outbox.kind == mailer.KIND)).all())


def given_up(app: App) -> list[AuditEntry]:
    with app.db.read() as session:
        return list(session.exec(select(AuditEntry).where(
            AuditEntry.action == delivery.GIVEN_UP)).all())


def standing(app: App) -> mail.Standing:
    with app.db.read() as session:
        return mail.standing(session, app)


@contextmanager
def everything_logged() -> Iterator[io.StringIO]:
    """What is logged at the finest level, past the filter: nothing may rely on masking."""
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(logs.JsonLines())
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield out
    finally:
        root.removeHandler(handler)
        root.setLevel(before)
