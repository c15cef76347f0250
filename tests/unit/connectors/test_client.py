"""The client: what it waits for, what it repeats, what it refuses, what it never lets out."""

from __future__ import annotations

import gzip
import logging
import zlib

import httpx
import pytest
import tenacity

from liftos_app.errors import Fix, GiveUp, PlatformFault, Quota, Retry, SignInAgain
from liftos_app.services.connectors import registry
from liftos_app.services.connectors.client import Client, Stopped, _wait
from liftos_app.services.connectors.pacing import Pacer
from tests.unit.connectors.helper import Edge, answers, make_client

SECRET = "EAAtopsecret0123456789abcdefghij"


def _meta(handler: object, **more: object) -> tuple[Client, Edge]:
    return make_client(
        registry.get("meta_business"), handler, {"access_token": SECRET},  # type: ignore[arg-type]
        **more,  # type: ignore[arg-type]
    )


def _klaviyo(handler: object, **more: object) -> tuple[Client, Edge]:
    return make_client(registry.get("klaviyo"), handler, **more)  # type: ignore[arg-type]


def test_a_good_answer_is_parsed_and_counted() -> None:
    client, edge = _meta(answers({"data": [1]}))
    answer = client.get("/v26.0/me", params={"fields": "id", "none": None})
    assert answer.data == {"data": [1]}
    assert (client.requests, client.bytes_read) == (1, answer.size)
    assert str(edge.requests[0].url) == "https://graph.facebook.com/v26.0/me?fields=id"
    assert edge.requests[0].headers["authorization"] == f"Bearer {SECRET}"
    assert edge.requests[0].headers["accept-encoding"] == "gzip, deflate"


def test_L108_a_fault_that_passes_is_tried_again_and_then_works() -> None:
    client, edge = _meta(answers(httpx.Response(503), httpx.Response(500), {"ok": True}))
    assert client.get("/x").data == {"ok": True}
    assert client.requests == 3
    assert edge.waited > 0


def test_L108_tries_end_after_six() -> None:
    client, _ = _meta(answers(httpx.Response(502)))
    with pytest.raises(Retry) as caught:
        client.get("/x")
    assert client.requests == 6
    assert caught.value.cause == "platform_outage"


@pytest.mark.parametrize("attempt", [1, 2, 5, 12])
def test_L108_waits_are_fully_random_from_one_second_to_five_minutes(attempt: int) -> None:
    state = tenacity.RetryCallState(tenacity.Retrying(), None, (), {})
    state.attempt_number = attempt
    state.set_exception((Retry, Retry("Down.", why="500.", fix="Wait."), None))
    waits = [_wait(state) for _ in range(400)]
    most = min(2 ** (attempt - 1), 300)
    assert min(waits) < most * 0.05
    assert most * 0.9 < max(waits) <= most


def test_L108_what_ends_our_work_there_is_sent_once() -> None:
    """The one request that changes something there; all others only read."""
    client, edge = _klaviyo(answers(httpx.Response(503)))
    client.leave("/api/jobs/1/cancel")
    assert len(edge.requests) == 1


def test_L108_a_stated_wait_is_kept_in_small_slices() -> None:
    client, edge = _klaviyo(answers(
        httpx.Response(429, headers={"Retry-After": "7"}, json={"errors": [{"detail": "slow"}]}),
        {"data": []},
    ))
    client.get("/api/metrics")
    assert 7 <= edge.waited <= 8.5
    assert max(edge.slept) <= 0.5


def test_L108_a_date_as_retry_after_is_compared_with_the_answers_own_date() -> None:
    headers = {
        "Retry-After": "Sun, 22 Nov 2026 10:00:20 GMT", "Date": "Sun, 22 Nov 2026 10:00:00 GMT"
    }
    client, edge = _klaviyo(answers(httpx.Response(503, headers=headers), {"data": []}))
    client.get("/api/metrics")
    assert 20 <= edge.waited <= 21.5


def test_L108_a_long_stated_wait_is_handed_on_at_once() -> None:
    client, edge = _klaviyo(answers(
        httpx.Response(429, headers={"Retry-After": "7200"}, json={"errors": [{"detail": "day"}]})
    ))
    with pytest.raises(Quota) as caught:
        client.get("/api/metrics")
    assert caught.value.after == 7200
    assert (client.requests, edge.waited) == (1, 0)


def test_a_429_without_a_time_backs_off() -> None:
    client, edge = _klaviyo(answers(httpx.Response(429, json={"errors": [{}]}), {"data": []}))
    assert client.get("/api/metrics").data == {"data": []}
    assert client.requests == 2


def test_waiting_stops_when_cancelled() -> None:
    stop = [False]
    client, edge = _klaviyo(
        answers(httpx.Response(503, headers={"Retry-After": "30"})), cancelled=lambda: stop[0]
    )
    edge_sleep = edge.sleep

    def sleep(seconds: float) -> None:
        edge_sleep(seconds)
        stop[0] = edge.waited >= 3

    client._sleep = sleep
    with pytest.raises(Stopped):
        client.get("/api/metrics")
    assert edge.waited <= 3.5


def test_nothing_is_sent_once_cancelled() -> None:
    client, edge = _klaviyo(answers({"data": []}), cancelled=lambda: True)
    with pytest.raises(Stopped):
        client.get("/api/metrics")
    assert edge.requests == []


def test_a_refused_token_is_renewed_once_and_the_request_repeated() -> None:
    renewed = []
    google = registry.get("google_ads")
    expired = httpx.Response(401, json={"error": {"code": 401, "status": "UNAUTHENTICATED"}})

    def renew() -> None:
        renewed.append(1)
        client.credential.values["access_token"] = "token-0002"

    client, edge = make_client(google, answers(expired, {"ok": 1}), renew=renew)
    assert client.get("/v26/customers:listAccessibleCustomers").data == {"ok": 1}
    assert renewed == [1]
    assert [r.headers["authorization"] for r in edge.requests] == [
        "Bearer token-0001", "Bearer token-0002",
    ]


def test_L108_a_token_refused_after_renewal_asks_for_a_new_sign_in() -> None:
    renewed: list[int] = []
    expired = httpx.Response(401, json={"error": {"code": 401, "status": "UNAUTHENTICATED"}})
    client, _ = make_client(
        registry.get("google_ads"), answers(expired), renew=lambda: renewed.append(1)
    )
    with pytest.raises(SignInAgain):
        client.get("/x")
    assert renewed == [1]
    assert client.requests == 2


def test_a_token_that_was_just_renewed_is_given_time_where_the_platform_needs_it() -> None:
    linkedin = registry.get("linkedin_ads")
    expired = httpx.Response(401, json={"status": 401, "message": "Expired access token"})
    renewed: list[int] = []
    client, edge = make_client(
        linkedin, answers(expired, expired, {"ok": 1}), renew=lambda: renewed.append(1)
    )
    assert client.get("/rest/adAccounts").data == {"ok": 1}
    assert renewed == [1]
    assert 9.9 < edge.waited < 10.1
    client, edge = make_client(linkedin, answers(expired), renew=lambda: renewed.append(1))
    with pytest.raises(SignInAgain):
        client.get("/rest/adAccounts")
    assert len(edge.requests) == 3


def test_a_dead_grant_is_not_renewed() -> None:
    renewed: list[int] = []
    dead = httpx.Response(400, json={"error": {"code": 190, "error_subcode": 460}})
    client, _ = _meta(answers(dead), renew=lambda: renewed.append(1))
    with pytest.raises(SignInAgain, match="Meta"):
        client.get("/x")
    assert renewed == []


@pytest.mark.parametrize(
    ("response", "kind", "words"),
    [
        (httpx.Response(200, html="<html>Sign in</html>"), Fix, "web page"),
        (httpx.Response(200, text="  <!doctype html>"), Fix, "web page"),
        (httpx.Response(403, html="<html>Just a moment</html>"), Retry, "web page"),
        (httpx.Response(302, headers={"Location": "http://10.0.0.1/"}), Fix, "another address"),
        (httpx.Response(200, text='{"data": [{"a": 1}, {"a'), Retry, "cannot be read"),
        (httpx.Response(200, text=""), Retry, "cannot be read"),
        (httpx.Response(404, json={"message": "no"}), Fix, "does not know"),
        (httpx.Response(418, json={"message": "teapot"}), GiveUp, "refused"),
        (httpx.Response(410, json={}), GiveUp, "retired"),
        (httpx.Response(402, json={}), Fix, "closed"),
        (httpx.Response(401, json={}), SignInAgain, "sign-in"),
        (httpx.Response(423, json={}), Retry, "locked"),
    ],
)
def test_L66_L108_answers_that_are_no_data(
    response: httpx.Response, kind: type[PlatformFault], words: str
) -> None:
    client, _ = _meta(answers(response), tries=1)
    with pytest.raises(kind, match=words) as caught:
        client.get("/x")
    assert type(caught.value) is kind
    assert caught.value.why
    assert caught.value.fix
    assert caught.value.facts["platform"] == "meta_business"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (httpx.ConnectTimeout("t"), Retry), (httpx.ReadTimeout("t"), Retry),
        (httpx.ConnectError("no route"), Retry), (httpx.RemoteProtocolError("cut"), Retry),
        (httpx.ReadError("reset"), Retry),
    ],
)
def test_L108_network_trouble_is_tried_again_and_named(error: Exception, kind: type[Retry]) -> None:
    client, _ = _meta(answers(error))
    with pytest.raises(kind) as caught:
        client.get("/x?access_token=no", params={"q": "1"})
    assert client.requests == 6
    assert caught.value.facts["where"] == "graph.facebook.com/x"


def test_a_packed_answer_is_unpacked() -> None:
    body = b'{"data":[' + b"1," * 5000 + b"1]}"
    for packing, packed in (
        ("gzip", gzip.compress(body)), ("deflate", zlib.compress(body)),
        ("deflate", zlib.compress(body)[2:-4]),
    ):
        client, _ = _meta(_raw(packing, packed))
        assert len(client.get("/x").data["data"]) == 5001


def _raw(packing: str, packed: bytes) -> object:
    def handler(_: httpx.Request) -> httpx.Response:
        return httpx.Response(
            200, headers={"content-encoding": packing, "content-type": "application/json"},
            stream=httpx.ByteStream(packed),
        )

    return handler


def test_L66_a_bomb_is_stopped_before_it_is_unpacked() -> None:
    bomb = gzip.compress(b"0" * 50_000_000)
    assert len(bomb) < 100_000
    client, _ = make_client(
        registry.get("meta_business"), _raw("gzip", bomb),  # type: ignore[arg-type]
        max_bytes=1_000_000,
    )
    with pytest.raises(GiveUp, match="more than fits"):
        client.get("/x")
    assert client.requests == 1


def test_a_packing_nobody_asked_for_is_refused() -> None:
    client, _ = make_client(registry.get("meta_business"), _raw("br", b"xx"))  # type: ignore[arg-type]
    with pytest.raises(GiveUp, match="unpacked"):
        client.get("/x")


def test_a_cut_packed_answer_is_tried_again() -> None:
    cut = gzip.compress(b'{"a": 1}' * 1000)[:-20]
    client, _ = make_client(
        registry.get("meta_business"), _raw("gzip", cut), tries=2  # type: ignore[arg-type]
    )
    with pytest.raises(Retry):
        client.get("/x")
    assert client.requests == 2


def test_L66_a_slow_drip_ends() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        def drip() -> object:
            for _ in range(1000):
                edge.now += 1
                yield b" "

        class Drip(httpx.SyncByteStream):
            def __iter__(self):  # type: ignore[no-untyped-def]
                return drip()

        return httpx.Response(200, stream=Drip())

    client, edge = _meta(handler, tries=1)
    with pytest.raises(Retry, match="slowly"):
        client.get("/x")


def test_a_nan_or_half_a_character_does_not_lose_the_page() -> None:
    client, _ = _meta(answers(httpx.Response(
        200, content=b'{"a": NaN, "b": "x \\ud800 y", "c": 1}',
        headers={"content-type": "application/json"},
    )))
    assert client.get("/x").data["c"] == 1


def test_a_nested_bomb_is_an_error_and_no_crash() -> None:
    client, _ = _meta(answers(httpx.Response(
        200, content=b"[" * 200_000, headers={"content-type": "application/json"}
    )), tries=1)
    with pytest.raises(Retry, match="cannot be read"):
        client.get("/x")


def test_L50_links_are_followed_only_on_the_platforms_own_hosts() -> None:
    client, edge = _klaviyo(answers({"data": []}))
    link = "https://a.klaviyo.com/api/campaigns?filter=equals%28x%2C%27y%27%29&page%5Bcursor%5D=bm%3D"
    client.follow(link)
    assert str(edge.requests[0].url) == link
    for foreign in ("https://evil.example/api", "http://a.klaviyo.com/api",
                    "https://a.klaviyo.com@evil.example/", "https://a.klaviyo.com.evil.example/"):
        with pytest.raises(GiveUp, match="another address"):
            client.follow(foreign)
    assert len(edge.requests) == 1


def test_no_secret_reaches_errors_or_logs(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    client, _ = _meta(answers(httpx.Response(400, json={"error": {
        "code": 100, "message": f"Bad token {SECRET} at https://x/?access_token={SECRET}&a=1",
    }})))
    with pytest.raises(GiveUp) as caught:
        client.get("/x", params={"input_token": SECRET})
    error = caught.value
    shown = " ".join(map(str, (error, error.sentence(), error.facts, repr(error))))
    assert SECRET not in shown
    assert SECRET not in caplog.text
    assert SECRET not in repr(client.credential)


def test_a_platforms_words_are_cut_and_cleaned() -> None:
    words = "<script>alert(1)</script>\n\x07" + "x" * 5000
    client, _ = _meta(answers(httpx.Response(400, json={"error": {"code": 100, "message": words}})))
    with pytest.raises(GiveUp) as caught:
        client.get("/x")
    assert "<script>" not in caught.value.why
    assert "\n" not in caught.value.why
    assert len(caught.value.why) < 300


def test_L108_requests_are_spread_when_they_are_too_many() -> None:
    client, edge = _meta(answers({"ok": 1}), pacer=None)
    client.pacer = Pacer(60, edge.clock)
    for _ in range(40):
        client.get("/x")
    assert 9 <= edge.waited <= 11  # thirty at once, then one a second


def test_a_lane_that_is_held_long_is_a_quota_and_others_go_on() -> None:
    client, edge = _klaviyo(answers({"data": []}))
    client.pacer.hold(3600, "reports")
    with pytest.raises(Quota) as caught:
        client.get("/api/x", lane="reports")
    assert 3500 < (caught.value.after or 0) <= 3600
    client.get("/api/x", lane="metrics")
    assert len(edge.requests) == 1


def test_limit_headers_hold_the_next_request() -> None:
    full = httpx.Response(200, json={"data": []}, headers={
        "RateLimit-Limit": "2", "RateLimit-Remaining": "0", "RateLimit-Reset": "31",
    })
    client, edge = _klaviyo(answers(full, {"data": []}))
    client.get("/api/x", lane="reports")
    client.get("/api/x", lane="reports")
    assert 31 <= edge.waited <= 32
    waits: list[float] = []
    client._on_wait = waits.append
    client.pacer.hold(5, "reports")
    client.get("/api/x", lane="reports")
    assert waits == [5]


def test_closing_forgets_the_credential() -> None:
    client, _ = _meta(answers({"ok": 1}))
    with client:
        client.get("/x")
    assert client.credential.values == {}
