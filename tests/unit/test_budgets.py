"""One budget for a credential, whichever process spends it: in Redis, in PostgreSQL, alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from liftos_app.services import budgets
from liftos_app.services.connectors.pacing import Pacer
from liftos_app.services.context import App
from tests.redis_server import running_redis


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One for all: each test spends from credentials of its own."""
    with running_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(params=["redis", "postgresql"])
def replicas(request: pytest.FixtureRequest, app: App) -> tuple[App, App]:
    """Two processes of one installation."""
    if request.param == "postgresql":
        if app.settings.is_sqlite:
            pytest.skip("one process has the embedded database alone")
        return app, replace(app, extras={})
    server = request.getfixturevalue("redis_server")
    settings = replace(app.settings, redis_url=f"unix://{server.socket_file}")
    return replace(app, settings=settings, extras={}), replace(app, settings=settings, extras={})


def spend(pacers: list[Pacer], number: int) -> list[float]:
    return [pacers[i % len(pacers)].take() for i in range(number)]


def test_two_processes_share_one_budget(replicas: tuple[App, App]) -> None:
    ident = uuid4()
    pacers = [budgets.pacer_of(app, ident, 60) for app in replicas]  # a burst of 30
    waits = spend(pacers, 34)
    assert all(w == 0 for w in waits[:24])
    assert waits[-1] > 0
    assert budgets.used(replicas[0], ident, 60)[0] > 0.9
    alone = budgets.pacer_of(replicas[0], uuid4(), 60)  # another credential has its own
    assert alone.take() == 0


def test_a_hold_named_to_one_process_holds_the_other(replicas: tuple[App, App]) -> None:
    ident = uuid4()
    first, second = (budgets.pacer_of(app, ident, 600) for app in replicas)
    first.hold(300, "reports")
    first.hold(5, "reports")  # a shorter one does not end it
    assert 290 < second.take("reports") <= 300
    assert second.take("other") == 0
    assert 290 < budgets.used(replicas[1], ident, 600)[1] <= 300


def test_without_its_store_a_process_paces_alone(
    app: App, redis_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(app.settings, redis_url=f"unix://{redis_server.socket_file}")
    away = replace(app, settings=settings, extras={})
    pacer = budgets.pacer_of(away, uuid4(), 60)
    assert pacer.take() == 0
    store = budgets._store(away)
    assert store is not None
    store[0]._redis.connection_pool.connection_kwargs["path"] = "/nowhere.sock"  # type: ignore[attr-defined]
    store[0]._redis.connection_pool.disconnect()  # type: ignore[attr-defined]
    waits = [pacer.take() for _ in range(40)]
    assert waits[-1] > 0
    pacer.hold(50, "x")
    assert pacer.take("x") > 40


def test_one_process_alone_keeps_it_in_memory(app: App) -> None:
    if not app.settings.is_sqlite:
        pytest.skip("PostgreSQL welcomes replicas")
    ident = uuid4()
    found = budgets.pacer_of(app, ident, 60)
    assert type(found) is Pacer
    assert budgets.pacer_of(app, ident, 60) is found
    assert budgets.used(app, ident, 60) == (0.0, 0.0)
    found.take()
    found.hold(20)
    share, held = budgets.used(app, ident, 60)
    assert 0 < share < 0.1
    assert 19 < held <= 20


