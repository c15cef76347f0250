"""The imitated mail platform: JSON:API resources, reports, aggregates, sign-in.

A setting in the platform's memory, `enforce_limits` (default off), makes full rate windows refuse;
the counts and the RateLimit headers are true either way.
"""

from __future__ import annotations

from starlette.responses import Response

from liftos_app.services.sandbox.call import Call
from liftos_app.services.sandbox.platforms.klaviyo import (
    aggregates,
    endpoints,
    events,
    reports,
    serve,
    signin,
)
from liftos_app.services.sandbox.plugin import Handler, Route, SandboxPlatform
from liftos_app.services.sandbox.trouble import Fault

_API: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "/api/accounts", endpoints.accounts),
    ("GET", "/api/accounts/{id}", endpoints.account),
    ("GET", "/api/metrics", endpoints.metrics),
    ("GET", "/api/metrics/{id}", endpoints.metric),
    ("GET", "/api/campaigns", endpoints.campaigns),
    ("GET", "/api/campaigns/{id}", endpoints.campaign),
    ("GET", "/api/campaigns/{id}/campaign-messages", endpoints.campaign_messages),
    ("GET", "/api/flows", endpoints.flows),
    ("GET", "/api/flows/{id}", endpoints.flow),
    ("GET", "/api/lists", endpoints.lists),
    ("GET", "/api/lists/{id}", endpoints.mail_list),
    ("GET", "/api/segments/{id}", endpoints.segment),
    ("GET", "/api/segments", endpoints.segments),
    ("GET", "/api/events", events.events),
    ("POST", "/api/campaign-values-reports", reports.campaign_values),
    ("POST", "/api/flow-values-reports", reports.flow_values),
    ("POST", "/api/flow-series-reports", reports.flow_series),
    ("POST", "/api/metric-aggregates", aggregates.aggregates),
)
# Both spellings of an address, with and without the slash at the end, are in use.
_PATHS = tuple((m, p + end, h) for m, p, h in _API for end in ("", "/"))


def _fault(call: Call, trouble: Fault) -> Response:
    handler, _ = PLATFORM.find(call.method, call.path)
    return serve.fault(call, trouble, handler)


PLATFORM = SandboxPlatform(
    id="klaviyo",
    name="Klaviyo",
    routes=(
        Route("GET", "/oauth/authorize", signin.authorize),
        Route("POST", "/oauth/authorize", signin.authorize),
        Route("POST", "/oauth/token", signin.token),
        Route("POST", "/oauth/revoke", signin.revoke),
        *(Route(method, path, handler) for method, path, handler in _PATHS),
        *(Route("*", path, serve.wrong_method) for _, path, _ in _PATHS),
    ),
    fault=_fault,
    classify=serve.classify,
    otherwise=serve.lost,
)
