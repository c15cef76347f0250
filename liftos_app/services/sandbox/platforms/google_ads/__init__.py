"""An imitation of the Google Ads REST API, written from the vendor's documentation."""

from __future__ import annotations

from liftos_app.services.sandbox.platforms.google_ads import api, signin
from liftos_app.services.sandbox.plugin import Route, SandboxPlatform

PLATFORM = SandboxPlatform(
    id="google_ads",
    name="Google Ads",
    routes=(
        Route("GET", "/o/oauth2/v2/auth", signin.ask),
        Route("POST", "/o/oauth2/v2/auth", signin.ask),
        Route("GET", "/o/oauth2/auth", signin.ask),  # the address of older client files
        Route("POST", "/o/oauth2/auth", signin.ask),
        Route("POST", "/token", signin.token),
        Route("POST", "/oauth2/v3/token", signin.token),
        Route("POST", "/oauth2/v4/token", signin.token),
        Route("*", "/revoke", signin.revoke),
        Route("*", "/tokeninfo", signin.token_info),
        Route("*", "/oauth2/v3/tokeninfo", signin.token_info),
        Route("GET", "/{version}/customers:listAccessibleCustomers", api.list_accessible),
        Route("POST", "/{version}/customers/{customer}/googleAds:search", api.search),
        Route("POST", "/{version}/customers/{customer}/googleAds:searchStream", api.search_stream),
        Route("POST", "/{version}/googleAdsFields:search", api.fields_search),
        Route("GET", "/{version}/googleAdsFields/{name}", api.fields_get),
    ),
    fault=api.fault,
    classify=api.classify,
    otherwise=api.otherwise,
)
