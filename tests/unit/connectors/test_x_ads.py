"""X Ads: what is asked, what its answers become, what its errors mean."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from liftos_app.errors import Fix, GiveUp, PlatformFault, Quota, Retry, SignInAgain
from liftos_app.services.connectors import registry
from liftos_app.services.connectors.client import Client
from liftos_app.services.connectors.platforms.x_ads import errors, jobs
from liftos_app.services.connectors.spec import AccountInfo
from tests.unit.connectors.helper import Edge, account, answers, make_client, read, task

X = registry.get("x_ads")
KEYS = {
    "client_id": "appkey000000", "client_secret": "appsecret00000000000000",
    "access_token": "2417000000-exampleaccesstoken00", "access_token_secret": "tokensecret00000000",
}
IDENT = "18ce5exampl"
RESET = 1795306500
JOB = "1986000000000000001"
FILE = f"https://ton.twimg.com/advertiser-api-async-analytics/stats_job_{JOB}.json.gz"


def client_of(handler: Any, **more: Any) -> tuple[Client, Edge]:
    return make_client(X, handler, KEYS, **more)


def one_account(**more: Any) -> AccountInfo:
    return account(external_id=IDENT, time_zone="America/Los_Angeles", currency="USD", **more)


def query(request: httpx.Request) -> dict[str, str]:
    return {k: v[0] for k, v in parse_qs(str(request.url.query, "ascii")).items()}


def series(ident: str = "dvcz7", **metrics: Any) -> dict[str, Any]:
    found = {
        "impressions": [1233, 0, 1502], "engagements": [58, 0, 61], "clicks": [31, 0, 40],
        "url_clicks": [22, 0, 30], "likes": None, "billed_engagements": [22, 0, 30],
        "billed_charge_local_micro": [18400000, 0, 21750000], "video_total_views": None,
        "conversion_purchases": None, **metrics,
    }
    return {"id": ident, "id_data": [{"segment": None, "metrics": found}]}


def stats(*entries: Any, days: int = 3, start: str = "2026-11-03T08:00:00Z") -> dict[str, Any]:
    return {
        "data_type": "stats", "time_series_length": days, "data": list(entries),
        "request": {"params": {"start_time": start}},
    }


def active(*idents: str, places: tuple[str, ...] = ("ALL_ON_TWITTER",)) -> dict[str, Any]:
    return {"data": [
        {"entity_id": i, "activity_start_time": "2026-11-03T09:00:00Z",
         "activity_end_time": "2026-11-05T09:00:00Z", "placements": list(places)} for i in idents
    ]}


def run(*items: Any, end: str = "2026-11-05", **more: Any) -> tuple[Any, Edge]:
    client, edge = client_of(answers(*items), **more)
    found = read(client, task(
        X, "line_item_daily", start="2026-11-03", end=end, account=one_account()
    ))
    return found, edge


# --- requests -------------------------------------------------------------------------------------


def test_every_request_is_signed_and_no_secret_is_in_it() -> None:
    page, edge = run(active("dvcz7"), stats(series()))
    assert len(page.rows) == 2
    for request in edge.requests:
        header = request.headers["authorization"]
        assert re.match(r'OAuth .*oauth_signature="', header)
        assert 'oauth_token="2417000000-exampleaccesstoken00"' in header
        whole = header + str(request.url)
        assert KEYS["client_secret"] not in whole
        assert KEYS["access_token_secret"] not in whole


def test_questions_are_asked_as_documented() -> None:
    _, edge = run(active("dvcz7"), stats(series()))
    first, *rest = edge.requests
    assert first.url.path == f"/12/stats/accounts/{IDENT}/active_entities"
    assert query(first) == {  # midnight in Los Angeles, and a day more for latecomers
        "entity": "LINE_ITEM", "start_time": "2026-11-03T08:00:00Z",
        "end_time": "2026-11-07T08:00:00Z",
    }
    assert [query(r)["metric_groups"] for r in rest] == [
        "ENGAGEMENT,BILLING,VIDEO", "WEB_CONVERSION"
    ]
    assert rest[0].url.path == f"/12/stats/accounts/{IDENT}"
    assert query(rest[0]) == {
        "entity": "LINE_ITEM", "entity_ids": "dvcz7", "start_time": "2026-11-03",
        "end_time": "2026-11-06", "granularity": "DAY", "placement": "ALL_ON_TWITTER",
        "metric_groups": "ENGAGEMENT,BILLING,VIDEO",
    }
    assert b"metric_groups=ENGAGEMENT%2CBILLING%2CVIDEO" in rest[0].url.query


@pytest.mark.parametrize("start", ["2026-08-20", "2026-02-20"])  # the clocks change in both
def test_the_longest_span_is_within_what_x_answers_at_once(start: str) -> None:
    stream = X.stream("campaign_daily")
    assert stream.window is not None
    days = dt.timedelta(days=stream.window.days_per_request - 1)
    client, edge = client_of(answers(active()))
    read(client, task(X, stream.name, start=start, account=one_account(),
                      end=str(dt.date.fromisoformat(start) + days)))
    sent = query(edge.requests[0])
    begun, ended = (dt.datetime.fromisoformat(sent[k]) for k in ("start_time", "end_time"))
    assert dt.timedelta(days=88) < ended - begun <= dt.timedelta(days=90)


def test_half_hour_zones_are_asked_by_whole_hours() -> None:
    client, edge = client_of(answers(active()))
    read(client, task(X, "campaign_daily", start="2026-11-03", end="2026-11-05",
                      account=account(time_zone="Asia/Kolkata")))
    sent = query(edge.requests[0])
    assert (sent["start_time"], sent["end_time"]) == (
        "2026-11-02T18:00:00Z", "2026-11-06T19:00:00Z"
    )


def test_at_most_twenty_entities_stand_in_one_question() -> None:
    idents = [f"id{i:02}" for i in range(45)]

    def handler(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("active_entities"):
            return httpx.Response(200, json=active(*idents))
        asked = query(request)["entity_ids"].split(",")
        assert len(asked) <= 20
        return httpx.Response(200, json=stats(*(series(i) for i in asked)))

    page, edge = run_with(handler)
    assert len(edge.requests) == 1 + 2 * 3
    assert {r["entity_id"] for r in page.rows} == set(idents)


def run_with(handler: Any, *, end: str = "2026-11-05") -> tuple[Any, Edge]:
    client, edge = client_of(handler)
    found = read(client, task(
        X, "line_item_daily", start="2026-11-03", end=end, account=one_account()
    ))
    return found, edge


def test_without_active_entities_nothing_is_asked() -> None:
    page, edge = run(active())
    assert (page.rows, page.read_count, len(edge.requests)) == ([], 0, 1)


# --- answers --------------------------------------------------------------------------------------


def test_the_place_in_an_array_is_the_day_and_null_is_zero() -> None:
    bought = {
        "metric": [3, 0, 0], "post_view": [1, 0, 0], "post_engagement": [1, 0, 0],
        "assisted": [1, 0, 0], "sale_amount": [300_000_000, 0, 0],
        "sale_amount_view": [90_000_000, 0, 0], "sale_amount_engagement": [110_500_000, 0, 0],
    }
    page, _ = run(active("dvcz7"), stats(series(conversion_purchases=bought)))
    first, last = page.rows
    assert first == {
        "entity_id": "dvcz7", "day": "2026-11-03", "setting": "x_30d_engagement_1d_view",
        "impressions": 1233, "clicks": 31, "spend_micros": 18_400_000,
        "conversions_micros": 2_000_000, "value_micros": 200_500_000,
        "extra": {
            "engagements": 58_000_000, "link_clicks": 22_000_000, "video_views": 0,
            "billed_engagements": 22_000_000, "conversions_post_engagement": 1_000_000,
            "conversions_post_view": 1_000_000,
        },
    }
    assert (last["day"], last["spend_micros"], last["conversions_micros"]) == (
        "2026-11-05", 21_750_000, 0
    )
    assert page.skipped == 1  # the day without any figure


def test_an_amount_that_is_not_told_apart_counts_whole() -> None:
    bought = {
        "post_view": [1, 0, 0], "post_engagement": [1, 0, 0], "sale_amount": [7_000_000, 0, 0],
    }
    page, _ = run(active("dvcz7"), stats(series(conversion_purchases=bought)))
    assert (page.rows[0]["conversions_micros"], page.rows[0]["value_micros"]) == (
        2_000_000, 7_000_000
    )


def test_placements_are_added_up() -> None:
    page, edge = run(active("dvcz7", places=("ALL_ON_TWITTER", "SPOTLIGHT")), stats(series()))
    assert len(edge.requests) == 5
    assert [r["impressions"] for r in page.rows] == [2466, 3004]
    assert len(page.rows) == 2


def test_the_source_of_a_row_is_what_x_said_of_that_day() -> None:
    client, _ = client_of(answers(active("dvcz7"), stats(series())))
    one = task(X, "line_item_daily", start="2026-11-03", end="2026-11-05", account=one_account())
    (page,) = one.stream.read(client, one)
    assert page.source[0]["placements"]["ALL_ON_TWITTER"]["billed_charge_local_micro"] == 18400000
    assert len(page.source) == len(page.rows)


def test_the_same_series_twice_counts_once() -> None:
    page, _ = run(active("dvcz7"), stats(series(), series()))
    assert [r["impressions"] for r in page.rows] == [1233, 1502]
    assert page.skipped == 1 + 2 * 3


@pytest.mark.parametrize(("entry", "reason"), [
    (series(impressions=[1, 2]), "not a count: [1, 2]"),
    (series(impressions=["1233", "x", "1502"]), "not a number"),
    (series(clicks=[1.5, 0, 0]), "not a whole count"),
    ({"id": "dvcz7", "id_data": []}, "another form"),
    ({"id": "", "id_data": [{"metrics": {}}]}, "not an id"),
    ({"id_data": [{"metrics": {}}]}, "no 'id'"),
])
def test_what_cannot_be_read_is_rejected_with_its_reason(entry: Any, reason: str) -> None:
    page, _ = run(active("dvcz7"), stats(entry))
    assert page.rejected
    assert any(reason in r.reason for r in page.rejected)
    assert not any(r["day"] == "2026-11-04" for r in page.rows)


def test_numbers_as_text_are_numbers() -> None:
    page, _ = run(active("dvcz7"), stats(series(impressions=["1233", "0", "1502"])))
    assert [r["impressions"] for r in page.rows] == [1233, 1502]


def test_a_missing_metric_rejects_the_rows() -> None:
    entry = series()
    del entry["id_data"][0]["metrics"]["billed_charge_local_micro"]
    page, _ = run(active("dvcz7"), stats(entry))
    assert page.rows == []
    assert {r.reason for r in page.rejected} == {
        "The record has no 'billed_charge_local_micro'."
    }
    assert {r.day for r in page.rejected} == {"2026-11-03", "2026-11-04", "2026-11-05"}


@pytest.mark.parametrize("answer", [
    stats(series(), days=4), stats(series(), start="2026-11-02T08:00:00Z"), [], "text",
])
def test_an_answer_about_other_days_is_never_taken(answer: Any) -> None:
    with pytest.raises(GiveUp):
        run(active("dvcz7"), answer)


@pytest.mark.parametrize("start", ["2026-11-03T07:00:00Z", "2026-11-03T08:00:00Z"])
def test_an_hour_of_summer_time_is_no_other_day(start: str) -> None:
    page, _ = run(active("dvcz7"), stats(series(), start=start))
    assert len(page.rows) == 2


# --- prepared reports -----------------------------------------------------------------------------


class Office:
    """X's side of prepared reports: `states` are the answers to looking, the last one stays."""

    def __init__(self, *states: tuple[str, str | None], file: bytes | None = None) -> None:
        self.states, self.looks = list(states), 0
        entry = series(**{k: [1] * 10 for k in (
            "impressions", "clicks", "engagements", "url_clicks", "billed_engagements",
            "billed_charge_local_micro",
        )})
        data = json.dumps(stats(entry, days=10)).encode()
        self.file = gzip.compress(data) if file is None else file
        self.unsigned: list[bool] = []
        self.orders: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("active_entities"):
            return httpx.Response(200, json=active("dvcz7"))
        if request.url.host == "ton.twimg.com":
            self.unsigned.append("authorization" not in request.headers)
            return httpx.Response(
                200, content=self.file, headers={"content-type": "application/gzip"}
            )
        if request.method == "POST":
            self.orders.append(request)
            return httpx.Response(200, json={"data": {"id_str": f"{JOB[:-1]}{len(self.orders)}"}})
        if "/jobs/" in request.url.path:
            status, url = self.states[min(self.looks, len(self.states) - 1)]
            self.looks += 1
            wanted = query(request)["job_ids"].split(",")
            return httpx.Response(200, json={"data": [
                {"id_str": i, "status": status, "url": url} for i in wanted
            ]})
        start = query(request)["start_time"]
        length = (int(query(request)["end_time"][-2:]) - int(start[-2:]))
        entry = series(impressions=[7] * length, clicks=None, engagements=None, url_clicks=None,
                       billed_engagements=None, billed_charge_local_micro=None)
        return httpx.Response(200, json=stats(entry, days=length, start=start))


def test_longer_spans_are_prepared_and_fetched_without_a_signature() -> None:
    office = Office(("PROCESSING", None), ("SUCCESS", None), ("SUCCESS", FILE))
    page, edge = run_with(office, end="2026-11-12")
    assert len(page.rows) == 10
    assert office.unsigned == [True, True]
    assert all(r.content == b"" for r in office.orders)  # the question stands in the query
    assert query(office.orders[0])["end_time"] == "2026-11-13"
    assert office.looks == 3
    assert edge.slept[:3] == [0.25, 0.5, 0.5]


def test_a_failed_report_is_asked_for_directly_by_weeks() -> None:
    office = Office(("FAILED", None))
    page, edge = run_with(office, end="2026-11-12")
    assert [r["impressions"] for r in page.rows] == [7] * 10
    direct = [query(r) for r in edge.requests if r.url.path == f"/12/stats/accounts/{IDENT}"]
    assert [(q["start_time"], q["end_time"]) for q in direct[:2]] == [
        ("2026-11-03", "2026-11-10"), ("2026-11-10", "2026-11-13")
    ]


def test_a_report_that_is_never_done_is_left_for_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "JOB_SECONDS", 100)
    with pytest.raises(Retry) as caught:
        run_with(Office(("SUCCESS", None)), end="2026-11-12")
    assert caught.value.facts["again"] is False


@pytest.mark.parametrize(
    "file", [b"{", gzip.compress(b'{"data": ', mtime=0)[:-8], b"\x1f\x8bbroken"],
    ids=["no JSON", "cut off", "not packed"],
)
def test_a_damaged_file_is_asked_for_again(file: bytes) -> None:
    with pytest.raises(Retry):
        run_with(Office(("SUCCESS", FILE), file=file), end="2026-11-12")


def test_a_link_to_a_foreign_place_is_not_followed_inside() -> None:
    with pytest.raises((GiveUp, Fix)):
        run_with(Office(("SUCCESS", "http://127.0.0.1/secret")), end="2026-11-12")


def test_a_question_too_complex_is_halved() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("active_entities"):
            return httpx.Response(200, json=active("a1", "a2", "a3"))
        asked = query(request)["entity_ids"].split(",")
        if len(asked) > 1:
            return refusal(400, "REQUEST_TOO_COMPLEX")
        return httpx.Response(200, json=stats(series(asked[0])))

    page, _ = run_with(handler)
    assert {r["entity_id"] for r in page.rows} == {"a1", "a2", "a3"}
    with pytest.raises(errors.TooComplex):
        run(active("a1"), refusal(400, "REQUEST_TOO_COMPLEX"))


# --- accounts and lists ---------------------------------------------------------------------------


def test_accounts_are_found_with_the_currency_of_what_pays() -> None:
    records = [
        {"id": IDENT, "name": "Harbor Coffee", "timezone": "America/Los_Angeles",
         "approval_status": "ACCEPTED", "deleted": False},
        {"id": "18ce5closed", "name": "Old", "timezone": "UTC", "approval_status": "ACCEPTED",
         "deleted": True},
        {"id": "18ce5review", "name": "", "timezone": None, "approval_status": "UNDER_REVIEW"},
    ]

    def handler(request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path == "/12/accounts":
            return httpx.Response(200, json={"data": records, "next_cursor": None})
        if "18ce5review" in path:
            return refusal(403, "ACCOUNT_NOT_FOUND")
        found = [] if path.endswith("funding_instruments") and "closed" in path else [
            {"id": "lygyi", "currency": "JPY" if "closed" in path else "USD"}
        ]
        return httpx.Response(200, json={"data": found})

    client, edge = client_of(handler)
    found = X.discover(client)
    assert [(a.external_id, a.currency, a.status, a.usable) for a in found] == [
        (IDENT, "USD", "accepted", True), ("18ce5closed", "JPY", "deleted", False),
        ("18ce5review", "", "under_review", False),
    ]
    assert all(a.usable or a.reason for a in found)
    assert query(edge.requests[0]) == {"count": "1000", "with_deleted": "true"}


def test_a_role_that_sees_no_campaigns_fails_the_test() -> None:
    client, _ = client_of(answers(
        {"data": {"permissions": ["CAMPAIGN_ANALYST", "ANALYST"]}},
        {"data": {"id": IDENT, "approval_status": "ACCEPTED", "deleted": False}},
    ))
    assert X.test(client, one_account()) == (
        "X answers for Harbor Coffee EU: USD, America/Los_Angeles, role campaign analyst, analyst."
    )
    client, _ = client_of(answers({"data": {"permissions": ["ANALYST"]}}))
    with pytest.raises(Fix, match="campaigns") as caught:
        X.test(client, one_account())
    assert caught.value.cause == "permission"


def test_entities_keep_settings_and_amounts_in_micro_units() -> None:
    record = {
        "id": "8wku2", "name": "Autumn", "entity_status": "ACTIVE", "effective_status": "RUNNING",
        "currency": "JPY", "daily_budget_amount_local_micro": 5_000_000_000, "deleted": False,
        "total_budget_amount_local_micro": None, "reasons_not_servable": [], "servable": True,
    }
    gone = {**record, "id": "8wku3", "deleted": True}
    client, edge = client_of(answers({"data": [record, gone]}))
    page = read(client, task(X, "campaigns", account=one_account()))
    assert page.rows[0]["status"] == "running"
    assert page.rows[1]["status"] == "deleted"
    assert page.rows[0]["attrs"] == {
        "currency": "JPY", "daily_budget_micros": 5_000_000_000, "servable": True,
        "entity_status": "ACTIVE",
    }
    assert query(edge.requests[0]) == {
        "count": "1000", "with_deleted": "true", "sort_by": "updated_at-desc"
    }


def test_a_page_that_comes_for_ever_ends() -> None:
    client, _ = client_of(answers({"data": [{"id": "a", "deleted": False}], "next_cursor": "c1"}))
    with pytest.raises(GiveUp, match="no end"):
        read(client, task(X, "campaigns", account=one_account()))


def test_ads_without_permission_for_posts_stay_without_a_name() -> None:
    ads = {"data": [{"id": "1efwlo", "line_item_id": "dvcz7", "tweet_id": "822333526255120384",
                     "entity_status": "ACTIVE", "deleted": False}], "next_cursor": None}
    client, edge = client_of(answers(ads, {"data": [
        {"tweet_id": "822333526255120384", "name": None, "full_text": "Warm  <b>light</b>"}
    ]}))
    page = read(client, task(X, "promoted_tweets", account=one_account()))
    assert page.rows[0]["name"] == "Warm light"
    assert query(edge.requests[1])["tweet_type"] == "PUBLISHED"
    client, _ = client_of(answers(ads, refusal(403, "ACTION_NOT_ALLOWED")))
    page = read(client, task(X, "promoted_tweets", account=one_account()))
    assert page.rows[0]["name"] == ""
    assert "no names" in page.notes[0]


def test_a_warning_about_the_version_is_told_once() -> None:
    answer = httpx.Response(200, json={"data": []}, headers={"x-api-warn": "Version 12 ends."})
    client, _ = client_of(answers(answer))
    notes = [read(client, task(X, s, account=one_account())).notes
             for s in ("campaigns", "line_items")]
    assert notes == [("X warns: Version 12 ends.",), ()]


# --- errors ---------------------------------------------------------------------------------------


def refusal(status: int, code: Any, **headers: str) -> httpx.Response:
    body = {"errors": [{"code": code, "message": "Words of X", "parameter": "p"}], "request": {}}
    return httpx.Response(status, json=body, headers=headers)


@pytest.mark.parametrize(("status", "code", "kind", "cause"), [
    (401, "UNAUTHORIZED_ACCESS", SignInAgain, "credential"),
    (401, 89, SignInAgain, "credential"),
    (401, 32, SignInAgain, "credential"),
    (401, 135, Fix, "bad_configuration"),
    (403, "UNAUTHORIZED_CLIENT_APPLICATION", Fix, "permission"),
    (403, "READONLY_CLIENT_APPLICATION", Fix, "permission"),
    (403, "ACTION_NOT_ALLOWED", Fix, "permission"),
    (403, "ACCOUNT_NOT_FOUND", Fix, "permission"),
    (404, "NOT_FOUND", Fix, "permission"),
    (404, "LINE_ITEM_NOT_FOUND", Fix, "permission"),
    (403, "CURRENT_USER_SUSPENDED", Fix, "permission"),
    (403, "ACCOUNT_LOCKED_OUT", Fix, "permission"),
    (400, "INVALID_PARAMETER", GiveUp, "our_fault"),
    (400, "INVALID_TIME_WINDOW", GiveUp, "our_fault"),
    (400, "TOO_MANY_JOBS", Retry, "platform_outage"),
    (408, "CANCELLED_REQUEST", Retry, "platform_outage"),
    (423, "LOCK_ACQUISITION_TIMEOUT", Retry, "platform_outage"),
    (500, "INTERNAL_ERROR", Retry, "platform_outage"),
    (503, "OVER_CAPACITY", Retry, "platform_outage"),
    (400, "SOMETHING_NEW", GiveUp, "our_fault"),
])
def test_each_code_means_what_happens_next(
    status: int, code: Any, kind: type[PlatformFault], cause: str
) -> None:
    client, edge = client_of(answers(refusal(status, code)), tries=2)
    with pytest.raises(kind) as caught:
        client.get("/12/accounts/x/campaigns")
    assert type(caught.value) is kind
    assert caught.value.cause == cause
    assert caught.value.fix
    assert len(edge.requests) == (2 if kind is Retry else 1)


def test_a_limit_is_waited_for_until_it_resets() -> None:
    date = "Sun, 22 Nov 2026 09:00:00 GMT"
    limited = refusal(429, "TOO_MANY_REQUESTS", **{
        "x-rate-limit-limit": "250", "x-rate-limit-remaining": "0",
        "x-rate-limit-reset": "1795338030", "date": date,
    })
    client, edge = client_of(answers(limited, {"data": []}))
    assert client.get("/12/stats/accounts/x", lane="stats").data == {"data": []}
    assert 30 <= edge.waited <= 33
    late = refusal(429, "TOO_MANY_REQUESTS", **{
        "x-rate-limit-remaining": "0", "x-rate-limit-reset": "1795338600", "date": date,
    })
    client, edge = client_of(answers(late))
    with pytest.raises(Quota) as caught:
        client.get("/12/stats/accounts/x", lane="stats")
    assert caught.value.after == pytest.approx(601)
    assert edge.waited == 0


def test_an_accounts_own_limit_counts_before_the_persons() -> None:
    headers = {
        "x-account-rate-limit-limit": "10000", "x-account-rate-limit-remaining": "7",
        "x-account-rate-limit-reset": "1795338600", "x-rate-limit-remaining": "0",
        "x-rate-limit-reset": "1795338600", "date": "Sun, 22 Nov 2026 09:00:00 GMT",
    }
    assert errors.pace(200, headers, None) == 0
    headers["x-account-rate-limit-remaining"] = "0"
    assert errors.pace(200, headers, None) == pytest.approx(601)
    assert errors.pace(200, {**headers, "x-account-rate-limit-reset": "9999999999"}, None) == 900
    assert errors.pace(200, {}, None) == 0
    assert errors.pace(200, {"x-rate-limit-remaining": "x"}, None) == 0


def test_an_empty_lane_holds_only_itself() -> None:
    spent = httpx.Response(200, json={"data": []}, headers={
        "x-rate-limit-remaining": "0", "x-rate-limit-reset": "1795338050",
        "date": "Sun, 22 Nov 2026 09:00:00 GMT",
    })
    client, edge = client_of(answers(spent, {"data": []}))
    client.get("/12/stats/accounts/x", lane="stats")
    client.get("/12/accounts/x/campaigns", lane="x/campaigns")
    assert edge.waited == 0
    client.get("/12/stats/accounts/x", lane="stats")
    assert 50 <= edge.waited <= 52


@pytest.mark.parametrize(("status", "kind"), [(404, Fix), (502, Retry), (503, Retry)])
def test_web_pages_instead_of_errors_fall_back_to_the_status(
    status: int, kind: type[PlatformFault]
) -> None:
    page = httpx.Response(status, html="<html>Not here</html>")
    client, _ = client_of(answers(page), tries=1)
    with pytest.raises(kind):
        client.get("/12/accounts/x")


# --- what people type -----------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "value", "words"), [
    ("client_id", "2417000000-abcdefghijklmnopqrstuvwxyz", "access token"),
    ("client_id", "bGlmdG9z:MTpjaQ", "OAuth 2.0"),
    ("client_secret", "AAAAAAAAAAAAAAAAAAAAA%2Fbearer", "bearer"),
    ("access_token", "AAAAAAAAAAAAAAAAAAAAAbearer", "bearer"),
    ("access_token", "abcdefghijklmnopqrstuvwxyz", "digits of your user id"),
    ("access_token_secret", "2417000000-abcdefghijklmnopqrst", "no dash"),
])
def test_known_mix_ups_are_named_before_any_call(name: str, value: str, words: str) -> None:
    one = next(i for i in X.method("token").inputs if i.name == name)
    refused = [sentence for pattern, sentence in one.refuse if re.search(pattern, value)]
    told = refused[0] if refused else one.wrong
    assert refused or not re.fullmatch(one.pattern, value)
    assert words in told


def test_addresses_are_the_real_ones() -> None:
    client, edge = client_of(answers({"data": []}))
    client.get("/12/accounts", params={"count": 1})
    parts = urlsplit(str(edge.requests[0].url))
    assert (parts.scheme, parts.netloc, parts.path) == ("https", "ads-api.x.com", "/12/accounts")
