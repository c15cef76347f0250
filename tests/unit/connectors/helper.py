"""A client over a scripted edge: no network, no waiting, a clock that moves when it sleeps."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from liftos_app.services.connectors.addresses import Addresses, fill
from liftos_app.services.connectors.client import Client, Credential
from liftos_app.services.connectors.spec import AccountInfo, Page, Platform, Task

VENDOR = Path(__file__).resolve().parents[2] / "vendor_data"
TODAY = dt.date(2026, 11, 22)
Handler = Callable[[httpx.Request], httpx.Response]


@dataclass
class Edge:
    """What went out, what was slept; `now` moves with each sleep."""

    handler: Handler
    now: float = 1000.0
    slept: list[float] = field(default_factory=list)
    requests: list[httpx.Request] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return self.handler(request)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def clock(self) -> float:
        return self.now

    @property
    def waited(self) -> float:
        return sum(self.slept)


def make_client(
    platform: Platform,
    handler: Handler,
    values: Mapping[str, Any] | None = None,
    *,
    method: str = "",
    base: str = "",
    **more: Any,
) -> tuple[Client, Edge]:
    """A client whose answers come from `handler`."""
    edge = Edge(handler)
    filled = {
        "shop": "kite-demo.myshopify.com", "base_url": "https://erp.example.com",
        **{k: str(v) for k, v in (values or {}).items()},
    }
    hosts = {n: fill(h, filled) for n, h in platform.hosts.items()}
    credential = Credential(
        method=method or platform.auth[0].id,
        values=dict(values or {"access_token": "token-0001", "api_key": "pk_0123456789abcdefghij"}),
        renew=more.pop("renew", None),
    )
    client = Client(
        platform,
        Addresses(platform.slug, hosts, base, base),
        credential,
        transport=httpx.MockTransport(edge),
        sleep=edge.sleep,
        clock=edge.clock,
        **more,
    )
    return client, edge


def answers(*items: Any) -> Handler:
    """Answer one after the other; the last one stays. An item is a Response or JSON data."""
    queue = list(items)

    def handler(_: httpx.Request) -> httpx.Response:
        item = queue.pop(0) if len(queue) > 1 else queue[0]
        if isinstance(item, Exception):
            raise item
        if isinstance(item, httpx.Response):  # a fresh one: its stream is read once
            return httpx.Response(item.status_code, headers=item.headers, content=item.content)
        return httpx.Response(200, json=item)

    return handler


def example(platform: str, name: str) -> dict[str, Any]:
    """An example payload of the platform's sheet: request, status, headers, body."""
    path = VENDOR / "examples" / platform / f"{name}.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def reply(platform: str, name: str) -> httpx.Response:
    """An example as an answer."""
    found = example(platform, name)
    return httpx.Response(
        found["status"], headers=found.get("headers") or {}, json=found["body"]
    )


def account(**more: Any) -> AccountInfo:
    """An account, mostly of Berlin and in euro."""
    found = {
        "external_id": "1024500000000001", "name": "Harbor Coffee EU", "currency": "EUR",
        "time_zone": "Europe/Berlin", **more,
    }
    return AccountInfo(**found)


def task(
    platform: Platform, stream: str, *, start: str = "2026-11-01", end: str = "2026-11-07",
    **more: Any,
) -> Task:
    """A task for a span of days."""
    return Task(
        stream=platform.stream(stream),
        account=more.pop("account", account()),
        start=dt.date.fromisoformat(start),
        end=dt.date.fromisoformat(end),
        today=more.pop("today", TODAY),
        **more,
    )


def read(client: Client, one: Task) -> Page:
    """All pages of a reading as one; checks that every record is accounted for."""
    whole = Page(rows=[])
    for page in one.stream.read(client, one):
        assert page.read_count == len(page.rows) + len(page.rejected) + page.skipped
        whole.rows += page.rows
        whole.rejected += page.rejected
        whole.read_count += page.read_count
        whole.skipped += page.skipped
        whole.columns |= page.columns
        whole.cursor = page.cursor or whole.cursor
        whole.notes += page.notes
        whole.bytes_read += page.bytes_read
    return whole
