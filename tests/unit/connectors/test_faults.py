"""Each platform's error codes: which kind, whose fault, who can mend it, in which words."""

from __future__ import annotations

import importlib
from typing import Any

import orjson
import pytest

from liftos_app.errors import Fix, GiveUp, PlatformFault, Quota, Retry, SignInAgain
from liftos_app.services.connectors import faults, registry
from liftos_app.services.connectors.client import judge
from liftos_app.services.connectors.faults import Rule
from liftos_app.services.connectors.platforms.google_ads.errors import PageExpired
from liftos_app.services.connectors.platforms.meta_business.errors import ReportFailed, TooMuch
from liftos_app.services.connectors.platforms.meta_business.errors import pace as meta_pace
from liftos_app.services.connectors.platforms.shopify.errors import TooCostly
from liftos_app.services.connectors.platforms.shopify.errors import pace as shopify_pace
from liftos_app.services.connectors.wire import Raw
from tests.unit.connectors.helper import example, reply

SLUGS = ("google_ads", "klaviyo", "meta_business", "shopify", "stripe")


def verdict(slug: str, status: int, body: Any, **headers: str) -> PlatformFault | None:
    raw = Raw(
        status,
        {"content-type": "application/json", **headers},
        body if isinstance(body, bytes) else orjson.dumps(body),
    )
    return judge(registry.get(slug), raw)[1]


def meta(code: int, subcode: int = 0, **more: Any) -> dict[str, Any]:
    error = {"code": code, "message": "Some words.", "fbtrace_id": "Trace1", **more}
    return {"error": error | ({"error_subcode": subcode} if subcode else {})}


def google(family: str, name: str, *, code: int = 400, **more: Any) -> dict[str, Any]:
    one = {"errorCode": {family: name}, "message": "Some words.", **more}
    return {"error": {"code": code, "message": "m", "status": "X", "details": [
        {"@type": "GoogleAdsFailure", "errors": [one], "requestId": "Req1"},
    ]}}


def shop(
    code: str, *, path: list[Any] | None = None, data: Any = None, **more: Any
) -> dict[str, Any]:
    error: dict[str, Any] = {"message": "Some words.", "extensions": {"code": code}}
    if path:
        error["path"] = path
    return {"errors": [error], **({"data": data} if data is not None else {}), **more}


META = [
    (400, meta(190), SignInAgain, "credential", "you"),
    (400, meta(190, 463), SignInAgain, "credential", "you"),
    (400, meta(190, 460), SignInAgain, "credential", "you"),
    (400, meta(190, 458), SignInAgain, "credential", "you"),
    (400, meta(190, 467), SignInAgain, "credential", "you"),
    (400, meta(190, 459), SignInAgain, "credential", "you"),
    (400, meta(190, 464), SignInAgain, "credential", "you"),
    (400, meta(190, 99), SignInAgain, "credential", "you"),
    (401, meta(102), SignInAgain, "credential", "you"),
    (403, meta(10), Fix, "permission", "your_platform_admin"),
    (403, meta(200), Fix, "permission", "your_platform_admin"),
    (403, meta(294), Fix, "permission", "your_platform_admin"),
    (403, meta(3), Fix, "permission", "your_platform_admin"),
    (400, meta(100, 33), Fix, "permission", "your_platform_admin"),
    (400, meta(100, message="Invalid appsecret_proof provided"), Fix, "credential", "you"),
    (400, meta(100, 1487534), TooMuch, "source_data", "the_platform"),
    (400, meta(100, 1504018), TooMuch, "source_data", "the_platform"),
    (500, meta(2, 1504038), TooMuch, "source_data", "the_platform"),
    (400, meta(100), GiveUp, "our_fault", "liftos"),
    (400, meta(2500), GiveUp, "our_fault", "liftos"),
    (400, meta(4, 1504022), Quota, "quota", "the_platform"),
    (400, meta(17, 2446079), Quota, "quota", "the_platform"),
    (400, meta(32), Quota, "quota", "the_platform"),
    (400, meta(613), Quota, "quota", "the_platform"),
    (400, meta(80000), Quota, "quota", "the_platform"),
    (400, meta(80004), Quota, "quota", "the_platform"),
    (400, meta(80014), Quota, "quota", "the_platform"),
    (500, meta(1), Retry, "platform_outage", "the_platform"),
    (500, meta(2, 1504043), Retry, "platform_outage", "the_platform"),
    (400, meta(100, is_transient=True), Retry, "platform_outage", "the_platform"),
    (400, meta(2, 1504041), GiveUp, "our_fault", "liftos"),
    (400, meta(2, 1504042), GiveUp, "our_fault", "liftos"),
    (400, meta(-2, 2490547), ReportFailed, "platform_outage", "the_platform"),
    (400, meta(368), Fix, "permission", "your_platform_admin"),
    (400, meta(99999), GiveUp, "our_fault", "liftos"),
    (503, {}, Retry, "platform_outage", "the_platform"),
    (200, meta(190, 463), SignInAgain, "credential", "you"),  # errors arrive with status 200 too
    (200, meta(17), Quota, "quota", "the_platform"),
]
GOOGLE = [
    (401, google("authenticationError", "OAUTH_TOKEN_EXPIRED"), SignInAgain, "credential", "you"),
    (401, google("authenticationError", "OAUTH_TOKEN_REVOKED"), SignInAgain, "credential", "you"),
    (401, google("authenticationError", "NOT_ADS_USER"), SignInAgain, "credential", "you"),
    (403, google("authorizationError", "USER_PERMISSION_DENIED"), Fix, "permission",
     "your_platform_admin"),
    (403, google("authorizationError", "CUSTOMER_NOT_ENABLED"), Fix, "permission",
     "your_platform_admin"),
    (403, google("authorizationError", "CLOUD_PROJECT_NOT_APPROVED_FOR_PRODUCTION"), Fix,
     "bad_configuration", "you"),
    (403, google("authorizationError", "DEVELOPER_TOKEN_NOT_APPROVED"), Fix, "bad_configuration",
     "you"),
    (403, {"error": {"code": 403, "status": "PERMISSION_DENIED", "details": [
        {"@type": "ErrorInfo", "reason": "SERVICE_DISABLED"}]}}, Fix, "bad_configuration", "you"),
    (403, {"error": {"code": 403, "status": "PERMISSION_DENIED", "details": [
        {"@type": "ErrorInfo", "reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT"}]}}, SignInAgain,
     "permission", "you"),
    (400, google("queryError", "UNRECOGNIZED_FIELD"), GiveUp, "our_fault", "liftos"),
    (400, google("queryError", "REQUESTED_METRICS_FOR_MANAGER"), Fix, "bad_configuration", "you"),
    (400, google("requestError", "UNSUPPORTED_VERSION"), GiveUp, "our_fault", "liftos"),
    (400, google("requestError", "PAGE_SIZE_NOT_SUPPORTED"), GiveUp, "our_fault", "liftos"),
    (400, google("requestError", "EXPIRED_PAGE_TOKEN"), PageExpired, "platform_outage",
     "the_platform"),
    (429, google("quotaError", "RESOURCE_EXHAUSTED"), Quota, "quota", "the_platform"),
    (429, google("quotaError", "RESOURCE_TEMPORARILY_EXHAUSTED"), Quota, "quota", "the_platform"),
    (429, google("quotaError", "EXCESSIVE_LONG_TERM_QUERY_RESOURCE_CONSUMPTION"), Quota, "quota",
     "the_platform"),
    (500, google("internalError", "TRANSIENT_ERROR"), Retry, "platform_outage", "the_platform"),
    (503, {"error": {"code": 503, "status": "UNAVAILABLE"}}, Retry, "platform_outage",
     "the_platform"),
    (404, {"error": {"code": 404, "status": "NOT_FOUND"}}, Fix, "bad_configuration", "you"),
    (400, {"error": {"code": 400, "status": "SOMETHING_NEW", "message": "m"}}, GiveUp, "our_fault",
     "liftos"),
    (401, [google("authenticationError", "OAUTH_TOKEN_INVALID")], SignInAgain, "credential", "you"),
    (200, [{"results": []}, google("internalError", "INTERNAL_ERROR")], Retry, "platform_outage",
     "the_platform"),  # in the middle of a stream's list
]
SHOPIFY = [
    (401, {"errors": "[API] Invalid API key or access token"}, SignInAgain, "credential", "you"),
    (402, {"errors": "Payment required"}, Fix, "permission", "your_platform_admin"),
    (403, {"errors": "Forbidden"}, Fix, "permission", "your_platform_admin"),
    (404, {"errors": "Not Found"}, Fix, "bad_configuration", "you"),
    (423, {"errors": "Locked"}, Retry, "platform_outage", "the_platform"),
    (429, {"errors": "Throttled"}, Quota, "quota", "the_platform"),
    (430, {"errors": "Security"}, Quota, "quota", "the_platform"),
    (520, {}, Retry, "platform_outage", "the_platform"),
    (200, shop("THROTTLED"), Quota, "quota", "the_platform"),
    (200, shop("INTERNAL_SERVER_ERROR"), Retry, "platform_outage", "the_platform"),
    (200, shop("MAX_COST_EXCEEDED"), TooCostly, "our_fault", "liftos"),
    (200, shop("GRAPHQL_VALIDATION_FAILED"), GiveUp, "our_fault", "liftos"),
    (200, shop("ACCESS_DENIED", path=["orders"], data={"orders": None}), Fix, "permission",
     "your_platform_admin"),
    (200, {"errors": "something in one text"}, GiveUp, "our_fault", "liftos"),
    (200, {"errors": [{"message": "Parse error"}]}, GiveUp, "our_fault", "liftos"),
]
KLAVIYO = [
    (400, {"errors": [{"detail": "bad filter"}]}, GiveUp, "our_fault", "liftos"),
    (401, {"errors": [{"detail": "no key"}]}, SignInAgain, "credential", "you"),
    (403, {"errors": [{"detail": "needs metrics:read"}]}, Fix, "permission", "your_platform_admin"),
    (403, b"<html><title>Attention</title></html>", Retry, "platform_outage", "the_platform"),
    (404, {"errors": [{}]}, GiveUp, "our_fault", "liftos"),
    (410, {"errors": [{}]}, GiveUp, "our_fault", "liftos"),
    (415, {"errors": [{}]}, GiveUp, "our_fault", "liftos"),
    (429, {"errors": [{}]}, Quota, "quota", "the_platform"),
    (500, {"errors": [{}]}, Retry, "platform_outage", "the_platform"),
    (524, b"error code: 524", Retry, "platform_outage", "the_platform"),
]
TABLE = [
    (slug, *row) for slug, rows in
    (("meta_business", META), ("google_ads", GOOGLE), ("shopify", SHOPIFY), ("klaviyo", KLAVIYO))
    for row in rows
]


@pytest.mark.parametrize(("slug", "status", "body", "kind", "cause", "owner"), TABLE)
def test_each_code_has_its_kind_cause_and_owner(
    slug: str, status: int, body: Any, kind: type[PlatformFault], cause: str, owner: str
) -> None:
    found = verdict(slug, status, body)
    assert type(found) is kind
    assert isinstance(found, PlatformFault)
    assert (found.cause, found.owner) == (cause, owner)
    assert found.what
    assert found.why
    assert found.fix
    assert "{" not in found.sentence()


@pytest.mark.parametrize("slug", SLUGS)
@pytest.mark.parametrize(("status", "kind"), [
    (401, SignInAgain), (403, Fix), (404, Fix), (418, GiveUp), (429, Quota), (500, Retry),
    (502, Retry), (503, Retry), (504, Retry),
])
def test_any_status_without_a_known_body_still_has_a_kind(
    slug: str, status: int, kind: type[PlatformFault]
) -> None:
    assert isinstance(verdict(slug, status, {"surprise": [1, {"a": None}]}), kind)
    assert isinstance(verdict(slug, status, ["surprise"]), kind)
    assert isinstance(verdict(slug, status, "surprise"), kind)


@pytest.mark.parametrize("slug", SLUGS)
@pytest.mark.parametrize("body", [
    {"error": None}, {"errors": []}, {"data": []}, {"results": []}, [], {"errors": None},
])
def test_good_answers_are_no_errors(slug: str, body: Any) -> None:
    assert verdict(slug, 200, body) is None


@pytest.mark.parametrize(("slug", "name", "kind"), [
    ("meta_business", "error_token_expired", SignInAgain),
    ("meta_business", "error_rate_limit", Quota),
    ("google_ads", "error_rate_limit_stream", Quota),
    ("google_ads", "error_token_expired", SignInAgain),
    ("shopify", "error_401", SignInAgain),
    ("shopify", "throttled_200", Quota),
    ("klaviyo", "error_401", SignInAgain),
    ("klaviyo", "error_429", Quota),
])
def test_the_sheets_own_examples(slug: str, name: str, kind: type[PlatformFault]) -> None:
    answer = reply(slug, name)
    raw = Raw(answer.status_code, {k.lower(): v for k, v in answer.headers.items()}, answer.content)
    assert type(judge(registry.get(slug), raw)[1]) is kind


def test_stated_waits_are_taken_from_where_each_platform_states_them() -> None:
    def after(slug: str, name: str) -> float | None:
        answer = reply(slug, name)
        raw = Raw(
            answer.status_code, {k.lower(): v for k, v in answer.headers.items()}, answer.content
        )
        found = judge(registry.get(slug), raw)[1]
        assert isinstance(found, Quota)
        return found.after

    assert after("meta_business", "error_rate_limit") == 18 * 60
    assert after("google_ads", "error_rate_limit_stream") == 30
    assert after("shopify", "throttled_200") == pytest.approx((412 - 37) / 100)
    assert after("klaviyo", "error_429") == 7


def test_the_platforms_request_id_is_kept() -> None:
    found = verdict("meta_business", 400, meta(100))
    assert found is not None
    assert found.facts["request_id"] == "Trace1"
    found = verdict("google_ads", 400, google("queryError", "UNRECOGNIZED_FIELD"))
    assert found is not None
    assert found.facts["request_id"] == "Req1"


def test_a_field_that_was_refused_leaves_the_rest_useful() -> None:
    assert verdict("shopify", 200, example("shopify", "access_denied_200")["body"]) is None


def test_a_query_above_the_shops_bucket_asks_for_less_instead_of_waiting_for_ever() -> None:
    cost = {"cost": {"requestedQueryCost": 400, "throttleStatus": {
        "maximumAvailable": 40, "currentlyAvailable": 40, "restoreRate": 2}}}
    assert type(verdict("shopify", 200, shop("THROTTLED", extensions=cost))) is TooCostly


def test_shopifys_points_pace_the_next_query() -> None:
    def wait(requested: float, current: float) -> float:
        return shopify_pace(200, {}, {"extensions": {"cost": {
            "requestedQueryCost": requested, "throttleStatus": {
                "maximumAvailable": 2000, "currentlyAvailable": current, "restoreRate": 100}}}})

    assert wait(412, 1961) == 0
    assert wait(412, 12) == 4.0
    assert shopify_pace(200, {}, {}) == 0
    assert shopify_pace(200, {}, None) == 0


@pytest.mark.parametrize(("headers", "seconds"), [
    ({}, 0), ({"x-app-usage": '{"call_count":84,"total_time":2,"total_cputime":1}'}, 0),
    ({"x-app-usage": '{"call_count":85,"total_time":2,"total_cputime":1}'}, 120),
    ({"x-app-usage": '{"call_count":2,"total_time":96}'}, 600),
    ({"x-ad-account-usage": '{"acc_id_util_pct":97,"reset_time_duration":1080}'}, 1080),
    ({"x-ad-account-usage": '{"acc_id_util_pct":97,"reset_time_duration":99999}'}, 3600),
    ({"x-business-use-case-usage":
      '{"1":[{"call_count":100,"estimated_time_to_regain_access":18}]}'}, 1080),
    ({"x-fb-ads-insights-throttle": '{"app_id_util_pct":1.2,"acc_id_util_pct":90}'}, 120),
    ({"x-app-usage": "not json"}, 0), ({"x-business-use-case-usage": "[1]"}, 0),
    ({"x-business-use-case-usage": '{"1": 5}'}, 0),
])
def test_metas_usage_headers_pace_the_next_request(headers: dict[str, str], seconds: float) -> None:
    assert meta_pace(200, headers, None) == seconds


def all_rules() -> list[tuple[str, Rule]]:
    found = []
    for slug in SLUGS:
        module = importlib.import_module(
            f"liftos_app.services.connectors.platforms.{slug}.errors"
        )
        found += [(slug, rule) for rule in module.RULES]
    return found + [("any", rule) for rule in faults._STATUS.values()]


@pytest.mark.parametrize(("slug", "rule"), all_rules(), ids=lambda v: getattr(v, "code", v))
def test_sentences_are_calm_complete_and_free_of_blame(slug: str, rule: Rule) -> None:
    error = rule.error(words="Words of the platform")
    for text in (error.what, error.why, error.fix):
        sentence = text.replace("{name}", "Klaviyo")
        assert sentence[0].isupper()
        assert sentence.rstrip().endswith(".")
        for word in ("!", "sorry", "oops", "invalid", "failed to", "you forgot", "illegal"):
            assert word not in sentence.lower()
        assert len(sentence) <= 200
    assert error.cause in {
        "credential", "permission", "quota", "platform_outage", "bad_configuration", "source_data",
        "our_fault",
    }
    assert error.owner in {"you", "your_platform_admin", "the_platform", "liftos"}


@pytest.mark.parametrize("slug", SLUGS)
def test_codes_are_listed_once(slug: str) -> None:
    codes = [rule.code for one, rule in all_rules() if one == slug]
    assert len(codes) == len(set(codes))


def test_retry_after_that_is_no_time_is_ignored() -> None:
    assert faults.retry_after({"retry-after": "soon"}) is None
    assert faults.retry_after({"retry-after": "-5"}) == 0
    assert faults.retry_after({"retry-after": "Sun, 22 Nov 2026 10:00:20 GMT"}) is None
    assert faults.retry_after({}) is None


def test_a_web_page_with_an_error_status_is_a_passing_fault_on_every_platform() -> None:
    for slug in SLUGS:
        raw = Raw(403, {"content-type": "text/html"}, b"<html>Attention</html>")
        assert type(judge(registry.get(slug), raw)[1]) is Retry


def test_a_missing_page_of_a_shop_is_a_wrong_address_also_as_a_web_page() -> None:
    raw = Raw(404, {"content-type": "text/html"}, b"<html>Not here</html>")
    assert type(judge(registry.get("shopify"), raw)[1]) is Fix
