"""What the OAuth roads of all platforms share: the consent page, codes bound to their redirect
address and PKCE challenge, and the checks of an exchange.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlencode, urlsplit

from starlette.responses import Response

from liftos_app.services.sandbox.call import Call, html_answer, redirect
from liftos_app.services.sandbox.consent_page import TICK, consent_page, refusal_page
from liftos_app.services.sandbox.tokens import Grant, TokenProblem

CALLBACK_END = "oauth/callback"


class ExchangeProblem(Exception):
    """A code cannot be exchanged; `error` is the OAuth word, `detail` a sentence."""

    def __init__(self, error: str, detail: str) -> None:
        super().__init__(detail)
        self.error, self.detail = error, detail


@dataclass(frozen=True, kw_only=True)
class ConsentSpec:
    """How a platform asks. `scopes` maps a scope to plain words; a person may untick any.

    `requested` reads the scopes asked for out of the call; `finish` may add or replace parameters
    of the redirect (Shopify's hmac, Google's scope) and gets (call, params, granted scopes).
    `accounts` are lines that say what the person gives access to.
    """

    platform: str  # as people call it
    scopes: Mapping[str, str]
    separator: str = " "  # between scopes in the request; comma also accepted when ","
    client_id: str
    accounts: Sequence[str] = ()
    subject: str = ""
    code_prefix: str = ""
    code_lifetime: timedelta = timedelta(minutes=10)
    locked: Sequence[str] = ()  # scopes that cannot be unticked
    needs_pkce: bool = False
    denied: Mapping[str, str] | None = None  # parameters of a refusal, default error=access_denied
    finish: Callable[[Call, dict[str, str], tuple[str, ...]], dict[str, str]] | None = None
    extra: Mapping[str, str] | None = None  # kept inside the code


def consent(call: Call, spec: ConsentSpec) -> Response:
    """GET shows the page, POST (from the page's own form) redirects with a code or a refusal.

    Register it for both methods on the platform's authorize path. A wrong client id or redirect
    address ends on a page that says so and never redirects, as real platforms do.
    """
    query = call.query if call.method != "POST" else call.form
    problem = _problem(call, spec, query)
    if problem:
        return html_answer(refusal_page(spec.platform, problem), 400)
    requested = _requested(query, spec)
    unknown = [s for s in requested if s not in spec.scopes]
    target = query["redirect_uri"]
    if unknown:
        return _back(
            target,
            query,
            {"error": "invalid_scope", "error_description": f"Unknown scope: {unknown[0]}"},
        )
    if call.method != "POST":
        page = consent_page(
            platform=spec.platform,
            path=urlsplit(call.url).path,
            fields=query,
            accounts=spec.accounts,
            scopes=[(s, spec.scopes[s], s in spec.locked) for s in requested],
        )
        parts = urlsplit(target)
        return html_answer(page, form_targets=[f"{parts.scheme}://{parts.netloc}"])
    if query.get("decision") != "approve":
        denied = spec.denied or {
            "error": "access_denied",
            "error_description": "The person said no.",
        }
        return _back(target, query, dict(denied))
    ticked = {name.removeprefix(TICK) for name in query if name.startswith(TICK)}
    ticked |= set(spec.locked)
    granted = tuple(s for s in requested if s in ticked)
    return _approve(call, spec, query, granted)


def _approve(
    call: Call,
    spec: ConsentSpec,
    query: Mapping[str, str],
    granted: tuple[str, ...],
) -> Response:
    extra = {
        **(spec.extra or {}),
        "redirect_uri": query["redirect_uri"],
        "challenge": query.get("code_challenge", ""),
        "method": query.get("code_challenge_method", ""),
    }
    for name in ("access_type", "prompt"):
        if query.get(name):
            extra[name] = query[name]
    code = call.tokens.issue(
        call.platform,
        "code",
        client_id=spec.client_id,
        scopes=granted,
        now=call.now,
        lifetime=spec.code_lifetime,
        subject=spec.subject,
        prefix=spec.code_prefix,
        extra=extra,
    )
    params = {"code": code}
    if query.get("state"):
        params["state"] = query["state"]
    if spec.finish is not None:
        params = spec.finish(call, params, granted)
        return redirect(_with(query["redirect_uri"], params))
    return redirect(_with(query["redirect_uri"], params))


def exchange(
    call: Call,
    *,
    code: str,
    client_id: str,
    client_secret: str,
    redirect_uri: str | None,
    verifier: str = "",
    prefix: str = "",
) -> Grant:
    """Check a code exchange and use the code up. Raises ExchangeProblem.

    `redirect_uri` None skips its check (platforms that do not send it again).
    """
    check_client(call, client_id, client_secret)
    try:
        grant = call.tokens.read(
            code, platform=call.platform, now=call.now, kinds=("code",), prefixes=(prefix,)
        )
    except TokenProblem as problem:
        words = {"expired": "The code has expired.", "revoked": "Access was taken back."}
        raise ExchangeProblem(
            "invalid_grant", words.get(problem.reason, "The code is not valid.")
        ) from problem
    if redirect_uri is not None and grant.extra.get("redirect_uri") != redirect_uri:
        raise ExchangeProblem("redirect_uri_mismatch", "The redirect address differs.")
    challenge = grant.extra.get("challenge", "")
    if challenge and not _fits(challenge, grant.extra.get("method", "plain"), verifier):
        raise ExchangeProblem("invalid_grant", "The code verifier does not fit the challenge.")
    try:
        call.tokens.use_once(code, grant)
    except TokenProblem as problem:
        raise ExchangeProblem("invalid_grant", "The code was used before.") from problem
    return grant


def check_client(call: Call, client_id: str, client_secret: str) -> None:
    """Whether these are the platform's demo app. Raises ExchangeProblem("invalid_client")."""
    known = client_of(call.demo)
    if client_id != known[0]:
        raise ExchangeProblem("invalid_client", "The OAuth client was not found.")
    if not hmac.compare_digest(client_secret.encode(), known[1].encode()):
        raise ExchangeProblem("invalid_client", "The client secret is wrong.")


def client_of(demo: Mapping[str, Mapping[str, str]]) -> tuple[str, str]:
    """Client id and secret of a platform's demo app."""
    inputs = demo.get("oauth") or demo.get("client_credentials") or {}
    return inputs.get("client_id", ""), inputs.get("client_secret", "")


def is_redirect_allowed(call: Call, address: str) -> bool:
    """What is registered with the demo app: .../oauth/callback, or the same with the platform's id
    behind it, on this origin or on loopback.
    """
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError:
        return False
    if parts.scheme not in {"http", "https"} or parts.fragment or parts.username:
        return False
    here = parts.netloc == urlsplit(call.base).netloc  # a proxy may have taken the https off
    local = host in {"localhost", "127.0.0.1", "::1"}
    ends = (CALLBACK_END, f"{CALLBACK_END}/{call.platform}")
    return (here or local) and parts.path.endswith(ends)


def _problem(call: Call, spec: ConsentSpec, query: Mapping[str, str]) -> str:
    if query.get("client_id") != spec.client_id:
        return "There is no app with this client id."
    if not is_redirect_allowed(call, query.get("redirect_uri", "")):
        return "The redirect address is not registered with this app (redirect_uri_mismatch)."
    if call.trouble.take(("redirect_uri_mismatch",), call.platform) is not None:
        return "The redirect address is not registered with this app (redirect_uri_mismatch)."
    if spec.needs_pkce and not (
        query.get("code_challenge") and query.get("code_challenge_method") == "S256"
    ):
        return "A code challenge with method S256 is required."
    return ""


def _requested(query: Mapping[str, str], spec: ConsentSpec) -> list[str]:
    text = query.get("scope", "")
    if spec.separator != " ":
        text = text.replace(spec.separator, " ")
    return list(dict.fromkeys(text.split()))


def _back(target: str, query: Mapping[str, str], params: dict[str, str]) -> Response:
    if query.get("state"):
        params["state"] = query["state"]
    return redirect(_with(target, params))


def _with(address: str, params: Mapping[str, str]) -> str:
    joint = "&" if urlsplit(address).query else "?"
    return address + joint + urlencode(params)


def _fits(challenge: str, method: str, verifier: str) -> bool:
    if method == "S256":
        digest = hashlib.sha256(verifier.encode()).digest()
        verifier = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    return bool(verifier) and hmac.compare_digest(verifier.encode(), challenge.encode())
