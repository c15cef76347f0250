"""The issue's journey through REST alone: a real server on a loopback port, the real sandbox, the
real connectors; consent pages walked, keys entered, first syncs asked for.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from liftos_app import config
from liftos_app.api.routes import create_api
from liftos_app.models import Membership, Organization, Role, User
from liftos_app.services import connections, demo, tokens
from liftos_app.services.connectors import registry
from liftos_app.services.context import App, Principal, open_context
from liftos_app.services.sandbox.server import create_app
from tests.conftest import TEST_ENV

ROOT = "/api/v1/platform-connections"
BY_CONSENT = ["google_ads", "meta_business", "shopify"]


class Place:
    """A running installation with one manager."""

    def __init__(self, app: App, who: Principal, org_id: int, headers: dict[str, str]) -> None:
        self.app, self.who, self.org_id = app, who, org_id
        self.http = httpx.Client(
            base_url=app.settings.self_url, headers=headers, timeout=60, trust_env=False
        )

    def demo_inputs(self, platform: str, method: str) -> dict[str, str]:
        found = self.http.get(f"{ROOT}/platforms/{platform}").json()
        return dict(found["demo_credentials"][method])


@pytest.fixture
def place(sqlite_template: Path, tmp_path: Path, free_port: int) -> Iterator[Place]:
    from liftos_app.db import Database
    from liftos_app.services.vault import Vault

    path = tmp_path / "place.db"
    path.write_bytes(sqlite_template.read_bytes())
    settings = config.load({
        "LIFTOS_HOME": str(tmp_path / "home"), "DATABASE_URL": f"sqlite:///{path}",
        "PORT": str(free_port), **TEST_ENV,
    })
    database, vault = Database(settings.database_url), Vault(settings.master_keys)
    with database.write() as session:
        vault.boot_check(session)
    app = App(settings=settings, db=database, vault=vault)
    with database.write() as session:
        org = Organization(name="Larkspur Home", created_at=app.now())
        user = User(email="m@example.com", email_key="m@example.com", password_hash="",
                    name="Robin", created_at=app.now())
        session.add_all([org, user])
        session.flush()
        assert org.id is not None
        session.add(Membership(org_id=org.id, user_id=user.id, role=Role.MANAGER,
                               created_at=app.now()))
        org_id, public_id, user_id = org.id, org.public_id, user.id
    token = tokens.access_token(app, user_id=user_id, organization=public_id, epoch=1)
    api = create_api(app)
    api.mount("/sandbox", create_app(control_token="control-token-of-this-test-0001"))
    server = uvicorn.Server(uvicorn.Config(
        api, host="127.0.0.1", port=free_port, log_level="warning", ws="none", lifespan="off"
    ))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    who = Principal(kind="program", user_id=user_id, name="Robin", role=Role.MANAGER)
    found = Place(app, who, org_id, {"Authorization": f"Bearer {token}"})
    yield found
    found.http.close()
    server.should_exit = True
    thread.join(10)
    database.close()


def finish_setting_up(place: Place, connection_id: str) -> dict[str, Any]:
    where = f"{ROOT}/connections/{connection_id}"
    changed = place.http.put(where, json={"accounts": "all", "history_days": 7})
    assert changed.status_code == 200, changed.text
    tested = place.http.post(f"{where}/test").json()
    assert tested["passed"] == tested["of"] > 0, tested
    queued = place.http.post(f"{where}/sync")
    assert queued.status_code == 202, queued.text
    found = place.http.get(queued.json()["href"]).json()
    assert found["status"] == "queued"
    return dict(place.http.get(where).json())


@pytest.mark.parametrize("platform", BY_CONSENT)
def test_a_script_walks_the_consent_page_of(place: Place, platform: str) -> None:
    begun = place.http.post(f"{ROOT}/oauth/initiate", json={
        "platform": platform, "method": "oauth", "mode": "demo",
        "inputs": place.demo_inputs(platform, "oauth"),
    })
    assert begun.status_code == 200, begun.text
    params = demo.walk_consent(
        begun.json()["authorization_url"], return_to=begun.json()["redirect_uri"],
        reach=place.app.settings.self_url,
    )
    done = place.http.get(f"{ROOT}/oauth/callback", params=params)
    assert done.status_code == 200, done.text
    assert done.json()["missing_scopes"] == []
    assert any(a["usable"] for a in done.json()["accounts"])
    found = finish_setting_up(place, begun.json()["connection_id"])
    assert (found["status"], found["mode"]) == ("backfilling", "demo")


@pytest.mark.parametrize(
    ("platform", "method"),
    [("klaviyo", "api_key"), ("shopify", "client_credentials"), ("shopify", "token"),
     ("meta_business", "token")],
)
def test_a_script_enters_a_key_of(place: Place, platform: str, method: str) -> None:
    made = place.http.post(f"{ROOT}/connections", json={
        "platform": platform, "method": method, "mode": "demo",
        "inputs": place.demo_inputs(platform, method),
    })
    assert made.status_code == 201, made.text
    found = finish_setting_up(place, made.json()["id"])
    assert found["accounts_selected"] >= 1
    assert all(len(c["hint"]) <= 4 for c in found["credentials"])


@pytest.mark.parametrize(
    ("platform", "method", "change", "words"),
    [
        ("klaviyo", "api_key", {"api_key": "pk_live_abcdefghijklmnop"}, "Stripe"),
        ("klaviyo", "api_key", {"api_key": "AbC123"}, "site"),
        ("klaviyo", "api_key", {"api_key": "pk_" + "0" * 34}, ""),
        ("shopify", "token", {"shop": "www.example.com"}, "myshopify"),
        ("shopify", "token", {"access_token": "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"}, "secret"),
        ("meta_business", "token", {"access_token": "5f0d3c9a71e84b26a9d07c315be84f62"}, "secret"),
    ],
)
def test_a_wrong_value_is_explained_and_leaves_nothing(
    place: Place, *, platform: str, method: str, change: dict[str, str], words: str
) -> None:
    made = place.http.post(f"{ROOT}/connections", json={
        "platform": platform, "method": method, "mode": "demo",
        "inputs": {**place.demo_inputs(platform, method), **change},
    })
    assert made.status_code in {409, 422}, made.text
    assert words.lower() in made.json()["detail"].lower()
    assert made.json()["fix"]
    assert place.http.get(f"{ROOT}/connections").json()["data"] == []


def test_looking_around_connects_every_platform_once(place: Place) -> None:
    steps = demo.look_around(place.app, place.who, place.org_id)
    assert {s.platform: s.error for s in steps} == {
        p.slug: "" for p in registry.all_platforms()
    }
    again = demo.look_around(place.app, place.who, place.org_id)
    assert [s.connection_id for s in again] == [s.connection_id for s in steps]
    with open_context(place.app, place.who, place.org_id) as ctx:
        found = connections.overview(ctx)
    assert found.counts["backfilling"] == len(steps)
    with open_context(place.app, place.who, place.org_id, write=True) as ctx:
        assert demo.remove(ctx) == len(steps)


def test_a_refusal_on_the_consent_page_comes_back_in_words(place: Place) -> None:
    begun = place.http.post(f"{ROOT}/oauth/initiate", json={
        "platform": "meta_business", "method": "oauth", "mode": "demo",
        "inputs": place.demo_inputs("meta_business", "oauth"),
    }).json()
    page = place.http.get(begun["authorization_url"])
    action, values = _form(page.text)
    answer = place.http.post(page.url.join(action), data={**values, "decision": "refuse"})
    params = dict(answer.next_request.url.params) if answer.next_request else {}
    done = place.http.get(f"{ROOT}/oauth/callback", params=params)
    assert (done.status_code, done.json()["code"]) == (409, "consent_refused")


def _form(html: str) -> tuple[str, dict[str, str]]:
    """Where the consent form goes, and what it carries along."""
    found = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', html)
    action = re.search(r'<form method="post" action="([^"]*)"', html)
    assert action is not None
    return unescape(action[1]), {k: unescape(v) for k, v in found}
