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
CONTROL = "control-token-of-this-test-0001"
BY_CONSENT = ["google_ads", "meta_business", "shopify"]


class Place:
    """A running installation with one manager."""

    def __init__(self, app: App, who: Principal, org_id: int, headers: dict[str, str]) -> None:
        self.app, self.who, self.org_id = app, who, org_id
        self.http = httpx.Client(
            base_url=app.settings.self_url, headers=headers, timeout=60, trust_env=False
        )

    control_headers = {"Authorization": f"Bearer {CONTROL}"}

    def control(self, act: str, **body: Any) -> httpx.Response:
        """One call of the sandbox's control API."""
        return self.http.post(
            f"/sandbox/control/{act}", json=body, headers=self.control_headers
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
    box = create_app(clock=app.now, control_token=CONTROL)
    api.mount("/sandbox", box)
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


def begin(place: Place, platform: str) -> dict[str, Any]:
    begun = place.http.post(f"{ROOT}/oauth/initiate", json={
        "platform": platform, "method": "oauth", "mode": "demo",
        "inputs": place.demo_inputs(platform, "oauth"),
    })
    assert begun.status_code == 200, begun.text
    return dict(begun.json())


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
    begun = begin(place, platform)
    done = walk(place, begun)
    assert done.status_code == 200, done.text
    assert done.json()["missing_scopes"] == []
    assert any(a["usable"] for a in done.json()["accounts"])
    found = finish_setting_up(place, begun["connection_id"])
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


def walk(place: Place, begun: dict[str, Any]) -> httpx.Response:
    params = demo.walk_consent(
        begun["authorization_url"], return_to=begun["redirect_uri"],
        reach=place.app.settings.self_url,
    )
    return place.http.get(f"{ROOT}/oauth/callback", params=params)


@pytest.mark.parametrize("platform", BY_CONSENT)
def test_access_taken_back_is_told_and_authorised_again(place: Place, platform: str) -> None:
    begun = begin(place, platform)
    assert walk(place, begun).status_code == 200
    where = f"{ROOT}/connections/{begun['connection_id']}"
    finish_setting_up(place, begun["connection_id"])
    assert place.control("revoke", platform=platform).is_success
    tested = place.http.post(f"{where}/test").json()
    assert tested["passed"] == 0
    found = place.http.get(where).json()
    assert (found["status"], found["cause"]["action"]) == ("needs_reauth", "reauthorise")
    assert found["cause"]["owner"] == "you"
    assert place.http.post(f"{where}/sync").status_code == 409
    place.control("restore", platform=platform)
    again = place.http.post(
        f"{ROOT}/oauth/initiate", json={"connection_id": begun["connection_id"]}
    )
    done = walk(place, again.json())
    assert done.status_code == 200, done.text
    assert done.json()["missing_accounts"] == []
    assert place.http.get(where).json()["cause"] is None
    assert place.http.post(f"{where}/test").json()["passed"] >= 1


@pytest.mark.parametrize("platform", ["google_ads", "shopify"])
def test_an_expired_token_is_renewed_without_a_person(place: Place, platform: str) -> None:
    begun = begin(place, platform)
    walk(place, begun)
    where = f"{ROOT}/connections/{begun['connection_id']}"
    finish_setting_up(place, begun["connection_id"])
    assert place.control("expire", platform=platform).is_success
    tested = place.http.post(f"{where}/test").json()
    assert tested["passed"] == tested["of"] >= 1, tested
    assert place.http.get(where).json()["cause"] is None


@pytest.mark.parametrize(
    "kind", ["server_error", "login_page", "not_json", "cut", "missing_scope", "token_revoked"]
)
def test_trouble_during_a_sign_in_is_explained_and_leaves_nothing(place: Place, kind: str) -> None:
    added = place.control("faults", kind=kind, platform="klaviyo", count=20)
    assert added.is_success, added.text
    made = place.http.post(f"{ROOT}/connections", json={
        "platform": "klaviyo", "method": "api_key", "mode": "demo",
        "inputs": place.demo_inputs("klaviyo", "api_key"),
    })
    assert made.status_code in {409, 502}, made.text
    problem = made.json()
    assert problem["what"]
    assert problem["why"]
    assert problem["fix"]
    assert problem["cause"] in {
        "platform_outage", "bad_configuration", "permission", "credential", "our_fault",
    }
    assert place.http.get(f"{ROOT}/connections").json()["data"] == []


def test_a_platform_that_is_down_in_mid_consent_loses_nothing(
    place: Place,
) -> None:
    begun = begin(place, "meta_business")
    params = demo.walk_consent(
        begun["authorization_url"], return_to=begun["redirect_uri"],
        reach=place.app.settings.self_url,
    )
    place.control("faults", kind="server_error", platform="meta_business", count=20)
    assert place.http.get(f"{ROOT}/oauth/callback", params=params).status_code == 502
    where = f"{ROOT}/connections/{begun['connection_id']}"
    found = place.http.get(where).json()
    assert (found["status"], found["accounts"]) == ("selecting_accounts", [])
    place.http.delete("/sandbox/control/faults", headers=place.control_headers)
    listed = place.http.post(f"{where}/discover").json()["data"]
    assert any(a["usable"] for a in listed)
    finish_setting_up(place, begun["connection_id"])


def test_a_refusal_on_the_consent_page_comes_back_in_words(place: Place) -> None:
    begun = begin(place, "meta_business")
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
