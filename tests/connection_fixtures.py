"""Fixtures for connections: an app whose only platform is the example, served on loopback."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID, uuid4

import pytest

from liftos_app.models import Organization, Role
from liftos_app.services import connections, demo, oauth
from liftos_app.services.connectors import registry
from liftos_app.services.context import App, Context, Principal, open_context
from tests import example_platform
from tests.example_platform import CLIENT_ID, CLIENT_SECRET, GOOD_KEY, World

KEY = {"api_key": GOOD_KEY}
CLIENT = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}


@dataclass
class Bench:
    """An organization with a manager and the example platform."""

    app: App
    who: Principal
    org_id: int
    url: str
    world: World
    other_org: int
    people: dict[str, Principal] = field(default_factory=dict)

    def read(self, who: Principal | None = None) -> Any:
        return open_context(self.app, who or self.who, self.org_id)

    def write(self, who: Principal | None = None) -> Any:
        return open_context(self.app, who or self.who, self.org_id, write=True)

    def with_key(self, **wishes: Any) -> UUID:
        """A connection signed in with the good key."""
        return connections.create_connected(
            self.app, self.who, self.org_id, "example", method="api_key", inputs=KEY, mode="live",
            wishes=connections.Wishes(**wishes),
        ).connection_id

    def started(self) -> UUID:
        """A running connection by key, its first sync queued."""
        return self.with_key(accounts="all", start=True)

    def draft(self, method: str = "oauth") -> UUID:
        with self.write() as ctx:
            row = connections.create_draft(ctx, "example", mode="live", method=method)
            connections.save_inputs(ctx, row.id, CLIENT if method != "api_key" else KEY)
            return row.id

    def consent(self, connection_id: UUID) -> tuple[oauth.Begun, dict[str, str]]:
        """Begin, walk the consent page, and stop before the answer is handed over."""
        with self.write() as ctx:
            begun = oauth.begin_in_full(ctx, connection_id, origin=self.app.settings.public_url)
        params = demo.walk_consent(
            begun.url, return_to=begun.redirect_uri, reach=self.app.settings.self_url
        )
        return begun, params

    def finish(self, params: dict[str, str], who: Principal | None = None) -> oauth.Finished:
        who = who or self.who
        return oauth.finish(
            self.app, "example", params, session_id=who.session_id, who=who
        )

    def signed_in(self, *, start: bool = False) -> UUID:
        """A connection signed in through the consent page."""
        connection_id = self.draft()
        _, params = self.consent(connection_id)
        self.finish(params)
        connections.after_sign_in(self.app, self.who, self.org_id, connection_id)
        if start:
            with self.write() as ctx:
                connections.select_accounts(ctx, connection_id, "all")
                connections.start(ctx, connection_id)
        return connection_id

    def status(self, connection_id: UUID) -> str:
        with self.read() as ctx:
            return str(connections.get(ctx, connection_id).status)


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, World]]:
    """The example platform, the only one in the registry."""
    monkeypatch.setattr(registry, "all_platforms", lambda: (example_platform.PLATFORM,))
    with example_platform.serve() as served:
        yield served


@pytest.fixture
def bench(
    app: App, organization: Organization, other_organization: Organization,
    make_principal: Callable[..., Principal], example: tuple[str, World],
) -> Bench:
    url, world = example
    app.settings = replace(app.settings, platform_urls={"example": url})
    who = replace(make_principal(Role.ADMIN, organization), session_id=uuid4())
    assert organization.id is not None
    assert other_organization.id is not None
    return Bench(app, who, organization.id, url, world, other_organization.id)


def context_of(bench: Bench, org_id: int, who: Principal) -> Any:
    """A writing context of another organization or person."""
    return open_context(bench.app, who, org_id, write=True)


__all__ = ["CLIENT", "KEY", "Bench", "Context", "bench", "context_of", "example"]
