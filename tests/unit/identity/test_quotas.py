"""Hourly limits: exactly so many pass, each in its own bucket, in memory and in Redis."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest

from liftos_app import config
from liftos_app.errors import TooMany
from liftos_app.models import Role
from liftos_app.services import quotas
from liftos_app.services.context import App, Principal
from tests.redis_server import running_redis


def person(**more: object) -> Principal:
    return dataclasses.replace(
        Principal(kind="person", user_id=uuid4(), role=Role.MANAGER), **more  # type: ignore[arg-type]
    )


def with_limits(app: App, redis_url: str = "", **limits: int) -> App:
    settings = dataclasses.replace(
        app.settings, hourly_limits={**app.settings.hourly_limits, **limits}, redis_url=redis_url
    )
    return App(settings=settings, db=app.db, vault=app.vault, now=app.now)


def passes(app: App, category: str, who: Principal, *, org: int = 1, points: int = 1) -> bool:
    try:
        quotas.spend(app, category, who=who, org_id=org, points=points)
    except TooMany:
        return False
    return True


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_redis(tmp_path_factory.mktemp("redis")) as server:
        yield f"unix://{server.socket_file}"


@pytest.fixture(params=["memory", "redis"])
def limited(request: pytest.FixtureRequest, app: App) -> App:
    url = request.getfixturevalue("redis_url") if request.param == "redis" else ""
    return with_limits(app, url, connections=7, sync=7, analytics=7)


@pytest.mark.parametrize("category", ["connections", "sync", "analytics"])
def test_L95_exactly_so_many_of_fifty_parallel_requests_pass(limited: App, category: str) -> None:
    who, org = person(), uuid4().int % 2**31
    with ThreadPoolExecutor(16) as pool:
        passed = list(pool.map(lambda _: passes(limited, category, who, org=org), range(50)))
    assert sum(passed) == 7


def test_L80_syncs_count_for_the_organization_and_the_rest_for_the_person(limited: App) -> None:
    ann, ben, org = person(), person(), uuid4().int % 2**31
    for category, shared in (("sync", True), ("connections", False), ("analytics", False)):
        while passes(limited, category, ann, org=org):
            pass
        assert passes(limited, category, ben, org=org) is not shared
        assert passes(limited, category, ann, org=org + 1)  # L20: never across organizations


def test_L80_a_key_has_a_bucket_of_its_own(limited: App) -> None:
    ann = person()
    while passes(limited, "analytics", ann):
        pass
    assert passes(limited, "analytics", dataclasses.replace(ann, scopes=frozenset()))


def test_L95_what_is_left_is_told(limited: App) -> None:
    who, org = person(), uuid4().int % 2**31
    first = quotas.spend(limited, "sync", who=who, org_id=org, points=5)
    assert first is not None
    assert (first.limit, first.remaining) == (7, 2)
    with pytest.raises(TooMany) as caught:
        quotas.spend(limited, "sync", who=who, org_id=org, points=3)
    assert 1 <= caught.value.facts["retry_after"] <= 3600  # type: ignore[operator]


def test_a_limit_of_nothing_refuses_all(app: App) -> None:
    assert not passes(with_limits(app, sync=0), "sync", person())


def test_L95_with_redis_down_the_rest_goes_on_with_an_alarm(
    app: App, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    down = with_limits(app, f"unix://{tmp_path}/nothing.sock")
    with caplog.at_level(logging.ERROR):
        assert quotas.spend(down, "sync", who=person(), org_id=1) is None
    assert "quota.storage_down" in caplog.text


@pytest.mark.parametrize(("permission", "looks", "category"), [
    ("syncs.run", False, "sync"), ("syncs.run", True, "analytics"),
    ("connections.write", False, "connections"), ("connections.delete", False, "connections"),
    ("metrics.read", True, "analytics"), ("members.write", False, "analytics"),
])
def test_L80_each_act_has_its_category(permission: str, looks: bool, category: str) -> None:
    assert quotas.category_of(permission, looks=looks) == category


def test_L94_the_window_slides_and_a_new_hour_forgets_nothing(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With fixed hours, twice the limit would pass around the full hour."""
    hour = 500_000 * quotas.HOUR
    limited, who = with_limits(app, sync=10), person()

    def passed_at(seconds: float) -> int:
        monkeypatch.setattr("time.time", lambda: hour + seconds)
        return sum(passes(limited, "sync", who) for _ in range(30))

    assert passed_at(3590) == 10
    early = passed_at(3610)
    assert early <= 1
    assert early + passed_at(3600 + 1800) == 5
    assert passed_at(3 * 3600) == 10


def test_L94_counters_live_in_memory_or_in_redis(app: App, redis_url: str) -> None:
    kinds = []
    for url in ("", redis_url):
        one = with_limits(app, url)
        assert passes(one, "sync", person(), org=uuid4().int % 2**31)
        kinds.append(type(quotas._limiter(one).storage).__name__)
    assert kinds == ["MemoryStorage", "RedisStorage"]


def test_the_limits_are_settings(make_settings: Callable[..., config.Settings]) -> None:
    assert make_settings().hourly_limits == {"connections": 100, "sync": 50, "analytics": 1000}
    assert make_settings(RATE_LIMIT_SYNC="5").hourly_limits["sync"] == 5
    for wrong in ("-1", "many", "10000000"):
        with pytest.raises(config.ConfigError, match="RATE_LIMIT_SYNC"):
            make_settings(RATE_LIMIT_SYNC=wrong)
