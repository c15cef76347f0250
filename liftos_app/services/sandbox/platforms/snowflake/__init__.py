"""The imitated Snowflake: SQL API v2 on tables that are views of the world, and three sign-ins.

Memory settings for tests: `partition_rows`, `polls` (how often a statement is still running).
"""

from __future__ import annotations

from starlette.responses import Response

from liftos_app.services.sandbox.call import Call, Target, json_answer
from liftos_app.services.sandbox.platforms.snowflake import signin, statements
from liftos_app.services.sandbox.platforms.snowflake.wire import Refusal
from liftos_app.services.sandbox.plugin import Route, SandboxPlatform
from liftos_app.services.sandbox.trouble import Fault

_FAULTS = {
    "token_expired": Refusal(401, "390318", "OAuth access token expired. [a1]"),
    "token_revoked": Refusal(401, "390144", "JWT token is invalid. [b2]"),
    "missing_scope": Refusal(
        422, "003001", "SQL access control error:\nInsufficient privileges to operate on schema "
        "'MARKETING'.", "42501",
    ),
    "rate_limited": Refusal(429, "390505", "Too many requests."),
    "rate_limited_silent": Refusal(429, "390505", "Too many requests."),
    "quota_exhausted": Refusal(429, "390505", "Too many requests."),
    "server_error": Refusal(503, "390503", "Service unavailable."),
}


def _fault(_call: Call, fault: Fault) -> Response:
    answer = _FAULTS[fault.kind].answer()
    if fault.kind == "rate_limited" and fault.retry_after:
        answer.headers["retry-after"] = str(fault.retry_after)
    return answer


def _classify(call: Call) -> Target:
    if "/oauth/" in call.path:
        return Target(kind="consent" if call.path.endswith("authorize") else "token")
    stream = ""
    if call.method == "POST" and call.body:
        try:
            tag = str((call.json().get("parameters") or {}).get("query_tag", ""))
            stream = tag.removeprefix("liftos:")
        except (ValueError, AttributeError):
            stream = ""
    return Target(stream=stream)


def _lost(_call: Call) -> Response:
    return json_answer({"code": "390404", "message": "Resource not found."}, 404)


def _wrong_method(_call: Call) -> Response:
    return json_answer({"code": "390405", "message": "Method not allowed."}, 405)


_API = "/{account}/api/v2/statements"
PLATFORM = SandboxPlatform(
    id="snowflake",
    name="Snowflake",
    routes=(
        Route("POST", _API, statements.submit),
        Route("GET", _API + "/{handle}", statements.look),
        Route("POST", _API + "/{handle}/cancel", statements.cancel),
        Route("*", _API, _wrong_method),
        Route("*", _API + "/{handle}", _wrong_method),
        Route("GET", "/{account}/oauth/authorize", signin.authorize),
        Route("POST", "/{account}/oauth/authorize", signin.authorize),
        Route("POST", "/{account}/oauth/token-request", signin.token),
    ),
    fault=_fault,
    classify=_classify,
    otherwise=_lost,
)
