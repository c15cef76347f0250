"""The imitated CRM: records with search and links, marketing e-mails, campaigns, sign-in.

Dated addresses (2026-03, 2026-09) and the ones before them (v3, v4) answer alike, as the vendor's
own libraries still call the old ones. `enforce_limits` in the platform's memory (default off) makes
full windows refuse.
"""

from __future__ import annotations

from starlette.responses import Response

from liftos_app.services.sandbox.call import Call
from liftos_app.services.sandbox.platforms.hubspot import (
    campaigns,
    finding,
    mails,
    objects,
    serve,
    settings,
    signin,
)
from liftos_app.services.sandbox.plugin import Handler, Route, SandboxPlatform
from liftos_app.services.sandbox.trouble import Fault

# method, dated address, the one before it, handler
_API: tuple[tuple[str, str, str, Handler], ...] = (
    ("GET", "/account-info/{version}/details", "", settings.details),
    ("GET", "/account-info/{version}/api-usage/daily/private-apps", "", settings.usage),
    ("GET", "/crm/objects/{version}/{kind}", "/crm/{version}/objects/{kind}", objects.listing),
    ("POST", "/crm/objects/{version}/{kind}/search", "/crm/{version}/objects/{kind}/search",
     finding.search),
    ("POST", "/crm/objects/{version}/{kind}/batch/read",
     "/crm/{version}/objects/{kind}/batch/read", objects.batch),
    ("GET", "/crm/objects/{version}/{kind}/{id}", "/crm/{version}/objects/{kind}/{id}",
     objects.single),
    ("POST", "/crm/associations/{version}/{kind}/{to}/batch/read",
     "/crm/{version}/associations/{kind}/{to}/batch/read", objects.associations),
    ("GET", "/crm/owners/{version}", "/crm/{version}/owners", settings.owners),
    ("GET", "/crm/owners/{version}/{id}", "/crm/{version}/owners/{id}", settings.owner),
    ("GET", "/crm/pipelines/{version}/{kind}", "/crm/{version}/pipelines/{kind}",
     settings.pipelines),
    ("GET", "/crm/properties/{version}/{kind}", "/crm/{version}/properties/{kind}",
     settings.properties),
    ("GET", "/marketing/emails/{version}", "/marketing/{version}/emails", mails.listing),
    ("GET", "/marketing/emails/{version}/statistics/list",
     "/marketing/{version}/emails/statistics/list", mails.statistics),
    ("GET", "/marketing/emails/{version}/statistics/histogram",
     "/marketing/{version}/emails/statistics/histogram", mails.histogram),
    ("GET", "/marketing/emails/{version}/{id}", "/marketing/{version}/emails/{id}", mails.single),
    ("GET", "/marketing/campaigns/{version}", "/marketing/{version}/campaigns",
     campaigns.listing),
    ("GET", "/marketing/campaigns/{version}/{id}/reports/metrics",
     "/marketing/{version}/campaigns/{id}/reports/metrics", campaigns.metrics),
    ("GET", "/marketing/campaigns/{version}/{id}/reports/revenue",
     "/marketing/{version}/campaigns/{id}/reports/revenue", campaigns.revenue),
    ("GET", "/marketing/campaigns/{version}/{id}", "/marketing/{version}/campaigns/{id}",
     campaigns.single),
)  # fmt: skip
# With and without the slash at the end, as the vendor's library adds one here and there.
_PATHS = tuple(
    (method, path + end, handler)
    for method, dated, old, handler in _API
    for path in (dated, old)
    if path
    for end in ("", "/")
)


def _fault(call: Call, trouble: Fault) -> Response:
    handler, _ = PLATFORM.find(call.method, call.path)
    return serve.fault(call, trouble, handler)


PLATFORM = SandboxPlatform(
    id="hubspot",
    name="HubSpot",
    routes=(
        Route("*", "/oauth/authorize", signin.authorize),
        Route("*", "/oauth/{portal}/authorize", signin.authorize),
        Route("POST", "/oauth/{version}/token", signin.token),
        Route("POST", "/oauth/{version}/token/introspect", signin.introspect),
        Route("POST", "/oauth/{version}/token/revoke", signin.revoke),
        *(Route(method, path, handler) for method, path, handler in _PATHS),
        *(Route("*", path, serve.wrong_method) for _, path, _ in _PATHS),
    ),
    fault=_fault,
    classify=serve.classify,
    otherwise=serve.lost,
)
