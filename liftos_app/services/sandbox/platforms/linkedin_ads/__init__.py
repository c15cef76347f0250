"""An imitation of LinkedIn's versioned Marketing interface, written from its documentation."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from starlette.responses import Response

from liftos_app.services.sandbox.call import Call, Target
from liftos_app.services.sandbox.platforms.linkedin_ads import analytics, objects, signin
from liftos_app.services.sandbox.platforms.linkedin_ads.signin import Refusal
from liftos_app.services.sandbox.platforms.linkedin_ads.wire import (
    Ask,
    forbidden,
    headers,
    served,
    throttled,
)
from liftos_app.services.sandbox.plugin import Route, SandboxPlatform
from liftos_app.services.sandbox.trouble import Fault

_ACCOUNT = re.compile(r"sponsoredAccount%3A(\d+)", re.IGNORECASE)
_IN_PATH = re.compile(r"^/rest/adAccounts/(\d+)")
_STREAMS = {
    "adAnalytics": "daily", "adCampaignGroups": "campaign_groups", "adCampaigns": "campaigns",
    "creatives": "creatives", "conversions": "conversion_rules", "adAccounts": "account",
}


def classify(call: Call) -> Target:
    """What a call is about."""
    if call.path == "/oauth/v2/authorization":
        return Target(kind="consent")
    if call.path.startswith("/oauth/"):
        return Target(kind="token")
    raw = call.query_string or call.body.decode("latin-1")
    found = _IN_PATH.match(call.path) or _ACCOUNT.search(raw)
    stream = _STREAMS.get(call.path.rstrip("/").rpartition("/")[2], "")
    if stream == "daily" and re.search(r"pivot=(\(value:)?ACCOUNT\b", raw):
        stream = "daily_total"
    return Target(account=found[1] if found else "", stream=stream)


def fault(call: Call, trouble: Fault) -> Response:  # noqa: ARG001
    """Scripted trouble in LinkedIn's words. A limit names no time."""
    status = trouble.status
    known = {
        "token_expired": signin.dead_token("expired"),
        "token_revoked": signin.dead_token("revoked"),
        "missing_scope": forbidden(analytics.RESOURCE),
        "rate_limited": throttled(),
        "rate_limited_silent": throttled(),
        "quota_exhausted": throttled(),
    }.get(trouble.kind)
    if known is None:
        words = trouble.detail.get("message", "Internal Server Error")
        known = Refusal(status, words, code=trouble.detail.get("code", ""))
    return known.answer()


def unknown(_call: Call) -> Response:
    """No such resource."""
    return Refusal(404, "No virtual resource found", code="RESOURCE_NOT_FOUND").answer()


def _rest(
    path: str, answer: Callable[[Ask], Any], *, scope: str = objects.SCOPE, resource: str = "",
) -> list[Route]:
    """A resource for GET, and for POST with its query in the body."""
    handler = served(scope, resource or f"GET {path}", answer)
    return [Route(method, f"/rest{path}", handler) for method in ("GET", "POST")]


PLATFORM = SandboxPlatform(
    id="linkedin_ads",
    name="LinkedIn",
    routes=(
        Route("GET", "/oauth/v2/authorization", signin.authorization),
        Route("POST", "/oauth/v2/authorization", signin.authorization),
        Route("POST", "/oauth/v2/accessToken", signin.access_token),
        Route("POST", "/oauth/v2/introspectToken", signin.introspect),
        *_rest("/adAccounts", objects.ad_accounts),
        *_rest("/adAccountUsers", objects.account_users),
        *_rest("/adAccounts/{account}", objects.ad_account),
        *_rest("/adAccounts/{account}/adCampaignGroups", objects.below("adCampaignGroups")),
        *_rest("/adAccounts/{account}/adCampaigns", objects.below("adCampaigns")),
        *_rest("/adAccounts/{account}/creatives", objects.creatives),
        *_rest("/conversions", objects.conversions),
        *_rest(
            "/adAnalytics", analytics.ad_analytics, scope=analytics.SCOPE,
            resource=analytics.RESOURCE,
        ),
    ),
    fault=fault,
    classify=classify,
    otherwise=unknown,
    wrap=headers,
)
