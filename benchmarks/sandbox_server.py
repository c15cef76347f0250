"""The sandbox alone, for measuring: `uvicorn benchmarks.sandbox_server:app`."""

from __future__ import annotations

import datetime as dt

from starlette.applications import Starlette
from starlette.routing import Mount

from liftos_app.services.sandbox.server import create_app

BOX = create_app(clock=lambda: dt.datetime.now(dt.UTC), control_token="bench")  # noqa: S106
app = Starlette(routes=[Mount("/sandbox", app=BOX)])
