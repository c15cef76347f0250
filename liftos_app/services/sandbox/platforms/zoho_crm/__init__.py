"""The imitated Zoho CRM: sign-in over data centres, pages, COQL, bulk reads. The first part of a
path is the host: accounts servers, and the hosts of the data.
"""

from __future__ import annotations

from liftos_app.services.sandbox.platforms.zoho_crm import api, bulk, settings, signin
from liftos_app.services.sandbox.plugin import Handler, Route, SandboxPlatform

# method, path, handler, scope, credits
_DATA: tuple[tuple[str, str, Handler, str, int], ...] = (
    ("GET", "/crm/v8/org", settings.org, "org", 1),
    ("GET", "/crm/v8/settings/modules", settings.modules, "settings.modules", 1),
    ("GET", "/crm/v8/settings/fields", settings.fields, "settings.fields", 1),
    ("GET", "/crm/v8/users", settings.users, "users", 1),
    ("POST", "/crm/v8/coql", api.query, "coql", 1),
    ("POST", "/crm/bulk/v8/read", bulk.create, "bulk", bulk.PRICE),
    ("GET", "/crm/bulk/v8/read/{job}", bulk.look, "bulk", 1),
    ("GET", "/crm/bulk/v8/read/{job}/result", bulk.result, "bulk", 1),
    ("GET", "/crm/v8/{module}/deleted", api.deleted, "modules.{module}", 1),
    ("GET", "/crm/v8/{module}", api.records, "modules.{module}", 1),
)

PLATFORM = SandboxPlatform(
    id="zoho_crm",
    name="Zoho CRM",
    routes=(
        Route("GET", "/{host}/oauth/v2/auth", signin.authorize),
        Route("POST", "/{host}/oauth/v2/auth", signin.authorize),
        Route("POST", "/{host}/oauth/v2/token", signin.token),
        Route("POST", "/{host}/oauth/v2/token/revoke", signin.revoke),
        Route("GET", "/{host}/oauth/serverinfo", signin.serverinfo),
        *(
            Route(method, "/{host}" + path, api.guarded(act, scope, price))
            for method, path, act, scope, price in _DATA
        ),
    ),
    fault=api.fault,
    classify=api.classify,
    otherwise=api.lost,
    wrap=api.wrap,
)
