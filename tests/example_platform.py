"""A small platform of our own, on a loopback port: OAuth with PKCE and rotating refresh tokens,
client credentials, API keys, accounts. Its faults are switched by the test.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from liftos_app.errors import PlatformFault, SignInAgain
from liftos_app.services.connectors.client import Client, Credential, Request
from liftos_app.services.connectors.spec import (
    AccountInfo,
    AuthMethod,
    Input,
    Lands,
    OAuth2,
    Page,
    Platform,
    Prerequisite,
    Scope,
    Stream,
    Task,
    Window,
)

CLIENT_ID, CLIENT_SECRET, GOOD_KEY = "app-1", "s3cret-of-app-0001", "ex_good_key_000000001"
ACCOUNTS: list[dict[str, Any]] = [
    {"id": "a1", "name": "Larkspur US", "currency": "USD", "zone": "America/New_York", "on": True},
    {"id": "a2", "name": "Larkspur EU", "currency": "EUR", "zone": "Europe/Berlin", "on": True},
    {"id": "a3", "name": "Closed shop", "currency": "USD", "zone": "UTC", "on": False},
]


@dataclass
class World:
    """What the server knows and what goes wrong with it."""

    accounts: list[dict[str, Any]] = field(default_factory=lambda: [dict(a) for a in ACCOUNTS])
    scopes: list[str] = field(default_factory=lambda: ["read", "extra"])
    access: dict[str, bool] = field(default_factory=dict)  # token -> alive
    refresh: dict[str, bool] = field(default_factory=dict)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    keys: set[str] = field(default_factory=lambda: {GOOD_KEY})
    token_status: int = 0  # the token endpoint answers with this status
    api_status: int = 0
    api_text: str = ""  # the API answers with this instead of JSON
    expires_in: int = 3600
    lose_answer: bool = False  # the next renewal happens but its answer is cut
    slow: float = 0.0
    calls: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    revoked: list[str] = field(default_factory=list)
    failing_revokes: int = 0  # so many revocations are answered with an outage

    def count(self, what: str) -> int:
        """How often an endpoint was called."""
        return sum(c == what for c in self.calls)

    def tokens(self) -> dict[str, Any]:
        """A new pair."""
        access, refresh = f"at_{secrets.token_hex(12)}", f"rt_{secrets.token_hex(12)}"
        self.access[access] = self.refresh[refresh] = True
        return {
            "access_token": access, "refresh_token": refresh, "token_type": "bearer",
            "expires_in": self.expires_in, "scope": " ".join(self.scopes),
        }


class _Handler(BaseHTTPRequestHandler):
    world: World

    def log_message(self, *_: Any) -> None:
        """Quiet."""

    def _json(self, data: Any, status: int = 200) -> None:
        self._send(json.dumps(data).encode(), status, "application/json")

    def _send(self, body: bytes, status: int, kind: str, **headers: str) -> None:
        self.send_response(status)
        more = {"Content-Type": kind, "Content-Length": str(len(body)), **headers}
        for name, value in more.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        """Consent page and API."""
        path = urlsplit(self.path).path
        query = {k: v[0] for k, v in parse_qs(urlsplit(self.path).query).items()}
        if path == "/authorize":
            self.world.calls.append("authorize")
            hidden = "".join(
                f'<input type="hidden" name="{k}" value="{v}">' for k, v in query.items()
            )
            page = (
                f'<form method="post" action="/authorize">{hidden}'
                '<button name="answer" value="deny">No</button>'
                '<button name="answer" value="allow">Yes</button></form>'
            )
            self._send(page.encode(), 200, "text/html")
            return
        self.world.calls.append(path.strip("/"))
        if self.world.api_text:
            self._send(self.world.api_text.encode(), 200, "text/plain")
        elif self.world.api_status:
            self._json({"message": "trouble"}, self.world.api_status)
        elif not self._let_in():
            self._json({"message": "no such token"}, 401)
        elif path == "/accounts":
            self._json({"data": self.world.accounts})
        elif path.startswith("/accounts/"):
            self._json({"id": path.rsplit("/", 1)[1]})
        else:
            self._json({"message": "not found"}, 404)

    def _let_in(self) -> bool:
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        return token in self.world.keys or self.world.access.get(token, False)

    def do_POST(self) -> None:
        """Consent answer, token endpoint, revocation."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        form = {k: v[0] for k, v in parse_qs(body).items()}
        path = urlsplit(self.path).path
        if path == "/authorize":
            self._consent(form)
        elif path == "/token":
            self._token(form)
        elif path == "/revoke":
            self.world.calls.append("revoke")
            if self.world.failing_revokes:
                self.world.failing_revokes -= 1
                self._json({"error": "server_error"}, 503)
                return
            self.world.revoked.append(form.get("token", ""))
            self._json({})

    def _consent(self, form: Mapping[str, str]) -> None:
        back = {"state": form["state"]}
        if form.get("answer") == "allow":
            code = f"code_{secrets.token_hex(8)}"
            self.world.codes[code] = dict(form)
            back["code"] = code
        else:
            back |= {"error": "access_denied", "error_description": "<b>No</b> thanks"}
        self._send(b"", 302, "text/html", Location=f"{form['redirect_uri']}?{urlencode(back)}")

    def _token(self, form: Mapping[str, str]) -> None:
        grant = form.get("grant_type", "")
        with self.world.lock:
            self.world.calls.append(f"token:{grant}")
        time.sleep(self.world.slow)
        if self.world.token_status:
            self._json({"error": "server_error"}, self.world.token_status)
            return
        if (form.get("client_id"), form.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
            self._json({"error": "invalid_client"}, 401)
            return
        with self.world.lock:
            answer = self._grant(grant, form)
        if answer is None:
            self._json({"error": "invalid_grant"}, 400)
        elif self.world.lose_answer:
            self.world.lose_answer = False
            self._json({"error": "temporarily_unavailable"}, 503)
        else:
            self._json(answer)

    def _grant(self, grant: str, form: Mapping[str, str]) -> dict[str, Any] | None:
        if grant == "client_credentials":
            answer = self.world.tokens()
            del answer["refresh_token"]
            return answer
        if grant == "refresh_token":
            old = form.get("refresh_token", "")
            if not self.world.refresh.get(old):
                return None
            answer = self.world.tokens()
            if not self.world.lose_answer:
                self.world.refresh[old] = False
            else:  # like Shopify: the old one stays good until its successor is used
                self.world.refresh[answer["refresh_token"]] = False
            return answer
        asked = self.world.codes.pop(form.get("code", ""), None)
        if asked is None or asked["redirect_uri"] != form.get("redirect_uri"):
            return None
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        return self.world.tokens() if challenge == asked.get("code_challenge") else None


@contextmanager
def serve() -> Iterator[tuple[str, World]]:
    """The server on a free loopback port: its address and its world."""
    world = World()
    handler = type("Handler", (_Handler,), {"world": world})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.005,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", world
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _authorize(request: Request, credential: Credential) -> None:
    token = credential.text("access_token") or credential.text("api_key")
    request.headers["Authorization"] = f"Bearer {token}"


def _discover(client: Client) -> Sequence[AccountInfo]:
    return [
        AccountInfo(
            external_id=a["id"], name=a["name"], currency=a["currency"], time_zone=a["zone"],
            status="active" if a["on"] else "closed", usable=a["on"],
            reason="" if a["on"] else "The account is closed.",
        )
        for a in client.get("/accounts").data["data"]
    ]


def _test(client: Client, account: AccountInfo) -> str:
    client.get(f"/accounts/{account.external_id}")
    return f"{account.name} answers."


def _fault(status: int, _headers: Mapping[str, str], _body: Any) -> PlatformFault | None:
    if status == 401:
        return SignInAgain(
            "Example no longer accepts our sign-in.", why="The token is dead.", fix="Sign in again."
        )
    return None


def _read(_client: Client, _task: Task) -> Iterator[Page]:
    yield Page(rows=[])


_TOKEN_URL = "https://api.example.com/token"
_APP = (
    Input(name="client_id", label="Client id", help="On the app's page.", pattern=r"[a-z0-9-]+",
          wrong="A client id has letters, digits and dashes."),
    Input(name="client_secret", label="Client secret", help="Beside the id.", secret=True),
)
PLATFORM = Platform(
    slug="example", name="Example", category="Ads", tier=1, summary="Daily spend by campaign.",
    hosts={"api": "https://api.example.com"}, api_version="v1", version_ends=None,
    auth=(
        AuthMethod(
            id="oauth", kind="oauth2", title="Sign in with Example", summary="For people.",
            inputs=_APP, renewal="refresh_token",
            oauth=OAuth2(
                authorize_url="https://api.example.com/authorize", token_url=_TOKEN_URL, pkce=True,
                revoke_url="https://api.example.com/revoke",
            ),
        ),
        AuthMethod(
            id="api_key", kind="key", title="API key", summary="For programs.",
            inputs=(
                Input(
                    name="api_key", label="API key", help="On the account's page.", secret=True,
                    pattern=r"ex_[a-z0-9_]{8,}", wrong="A key begins with ex_.",
                    refuse=((r"^pk_live_", "This is a key of another product."),),
                ),
                Input(name="region", label="Region", help="eu or us.", required=False),
            ),
        ),
        AuthMethod(
            id="client_credentials", kind="client_credentials", title="Own app", summary="Own.",
            inputs=_APP, oauth=OAuth2(token_url=_TOKEN_URL), renewal="client_credentials",
        ),
    ),
    scopes=(
        Scope(name="read", reason="Reads reports.", without="Nothing can be read."),
        Scope(name="extra", reason="Reads more.", required=False, without="Less detail."),
    ),
    streams=(
        Stream(
            name="campaigns", title="Campaigns", grain="campaign", lands=Lands.ENTITIES,
            key=("external_id",), read=_read,
        ),
        Stream(
            name="daily", title="Daily results", grain="campaign x day", lands=Lands.FACTS,
            key=("entity_id", "day"), read=_read,
            window=Window(
                days_per_request=7, reread_days=3, latency_hours=3, settle_days=28,
                history_days=400,
            ),
        ),
        Stream(
            name="heavy", title="Heavy", grain="event", lands=Lands.ENTITIES, key=("external_id",),
            default=False, read=_read,
        ),
    ),
    prerequisites=(Prerequisite(text="An account.", who="you"),), setup_minutes=(5, 10),
    needs_app=True, history="13 months", latency="3 h", role_needed="Analyst",
    docs_url="https://example.com/docs", requests_per_minute=600, discover=_discover, test=_test,
    fault=_fault, authorize=_authorize,
)
