"""On every platform that signs in with a key: one of another account never replaces the first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
from sqlmodel import select

from liftos_app.errors import Fix
from liftos_app.models import Account, Credential, Organization, Role
from liftos_app.services import connections
from liftos_app.services.connectors import registry
from liftos_app.services.connectors.spec import STREAM_OF, Platform
from liftos_app.services.context import App, Principal
from liftos_app.services.sandbox.credentials import DEMO, STREAMS
from tests.sandbox_server import RunningSandbox, running_sandbox


def key_of(platform: Platform) -> str:
    """Its first way to sign in without a page of its own; "" when it has none."""
    return next((m.id for m in platform.auth if not m.has_consent and m.id in DEMO[platform.slug]),
                "")


BY_KEY = [p for p in registry.all_platforms() if key_of(p)]


@pytest.fixture(scope="module")
def served() -> Iterator[RunningSandbox]:
    with running_sandbox(plant=False) as found:
        yield found


def test_the_platforms_that_sign_in_with_a_key_are_found() -> None:
    assert {"hubspot", "klaviyo", "shopify", "stripe", "snowflake", "databricks",
            "generic_http"} <= {p.slug for p in BY_KEY}


@pytest.mark.parametrize("platform", BY_KEY, ids=lambda p: p.slug)
def test_a_key_of_another_account_is_refused_on_every_platform(
    platform: Platform, app: App, organization: Organization, served: RunningSandbox,
    make_principal: Callable[..., Principal],
) -> None:
    served.reset()
    port = urlsplit(served.origin).port or 0
    app.settings = replace(app.settings, host="127.0.0.1", port=port)  # where demo data is asked
    who, method = make_principal(Role.ADMIN, organization), key_of(platform)
    inputs = DEMO[platform.slug][method]
    assert organization.id is not None
    made = connections.create_connected(
        app, who, organization.id, platform.slug, method=method, inputs=inputs, mode="demo",
        wishes=connections.Wishes(
            accounts="all", definitions=STREAMS[platform.slug], start=True
        ),
    )
    again = (app, who, organization.id, made.connection_id)
    connections.sign_in(*again, inputs=inputs)  # a key of the same accounts is taken
    with app.db.write() as session:  # the connection is of another account than the key
        for account in session.exec(select(Account)):
            name = account.external_id.partition("/")
            account.external_id = f"first-{name[0]}{name[1]}{name[2]}"
            if not account.extra.get(STREAM_OF):
                account.name = "The first account"
            session.add(account)
    with app.db.read() as session:
        before = [(c.field, c.row_version) for c in session.exec(select(Credential))]
    with pytest.raises(Fix) as caught:
        connections.sign_in(*again, inputs=inputs)
    assert caught.value.what == f"This key opens another account of {platform.name}."
    assert "first" in caught.value.why.lower()
    with app.db.read() as session:
        assert [(c.field, c.row_version) for c in session.exec(select(Credential))] == before
        assert all(a.external_id.startswith("first-") for a in session.exec(select(Account)))
