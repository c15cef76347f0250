"""One sandbox for the whole suite, as fresh as new before each test, and one sign-in a platform."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from liftos_app.services.connectors import registry
from liftos_app.services.connectors.client import Client
from liftos_app.services.connectors.defined import accounts_of, streams_of
from liftos_app.services.connectors.spec import AccountInfo, Page, Platform, Stream, Task
from liftos_app.services.sandbox.credentials import STREAMS as DEFINED
from tests.contract.connect import opened
from tests.sandbox_server import RunningSandbox, running_sandbox

SALT = "5f" * 32
PLATFORMS = registry.all_platforms()


def streams(platform: Platform) -> tuple[Stream, ...]:
    """A platform's streams, and those defined on what the sandbox holds."""
    return streams_of(platform, {"streams": DEFINED[platform.slug]})


@dataclass
class Bench:
    """A platform with its sandbox: `open()` a client, `task()` and `read()` a stream."""

    platform: Platform
    box: RunningSandbox

    def open(self, method: str = "", **more: Any) -> AbstractContextManager[Client]:
        found = self.platform.method(method) if method else self.platform.auth[0]
        more.setdefault("sleep", lambda seconds: time.sleep(min(seconds, 0.01)))
        return opened(self.platform, found, self.box.origin, self.box.clock, **more)

    def account(self, client: Client, ident: str = "") -> AccountInfo:
        accounts = self.platform.discover(client)
        return next(
            a for a in accounts if a.usable and (not ident or a.external_id == ident)
        )

    def task(
        self, stream: str, account: AccountInfo, *, back: int = 40, days: int = 4, **more: Any
    ) -> Task:
        """A span of `days` that began `back` days ago, in the account's time zone."""
        today = self.box.clock().astimezone(ZoneInfo(account.time_zone)).date()
        start = today - timedelta(days=back)
        found = {"salt": SALT, **more}
        one = next(s for s in streams(self.platform) if s.name == stream)
        if one.defined:
            options = {"streams": DEFINED[self.platform.slug]}
            made = accounts_of(self.platform, options, [account])
            account = next(a for a in made if one.fits(a))
        return Task(
            stream=one, account=account, start=start,
            end=start + timedelta(days=days - 1), today=today, **found,
        )

    def daily(self) -> Stream:
        """A stream with spans that is read unless a person says otherwise."""
        return next(s for s in streams(self.platform) if s.window and s.default)


def read(client: Client, task: Task) -> Page:
    """All pages as one; every record must be accounted for."""
    whole = Page(rows=[])
    for page in task.stream.read(client, task):
        assert page.read_count == len(page.rows) + len(page.rejected) + page.skipped
        whole.rows += page.rows
        whole.rejected += page.rejected
        whole.read_count += page.read_count
        whole.skipped += page.skipped
        whole.columns |= page.columns
        whole.cursor = page.cursor or whole.cursor
        whole.notes += page.notes
    return whole


@pytest.fixture(scope="session")
def sandbox_server() -> Iterator[RunningSandbox]:
    with running_sandbox(plant=False) as box:
        yield box


@pytest.fixture
def box(sandbox_server: RunningSandbox) -> RunningSandbox:
    sandbox_server.reset()
    return sandbox_server


@pytest.fixture(params=PLATFORMS, ids=lambda p: p.slug)
def bench(request: pytest.FixtureRequest, box: RunningSandbox) -> Bench:
    return Bench(request.param, box)


@pytest.fixture
def bench_of(box: RunningSandbox) -> Callable[[str], Bench]:
    return lambda slug: Bench(registry.get(slug), box)
