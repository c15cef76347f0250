"""What Databricks' errors mean: those of requests, and those of statements inside HTTP 200."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from liftos_app.errors import Fix, GiveUp, PlatformFault, Quota, Retry, SignInAgain
from liftos_app.services.connectors.faults import LATER, REPORT, Rule, retry_after

TOO_BIG = "INLINE_CAP"
_CLASS = re.compile(r"^\s*\[([A-Z0-9_.]+)\]")
_CAP = re.compile(r"at most \d+ bytes|inline byte limit|exceeds.{0,40}inline", re.I)

_SIGN_IN = Rule(
    code="UNAUTHENTICATED", kind=SignInAgain, what="Databricks no longer accepts our sign-in.",
    why="The token or secret is wrong, has ended, or was withdrawn: {said}.",
    fix="Make a new secret or token, or sign in again.",
)
_DENIED = Rule(
    code="PERMISSION_DENIED", kind=Fix, what="Databricks does not allow this.",
    why="It says: {said}.",
    fix="Grant CAN USE on the warehouse, and USE CATALOG, USE SCHEMA and SELECT on the table.",
    cause="permission", owner="your_platform_admin",
)
_GONE = Rule(
    code="RESOURCE_DOES_NOT_EXIST", kind=Fix, what="Databricks does not know what was asked for.",
    why="The warehouse or the workspace is not there: {said}.",
    fix="Check the workspace address and the warehouse in the sign-in.",
    action="settings",
)
_NO_PLACE = Rule(
    code="CATALOG_DOES_NOT_EXIST", kind=Fix, what="A catalog or schema cannot be found.",
    why="It is gone, or we may not see it: {said}.",
    fix="Check its name, and grant USE CATALOG and USE SCHEMA.", cause="permission",
    owner="your_platform_admin",
)
_BUSY = Rule(
    code="REQUEST_LIMIT_EXCEEDED", kind=Quota, what="Databricks asks us to slow down.",
    why="Its limit of requests or its capacity is used up.", fix=LATER,
)
_SERVER = Rule(
    code="INTERNAL_ERROR", kind=Retry, what="Databricks has a fault right now.",
    why="It says: {said}.", fix=LATER,
)
_REQUEST = Rule(
    code="BAD_REQUEST", kind=GiveUp, what="Databricks refused a request.", why="It says: {said}.",
    fix=REPORT,
)
_CHANGED = Rule(
    code="ABORTED", kind=Retry, what="Somebody else changed the table meanwhile.",
    why="It says: {said}.", fix=LATER,
)
_BY_CODE: Mapping[str, Rule] = {
    "UNAUTHENTICATED": _SIGN_IN, "PERMISSION_DENIED": _DENIED, "RESOURCE_DOES_NOT_EXIST": _GONE,
    "NOT_FOUND": _GONE, "ENDPOINT_NOT_FOUND": _GONE, "REQUEST_LIMIT_EXCEEDED": _BUSY,
    "RESOURCE_EXHAUSTED": _BUSY, "INTERNAL_ERROR": _SERVER, "TEMPORARILY_UNAVAILABLE": _SERVER,
    "SERVICE_UNDER_MAINTENANCE": _SERVER, "DEADLINE_EXCEEDED": _SERVER, "IO_ERROR": _SERVER,
    "WORKSPACE_TEMPORARILY_UNAVAILABLE": _SERVER, "UNKNOWN": _SERVER, "ABORTED": _CHANGED,
    "RESOURCE_CONFLICT": _CHANGED, "CANCELLED": _CHANGED, "BAD_REQUEST": _REQUEST,
    "CATALOG_DOES_NOT_EXIST": _NO_PLACE, "SCHEMA_DOES_NOT_EXIST": _NO_PLACE,
    "INVALID_PARAMETER_VALUE": _REQUEST, "ALREADY_EXISTS": _REQUEST,
}
_BY_STATUS: Mapping[int, Rule] = {
    400: _REQUEST, 401: _SIGN_IN, 403: _DENIED, 404: _GONE, 409: _CHANGED, 429: _BUSY,
    500: _SERVER, 503: _SERVER, 504: _SERVER,
}
_SQL = Rule(
    code="BAD_REQUEST", kind=Fix, what="Databricks could not run a query.", why="It says: {said}.",
    fix="Check the stream's definition: the table, its columns and their types.",
)
_BY_CLASS: Mapping[str, Rule] = {
    "TABLE_OR_VIEW_NOT_FOUND": Rule(
        code="TABLE_OR_VIEW_NOT_FOUND", kind=Fix, what="A table or view cannot be found.",
        why="It is gone, or we may not see it: {said}.",
        fix="Check its name in the stream's definition, and grant USE SCHEMA and SELECT.",
        action="definition", cause="permission", owner="your_platform_admin",
    ),
    "INSUFFICIENT_PERMISSIONS": _DENIED,
    "UNRESOLVED_COLUMN": Rule(
        code="UNRESOLVED_COLUMN", kind=Fix, what="A column cannot be found.",
        why="Databricks says: {said}.", fix="Map the column anew in the stream's definition.",
        cause="source_data", owner="you",
    ),
}
_TOO_BIG = Rule(
    code=TOO_BIG, kind=GiveUp, what="A result is too big for an inline answer.",
    why="Databricks says: {said}.", fix="Read fewer days at a time.", cause="source_data",
    owner="the_platform",
)


def fault(status: int, headers: Mapping[str, str], body: Any) -> PlatformFault | None:
    """The error of a request; None when there is none. A failed statement is no failed request."""
    if status < 400:
        return None
    data = body if isinstance(body, dict) else {}
    code = str(data.get("error_code") or "")
    rule = _BY_CODE.get(code) or _BY_STATUS.get(status)
    if rule is None:
        return None
    found = rule.error(after=retry_after(headers), words=str(data.get("message") or ""))
    found.facts["platform_code"] = code or str(status)
    for detail in data.get("details") or ():
        if isinstance(detail, dict) and detail.get("request_id"):
            found.facts["request_id"] = str(detail["request_id"])[:100]
    return found


def failed(error: Mapping[str, Any], statement: str) -> PlatformFault:
    """What the `status.error` of a statement means. Its message begins with an error class."""
    code, words = str(error.get("error_code") or ""), str(error.get("message") or "")
    head = _CLASS.match(words)
    kind = head[1].partition(".")[0] if head else ""
    if _CAP.search(words):
        rule = _TOO_BIG
    elif kind in _BY_CLASS:
        rule = _BY_CLASS[kind]
    elif code in ("", "BAD_REQUEST", "NOT_FOUND", "ALREADY_EXISTS", "INVALID_PARAMETER_VALUE"):
        rule = _SQL
    else:
        rule = _BY_CODE.get(code, _SQL)
    found = rule.error(words=words)
    found.facts["request_id"] = statement
    found.facts["platform_code"] = rule.code if rule is _TOO_BIG else kind or code
    return found
