"""HubSpot's error envelope."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Refusal(Exception):
    """An error answer."""

    status: int
    category: str
    message: str
    sub_category: str = ""
    context: Mapping[str, Sequence[str]] = field(default_factory=dict)
    errors: Sequence[Mapping[str, Any]] = ()
    links: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    more: Mapping[str, Any] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        """The envelope; parts that say nothing are left out."""
        found: dict[str, Any] = {
            "status": "error",
            "message": self.message,
            "correlationId": str(uuid.uuid4()),
            "category": self.category,
        }
        optional = {
            "subCategory": self.sub_category,
            "context": dict(self.context),
            "errors": list(self.errors),
            "links": dict(self.links),
        }
        return found | {k: v for k, v in optional.items() if v} | dict(self.more)


def invalid(message: str, *, name: str = "", place: str = "query") -> Refusal:
    """400: something in the request is wrong."""
    errors = [{"message": message, "in": place, "code": "INVALID_PARAMETER"}] if name else []
    context = {"parameter": [name]} if name else {}
    return Refusal(400, "VALIDATION_ERROR", message, errors=errors, context=context)


def not_found(message: str) -> Refusal:
    """404."""
    return Refusal(404, "OBJECT_NOT_FOUND", message)


def missing_scopes(*scopes: str) -> Refusal:
    """403: the key or app was not given a scope."""
    return Refusal(
        403,
        "MISSING_SCOPES",
        "This app hasn't been granted all required scopes to make this call.",
        errors=[
            {
                "message": "One or more of the following scopes are required.",
                "context": {"requiredGranularScopes": list(scopes)},
            }
        ],
        links={"scopes": "https://developers.hubspot.com/scopes"},
    )


def limited(policy: str, *, wait: int | None = None) -> Refusal:
    """429 of a policy: SECONDLY, TEN_SECONDLY_ROLLING or DAILY."""
    return Refusal(
        429,
        "RATE_LIMITS",
        f"You have reached your {policy.lower()} limit.",
        headers={"Retry-After": str(wait)} if wait is not None else {},
        more={
            "errorType": "RATE_LIMIT",
            "policyName": policy,
            "requestId": str(uuid.uuid4()),
        },
    )
