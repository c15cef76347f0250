"""Everything a person does in the wizard, done by a script over REST alone."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import httpx
import pytest

from tests.journeys.conftest import EMAIL, PASSWORD, Server
from tests.journeys.script import Script
from tests.journeys.world_totals import (
    Span,
    expected_ads,
    expected_days,
    expected_store,
    first_order,
    stored_ads,
    stored_store,
)


@pytest.mark.timeout(600)
def test_a_script_connects_four_platforms_and_the_rows_equal_the_world(
    start_server: Callable[..., Server], open_script: Callable[[Server], Script]
) -> None:
    server = start_server(LIFTOS_ADMIN_EMAIL=EMAIL, LIFTOS_ADMIN_PASSWORD=PASSWORD)
    asks = {"Origin": "https://evil.example", "Access-Control-Request-Method": "GET"}
    refused = httpx.options(f"{server.url}/api/v1/me", headers=asks)
    assert (refused.status_code, refused.json()["code"]) == (403, "cross_origin_refused")
    script = open_script(server)
    ids = {p: script.connect_by_consent(p) for p in ("meta_business", "google_ads")}
    by_consent = script.connect_by_consent("shopify")
    assert script.call("GET", f"/connections/{by_consent}")["method"] == "oauth"
    script.call("DELETE", f"/connections/{by_consent}", 204)
    for platform, method in (("shopify", "client_credentials"), ("klaviyo", "api_key")):
        made = script.call("POST", "/connections", 201, json={
            "platform": platform, "method": method, "history_days": 90,
            "inputs": script.demo_values(platform, method), "accounts": "all",
        })
        ids[platform] = made["id"]
    syncs = {}
    for platform, connection_id in ids.items():
        tested = script.call("POST", f"/connections/{connection_id}/test")
        assert tested, platform
        started = script.call("POST", f"/connections/{connection_id}/sync", 202)
        syncs[platform] = started["sync_id"]
    for platform, connection_id in ids.items():
        done = script.wait(connection_id, syncs[platform])
        assert done["status"] == "succeeded", (platform, done)
        assert done["rows_read"] == (
            done["rows_written"] + done["rows_updated"] + done["rows_unchanged"]
            + done["rows_rejected"]
        )
    span = Span.settled()
    assert stored_ads(server.home, span) == expected_ads(span)
    seen_from = first_order(server.home)  # refunds of orders before the chosen history are not
    assert stored_store(server.home, span) == expected_store(span, seen_from=seen_from)
    wanted = {"start": str(span.start), "end": str(span.end), "metric": ["spend", "revenue"]}
    told = script.http.get("/metrics/days", params=wanted).json()
    read = [
        tuple(f"${Decimal(d['values'][m]['amount']):,.2f}" for m in ("spend", "revenue"))
        for d in reversed(told["days"])
    ]
    assert read == [(d[1], d[2]) for d in expected_days(span, seen_from=seen_from)]
    checked = script.http.post("/quality/checks").json()
    assert checked["provenance"] == "demo"
    assert {f["connection_id"] for f in checked["findings"]} == set(ids.values())
    board = script.call("GET", "/dashboard")
    assert len(board["connections"]) == 4
    again = script.sync(ids["meta_business"])
    assert again["status"] == "succeeded"
    assert stored_ads(server.home, span) == expected_ads(span)
    history = script.call("GET", f"/connections/{ids['meta_business']}/sync-history")["data"]
    assert [h["status"] for h in history] == ["succeeded", "succeeded"]
    script.call("DELETE", f"/connections/{ids['klaviyo']}", 204)
    script.call("GET", f"/connections/{ids['klaviyo']}", 404)


@pytest.mark.timeout(120)
def test_refusals_end_in_problems_with_cause_and_fix_and_nothing_half_written(
    start_server: Callable[..., Server], open_script: Callable[[Server], Script]
) -> None:
    server = start_server(LIFTOS_ADMIN_EMAIL=EMAIL, LIFTOS_ADMIN_PASSWORD=PASSWORD)
    script = open_script(server)
    wrong = [
        ({"platform": "klaviyo", "method": "api_key", "inputs": {"api_key": "pk_live_51abc"}}, 422),
        ({"platform": "klaviyo", "method": "api_key", "inputs": {"api_key": "AbC123"}}, 422),
        ({"platform": "klaviyo", "method": "api_key",
          "inputs": {"api_key": "pk_0123456789abcdef0123456789abcdef01"}}, 409),
        ({"platform": "shopify", "method": "token",
          "inputs": {"shop": "evil.example.com", "access_token": "shpat_" + "0" * 32}}, 422),
        ({"platform": "nothing", "method": "api_key", "inputs": {}}, 404),
        ({"platform": "klaviyo", "method": "api_key", "inputs": {}, "name": "x" * 400}, 422),
    ]
    for body, status in wrong:
        problem = script.call("POST", "/connections", status, json=body)
        assert problem["code"], body
        assert problem["fix"] or problem["why"], problem
    assert script.call("GET", "/connections")["data"] == []
    begun = script.call("POST", "/oauth/initiate", json={
        "platform": "meta_business", "method": "oauth",
        "inputs": script.demo_values("meta_business", "oauth"),
    })
    refused = script.consent(begun["authorization_url"], decision="refuse")
    assert refused["status_code"] in {403, 409, 422}, refused
    assert refused["fix"]
