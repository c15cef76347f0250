"""A program's way in: REST with a token, and a browser's consent without a browser."""

from __future__ import annotations

import time
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

import httpx

if TYPE_CHECKING:
    from tests.journeys.conftest import Server


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

    def __init__(self, server: Server, email: str, password: str) -> None:
        self.server, self.email, self.password = server, email, password
        self.again()

    def again(self) -> None:
        """Sign in, with connections of its own: a restarted server knows none of the old ones."""
        self.close()
        self.http = httpx.Client(base_url=f"{self.server.url}/api/v1", timeout=60, trust_env=False)
        said = {"email": self.email, "password": self.password}
        answer = self.http.post("/auth/token", json=said)
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

    def consent(
        self, url: str, *, leave_out: str = "", decision: str = "approve"
    ) -> dict[str, Any]:
        """Open the consent page, press a button, and hand what comes back to the callback."""
        with httpx.Client(timeout=30, trust_env=False) as browser:
            page = browser.get(url)
            assert page.status_code == 200, page.text[:500]
            form = Form(page.text)
            values = {
                k: v for k, v in form.values.items() if not leave_out or leave_out not in k + v
            }
            values[form.buttons.get(decision, "decision")] = decision
            back = browser.post(urljoin(url, form.action), data=values)
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

    def ask_for_sync(self, connection_id: str) -> str:
        found: str = self.call("POST", f"/connections/{connection_id}/sync", 202)["sync_id"]
        return found

    def sync(self, connection_id: str) -> dict[str, Any]:
        return self.wait(connection_id, self.ask_for_sync(connection_id))

    def wait(self, connection_id: str, sync_id: str) -> dict[str, Any]:
        deadline = time.monotonic() + 150
        while True:
            found: dict[str, Any] = self.call("GET", f"/connections/{connection_id}/sync/{sync_id}")
            if found["status"] not in {"queued", "running"}:
                return found
            assert time.monotonic() < deadline, found
            time.sleep(0.5)
