"""What every call of the interface goes through: key, version, limits, parameters, envelope."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from starlette.responses import Response

from liftos_app.services.sandbox.call import Call, Target, json_answer
from liftos_app.services.sandbox.elapsed import Elapsed
from liftos_app.services.sandbox.platforms.stripe import (
    ids,
    money,
    parameters,
    refusals,
    signin,
    things,
    versions,
)
from liftos_app.services.sandbox.platforms.stripe.parameters import Asked
from liftos_app.services.sandbox.platforms.stripe.refusals import Refusal
from liftos_app.services.sandbox.platforms.stripe.things import Body, Thing
from liftos_app.services.sandbox.trouble import Fault
from liftos_app.services.sandbox.world.payments import Payments

ACCOUNT_READ = "rak_accounts_kyc_basic_read"
CUSTOMER_READ = "rak_customer_read"
_PER_SECOND = {True: 100, False: 25}  # live, test
_PER_ENDPOINT = 25


@dataclass(slots=True)
class Second:
    """How much of the current second is used, in all and by endpoint."""

    elapsed: Elapsed = field(default_factory=Elapsed)
    lock: threading.Lock = field(default_factory=threading.Lock)
    number: int = -1
    used: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Admitted:
    """A call that may be answered."""

    call: Call
    who: signin.Caller
    version: str
    view: Payments

    @property
    def own(self) -> bool:
        """Whether it is about the shop's account rather than the agency's empty one."""
        return self.who.account == ids.ACCOUNT


def respond(call: Call, permission: str, make: Callable[[Admitted], Body]) -> Response:
    """The answer of one endpoint, or the refusal in Stripe's envelope."""
    try:
        who = signin.caller(call)
        version = versions.version(call.headers.get("stripe-version", ""))
        _count(call, who)
        if permission in who.lacks:
            raise signin.no_permission(who, permission)
        view = call.world.payments(as_of=call.now, live=who.live)
        data = make(Admitted(call, who, version, view))
    except Refusal as refusal:
        return refusals.answer(call, refusal)
    headers = {"Request-Id": refusals.request_id(call), "Stripe-Version": version}
    return json_answer(data, headers=headers)


def _count(call: Call, who: signin.Caller) -> None:
    """The published limits; they refuse only where a test wants them to."""
    desk: Second = call.memory.setdefault("desk", Second())
    with desk.lock:
        second = int(desk.elapsed(call.now))
        if second != desk.number:
            desk.number, desk.used = second, {}
        for name in ("", call.path):
            desk.used[name] = desk.used.get(name, 0) + 1
        everything, one = desk.used[""], desk.used[call.path]
    if not call.memory.get("enforce_limits"):
        return
    if everything > _PER_SECOND[who.live]:
        raise refusals.limited("global-rate")
    if one > _PER_ENDPOINT:
        raise refusals.limited("endpoint-rate")


# --- lists and single things -----------------------------------------------------------------


def listing(thing: Thing) -> Callable[[Call], Response]:
    """GET /v1/<things>: newest first."""

    def make(ask: Admitted) -> Body:
        asked = parameters.read(ask.call.query_pairs, thing.filters, thing.choices)
        if thing.kind == "event" and "type" in asked.filters:
            if asked.types:
                raise Refusal(400, "You may only specify one of type and types.", param="types")
            asked.types.append(asked.filters.pop("type"))
        rows, more = _page(ask, thing, asked)
        found = [_expanded(ask, thing, row, asked.expand, "data.") for row in rows]
        found = ask.call.bend(thing.path, found, account=ids.ACCOUNT, day_of=_day_of)
        return {"object": "list", "url": f"/v1/{thing.path}", "has_more": more, "data": found}

    return lambda call: respond(call, thing.permission, make)


def single(thing: Thing) -> Callable[[Call], Response]:
    """GET /v1/<things>/{id}."""

    def make(ask: Admitted) -> Body:
        asked = parameters.read(ask.call.query_pairs, (), {}, listing=False)
        ident = ask.call.params["id"]
        key = ids.read(thing.prefix, ident)
        found = things.body(ask.view, thing.kind, key) if key is not None and ask.own else None
        if found is None or _forgotten(ask, thing, found):
            raise refusals.missing(thing.name, ident)
        return _expanded(ask, thing, found, asked.expand, "")

    return lambda call: respond(call, thing.permission, make)


def _page(ask: Admitted, thing: Thing, asked: Asked) -> tuple[list[Body], bool]:
    """One page and whether there is more in the direction of reading."""
    if not ask.own:
        return [], False
    since = asked.since
    if thing.kind == "event":
        oldest = datetime.fromtimestamp(things.oldest_event(ask.call.now), UTC)
        since = max(since or oldest, oldest)
    keys = things.narrowed(ask.view, thing, asked.filters)
    if keys is None:
        keys = ask.view.keys(thing.kind, since=since, until=asked.until)
    else:
        inside = set(ask.view.keys(thing.kind, since=since, until=asked.until))
        keys = [key for key in keys if key in inside]
    if thing.kind == "event":
        keys = things.of_types(keys, asked.types)
    order = _walk(ask.view, thing, keys, asked)
    keep = things.keeps(thing, asked.filters)
    rows: list[Body] = []
    for key in order:
        found = things.body(ask.view, thing.kind, key)
        if found is None or not keep(found):
            continue
        if len(rows) == asked.limit:
            return (rows[::-1] if asked.before else rows), True
        rows.append(found)
    return (rows[::-1] if asked.before else rows), False


def _walk(view: Payments, thing: Thing, keys: list[int], asked: Asked) -> Iterator[int]:
    """Keys after the cursor, newest first; or those before it, nearest first."""
    cursor = asked.after or asked.before
    if not cursor:
        return iter(keys[::-1])
    param = "starting_after" if asked.after else "ending_before"
    key = ids.read(thing.prefix, cursor)
    if key is None or getattr(view, thing.kind)(key) is None:
        raise refusals.missing(thing.name, cursor, param=param, status=400)
    if key in keys:
        place = keys.index(key)
        return iter(keys[:place][::-1] if asked.after else keys[place + 1 :])
    moment = getattr(view, thing.kind)(key).created  # it lies outside the filters
    older = [k for k in keys if getattr(view, thing.kind)(k).created < moment]
    return iter(older[::-1] if asked.after else keys[len(older) :])


def _forgotten(ask: Admitted, thing: Thing, found: Body) -> bool:
    return thing.kind == "event" and found["created"] < things.oldest_event(ask.call.now)


def _expanded(
    ask: Admitted, thing: Thing, row: Body, wishes: Sequence[str], head: str
) -> Body:  # fmt: skip
    """A body in the shape of the version asked for, with ids replaced by things where asked."""
    found = versions.shaped(row, ask.version)
    for wish in wishes:
        name = wish.removeprefix(head)
        kind = thing.expands.get(name)
        if kind is None or (head and not wish.startswith(head)):
            raise Refusal(
                400, f"This property cannot be expanded ({wish[:80]}).", param="expand"
            )
        ident = found.get(name)
        key = ids.read(ids.PREFIX[kind], ident) if isinstance(ident, str) else None
        if key is not None:
            inner = things.body(ask.view, kind, key)
            found = {**found, name: versions.shaped(inner, ask.version) if inner else ident}
    return found


def _day_of(row: Body) -> Any:
    return datetime.fromtimestamp(row["created"], UTC).date()


def account(call: Call) -> Response:
    """GET /v1/account: the account the key is for."""

    def make(ask: Admitted) -> Body:
        parameters.read(ask.call.query_pairs, (), {}, listing=False)
        name = "Larkspur Home" if ask.own else "Bramble Agency"
        currency = call.trouble.currency(call.platform, ask.who.account, "USD")
        return money.account(ask.who.account, name, currency)

    return respond(call, ACCOUNT_READ, make)


def customers(call: Call) -> Response:
    """GET /v1/customers."""

    def make(ask: Admitted) -> Body:
        known = ("created", "email", "test_clock")
        asked = parameters.read(ask.call.query_pairs, known, {})
        people = things.customers(ask.view)[::-1] if ask.own else []
        rows = [
            (number, created)
            for number, created in people
            if (asked.since is None or created >= asked.since.timestamp())
            and (asked.until is None or created < asked.until.timestamp())
        ]
        if asked.after:
            key = ids.read("cus", asked.after)
            place = next((i for i, (n, _) in enumerate(rows) if n == key), None)
            if place is None:
                raise refusals.missing(
                    "customer", asked.after, param="starting_after", status=400
                )
            rows = rows[place + 1 :]
        data = [money.customer(ask.view, n, c) for n, c in rows[: asked.limit]]
        return {"object": "list", "url": "/v1/customers", "has_more": len(rows) > asked.limit,
                "data": data}  # fmt: skip

    return respond(call, CUSTOMER_READ, make)


# --- around them -----------------------------------------------------------------------------


def classify(call: Call) -> Target:
    """What a call is about; the stream is the list's name."""
    if call.path.startswith("/oauth/authorize"):
        return Target(kind="consent")
    if call.path.startswith("/oauth/"):
        return Target(kind="token")
    parts = call.path.strip("/").split("/")
    return Target(account=ids.ACCOUNT, stream=parts[1] if len(parts) > 1 else "")


def fault(call: Call, trouble: Fault) -> Response:
    """A wire fault in Stripe's own words. Its limit has no end of a day: a used-up quota is 429."""
    key = call.bearer() or call.basic()[0]
    name = call.path.strip("/").split("/")[1:2]
    thing = things.BY_PATH.get(name[0]) if name else None
    if trouble.kind in {"token_expired", "token_revoked"}:
        refusal = signin.bad_key(key, expired=trouble.kind == "token_expired")
    elif trouble.kind == "missing_scope":
        who = signin.Caller(ids.ACCOUNT, shown=signin.masked(key))
        own = thing.permission if thing else ACCOUNT_READ
        refusal = signin.no_permission(who, trouble.detail.get("scope", "") or own)
    elif trouble.kind in {"rate_limited", "rate_limited_silent", "quota_exhausted"}:
        reason = trouble.detail.get("reason", "global-rate")
        refusal = refusals.limited(reason, wait=trouble.retry_after)
        refusal.code = trouble.detail.get("code", refusal.code)
    elif trouble.status < 500:
        refusal = Refusal(
            trouble.status, trouble.detail.get("message", "The request was refused."),
            code=trouble.detail.get("code", ""),
        )  # fmt: skip
    else:
        again = trouble.detail.get("should_retry", "")
        refusal = Refusal(
            trouble.status, "An unexpected error occurred.", type_="api_error",
            headers={"Stripe-Should-Retry": again} if again else {},
        )  # fmt: skip
    return refusals.answer(call, refusal)


def lost(call: Call) -> Response:
    """Any other path or method. Nothing here can be written."""
    try:
        who = signin.caller(call)
    except Refusal as refusal:
        return refusals.answer(call, refusal)
    if call.method == "POST":
        permission = f"rak_{call.path.split('/')[-1]}_write"
        return refusals.answer(call, signin.no_permission(who, permission))
    return refusals.answer(call, Refusal(
        404, f"Unrecognized request URL ({call.method}: {call.path[:120]}). Please see "
        "https://stripe.com/docs or we can help at https://support.stripe.com/.",
    ))  # fmt: skip
