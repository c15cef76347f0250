"""What Shopify's errors mean; most of them arrive with status 200, inside the answer.

From the GraphQL Admin interface (checked 2026-11-22). `errors` may be a text or a list.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from liftos_app.errors import Fix, GiveUp, PlatformFault, Quota, Retry
from liftos_app.services.connectors.faults import LATER, REPORT, Rule

REFUSED_WAIT = 60.0  # after Shopify's security check refused a request


class TooCostly(GiveUp):
    """The query is priced above what one query may cost: ask for fewer records."""


RULES: tuple[Rule, ...] = (
    Rule(
        code="THROTTLED",
        kind=Quota,
        what="Shopify asks us to slow down.",
        why="The shop's points for queries are used up; they fill up again every second.",
        fix="Nothing to do: reading goes on when the limit resets.",
        after=2.0,
    ),
    Rule(
        code="INTERNAL_SERVER_ERROR",
        kind=Retry,
        what="Shopify has a fault right now.",
        why="It says that something broke on its side.",
        fix=LATER,
    ),
    Rule(
        code="TIMEOUT",
        kind=Retry,
        what="Shopify took too long.",
        why="A query ran out of time.",
        fix=LATER,
    ),
    Rule(
        code="MAX_COST_EXCEEDED",
        kind=TooCostly,
        what="Shopify finds a query too large.",
        why="Even a single record costs more than it allows.",
        fix=REPORT,
    ),
    Rule(
        code="ACCESS_DENIED",
        kind=Fix,
        what="Shopify does not let us read this.",
        why="A permission is missing: {said}.",
        fix="Add the permission to the app, install it again in the shop, then sign in again.",
        cause="permission",
        owner="your_platform_admin",
    ),
    Rule(
        code="SHOP_INACTIVE",
        kind=Fix,
        what="The shop is closed or paused.",
        why="Shopify does not answer for inactive shops.",
        fix="Reopen the shop in Shopify.",
        cause="permission",
        owner="your_platform_admin",
    ),
    Rule(
        code="query",
        kind=GiveUp,
        what="Shopify refused a query.",
        why="It says: {said}.",
        fix=REPORT,
    ),
    Rule(
        code="402",
        kind=Fix,
        what="The shop is frozen.",
        why="A bill of Shopify is unpaid.",
        fix="Settle it in the shop's admin, then sync again.",
        cause="permission",
        owner="your_platform_admin",
    ),
    Rule(
        code="403",
        kind=Fix,
        what="Shopify does not let us read this shop.",
        why="A permission or the approval for protected customer data is missing: {said}.",
        fix="Check the app's permissions in Shopify, then sign in again.",
        cause="permission",
        owner="your_platform_admin",
    ),
    Rule(
        code="404",
        kind=Fix,
        what="There is no such shop.",
        why="The shop is gone, or its address is not the myshopify.com one.",
        fix="Check the shop address: it ends in .myshopify.com.",
        action="settings",
    ),
    Rule(
        code="423",
        kind=Retry,
        what="Shopify has locked this shop for the moment.",
        why="It says that the shop is locked.",
        fix=LATER,
        after=REFUSED_WAIT * 10,
    ),
    Rule(
        code="430",
        kind=Quota,
        what="Shopify's security check refused a request.",
        why="It saw too many requests at once.",
        fix="Nothing to do: reading goes on soon.",
        after=REFUSED_WAIT,
    ),
)
_BY_CODE: Mapping[str, Rule] = {rule.code: rule for rule in RULES}
_OK = 200


def fault(status: int, headers: Mapping[str, str], body: Any) -> PlatformFault | None:  # noqa: ARG001
    """The error in an answer; None when there is none or when only single fields were refused."""
    errors = body.get("errors") if isinstance(body, dict) else None
    if status != _OK:
        rule = _BY_CODE.get(str(status))
        return rule.error(words=_words(errors)) if rule is not None else None
    if not errors:
        return None
    if isinstance(errors, str):
        return _BY_CODE["query"].error(words=errors)
    for error in errors if isinstance(errors, list) else ():
        found = _one(error, body)
        if found is not None:
            return found
    return None


def _one(error: Any, body: Mapping[str, Any]) -> PlatformFault | None:
    if not isinstance(error, dict):
        return _BY_CODE["query"].error(words=str(error))
    code = str((error.get("extensions") or {}).get("code") or "")
    words = str(error.get("message") or "")
    if code == "THROTTLED":
        if _never_enough(body):
            return _BY_CODE["MAX_COST_EXCEEDED"].error(words=words)
        return _BY_CODE[code].error(after=max(1.0, pace(_OK, {}, body)))
    if code == "ACCESS_DENIED" and _still_useful(error, body):
        return None
    return (_BY_CODE.get(code) or _BY_CODE["query"]).error(words=words)


def _still_useful(error: Mapping[str, Any], body: Mapping[str, Any]) -> bool:
    """Whether only a field below the first level was refused and the rest is there."""
    path = error.get("path") or []
    data = body.get("data")
    if not isinstance(data, dict) or len(path) < 2:
        return False
    return data.get(path[0]) is not None


def refused_paths(body: Any) -> tuple[str, ...]:
    """The fields that Shopify left out of an otherwise good answer: `orders.customer`."""
    names: dict[str, None] = {}
    for error in (body.get("errors") or ()) if isinstance(body, dict) else ():
        if isinstance(error, dict):
            steps = [p for p in error.get("path") or () if isinstance(p, str)]
            if steps:
                names[".".join(s for s in steps if s not in {"nodes", "edges", "node"})] = None
    return tuple(names)


def refused_fields(body: Any) -> tuple[str, ...]:
    """One sentence per field that Shopify left out of an otherwise good answer."""
    return tuple(
        f"Shopify left out {name}: a permission is missing for it. Values read before are kept; "
        "once it is given, read the days since then again."
        for name in refused_paths(body)
    )


def pace(status: int, headers: Mapping[str, str], body: Any) -> float:  # noqa: ARG001
    """Seconds until there are enough points for another query of the same price."""
    cost = _cost(body)
    throttle = cost.get("throttleStatus")
    if not isinstance(throttle, dict):
        return 0.0
    needed = _real(cost.get("requestedQueryCost"))
    missing = min(needed, _real(throttle.get("maximumAvailable"))) - _real(
        throttle.get("currentlyAvailable")
    )
    rate = _real(throttle.get("restoreRate"))
    return missing / rate if missing > 0 and rate > 0 else 0.0


def _never_enough(body: Any) -> bool:
    """Whether the query costs more than the shop's bucket can ever hold."""
    cost = _cost(body)
    throttle = cost.get("throttleStatus") or {}
    most = _real(throttle.get("maximumAvailable"))
    return most > 0 and _real(cost.get("requestedQueryCost")) > most


def _cost(body: Any) -> Mapping[str, Any]:
    extensions = body.get("extensions") if isinstance(body, dict) else None
    cost = extensions.get("cost") if isinstance(extensions, dict) else None
    return cost if isinstance(cost, dict) else {}


def _real(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _words(errors: Any) -> str:
    if isinstance(errors, str):
        return errors
    if isinstance(errors, list) and errors:
        first = errors[0]
        return str(first.get("message", "")) if isinstance(first, dict) else str(first)
    return ""
