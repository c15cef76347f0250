"""Stripe's errors: one envelope, a type, sometimes a code, and the parameter that is to blame."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from liftos_app.services.sandbox.call import Call, json_answer

INVALID = "invalid_request_error"


class Refusal(Exception):
    """An answer that is an error."""

    def __init__(
        self, status: int, message: str, *, type_: str = INVALID, code: str = "", param: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(message)
        self.status, self.message, self.type = status, message, type_
        self.code, self.param, self.headers = code, param, dict(headers or {})

    def body(self) -> dict[str, Any]:
        """The envelope; what does not apply is left out."""
        found: dict[str, Any] = {"message": self.message, "type": self.type}
        if self.code:
            found["code"] = self.code
            found["doc_url"] = (
                f"https://stripe.com/docs/error-codes/{self.code.replace('_', '-')}"
            )
        if self.param:
            found["param"] = self.param
        return {"error": found}


def unknown_parameter(name: str) -> Refusal:
    """A parameter the endpoint does not know."""
    return Refusal(
        400, f"Received unknown parameter: {name}", code="parameter_unknown", param=name
    )


def missing(kind: str, ident: str, *, param: str = "id", status: int = 404) -> Refusal:
    """A thing that is not there, or lives in the other mode."""
    return Refusal(
        status, f"No such {kind.replace('_', ' ')}: '{ident[:80]}'", code="resource_missing",
        param=param,
    )  # fmt: skip


def limited(reason: str, *, wait: int = 0) -> Refusal:
    """429. Stripe promises no waiting time; one is named only where a test asks for it."""
    headers = {"Stripe-Rate-Limited-Reason": reason, "Stripe-Should-Retry": "true"}
    if wait:
        headers["Retry-After"] = str(wait)
    return Refusal(
        429, "Request rate limit exceeded. You can learn more about rate limits here "
        "https://stripe.com/docs/rate-limits.", code="rate_limit", headers=headers,
    )  # fmt: skip


def answer(call: Call, refusal: Refusal) -> Response:
    """The refusal on the wire."""
    return json_answer(
        refusal.body(), refusal.status, headers={"Request-Id": request_id(call), **refusal.headers}
    )


def request_id(call: Call) -> str:
    """An id that support could look up."""
    text = f"{call.now.timestamp()}{call.path}{call.query_string}"
    return f"req_{hashlib.sha256(text.encode()).hexdigest()[:14]}"
