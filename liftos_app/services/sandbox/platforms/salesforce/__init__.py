"""The imitated Salesforce: sign-in, REST queries, Bulk API 2.0. The first part of a path is the
host: sign-in pages at login.salesforce.com or My Domain, data at My Domain only.
"""

from __future__ import annotations

from liftos_app.services.sandbox.platforms.salesforce import api, jobs, signin
from liftos_app.services.sandbox.plugin import Handler, Route, SandboxPlatform

_DATA: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "/limits", api.limits),
    ("GET", "/connect/organization", api.organization),
    ("GET", "/query", api.query),
    ("GET", "/queryAll", api.query),
    ("GET", "/query/{locator}", api.more),
    ("GET", "/queryAll/{locator}", api.more),
    ("GET", "/sobjects", api.sobjects),
    ("GET", "/sobjects/{name}/describe", api.describe),
    ("GET", "/sobjects/{name}/deleted", api.deleted),
    ("POST", "/jobs/query", jobs.create),
    ("GET", "/jobs/query/{job}", jobs.look),
    ("PATCH", "/jobs/query/{job}", jobs.change),
    ("DELETE", "/jobs/query/{job}", jobs.remove),
    ("GET", "/jobs/query/{job}/results", jobs.results),
)


def _routes() -> tuple[Route, ...]:
    """Everything under a host; clients in the wild also put a slash behind a path."""
    oauth = "/{host}/services/oauth2"
    found = [
        Route("GET", f"{oauth}/authorize", signin.authorize),
        Route("POST", f"{oauth}/authorize", signin.authorize),
        Route("POST", f"{oauth}/token", signin.token),
        Route("*", f"{oauth}/revoke", signin.revoke),
        Route("GET", f"{oauth}/userinfo", signin.userinfo),
        Route("GET", "/{host}/services/data", api.versions),
        Route("GET", "/{host}/services/data/", api.versions),
    ]
    for method, path, act in _DATA:
        for end in ("", "/"):
            where = f"/{{host}}/services/data/v{{version}}{path}{end}"
            found.append(Route(method, where, api.guarded(act)))
    return tuple(found)


PLATFORM = SandboxPlatform(
    id="salesforce",
    name="Salesforce",
    routes=_routes(),
    fault=api.fault,
    classify=api.classify,
    otherwise=api.lost,
    wrap=api.wrap,
)
