"""Stripe's published contract, both ways: what we ask is allowed, what the sandbox says fits."""

from __future__ import annotations

import functools
import json
import re
import types
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import stripe
from jsonschema import Draft202012Validator
from openapi_core import OpenAPI
from openapi_core.testing import MockRequest, MockResponse

from liftos_app.services.connectors import registry
from liftos_app.services.connectors.platforms.stripe import calls
from liftos_app.services.connectors.platforms.stripe.version import VERSION
from liftos_app.services.connectors.spec import Platform
from liftos_app.services.sandbox.credentials.stripe import DEMO, SPARE
from tests.contract.conftest import Bench, read
from tests.sandbox_server import RunningSandbox, running_sandbox

CONTRACT = Path(__file__).parents[1] / "vendor_data" / "contracts" / "stripe.openapi.json"
STRIPE: Platform = registry.get("stripe")
API = "https://api.stripe.com"
# Lists of the sheet that the trimmed contract leaves out: checked against the SDK's own types.
BY_SDK = {"disputes": stripe.Dispute, "payouts": stripe.Payout}
BUSY = {"balance_transactions", "charges", "payment_intents"}
OBJECTS = {
    "charges": "charge", "payment_intents": "payment_intent", "refunds": "refund",
    "invoices": "invoice", "subscriptions": "subscription",
}  # fmt: skip


@functools.cache
def raw() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(CONTRACT.read_text(encoding="utf-8"))
    return found


@functools.cache
def contract() -> OpenAPI:
    return OpenAPI.from_dict(raw())


@functools.cache
def validator(name: str) -> Draft202012Validator:
    """A schema of the contract; `nullable` is OpenAPI 3.0's word and is translated."""
    whole = {**raw(), "$ref": f"#/components/schemas/{name}"}
    return Draft202012Validator(_modern(whole))


def _modern(node: Any) -> Any:
    if isinstance(node, list):
        return [_modern(n) for n in node]
    if not isinstance(node, dict):
        return node
    found = {k: _modern(v) for k, v in node.items() if k != "nullable"}
    if node.get("nullable") and isinstance(found.get("type"), str):
        found["type"] = [found["type"], "null"]
    return found


def check_parameters(names: set[str], path: str) -> None:
    known = {p["name"] for p in raw()["paths"][path]["get"]["parameters"] if p["in"] == "query"}
    assert names <= known, names - known


def check(request: httpx.Request, response: httpx.Response) -> str:
    """One exchange against the contract. Returns how it was checked."""
    path = request.url.path.removeprefix("/sandbox/stripe")
    names = {k for k, _ in request.url.params.multi_items()}
    assert request.headers["stripe-version"] == VERSION
    assert request.headers["authorization"].startswith("Bearer ")
    assert response.headers["request-id"].startswith("req_")
    if response.status_code != 200:
        validator("error").validate(response.json())
        return "error"
    if path in raw()["paths"]:
        check_parameters(names, path)
        args: dict[str, Any] = {}
        for name, value in request.url.params.multi_items():
            args[name] = [*args.get(name, []), value] if name.endswith("[]") else value
        mock = MockRequest(API, "get", path, args=args, headers=dict(request.headers))
        contract().validate_request(mock)
        contract().validate_response(mock, MockResponse(
            response.content, status_code=200, content_type=response.headers["content-type"]
        ))
        return path
    _, _, kind, *ident = path.split("/")
    if ident:
        assert names == set()
        validator(OBJECTS[kind]).validate(response.json()) if kind in OBJECTS else check_by_sdk(
            BY_SDK[kind], response.json()
        )
        return f"/v1/{kind}/{{id}}"
    check_parameters(names, "/v1/charges")  # every list takes span, limit and cursor alike
    for one in response.json()["data"]:
        check_by_sdk(BY_SDK[kind], one)
    return path


def check_by_sdk(shape: type, found: dict[str, Any]) -> None:
    """Every attribute the SDK does not call optional is there, and no other than it knows."""
    hints = typing.get_type_hints(shape, localns=_Names())
    known = {n: h for n, h in hints.items() if n in shape.__annotations__ and n != "OBJECT_NAME"}
    needed = {n for n, h in known.items() if type(None) not in _members(h)}
    assert needed <= set(found), needed - set(found)
    assert set(found) <= set(known), set(found) - set(known)
    for name, hint in known.items():
        plain = [m for m in _members(hint) if m in (int, str, bool)]
        if name in found and found[name] is not None and len(plain) == len(_members(hint)):
            assert type(found[name]) in plain, name


class _Names(dict[str, Any]):
    """Names that the SDK imports only for type checkers."""

    def __missing__(self, name: str) -> Any:
        if not hasattr(stripe, name):
            raise KeyError(name)
        return getattr(stripe, name)


def _members(hint: Any) -> tuple[Any, ...]:
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return tuple(m for part in typing.get_args(hint) for m in _members(part))
    return (hint,)


@dataclass
class Recorder(httpx.BaseTransport):
    """Lets requests through and keeps what was said."""

    inner: httpx.HTTPTransport = field(default_factory=httpx.HTTPTransport)
    exchanges: list[tuple[httpx.Request, httpx.Response]] = field(default_factory=list)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = self.inner.handle_request(request)
        body = response.read()
        headers = {k: v for k, v in response.headers.items() if k != "transfer-encoding"}
        self.exchanges.append((
            request, httpx.Response(response.status_code, headers=headers, content=body)
        ))
        return httpx.Response(response.status_code, headers=headers, content=body)

    def close(self) -> None:
        self.inner.close()


@pytest.fixture(scope="module")
def box() -> Iterator[RunningSandbox]:
    with running_sandbox(plant=False) as running:
        yield running


@pytest.fixture
def bench(box: RunningSandbox) -> Bench:
    box.reset()
    return Bench(STRIPE, box)


def test_every_request_of_a_sync_and_every_answer_fit_the_contract(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Discovery, test, permissions, spans in several pages, changes by the feed."""
    monkeypatch.setattr(calls, "LIMIT", 40)
    recorder = Recorder()
    now = bench.box.clock()
    with bench.open(transport=recorder) as client:
        account = bench.account(client)
        STRIPE.test(client, account)
        assert STRIPE.granted
        STRIPE.granted(client)
        for stream in STRIPE.streams:
            days = 1 if stream.name in BUSY else 8
            assert read(client, bench.task(stream.name, account, back=50, days=days)).rows
            since = now - timedelta(hours=8 if stream.name in BUSY else 20)
            cursor = since.strftime("%Y-%m-%dT%H:%M:%SZ")
            read(client, bench.task(stream.name, account, back=1, days=2, cursor=cursor))
    seen = {check(request, response) for request, response in recorder.exchanges}
    lists = {f"/v1/{n}" for n in (*OBJECTS, *BY_SDK, "balance_transactions", "events", "account")}
    assert lists <= seen
    assert {"/v1/charges/{id}", "/v1/invoices/{id}", "/v1/subscriptions/{id}"} <= seen
    charges = [r for r, _ in recorder.exchanges if r.url.path.endswith("/v1/charges")]
    assert len([r for r in charges if "created[lt]" in r.url.params]) >= 3
    starts = {dict(r.url.params).get("starting_after", "") for r, _ in recorder.exchanges}
    assert len(starts) > 10


def test_a_limited_key_is_refused_in_stripes_form(bench: Bench) -> None:
    recorder = Recorder()
    values = {"api_key": SPARE["limited_key"]}
    with bench.open("restricted_key", values=values, transport=recorder) as client:
        account = bench.account(client)
        assert STRIPE.granted
        granted = STRIPE.granted(client)
        assert STRIPE.test(client, account).endswith("cut in UTC.")
    assert set(granted) == {s.name for s in STRIPE.scopes} - {"read_only", "Account", "Events"}
    assert "error" in {check(request, response) for request, response in recorder.exchanges}


PATHS = [p for p in raw()["paths"] if p != "/v1/account"]


@pytest.mark.parametrize("path", PATHS)
def test_lists_of_the_sandbox_fit_with_every_filter_they_know(
    bench: Bench, path: str
) -> None:
    headers = {
        "Authorization": f"Bearer {DEMO['restricted_key']['api_key']}", "Stripe-Version": VERSION,
    }  # fmt: skip
    now = int(bench.box.clock().timestamp())
    with httpx.Client(base_url=bench.box.platform("stripe"), headers=headers, timeout=60) as web:
        for params in (
            {"limit": "100"},
            {"limit": "3", "created[gte]": str(now - 1_900_000), "created[lt]": str(now - 86_400)},
            {"created[gt]": str(now + 86_400)},
        ):
            answer = web.get(path, params=params)
            assert answer.status_code == 200, answer.text
            assert check(answer.request, answer) == path
            limit = int(params.get("limit", "10"))
            assert len(answer.json()["data"]) == (0 if "created[gt]" in params else limit)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500])
def test_errors_of_the_sandbox_have_the_contracts_envelope(bench: Bench, status: int) -> None:
    key = DEMO["restricted_key"]["api_key"]
    trouble: dict[int, Callable[[], Any]] = {
        403: lambda: bench.box.trouble.add("missing_scope", "stripe"),
        429: lambda: bench.box.trouble.add("rate_limited_silent", "stripe"),
        500: lambda: bench.box.trouble.add("server_error", "stripe", status=500),
    }
    if status in trouble:
        trouble[status]()
    path = "/v1/charges/ch_nothing" if status == 404 else "/v1/charges"
    answer = httpx.get(
        bench.box.platform("stripe") + path,
        params={"size": 3} if status == 400 else None,
        headers={"Authorization": f"Bearer {'x' if status == 401 else key}"},
    )
    assert answer.status_code == status
    validator("error").validate(answer.json())
    assert answer.headers["request-id"].startswith("req_")


def test_the_contracts_version_is_the_one_we_send() -> None:
    assert raw()["info"]["version"] == VERSION == stripe.api_version
    assert re.fullmatch(r"\d{4}-\d{2}-\d{2}\.[a-z]+", VERSION)
    assert urlsplit(STRIPE.hosts["api"]).hostname == "api.stripe.com"
