"""Refusals in the vendor's envelope: a constant code, a sentence, and the parameter it is about."""

from __future__ import annotations

from typing import Any


class Refusal(Exception):
    """An answer that is no data. `headers` go with it."""

    def __init__(
        self,
        status: int,
        code: str | int,
        message: str,
        *,
        parameter: str = "",
        value: str = "",
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.parameter, self.value, self.headers = parameter, value, headers or {}

    def body(self) -> dict[str, Any]:
        """The `errors` list, as every endpoint sends it."""
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.parameter:
            error |= {"parameter": self.parameter, "details": "", "value": self.value}
        return {"errors": [error], "request": {"params": {}}}


def unauthorized() -> Refusal:
    """401: no signature, a wrong one, or a dead token. It does not tell which."""
    return Refusal(401, "UNAUTHORIZED_ACCESS", "This request is not properly authenticated")


def no_such_account(account_id: str) -> Refusal:
    """403: the person has no role on it, or it is not an ads account at all."""
    return Refusal(
        403,
        "ACCOUNT_NOT_FOUND",
        f"Account {account_id} was not found for this user",
        parameter="account_id",
        value=account_id,
    )


def missing(parameter: str) -> Refusal:
    """400: a required parameter is absent."""
    return Refusal(
        400, "MISSING_PARAMETER", f"Missing required parameter {parameter}", parameter=parameter
    )


def invalid(parameter: str, value: str, expected: str) -> Refusal:
    """400: a parameter does not fit."""
    return Refusal(
        400,
        "INVALID_PARAMETER",
        f'Expected {expected}, got "{value[:80]}" for {parameter}',
        parameter=parameter,
        value=value[:80],
    )


def window(message: str) -> Refusal:
    """400: a time range is too long, empty, or not aligned."""
    return Refusal(400, "INVALID_TIME_WINDOW", message, parameter="end_time")


def not_found(kind: str) -> Refusal:
    """404 in JSON."""
    return Refusal(404, f"{kind}_NOT_FOUND" if kind else "NOT_FOUND", "The resource was not found")
