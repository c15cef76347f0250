"""TikTok's envelope: HTTP 200 for every answer of the API, good or bad; `code` tells which."""

from __future__ import annotations

import functools
import secrets
from collections.abc import Callable
from typing import Any

from starlette.responses import Response

from liftos_app.services.sandbox.call import Call, json_answer, text_answer
from liftos_app.services.sandbox.platforms.tiktok_ads import limits

Answer = Callable[[Call], Any]
NOT_FOUND = "404 page not found"


class Refusal(Exception):
    """An answer with a code of the vendor's table."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


def bad(message: str) -> Refusal:
    """A parameter that is wrong."""
    return Refusal(40002, message)


def envelope(call: Call, data: Any, *, code: int = 0, message: str = "OK") -> Response:
    """The envelope of every answer. There is no header about limits."""
    stamp = call.now.strftime("%Y%m%d%H%M%S")
    body = {
        "code": code,
        "message": message,
        "request_id": stamp + secrets.token_hex(9).upper(),
        "data": data,
    }
    return json_answer(body)


def refused(call: Call, refusal: Refusal) -> Response:
    """A refusal in the envelope."""
    return envelope(call, {}, code=refusal.code, message=refusal.message)


def served(answer: Answer) -> Callable[[Call], Response]:
    """Makes a handler of a function that returns `data` or raises Refusal."""

    @functools.wraps(answer)
    def handler(call: Call) -> Response:
        try:
            limits.count(call)
            return envelope(call, answer(call))
        except limits.TooFrequent:
            return refused(call, Refusal(40100, "Requests made too frequently."))
        except Refusal as refusal:
            return refused(call, refusal)

    return handler


def unknown(call: Call) -> Response:
    """Another version is refused in the envelope; another path never reaches the API."""
    parts = call.path.strip("/").split("/")
    if len(parts) > 2 and parts[0] == "open_api" and parts[1] != "v1.3":
        return refused(call, Refusal(40051, f"The API version {parts[1]} is not supported."))
    return text_answer(NOT_FOUND, 404, content_type="text/plain")
