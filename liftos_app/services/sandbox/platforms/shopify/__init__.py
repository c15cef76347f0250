"""The imitated shop: GraphQL Admin API, sign-in, bulk files.

A setting in the platform's memory, `enforce_limits` (default off), uses the standard plan's bucket
of 2000 points at 100 a second; without it the bucket is large, so that demo syncs need not wait.
"""

from __future__ import annotations

from liftos_app.services.sandbox.platforms.shopify import auth, http
from liftos_app.services.sandbox.plugin import Handler, Route, SandboxPlatform

_ROUTES: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "/admin/oauth/authorize", auth.authorize),
    ("POST", "/admin/oauth/authorize", auth.authorize),
    ("POST", "/admin/oauth/access_token", auth.access_token),
    ("POST", "/admin/api/graphql.json", http.graphql),
    ("POST", "/admin/api/{version}/graphql.json", http.graphql),
    ("*", "/admin/api/{version}/graphql.json", http.wrong_method),
)

PLATFORM = SandboxPlatform(
    id="shopify",
    name="Shopify",
    routes=(
        Route("GET", "/storage/bulk-{number}.jsonl", http.download),
        *(Route(method, path, handler) for method, path, handler in _ROUTES),
        *(Route(method, "/{shop}" + path, handler) for method, path, handler in _ROUTES),
    ),
    fault=http.fault,
    classify=http.classify,
    otherwise=http.lost,
)
