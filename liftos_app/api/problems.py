"""Every failure as `application/problem+json` with a stable code, and no inside shown.

Known failures carry what, why and fix. Unknown ones get a short reference that stands in the log
beside the trace.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import uuid4

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from liftos_app.api import wall
from liftos_app.errors import LiftOSError, PlatformFault, Retry

log = logging.getLogger(__name__)
MEDIA_TYPE: Final = "application/problem+json"
LONGEST_INPUT_NAME: Final = 120

TITLES: Final[dict[int, str]] = {
    400: "Bad request", 401: "Sign-in needed", 403: "Not allowed", 404: "Not found",
    405: "Method not allowed", 406: "Not acceptable", 409: "Conflict", 410: "Gone",
    413: "Too large", 414: "Address too long", 415: "Unsupported media type",
    421: "Unknown address", 422: "Invalid input", 429: "Too many requests",
    431: "Headers too large", 500: "Internal error", 502: "Platform error",
    503: "Unavailable", 504: "Too slow",
}
CODES: Final[dict[int, str]] = {
    400: "bad_request", 401: "sign_in_needed", 403: "denied", 404: "missing",
    405: "method_not_allowed", 406: "not_acceptable", 409: "conflict", 410: "gone",
    413: "too_large", 414: "too_long", 415: "unsupported_media_type",
    421: "unknown_address", 422: "invalid", 429: "too_many",
    431: "headers_too_large", 500: "internal", 502: "platform_fault",
    503: "unavailable", 504: "too_slow",
}


def request_id(scope: Scope) -> str:
    """The id of this request, as answered in X-Request-ID; made here when nobody did."""
    found = scope.get("liftos.request_id")
    if not isinstance(found, str):
        found = uuid4().hex
        scope["liftos.request_id"] = found
    return found


def problem(
    scope: Scope, status: int, *, code: str = "", what: str = "", why: str = "", fix: str = "",
    headers: Mapping[str, str] | None = None, **more: Any,
) -> JSONResponse:
    """One problem document (RFC 9457) with our additions what, why, fix and request_id."""
    code = code or CODES.get(status, "error")
    what = what or TITLES.get(status, "Error") + "."
    body = {
        "type": f"urn:liftos:problem:{code}", "title": TITLES.get(status, "Error"),
        "status": status, "detail": " ".join(p for p in (what, why, fix) if p), "code": code,
        "what": what, "why": why, "fix": fix, "request_id": request_id(scope),
        **{name: value for name, value in more.items() if value is not None},
    }
    return JSONResponse(body, status, media_type=MEDIA_TYPE, headers=dict(headers or {}))


def of_error(scope: Scope, error: LiftOSError) -> JSONResponse:
    """The problem of a failure we can explain. Of its facts only four leave the process."""
    headers: dict[str, str] = {}
    more: dict[str, Any] = {"field": error.facts.get("field")}
    fields = error.facts.get("fields")
    if isinstance(fields, dict):  # several inputs were wrong: each with its sentence
        more["errors"] = [{"field": str(k), "what": str(v)} for k, v in fields.items()]
    after = error.facts.get("retry_after")
    if isinstance(error, Retry) and error.after is not None:
        after = error.after
    if isinstance(after, int | float):
        headers["Retry-After"] = str(max(1, round(after)))
        more["retry_after"] = max(1, round(after))
    limit = error.facts.get("limit")
    if isinstance(limit, int):  # of the sign-in; the hourly ones are told by api/wall.py
        headers |= {"RateLimit-Limit": str(limit), "RateLimit-Remaining": "0",
                    "RateLimit-Reset": headers.get("Retry-After", "60"),
                    "RateLimit-Policy": f'"auth";q={limit};w=60'}
    if error.status == 401:
        headers["WWW-Authenticate"] = str(error.facts.get("challenge") or "Bearer")
    if isinstance(error, PlatformFault):
        more |= {"cause": error.cause, "owner": error.owner,
                 "platform_request_id": error.facts.get("request_id")}
    return problem(
        scope, error.status, code=error.code, what=error.what, why=error.why, fix=error.fix,
        headers=headers, **more,
    )


def of_validation(scope: Scope, errors: Sequence[Any]) -> JSONResponse:
    """The problem of a body or parameter that does not fit. What was sent is never repeated."""
    if any(e.get("type") == "json_invalid" for e in errors):
        return problem(
            scope, 400, code="not_json", what="The body is not valid JSON.",
            fix="Send JSON with Content-Type: application/json.",
        )
    wrong = [
        {"field": _field(e.get("loc", ())), "what": _sentence(e)} for e in errors
    ]
    first = wrong[0] if wrong else {"field": "", "what": "An input does not fit."}
    return problem(
        scope, 422, code="invalid",
        what=f"{first['field']}: {first['what']}" if first["field"] else first["what"],
        fix="Correct it and send the request again.", field=first["field"] or None, errors=wrong,
    )


def _field(loc: Sequence[object]) -> str:
    parts = [str(p) for p in loc if p not in {"body", "query", "path", "header", "cookie"}]
    return ".".join(parts)[:LONGEST_INPUT_NAME]


def _sentence(error: Mapping[str, Any]) -> str:
    kind = str(error.get("type", ""))
    if kind == "missing":
        return "It is missing."
    if kind == "extra_forbidden":
        return "There is no such input."
    if kind == "value_error":
        cause = error.get("ctx", {}).get("error")
        return str(cause) if isinstance(cause, ValueError) else "It does not fit."
    text = str(error.get("msg", "It does not fit"))
    return text.rstrip(".") + "."


def of_unknown(scope: Scope, error: BaseException) -> JSONResponse:
    """A failure nobody foresaw: logged with its trace under a reference, told without detail."""
    reference = uuid4().hex[:12]
    log.error(
        "http.failed",
        exc_info=error,
        extra={
            "reference": reference, "request_id": request_id(scope),
            "method": scope.get("method", ""), "path": scope.get("path", ""),
        },
    )
    return problem(
        scope, 500, code="internal", what="Something went wrong on our side.",
        why="It is in the log under the reference.",
        fix=f"Try again; if it stays, report reference {reference}.", reference=reference,
    )


def of_http(scope: Scope, error: HTTPException) -> JSONResponse:
    """The problem of an HTTP-level refusal: unknown path, wrong method, too large."""
    texts = {
        404: ("There is nothing at this address.", "See /api/v1/docs for what there is."),
        405: ("This address does not take this method.", "See the Allow header."),
        413: ("The body is too large.", "Send at most 1 MB."),
    }
    what, fix = texts.get(error.status_code, ("", ""))
    if not what and isinstance(error.detail, str) and error.status_code < 500:
        what = error.detail.rstrip(".") + "."
    return problem(scope, error.status_code, what=what, fix=fix, headers=error.headers)


def install(api: FastAPI) -> None:
    """Answer all failures of `api` as problems."""

    async def known(request: Request, error: Exception) -> Response:
        assert isinstance(error, LiftOSError)  # noqa: S101  (registered for it)
        wall.look_at(request, error)
        return of_error(request.scope, error)

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101
        return of_validation(request.scope, error.errors())

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101
        return of_http(request.scope, error)

    api.add_exception_handler(LiftOSError, known)
    api.add_exception_handler(RequestValidationError, invalid)
    api.add_exception_handler(HTTPException, http)
    api.add_middleware(LastResort)


class LastResort:
    """Turns an exception nobody handled into a problem, so that no trace reaches a client."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the request; answer for it when it fails before it answered."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = False

        async def noting(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, noting)
        except LiftOSError as error:
            answer: Response = of_error(scope, error)
        except HTTPException as error:
            answer = of_http(scope, error)
        except Exception as error:  # an edge: code.md section 6
            answer = of_unknown(scope, error)
        else:
            return
        if not started:
            await answer(scope, receive, send)
