"""What Snowflake's errors mean: by its own code first, then by the status."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from liftos_app.errors import Fix, GiveUp, PlatformFault, Quota, Retry, SignInAgain
from liftos_app.services.connectors.faults import LATER, REPORT, Rule, retry_after

TOO_BIG = "391908"
_CHECKLIST = (
    "Compare: the account identifier, the user's name, the fingerprint in DESC USER, this "
    "machine's clock, and the network policy. Then sign in again."
)
_REFUSED = "Snowflake does not accept our sign-in."


def _signin(code: str, why: str) -> Rule:
    return Rule(code=code, kind=SignInAgain, what=_REFUSED, why=why, fix=_CHECKLIST)


RULES: tuple[Rule, ...] = (
    _signin("390144", "The signed token is not valid: {said}."),
    _signin("390303", "The OAuth token is not valid: {said}."),
    _signin("390318", "The OAuth token has ended."),
    _signin("401", "It says: {said}."),
    Rule(
        code="003001", kind=Fix, what="The role may not read this.", why="Snowflake says: {said}.",
        fix="GRANT USAGE on the database and schema, and SELECT on the table, to the role.",
        cause="permission", owner="your_platform_admin",
    ),
    Rule(
        code="002003", kind=Fix, what="A table or view cannot be found.",
        why="It is gone, or the role may not see it: {said}.",
        fix="Check its name in the stream's definition, and grant the role USAGE and SELECT.",
        action="definition",
        cause="permission", owner="your_platform_admin",
    ),
    Rule(
        code="000904", kind=Fix, what="A column cannot be found.", why="Snowflake says: {said}.",
        fix="Map the column anew in the stream's definition.", cause="source_data", owner="you",
    ),
    Rule(
        code="000606", kind=Fix, what="There is no warehouse to run the query.",
        why="Snowflake says: {said}.",
        fix="Enter a warehouse that exists, and GRANT USAGE on it to the role.",
        action="settings",
    ),
    Rule(
        code=TOO_BIG, kind=GiveUp, what="A result is too big for Snowflake's interface.",
        why="It has more rows than one answer may have.", fix="Read fewer days at a time.",
        cause="source_data", owner="the_platform",
    ),
    Rule(
        code="403", kind=Fix, what="Snowflake does not let this machine in.",
        why="A network policy or the account's rules forbid it: {said}.",
        fix="Allow this machine's public address in the network policy of the user.",
        cause="permission", owner="your_platform_admin",
    ),
    Rule(
        code="408", kind=Fix, what="A query took longer than its time.",
        why="Snowflake ended it: {said}.",
        fix="Use a larger warehouse, or read a table with fewer columns and days.",
    ),
    Rule(
        code="422", kind=Fix, what="Snowflake could not run a query.", why="It says: {said}.",
        fix="Check the stream's definition: the table, its columns and their types.",
    ),
    Rule(
        code="429", kind=Quota, what="Snowflake asks us to slow down.",
        why="Too many statements wait for this account.", fix=LATER,
    ),
    Rule(code="400", kind=GiveUp, what="Snowflake refused a request.", why="It says: {said}.",
         fix=REPORT),
    Rule(code="404", kind=Retry, what="Snowflake no longer knows a query.",
         why="Its result has been dropped, or the account identifier is wrong.", fix=LATER,
         again=False),
    Rule(code="405", kind=GiveUp, what="Snowflake refused a request.", why="The way is wrong.",
         fix=REPORT),
    Rule(code="415", kind=GiveUp, what="Snowflake refused a request.", why="The form is wrong.",
         fix=REPORT),
)
_BY_CODE: Mapping[str, Rule] = {rule.code: rule for rule in RULES}


def fault(status: int, headers: Mapping[str, str], body: Any) -> PlatformFault | None:
    """The error in an answer; None when there is none, or when it is not Snowflake's form."""
    if status < 400 or not isinstance(body, dict):
        return None
    code = str(body.get("code") or "")
    rule = _BY_CODE.get(code) or _BY_CODE.get(str(status))
    if rule is None:
        return None
    words = str(body.get("message") or "")
    found = rule.error(after=retry_after(headers), words=words)
    found.facts["platform_code"] = code or str(status)
    if body.get("statementHandle"):
        found.facts["request_id"] = str(body["statementHandle"])[:60]
    return found
