"""Who may come in: Basic in UTF-8, a token, or a key; five wrong passwords lock the user."""

from __future__ import annotations

import functools
from collections.abc import Callable

from starlette.responses import Response

from liftos_app.services.sandbox import credentials
from liftos_app.services.sandbox.call import Call, text_answer

REALM = "Larkspur ERP"
LOCKED_AFTER = 5
Handler = Callable[[Call], Response]


def guarded(handler: Handler) -> Handler:
    """The handler behind the door."""

    @functools.wraps(handler)
    def behind(call: Call) -> Response:
        wrong = _wrong(call)
        return wrong if wrong is not None else handler(call)

    return behind


def _wrong(call: Call) -> Response | None:
    """The refusal, None for a good sign-in."""
    known = call.demo
    tokens = {known["bearer"]["access_token"], credentials.SPARE["generic_http"]["access_token"]}
    if call.bearer() in tokens or call.headers.get("x-api-key") == known["header"]["api_key"]:
        return None
    user, password = call.basic()
    failed: dict[str, int] = call.memory.setdefault("failed", {})
    if user and failed.get(user, 0) >= LOCKED_AFTER:
        return _refuse(f"user {user} is locked")
    if user == known["basic"]["username"] and password == known["basic"]["password"]:
        failed.pop(user, None)
        return None
    if user:
        failed[user] = failed.get(user, 0) + 1
    return _refuse("sign-in needed" if not user else "user or password wrong")


def _refuse(words: str) -> Response:
    return text_answer(
        f"ERROR 401: {words}\r\n", 401,
        headers={"www-authenticate": f'Basic realm="{REALM}", charset="UTF-8"'},
    )
