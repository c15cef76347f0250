"""The imitated Databricks: statements on a SQL warehouse that starts and stops, results as files.

Memory settings for tests: `chunk_rows`, `start_polls`, `inline_cap`, `no_links` (the workspace
forbids external links), `fail_next` (error code and message of the next statement).
"""

from __future__ import annotations

from starlette.responses import Response

from liftos_app.services.sandbox.call import Call, Target
from liftos_app.services.sandbox.platforms.databricks import signin, statements
from liftos_app.services.sandbox.platforms.databricks.wire import Refusal
from liftos_app.services.sandbox.plugin import Route, SandboxPlatform
from liftos_app.services.sandbox.trouble import Fault

_FAULTS = {
    "token_expired": (401, "UNAUTHENTICATED", "Request is not authenticated: token is expired."),
    "token_revoked": (401, "UNAUTHENTICATED", "Request is not authenticated: token is invalid."),
    "missing_scope": (403, "PERMISSION_DENIED", "You do not have permission CAN USE on this "
                      "SQL warehouse."),
    "rate_limited": (429, "REQUEST_LIMIT_EXCEEDED", "Too many requests. Please wait and retry."),
    "rate_limited_silent": (429, "REQUEST_LIMIT_EXCEEDED", "Too many requests."),
    "quota_exhausted": (429, "RESOURCE_EXHAUSTED", "The workspace has reached its capacity."),
    "server_error": (503, "TEMPORARILY_UNAVAILABLE", "The service is temporarily unavailable."),
}


def _fault(_call: Call, fault: Fault) -> Response:
    after = fault.retry_after if fault.kind == "rate_limited" else None
    return Refusal(*_FAULTS[fault.kind], after=int(after) if after else None).answer()


def _classify(call: Call) -> Target:
    if "/oidc/" in call.path or "/.well-known/" in call.path:
        return Target(kind="consent" if call.path.endswith("authorize") else "token")
    if call.path.startswith("/storage/"):
        return Target(kind="file")
    stream = ""
    if call.method == "POST" and call.body:
        try:
            tags = call.json().get("query_tags") or ()
            stream = next((str(t["value"]) for t in tags if t.get("key") == "stream"), "")
        except (ValueError, AttributeError, TypeError, KeyError):
            stream = ""
    return Target(stream=stream)


def _lost(_call: Call) -> Response:
    return Refusal(404, "ENDPOINT_NOT_FOUND", "No API found for this path.").answer()


_API = "/{workspace}/api/2.0/sql"
PLATFORM = SandboxPlatform(
    id="databricks",
    name="Databricks",
    routes=(
        Route("GET", "/storage/{file}", statements.file),
        Route("GET", "/{workspace}/.well-known/databricks-config", signin.config),
        Route("GET", "/{workspace}/oidc/.well-known/oauth-authorization-server", signin.server),
        Route("GET", "/{workspace}/oidc/v1/authorize", signin.authorize),
        Route("POST", "/{workspace}/oidc/v1/authorize", signin.authorize),
        Route("POST", "/{workspace}/oidc/v1/token", signin.token),
        Route("GET", _API + "/warehouses", statements.warehouses),
        Route("GET", _API + "/warehouses/{id}", statements.warehouse),
        Route("POST", _API + "/statements", statements.submit),
        Route("GET", _API + "/statements/{id}", statements.look),
        Route("GET", _API + "/statements/{id}/result/chunks/{n:int}", statements.chunk),
        Route("POST", _API + "/statements/{id}/cancel", statements.cancel),
        Route("GET", "/{workspace}/api/2.1/unity-catalog/{what}", statements.listed),
    ),
    fault=_fault,
    classify=_classify,
    otherwise=_lost,
)
