"""A small imitated platform, to test what the sandbox does for every platform."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from starlette.responses import Response

from liftos_app.services.sandbox import credentials
from liftos_app.services.sandbox.call import Call, Target, json_answer
from liftos_app.services.sandbox.oauth import ConsentSpec, ExchangeProblem, consent, exchange
from liftos_app.services.sandbox.plugin import Route, SandboxPlatform
from liftos_app.services.sandbox.tokens import TokenProblem
from liftos_app.services.sandbox.trouble import Fault
from tests.sandbox_server import RunningSandbox, running_sandbox

CLIENT, SECRET = "example-client", "example-secret"
RETURN = "http://127.0.0.1:9/oauth/callback"
VERIFIER = "v" * 50
CHALLENGE = (
    base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
)
SCOPES = {"read": "Read reports", "accounts:read": "Read the account's name"}


def _rows(call: Call) -> Response:
    try:
        grant = call.tokens.read(
            call.bearer(),
            platform=call.platform,
            now=call.now,
            kinds=("access", "static"),
            prefixes=("ex.",),
        )
    except TokenProblem as problem:
        return json_answer({"refused": problem.reason}, 401)
    data = [{"n": n} for n in range(200)]
    return json_answer(
        {
            "rows": call.bend("rows", data),
            "next": f"{call.base}/rows?page=2",
            "echo": call.query,
            "scopes": grant.scopes,
            "account": call.params.get("account"),
        }
    )


def _token(call: Call) -> Response:
    form = call.form
    try:
        if form.get("grant_type") == "refresh_token":
            grant = call.tokens.read(
                form["refresh_token"], platform=call.platform, now=call.now, kinds=("refresh",)
            )
        else:
            client, secret = call.basic()
            grant = exchange(
                call,
                code=form.get("code", ""),
                client_id=client,
                client_secret=secret,
                redirect_uri=form.get("redirect_uri", ""),
                verifier=form.get("code_verifier", ""),
            )
    except (ExchangeProblem, TokenProblem) as problem:
        return json_answer({"error": getattr(problem, "error", "invalid_grant")}, 400)
    hour = timedelta(hours=1)
    return json_answer(
        {
            "access_token": call.tokens.reissue(
                grant, "access", now=call.now, lifetime=hour, prefix="ex."
            ),
            "refresh_token": call.tokens.reissue(
                grant, "refresh", now=call.now, lifetime=None, rotate=True, alphabet="b62"
            ),
        }
    )


def _ask(call: Call) -> Response:
    return consent(
        call,
        ConsentSpec(
            platform="Example Ads",
            scopes=SCOPES,
            client_id=CLIENT,
            needs_pkce=True,
            accounts=("Larkspur <US>",),
        ),
    )


def _fault(_call: Call, fault: Fault) -> Response:
    headers = {"retry-after": str(fault.retry_after)} if fault.retry_after else {}
    status = 429 if "rate" in fault.kind else fault.status
    return json_answer({"fault": fault.kind}, status, headers=headers)


def _about(call: Call) -> Target:
    kind = "consent" if "auth" in call.path else "token" if "token" in call.path else "api"
    return Target(kind=kind, account=call.params.get("account", ""), stream="rows")


EXAMPLE = SandboxPlatform(
    id="example",
    name="Example Ads",
    fault=_fault,
    classify=_about,
    routes=(
        Route("GET", "/rows", _rows),
        Route("GET", "/{account}/rows", _rows),
        Route("*", "/authorize", _ask),
        Route("POST", "/token", _token),
    ),
    wrap=lambda _call, answer: _tagged(answer),
)


def _tagged(answer: Response) -> Response:
    answer.headers["x-usage"] = "12"
    return answer


@contextmanager
def running_example() -> Iterator[RunningSandbox]:
    """The sandbox with the example platform in it."""
    with running_sandbox() as one:
        one.sandbox.platforms["example"] = EXAMPLE
        credentials.DEMO["example"] = {"oauth": {"client_id": CLIENT, "client_secret": SECRET}}
        one.tokens.register("example", "fixed-key")
        try:
            yield one
        finally:
            del credentials.DEMO["example"]
