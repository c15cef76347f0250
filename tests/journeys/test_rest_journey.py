"""Everything a person does in the wizard, done by a script over REST alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx
import pytest

from tests.journeys.conftest import EMAIL, PASSWORD, Server
from tests.journeys.world_totals import (
    Span,
    expected_ads,
    expected_store,
    stored_ads,
    stored_store,
)


class Form(HTMLParser):
    """The first form of a page: its action and what its fields would send."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.action, self.values, self.buttons = "", {}, {}
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = dict(attrs)
        if tag == "form" and not self.action:
            self.action = said.get("action") or "."
        elif tag == "input" and said.get("name"):
            kind = said.get("type", "text")
            if kind == "hidden" or (kind == "checkbox" and "checked" in said):
                self.values[said["name"]] = said.get("value") or "on"
        elif tag == "button" and said.get("name"):
            self.buttons[said.get("value", "")] = said["name"]


class Script:
    """A program with a token."""

    http: Any = None

    def __init__(self, server: Server) -> None:
        self.server = server
        self.again()

    def again(self) -> None:
        """Sign in, with connections of its own: a restarted server knows none of the old ones."""
        self.close()
        self.http = httpx.Client(base_url=f"{self.server.url}/api/v1", timeout=60, trust_env=False)
        answer = self.http.post("/auth/token", json={"email": EMAIL, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        self.http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def close(self) -> None:
        """Let go of the connections."""
        if self.http is not None:
            self.http.close()

    def call(self, method: str, path: str, status: int = 200, **more: Any) -> Any:
        answer = self.http.request(method, "/platform-connections" + path, **more)
        assert answer.status_code == status, (path, answer.status_code, answer.text)
        return answer.json() if answer.content else None

    def demo_values(self, platform: str, method: str) -> dict[str, str]:
        listed = self.call("GET", "/platforms")["data"]
        card = next(p for p in listed if p["id"] == platform)
        values: dict[str, str] = card["demo_credentials"][method]
        return values

    def consent(self, url: str, *, leave_out: str = "", decision: str = "approve") -> dict[str, Any]:
        """Open the consent page, press a button, and hand what comes back to the callback."""
        with httpx.Client(timeout=30, trust_env=False) as browser:
            page = browser.get(url)
            assert page.status_code == 200, page.text[:500]
            form = Form(page.text)
            values = {k: v for k, v in form.values.items() if not leave_out or leave_out not in k + v}
            back = browser.post(
                urljoin(url, form.action),
                data={**values, form.buttons.get(decision, "decision"): decision},
            )
        assert back.status_code == 303, back.text[:500]
        query = urlsplit(back.headers["location"]).query
        answer = self.http.get(f"/platform-connections/oauth/callback?{query}")
        return {"status_code": answer.status_code, **answer.json()}

    def connect_by_consent(self, platform: str) -> str:
        begun = self.call("POST", "/oauth/initiate", json={
            "platform": platform, "method": "oauth", "inputs": self.demo_values(platform, "oauth"),
        })
        done = self.consent(begun["authorization_url"])
        assert done["status_code"] == 200, done
        assert done["missing_scopes"] == []
        connection_id: str = begun["connection_id"]
        self.call("PUT", f"/connections/{connection_id}", json={
            "accounts": "all", "history_days": 90,
        })
        return connection_id

    def sync(self, connection_id: str) -> dict[str, Any]:
        sync_id = self.call("POST", f"/connections/{connection_id}/sync", 202)["sync_id"]
        return self.wait(connection_id, sync_id)

    def wait(self, connection_id: str, sync_id: str) -> dict[str, Any]:
        deadline = time.monotonic() + 150
        while True:
            found: dict[str, Any] = self.call("GET", f"/connections/{connection_id}/sync/{sync_id}")
            if found["status"] not in {"queued", "running"}:
                return found
            assert time.monotonic() < deadline, found
            time.sleep(0.5)


@pytest.mark.timeout(600)
def test_a_script_connects_four_platforms_and_the_rows_equal_the_world(
    start_server: Callable[..., Server],
) -> None:
    server = start_server(LIFTOS_ADMIN_EMAIL=EMAIL, LIFTOS_ADMIN_PASSWORD=PASSWORD)
    script = Script(server)
    ids = {p: script.connect_by_consent(p) for p in ("meta_business", "google_ads", "shopify")}
    made = script.call("POST", "/connections", 201, json={
        "platform": "klaviyo", "method": "api_key",
        "inputs": script.demo_values("klaviyo", "api_key"), "accounts": "all",
    })
    ids["klaviyo"] = made["id"]
    for platform, connection_id in ids.items():
        tested = script.call("POST", f"/connections/{connection_id}/test")
        assert tested, platform
        done = script.sync(connection_id)
        assert done["status"] == "succeeded", (platform, done)
        assert done["rows_read"] == (
            done["rows_written"] + done["rows_updated"] + done["rows_unchanged"]
            + done["rows_rejected"]
        )
    span = Span.settled()
    assert stored_ads(server.home, span) == expected_ads(span)
    assert stored_store(server.home, span) == expected_store(span)
    board = script.call("GET", "/dashboard")
    assert len(board["connections"]) == 4
    again = script.sync(ids["meta_business"])
    assert again["status"] == "succeeded"
    assert stored_ads(server.home, span) == expected_ads(span)
    history = script.call("GET", f"/connections/{ids['meta_business']}/sync-history")["data"]
    assert [h["status"] for h in history] == ["succeeded", "succeeded"]
    script.call("DELETE", f"/connections/{ids['klaviyo']}", 204)
    script.call("GET", f"/connections/{ids['klaviyo']}", 404)


@pytest.mark.timeout(120)
def test_refusals_end_in_problems_with_cause_and_fix_and_nothing_half_written(
    start_server: Callable[..., Server],
) -> None:
    server = start_server(LIFTOS_ADMIN_EMAIL=EMAIL, LIFTOS_ADMIN_PASSWORD=PASSWORD)
    script = Script(server)
    wrong = [
        ({"platform": "klaviyo", "method": "api_key", "inputs": {"api_key": "pk_live_51abc"}}, 422),
        ({"platform": "klaviyo", "method": "api_key", "inputs": {"api_key": "AbC123"}}, 422),
        ({"platform": "klaviyo", "method": "api_key",
          "inputs": {"api_key": "pk_0123456789abcdef0123456789abcdef01"}}, 409),
        ({"platform": "shopify", "method": "token",
          "inputs": {"shop": "evil.example.com", "access_token": "shpat_" + "0" * 32}}, 422),
        ({"platform": "nothing", "method": "api_key", "inputs": {}}, 404),
        ({"platform": "klaviyo", "method": "api_key", "inputs": {}, "name": "x" * 400}, 422),
    ]
    for body, status in wrong:
        problem = script.call("POST", "/connections", status, json=body)
        assert problem["code"], body
        assert problem["fix"] or problem["why"], problem
    assert script.call("GET", "/connections")["data"] == []
    begun = script.call("POST", "/oauth/initiate", json={
        "platform": "meta_business", "method": "oauth",
        "inputs": script.demo_values("meta_business", "oauth"),
    })
    refused = script.consent(begun["authorization_url"], decision="refuse")
    assert refused["status_code"] in {403, 409, 422}, refused
    assert refused["fix"]
