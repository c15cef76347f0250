"""Zoho CRM's error envelope. Sign-in errors have a form of their own, and mostly status 200."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from liftos_app.services.sandbox.call import json_answer


class Refusal(Exception):
    """An error of the data interface."""

    def __init__(
        self, status: int, code: str, message: str, details: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.details = dict(details or {})

    def answer(self, headers: Mapping[str, str] | None = None) -> Response:
        """As it goes over the wire."""
        body = {"code": self.code, "details": self.details, "message": self.message,
                "status": "error"}  # fmt: skip
        return json_answer(body, self.status, headers=headers)


def invalid_token() -> Refusal:
    """401: expired, withdrawn, or of another data centre."""
    return Refusal(401, "INVALID_TOKEN", "invalid oauth token")


def wrong_scope() -> Refusal:
    """401: the token lacks a permission."""
    return Refusal(401, "OAUTH_SCOPE_MISMATCH", "invalid oauth scope to access this URL")


def too_many() -> Refusal:
    """429, for both of its causes."""
    return Refusal(
        429, "TOO_MANY_REQUESTS", "You have made too many requests. Please try again later."
    )


def bad_query(reason: str, **details: Any) -> Refusal:
    """400: a COQL query that means nothing here."""
    return Refusal(400, "INVALID_QUERY", "invalid query formed", {"reason": reason, **details})


def bad_syntax(near: str) -> Refusal:
    """400: no COQL at all."""
    return Refusal(400, "SYNTAX_ERROR", "error occurred while parsing the query", {"near": near})


def bad_data(name: str, message: str = "the value is not valid") -> Refusal:
    """400: a wrong parameter."""
    return Refusal(400, "INVALID_DATA", message, {"param_name": name})


def missing(name: str) -> Refusal:
    """400: a parameter that must be there."""
    return Refusal(
        400, "REQUIRED_PARAM_MISSING", "One of the expected parameter is missing",
        {"param_name": name},
    )  # fmt: skip
