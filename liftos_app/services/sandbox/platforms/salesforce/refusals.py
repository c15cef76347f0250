"""Salesforce's two error forms: a list for the data interface, one object for sign-in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from liftos_app.services.sandbox.call import json_answer


class Refusal(Exception):
    """An error of the data interface."""

    def __init__(self, status: int, code: str, message: str, fields: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.fields = status, code, message, fields

    def answer(self, headers: Mapping[str, str] | None = None) -> Response:
        """As it goes over the wire."""
        error: dict[str, Any] = {"message": self.message, "errorCode": self.code}
        if self.fields:
            error["fields"] = list(self.fields)
        return json_answer([error], self.status, headers=headers)


def sign_in_error(error: str, description: str, status: int = 400) -> Response:
    """An error of the token endpoint."""
    return json_answer(
        {"error": error, "error_description": description},
        status,
        headers={"cache-control": "no-cache, no-store"},
    )


def session_expired() -> Refusal:
    """401: the session is over, or the token was none."""
    return Refusal(401, "INVALID_SESSION_ID", "Session expired or invalid")


def malformed(words: str) -> Refusal:
    """400: the query cannot be understood."""
    return Refusal(400, "MALFORMED_QUERY", words)


def not_found() -> Refusal:
    """404: no such resource."""
    return Refusal(404, "NOT_FOUND", "The requested resource does not exist")
