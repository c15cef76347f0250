"""A real OpenID Connect provider for tests: its own keys, its own server, PKCE enforced.

It signs in whoever the test names, and can be told to misbehave in one way at a time.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode

import uvicorn
from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

CLIENT_ID, CLIENT_SECRET = "liftos-test", "only a test's secret: with / and %"


@dataclass
class Provider:
    """What the provider is told, and what it saw."""

    url: str = ""
    person: dict[str, Any] = field(default_factory=lambda: {
        "sub": "subject-1", "email": "ann@example.com", "email_verified": True, "name": "Ann"
    })
    amr: list[str] = field(default_factory=lambda: ["pwd"])
    in_token: bool = True  # e-mail in the ID token, else in userinfo only
    change: dict[str, Any] = field(default_factory=dict)  # claims of the ID token to change
    fault: str = ""
    now: int = 0  # seconds since 1970; the clock of the test
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.key = RSAKey.generate_key(2048, {"kid": "key-1", "use": "sig"})
        self.other = RSAKey.generate_key(2048, {"kid": "key-1", "use": "sig"})
        self.tokens: dict[str, dict[str, Any]] = {}

    def app(self) -> Starlette:
        """The provider's web application."""
        return Starlette(routes=[
            Route("/.well-known/openid-configuration", self.describe),
            Route("/authorize", self.authorize),
            Route("/token", self.token, methods=["POST"]),
            Route("/keys", self.keys),
            Route("/userinfo", self.userinfo),
        ])

    async def describe(self, _: Request) -> Response:
        """Discovery."""
        if self.fault == "down":
            return Response(status_code=503)
        issuer = "https://evil.example" if self.fault == "issuer" else self.url
        return JSONResponse({
            "issuer": issuer, "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token", "jwks_uri": f"{self.url}/keys",
            "userinfo_endpoint": f"{self.url}/userinfo",
        })

    async def authorize(self, request: Request) -> Response:
        """Signs the named person in at once and sends the browser back."""
        query = dict(request.query_params)
        assert query["response_type"] == "code"
        assert query["code_challenge_method"] == "S256"
        assert query["client_id"] == CLIENT_ID
        assert "openid" in query["scope"].split()
        code = secrets.token_urlsafe(16)
        self.codes[code] = query
        back = {"code": code, "state": query["state"], "iss": self.url}
        return RedirectResponse(f"{query['redirect_uri']}?{urlencode(back)}", 302)

    async def token(self, request: Request) -> Response:
        """Exchanges a code once, for the client that proves itself and holds the verifier."""
        self.asked.append("token")
        form = {k: v[0] for k, v in parse_qs((await request.body()).decode()).items()}
        basic = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {basic}":
            return JSONResponse({"error": "invalid_client"}, 401)
        begun = self.codes.pop(form.get("code", ""), None)
        if begun is None or begun["redirect_uri"] != form.get("redirect_uri"):
            return JSONResponse({"error": "invalid_grant"}, 400)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != begun["code_challenge"]:
            return JSONResponse({"error": "invalid_grant"}, 400)
        access = secrets.token_urlsafe(16)
        self.tokens[access] = self.person
        return JSONResponse({
            "access_token": access, "token_type": "Bearer", "expires_in": 300,
            "id_token": self.id_token(begun["nonce"]),
        })

    def id_token(self, nonce: str) -> str:
        """The signed statement, with what the test wants changed."""
        person = self.person if self.in_token else {"sub": self.person["sub"]}
        claims = {
            "iss": self.url, "aud": CLIENT_ID, "iat": self.now, "exp": self.now + 300,
            "nonce": nonce, "amr": self.amr, **person, **self.change,
        }
        claims = {k: v for k, v in claims.items() if v is not None}
        if self.fault == "alg":
            return self.signed_with_the_public_key(claims)
        key = self.other if self.fault == "key" else self.key
        return jwt.encode({"alg": "RS256", "kid": "key-1"}, claims, key)

    def signed_with_the_public_key(self, claims: dict[str, Any]) -> str:
        """The old confusion: the public key's text taken as a shared secret."""
        parts = [
            base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=")
            for part in ({"alg": "HS256", "kid": "key-1"}, claims)
        ]
        body = b".".join(parts)
        mac = hmac.digest(self.key.as_pem(private=False), body, "sha256")
        return (body + b"." + base64.urlsafe_b64encode(mac).rstrip(b"=")).decode()

    async def keys(self, _: Request) -> Response:
        """The public keys."""
        return JSONResponse({"keys": [self.key.as_dict(private=False)]})

    async def userinfo(self, request: Request) -> Response:
        """Who the access token stands for."""
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if token not in self.tokens:
            return Response(status_code=401)
        told = dict(self.tokens[token])
        if self.fault == "userinfo":
            told["sub"] = "somebody else"
        return JSONResponse(told)


@contextmanager
def running() -> Iterator[Provider]:
    """A provider on a free loopback port."""
    provider = Provider()
    with socket.socket(proto=socket.IPPROTO_TCP) as listening:
        listening.bind(("127.0.0.1", 0))
        provider.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        server = uvicorn.Server(uvicorn.Config(provider.app(), log_level="warning", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        try:
            yield provider
        finally:
            server.should_exit = True
            thread.join(10)
