"""What outlives a restart, the control API, the bank, and the sandbox's own credentials."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from liftos_app.services.sandbox import credentials
from liftos_app.services.sandbox.server import create_app
from liftos_app.services.sandbox.tokens import TokenProblem
from tests.sandbox_example import (
    running_example,
)
from tests.sandbox_server import CONTROL_TOKEN, NOW, RunningSandbox


@pytest.fixture(scope="module")
def running() -> Iterator[RunningSandbox]:
    with running_example() as one:
        yield one


@pytest.fixture
def box(running: RunningSandbox) -> Iterator[RunningSandbox]:
    running.reset()
    yield running
    running.reset()


@pytest.fixture
def http(box: RunningSandbox) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=box.platform("example"), timeout=20, trust_env=False) as client:
        yield client


KEY = {"Authorization": "Bearer fixed-key"}


def test_a_restart_keeps_tokens_revocations_faults_anchor_and_clock(tmp_path: Path) -> None:
    path = tmp_path / "state" / "sandbox.json"

    def start(now: datetime) -> object:
        return create_app(clock=lambda: now, control_token=CONTROL_TOKEN, state_path=path).sandbox

    first = start(NOW)
    token = first.tokens.issue(
        "meta_business",
        "long",
        client_id="c",
        scopes=("ads_read",),
        now=NOW,
        lifetime=timedelta(days=60),
    )
    old = first.tokens.issue("klaviyo", "access", client_id="c", scopes=(), now=NOW, lifetime=None)
    first.tokens.use_once(token, first.tokens.read(token, platform="meta_business", now=NOW))
    first.tokens.revoke_all("klaviyo")
    first.trouble.add("slow", "shopify", seconds=1.0, count=5)
    assert path.stat().st_mode & 0o777 == 0o600
    assert token not in path.read_text()

    second = start(NOW + timedelta(days=3))
    assert second.anchor == NOW.date()
    assert [f.kind for f in second.trouble.list_all()] == ["missing_day", "duplicated_rows", "slow"]
    grant = second.tokens.read(token, platform="meta_business", now=NOW)
    assert grant.scopes == ("ads_read",)
    with pytest.raises(TokenProblem, match="used"):
        second.tokens.use_once(token, grant)
    with pytest.raises(TokenProblem, match="revoked"):
        second.tokens.read(old, platform="klaviyo", now=NOW)
    key = credentials.DEMO["klaviyo"]["api_key"]["api_key"]
    with pytest.raises(TokenProblem, match="revoked"):
        second.tokens.read(key, platform="klaviyo", now=NOW)
    spare = credentials.SPARE["klaviyo"]["api_key"]
    assert second.tokens.read(spare, platform="klaviyo", now=NOW).kind == "static"


def test_a_broken_state_file_is_a_fresh_start(tmp_path: Path) -> None:
    path = tmp_path / "sandbox.json"
    for text in (
        "{not json",
        '["a list"]',
        "",
        '{"anchor": "soon"}',
        '{"faults": [{"worse": 1}]}',
        '{"interventions": [{"channel": "pigeon", "start": "2026-01-01", "end": "2026-01-02"}]}',
        '{"offset": "far", "tokens": 3}',
    ):
        path.write_text(text)
        assert create_app(clock=lambda: NOW, control_token="t", state_path=path).sandbox.anchor == (
            NOW.date()
        )


def control(box: RunningSandbox, method: str, path: str, **body: object) -> httpx.Response:
    return httpx.request(
        method,
        f"{box.url}/control/{path}",
        json=body or None,
        headers=box.control_headers,
        trust_env=False,
    )


def test_the_control_api_is_shut_without_its_token(box: RunningSandbox) -> None:
    for headers in (
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": CONTROL_TOKEN},
        {"Authorization": f"Basic {CONTROL_TOKEN}"},
    ):
        answer = httpx.get(box.url + "/control/state", headers=headers, trust_env=False)
        assert answer.status_code == 401
        assert "faults" not in answer.text


def test_faults_are_added_listed_and_cleared_by_the_control_api(box: RunningSandbox) -> None:
    made = control(
        box, "POST", "faults", kind="rate_limited", platform="shopify", count=2, retry_after=5
    ).json()
    assert made["id"] in {f["id"] for f in control(box, "GET", "faults").json()}
    assert control(box, "DELETE", f"faults/{made['id']}").json() == {"cleared": 1}
    control(box, "POST", "faults", kind="slow", platform="klaviyo")
    control(box, "POST", "faults", kind="slow", platform="shopify")
    assert control(box, "DELETE", "faults", platform="klaviyo").json() == {"cleared": 1}
    assert control(box, "DELETE", "faults").json() == {"cleared": 1}


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "earthquake"},
        {"kind": "slow", "platform": "nobody"},
        {"kind": "slow", "count": 0},
        {"kind": "slow", "count": "many"},
        {"kind": "slow", "detail": "x"},
        {"kind": "slow", "id": "x"},
        {"platform": "shopify"},
    ],
)
def test_a_bad_fault_is_refused_and_nothing_is_added(
    box: RunningSandbox, body: dict[str, object]
) -> None:
    before = box.trouble.list_all()
    assert control(box, "POST", "faults", **body).status_code == 422
    assert box.trouble.list_all() == before


def test_bodies_that_are_no_objects_and_unknown_paths_are_answered(box: RunningSandbox) -> None:
    for content in (b"[1]", b"{", b"null", b"7"):
        answer = httpx.post(
            box.url + "/control/faults",
            content=content,
            headers=box.control_headers,
            trust_env=False,
        )
        assert answer.status_code == 422
    assert control(box, "GET", "nowhere").status_code == 404
    assert control(box, "DELETE", "state").status_code == 405


def test_tokens_are_expired_by_the_control_api(box: RunningSandbox, http: httpx.Client) -> None:
    assert http.get("rows", headers=KEY).status_code == 200
    assert control(box, "POST", "expire", platform="example").status_code == 200
    assert http.get("rows", headers=KEY).json() == {"refused": "expired"}
    assert control(box, "POST", "revoke", platform="example").status_code == 200
    assert http.get("rows", headers=KEY).json() == {"refused": "revoked"}
    assert control(box, "POST", "restore", platform="example").status_code == 200
    assert http.get("rows", headers=KEY).status_code == 200
    assert control(box, "POST", "expire", platform="nobody").status_code == 422


def test_the_clock_moves_for_everybody(box: RunningSandbox) -> None:
    moved = control(box, "POST", "clock", offset_seconds=86_400).json()
    assert moved["now"].startswith("2026-11-24T12:00")
    day = httpx.get(
        box.platform("ecb") + "/service/data/EXR/D.USD.EUR.SP00.A",
        params={"format": "csvdata", "startPeriod": "2026-11-23"},
        trust_env=False,
    ).text
    assert "2026-11-23" in day
    assert control(box, "POST", "clock", offset_seconds=1e12).status_code == 422
    control(box, "POST", "clock", offset_seconds=0)


def test_interventions_change_the_world_that_is_served_and_can_be_taken_back(
    box: RunningSandbox,
) -> None:
    start, end = datetime(2026, 9, 1, tzinfo=UTC).date(), datetime(2026, 9, 30, tzinfo=UTC).date()
    plain = box.world.ad_totals("1024500000000001", start, end, as_of=NOW)
    one = {
        "channel": "meta_retargeting",
        "start": "2026-09-01",
        "end": "2026-09-30",
        "scale": 0,
        "regions": [],
    }
    told = control(box, "POST", "interventions", interventions=[one])
    assert told.json()["interventions"][0]["scale"] == 0
    less = box.world.ad_totals("1024500000000001", start, end, as_of=NOW)
    assert less.spend < plain.spend
    assert (
        control(
            box, "POST", "interventions", interventions=[{**one, "channel": "pigeon"}]
        ).status_code
        == 422
    )
    assert box.world.ad_totals("1024500000000001", start, end, as_of=NOW) == less
    control(box, "POST", "interventions", interventions=[])
    assert box.world.ad_totals("1024500000000001", start, end, as_of=NOW) == plain


def test_planted_trouble_and_credentials_can_be_read(box: RunningSandbox) -> None:
    kinds = {p["kind"] for p in control(box, "GET", "planted").json()}
    assert {"missing_day", "duplicated_rows", "currency_trap", "token_expired"} <= kinds
    told = control(box, "GET", "credentials").json()
    assert told["demo"]["klaviyo"] == credentials.DEMO["klaviyo"]
    assert "cut" in control(box, "GET", "kinds").json()


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("D.USD.EUR.SP00.A?format=csvdata", 200),
        ("D.USD+GBP.EUR.SP00.A?format=csvdata", 200),
        ("D.XXX.EUR.SP00.A?format=csvdata", 404),
        ("D.USD?format=csvdata", 400),
        ("D.USD.EUR.SP00.A?format=csvdata&startPeriod=tomorrow", 400),
        ("D.USD.EUR.SP00.A", 406),
    ],
)
def test_the_bank_answers_as_the_real_one(box: RunningSandbox, query: str, status: int) -> None:
    base = box.platform("ecb") + "/service/data/EXR/"
    assert httpx.get(base + query, trust_env=False).status_code == status


def test_rates_come_on_working_days_after_they_are_published(box: RunningSandbox) -> None:
    base = box.platform("ecb") + "/service/data/EXR/D.USD.EUR.SP00.A?format=csvdata"
    lines = httpx.get(base + "&startPeriod=2026-04-01&endPeriod=2026-04-08", trust_env=False).text
    days = [line.split(",")[6] for line in lines.split("\r\n")[1:] if line]
    assert days == ["2026-04-01", "2026-04-02", "2026-04-07", "2026-04-08"]  # Easter between
    recent = base + "&startPeriod=2026-11-23"
    assert httpx.get(recent, trust_env=False).text == ""  # noon: the fixing comes at four
    box.clock.advance(hours=4)
    assert "2026-11-23" in httpx.get(recent, trust_env=False).text


def test_demo_credentials_have_the_platforms_own_formats() -> None:
    meta = credentials.DEMO["meta_business"]["oauth"]
    assert meta["client_id"].isdigit()
    assert 15 <= len(meta["client_id"]) <= 17
    assert len(meta["client_secret"]) == 32
    assert int(meta["client_secret"], 16)
    google = credentials.DEMO["google_ads"]["oauth"]
    assert google["client_id"].endswith(".apps.googleusercontent.com")
    assert google["client_secret"].startswith("GOCSPX-")
    shop = credentials.DEMO["shopify"]
    assert shop["token"]["access_token"].startswith("shpat_")
    assert len(shop["token"]["access_token"]) == 38
    assert shop["oauth"]["client_secret"].startswith("shpss_")
    assert credentials.DEMO["klaviyo"]["api_key"]["api_key"].startswith("pk_")
    assert not credentials.DEMO["klaviyo"]["api_key"]["api_key"].startswith(("pk_live", "pk_test"))
