"""An imitation of X's Ads API, written from the vendor's documentation."""

from __future__ import annotations

from liftos_app.services.sandbox.platforms.x_ads import jobs, signin
from liftos_app.services.sandbox.platforms.x_ads.api import classify, dispatch, fault, wrap
from liftos_app.services.sandbox.plugin import Route, SandboxPlatform

PLATFORM = SandboxPlatform(
    id="x_ads",
    name="X",
    routes=(
        Route("POST", "/oauth/request_token", signin.request_token),
        Route("GET", "/oauth/authorize", signin.authorize),
        Route("POST", "/oauth/authorize", signin.authorize),
        Route("GET", "/oauth/authenticate", signin.authorize),
        Route("POST", "/oauth/authenticate", signin.authorize),
        Route("POST", "/oauth/access_token", signin.access_token),
        Route("POST", "/1.1/oauth/invalidate_token", signin.invalidate),
        Route("POST", "/1.1/oauth/invalidate_token.json", signin.invalidate),
        Route("GET", jobs.FOLDER + "/{name}", jobs.download),
        Route("*", "/{path:path}", dispatch),
    ),
    fault=fault,
    classify=classify,
    otherwise=dispatch,
    wrap=wrap,
)
