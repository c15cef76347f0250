"""Requests recorded from reading every stream, and the sandbox's answers to them, held against the
contract that the vendor's own library was made of.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from openapi_core import OpenAPI
from openapi_core.datatypes import RequestParameters
from openapi_core.testing import MockRequest, MockResponse
from werkzeug.datastructures import Headers, ImmutableMultiDict

from liftos_app.services.connectors import grants, registry
from liftos_app.services.connectors.platforms.hubspot import search
from liftos_app.services.connectors.spec import Lands
from liftos_app.services.sandbox.credentials import DEMO
from tests.contract.conftest import Bench, read
from tests.contract.connect import BACK, addresses, consent, inputs
from tests.sandbox_server import RunningSandbox, running_sandbox

VENDOR = Path(__file__).resolve().parents[1] / "vendor_data"
CRM = registry.get("hubspot")
HOST = "https://api.hubapi.com"
# Addresses of the sheet that the vendor's trimmed contract leaves out.
OUTSIDE = re.compile(
    r"/account-info/2026-09/details$|/crm/properties/2026-09/\w+$|/marketing/campaigns/2026-09"
    r"|/marketing/emails/2026-09/statistics/histogram$|/crm/objects/2026-09/companies(/search)?$"
)


@functools.cache
def contract() -> tuple[OpenAPI, dict[str, Any]]:
    raw = json.loads((VENDOR / "contracts" / "hubspot.openapi.json").read_text(encoding="utf-8"))
    return OpenAPI.from_dict(raw), raw


def operation_of(path: str, method: str) -> dict[str, Any]:
    """The operation of a path; parts in braces stand for one part of it."""
    _, raw = contract()
    for pattern, operations in raw["paths"].items():
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", pattern), path) and method in operations:
            found: dict[str, Any] = operations[method]
            return found
    raise AssertionError(f"The contract has no {method} {path}.")


def mock(method: str, url: str, headers: Any, content: bytes) -> MockRequest:
    """A request as the validator wants it, repeated parameters kept."""
    parts = httpx.URL(url)
    pairs = [(k, v) for k, vs in parse_qs(parts.query.decode()).items() for v in vs]
    made = MockRequest(
        HOST, method.lower(), parts.path, headers=dict(headers), data=content or None,
        content_type=headers.get("content-type", "application/json").split(";")[0],
    )
    made.parameters = RequestParameters(
        query=ImmutableMultiDict(pairs), header=Headers(dict(headers)), path={}, cookie={}
    )
    return made


def check_request(request: MockRequest) -> None:
    """Allowed by the contract, also by the names in query and body, which validators let pass."""
    operation = operation_of(request.path, request.method)
    known = {p["name"] for p in operation.get("parameters", []) if p["in"] == "query"}
    assert set(request.parameters.query) <= known
    contract()[0].validate_request(request)
    if request.body and "json" in request.content_type:
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        check_names(json.loads(request.body), schema)


def check_names(value: Any, schema: dict[str, Any]) -> None:
    """No field that the schema does not name."""
    if "$ref" in schema:
        schema = contract()[1]["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if schema.get("type") == "array":
        for item in value:
            check_names(item, schema["items"])
    elif "properties" in schema:
        assert set(value) <= set(schema["properties"])
        for name, part in value.items():
            check_names(part, schema["properties"][name])


@pytest.fixture(scope="module")
def server() -> Iterator[RunningSandbox]:
    with running_sandbox(plant=False) as box:
        yield box


class Recorder(httpx.BaseTransport):
    """Sends over loopback and keeps what went out and what came back."""

    def __init__(self) -> None:
        self.kept: list[tuple[httpx.Request, httpx.Response]] = []
        self._inner = httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        given = self._inner.handle_request(request)
        try:
            content = given.read()
        finally:
            given.close()
        fresh = {"headers": given.headers, "content": content}
        self.kept.append((request, httpx.Response(given.status_code, **fresh)))
        return httpx.Response(given.status_code, **fresh)

    def close(self) -> None:
        self._inner.close()

    def pairs(self) -> Iterator[tuple[MockRequest, MockResponse]]:
        """As the validator wants them, with the address they really go to."""
        for request, answer in self.kept:
            url = HOST + str(request.url).partition("/sandbox/hubspot")[2]
            yield (
                mock(request.method, url, request.headers, request.content),
                MockResponse(
                    answer.content, answer.status_code, headers=dict(answer.headers),
                    content_type=answer.headers["content-type"].split(";")[0],
                ),
            )


@pytest.fixture(scope="module")
def recorded(server: RunningSandbox) -> Recorder:
    """Every stream read in spans and by changes, in pages so small that they must be turned."""
    server.reset()
    bench, recorder = Bench(CRM, server), Recorder()
    patch = pytest.MonkeyPatch()
    patch.setattr(search, "LIMIT", 40)
    patch.setattr(search, "CAP", 100)
    patch.setattr(search, "LIST_LIMIT", 100)
    cursor = (server.clock() - timedelta(days=10)).strftime("%Y-%m-%dT%H:%M:%SZ")
    try:
        with bench.open(transport=recorder) as client:
            account = bench.account(client)
            CRM.test(client, account)
            for stream in (s for s in CRM.streams if s.name != "campaigns"):  # all outside
                read(client, bench.task(stream.name, account, back=40, days=12))
                if stream.lands is Lands.CRM:
                    read(client, bench.task(stream.name, account, back=1, days=2, cursor=cursor))
    finally:
        patch.undo()
    return recorder


def test_every_recorded_request_is_one_the_vendor_allows(recorded: Recorder) -> None:
    seen, outside = set(), set()
    for request, _ in recorded.pairs():
        if OUTSIDE.search(request.path):
            outside.add(request.path)
            continue
        check_request(request)
        seen.add((request.method, request.path))
    assert {m for m, _ in seen} == {"get", "post"}
    assert len(seen) == 9
    assert len(outside) >= 5  # histogram, properties, companies, details


def test_every_recorded_answer_has_the_vendors_shape(recorded: Recorder) -> None:
    api, checked = contract()[0], 0
    for request, answer in recorded.pairs():
        if OUTSIDE.search(request.path):
            continue
        if "includedProperties" in request.parameters.query:  # fewer fields than it must have
            assert set(answer.data and json.loads(answer.data)) <= {"total", "results", "paging"}
            continue
        api.validate_response(request, answer)
        checked += 1
    assert checked > 25


COMPANIES = {"/crm/objects/2026-09/companies", "/crm/v3/objects/companies"}
CALLS: list[tuple[str, str, Any]] = [
    ("get", f"{base}{kind}", query)
    for base in ("/crm/objects/2026-09/", "/crm/v3/objects/")
    for kind in ("deals", "contacts")
    for query in (
        {"limit": "100", "archived": "true"},
        {"properties": "amount", "propertiesWithHistory": "dealstage", "associations": "companies"},
    )
]
CALLS += [
    ("get", "/crm/owners/2026-09", {"limit": "3"}), ("get", "/crm/v3/owners", {"archived": "true"}),
    ("get", "/crm/pipelines/2026-09/deals", {}), ("get", "/crm/v3/pipelines/deals", {}),
    ("get", "/marketing/emails/2026-09", {"includeStats": "true", "limit": "100"}),
    ("get", "/marketing/v3/emails", {"sort": "-updatedAt", "type": "AUTOMATED_EMAIL"}),
    ("post", "/crm/v4/associations/deals/companies/batch/read",
     {"inputs": [{"id": "10600000001"}, {"id": "10600000002"}]}),
    ("post", "/crm/v3/objects/contacts/search", {"query": "tess", "limit": 5}),
]
WRONG: list[tuple[str, str, Any]] = [
    ("get", "/crm/objects/2026-09/deals", {"limit": "101"}),
    ("post", "/crm/objects/2026-09/deals/search", {"limit": 5}),
    ("get", "/marketing/emails/2026-09", {"after": "!"}),
]


@pytest.fixture
def ask(server: RunningSandbox) -> Callable[[str, str, Any], tuple[MockRequest, MockResponse]]:
    server.reset()
    key = DEMO["hubspot"]["service_key"]["access_token"]

    def call(method: str, path: str, what: Any) -> tuple[MockRequest, MockResponse]:
        more = {"params": what} if method == "get" else {"json": what}
        request = httpx.Request(
            method.upper(), server.platform("hubspot") + path,
            headers={"Authorization": f"Bearer {key}"}, **more,
        )
        with httpx.Client(timeout=30) as client:
            answer = client.send(request)
        url = HOST + str(request.url).partition("/sandbox/hubspot")[2]
        return mock(method, url, request.headers, request.read()), MockResponse(
            answer.content, answer.status_code, headers=dict(answer.headers),
            content_type=answer.headers["content-type"].split(";")[0],
        )

    return call


@pytest.mark.parametrize(("method", "path", "what"), CALLS)
def test_every_answer_of_the_sandbox_has_the_vendors_shape(
    ask: Callable[..., Any], method: str, path: str, what: Any
) -> None:
    request, answer = ask(method, path, what)
    assert answer.status_code in (200, 207), answer.data
    check_request(request)
    contract()[0].validate_response(request, answer)
    if method == "get":
        assert json.loads(answer.data)["results"]


@pytest.mark.parametrize(("method", "path", "what"), WRONG)
def test_every_refusal_of_the_sandbox_has_the_vendors_shape(
    ask: Callable[..., Any], method: str, path: str, what: Any
) -> None:
    request, answer = ask(method, path, what)
    assert answer.status_code == 400
    contract()[0].validate_response(request, answer)


@pytest.mark.parametrize("change", [
    lambda r: r.parameters.query.__class__([*r.parameters.query.items(multi=True), ("page", "2")]),
    lambda r: r.parameters.query.__class__([("limit", "many")]),
])
def test_the_check_itself_refuses_what_the_vendor_does_not_know(change: Any) -> None:
    made = mock("GET", f"{HOST}/crm/objects/2026-09/deals?limit=5", {"authorization": "Bearer x"},
                b"")
    check_request(made)
    made.parameters.query = change(made)
    with pytest.raises(Exception):  # noqa: B017, PT011 - the validator's own, or the assertion
        check_request(made)
    body = {"filterGroups": [{"filters": [{"propertyName": "a", "operator": "EQ", "colour": 1}]}]}
    wrong = mock("POST", f"{HOST}/crm/objects/2026-09/deals/search",
                 {"authorization": "Bearer x", "content-type": "application/json"},
                 json.dumps(body).encode())
    with pytest.raises(AssertionError):
        check_request(wrong)


def test_the_token_exchange_is_the_vendors(server: RunningSandbox) -> None:
    server.reset()
    method, values = CRM.method("oauth"), inputs(CRM, "oauth")
    where, back = addresses(CRM, server.origin), BACK.format(slug="hubspot")
    url = grants.authorize_url(CRM, method, where, values, state="s", redirect_uri=back)
    recorder = Recorder()
    more = {"now": server.clock(), "transport": recorder}
    tokens = grants.exchange(
        CRM, method, where, values, code=consent(url)["code"], redirect_uri=back, **more
    )
    assert {"oauth", "content", "crm.objects.deals.read"} <= set(tokens.scopes)
    renewed = grants.renew(CRM, method, where, values | tokens.values(), **more)
    assert renewed.access_token != tokens.access_token
    fields = contract()[1]["paths"]["/oauth/2026-09/token"]["post"]["requestBody"]["content"]
    known = set(fields["application/x-www-form-urlencoded"]["schema"]["properties"])
    for request, answer in recorder.pairs():
        assert request.path == "/oauth/2026-09/token"
        assert set(parse_qs((request.body or b"").decode())) <= known
        contract()[0].validate_request(request)
        contract()[0].validate_response(request, answer)
    assert len(recorder.kept) == 2
