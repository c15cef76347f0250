"""An imitation of TikTok's Marketing interface v1.3, written from the vendor's documentation."""

from __future__ import annotations

import json

from starlette.responses import Response

from liftos_app.services.sandbox.call import Call, Target, text_answer
from liftos_app.services.sandbox.platforms.tiktok_ads import lists, reports, signin
from liftos_app.services.sandbox.platforms.tiktok_ads.wire import (
    Refusal,
    refused,
    served,
    unknown,
)
from liftos_app.services.sandbox.plugin import Route, SandboxPlatform
from liftos_app.services.sandbox.trouble import Fault

ROOT = "/open_api/v1.3"
_STREAMS = {
    "/advertiser/info/": "account", "/campaign/get/": "campaigns", "/adgroup/get/": "adgroups",
    "/ad/get/": "ads", "/report/integrated/get/": "daily",
}
_DAILY_LIMIT = "Requests made too frequently: the daily limit of your app is reached."


def classify(call: Call) -> Target:
    """What a call is about."""
    if call.path == "/portal/auth":
        return Target(kind="consent")
    path = call.path.removeprefix(ROOT)
    if path in {"/oauth2/access_token/", "/oauth2/revoke_token/"}:
        return Target(kind="token")
    account = call.query.get("advertiser_id", "")
    if not account:
        account = _first(call.query.get("advertiser_ids", ""))
    stream = next((s for end, s in _STREAMS.items() if path.endswith(end)), "")
    if stream == "daily" and call.query.get("data_level") == "AUCTION_ADVERTISER":
        stream = "daily_total"
    return Target(account=account, stream=stream)


def _first(text: str) -> str:
    try:
        found = json.loads(text)
    except ValueError:
        return ""
    return str(found[0]) if isinstance(found, list) and found else ""


def fault(call: Call, trouble: Fault) -> Response:
    """Scripted trouble in the vendor's words: with status 200, unless the API was not reached."""
    words = {
        "token_expired": Refusal(40102, "The access token has expired."),
        "token_revoked": Refusal(40105, "The access token is not valid."),
        "missing_scope": Refusal(40001, "No permission to operate this advertiser."),
        "rate_limited": Refusal(40100, "Requests made too frequently."),
        "rate_limited_silent": Refusal(40100, "Requests made too frequently."),
        "quota_exhausted": Refusal(40100, _DAILY_LIMIT),
    }
    known = words.get(trouble.kind)
    if known is not None:
        return refused(call, known)
    if trouble.detail.get("form") == "http":
        return text_answer("upstream error", trouble.status)
    code = int(trouble.detail.get("code", "50000"))
    return refused(call, Refusal(code, trouble.detail.get("message", "Internal service error.")))


def _api(method: str, path: str, answer: object) -> Route:
    return Route(method, ROOT + path, served(answer))  # type: ignore[arg-type]


PLATFORM = SandboxPlatform(
    id="tiktok_ads",
    name="TikTok",
    routes=(
        Route("GET", "/portal/auth", signin.portal),
        Route("POST", "/portal/auth", signin.portal),
        _api("POST", "/oauth2/access_token/", signin.access_token),
        _api("POST", "/oauth2/revoke_token/", signin.revoke_token),
        _api("GET", "/oauth2/advertiser/get/", signin.advertiser_get),
        _api("GET", "/user/info/", signin.user_info),
        _api("GET", "/user/info", signin.user_info),
        _api("GET", "/advertiser/info/", lists.advertisers),
        *(_api("GET", f"/{k}/get/", lists.classic(k)) for k in lists.FIELDS),
        *(_api("GET", f"/smart_plus/{k}/get/", lists.smart(k)) for k in lists.FIELDS),
        _api("GET", "/report/integrated/get/", reports.integrated),
    ),
    fault=fault,
    classify=classify,
    otherwise=unknown,
)
