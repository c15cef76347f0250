"""The imitated payment platform: lists, single things, the change feed, keys and Connect.

A setting in the platform's memory, `enforce_limits` (default off), makes the limits refuse.
"""

from __future__ import annotations

from liftos_app.services.sandbox.platforms.stripe import serve, signin
from liftos_app.services.sandbox.platforms.stripe.things import THINGS
from liftos_app.services.sandbox.plugin import Route, SandboxPlatform

PLATFORM = SandboxPlatform(
    id="stripe",
    name="Stripe",
    routes=(
        Route("GET", "/oauth/authorize", signin.authorize),
        Route("POST", "/oauth/authorize", signin.authorize),
        Route("POST", "/oauth/token", signin.token),
        Route("POST", "/oauth/deauthorize", signin.deauthorize),
        Route("GET", "/v1/account", serve.account),
        Route("GET", "/v1/customers", serve.customers),
        *(Route("GET", f"/v1/{thing.path}", serve.listing(thing)) for thing in THINGS),
        *(Route("GET", f"/v1/{thing.path}/{{id}}", serve.single(thing)) for thing in THINGS),
    ),
    fault=serve.fault,
    classify=serve.classify,
    otherwise=serve.lost,
)
