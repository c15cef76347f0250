"""An imitation of Meta's Marketing API, written from the vendor's documentation."""

from __future__ import annotations

from liftos_app.services.sandbox.platforms.meta_business.api import classify, dispatch, fault
from liftos_app.services.sandbox.plugin import Route, SandboxPlatform

PLATFORM = SandboxPlatform(
    id="meta_business",
    name="Meta",
    routes=(Route("*", "/{path:path}", dispatch),),
    fault=fault,
    classify=classify,
    otherwise=dispatch,
)
