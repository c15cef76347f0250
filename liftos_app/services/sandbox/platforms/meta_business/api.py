"""The Graph endpoint: version, token, object, edge, answer. One handler, as the Graph has one."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any

import orjson
from starlette.responses import Response

from liftos_app.services.sandbox.call import Call, Target, json_answer
from liftos_app.services.sandbox.platforms.meta_business import (
    batch,
    expand,
    faults,
    graph,
    insights,
    paging,
    recall,
    reports,
    signin,
    usage,
    view,
)
from liftos_app.services.sandbox.platforms.meta_business.answers import (
    GraphError,
    invisible,
    not_granted,
    too_many_calls,
    unknown_field,
    unknown_path,
)
from liftos_app.services.sandbox.platforms.meta_business.filtering import listed
from liftos_app.services.sandbox.platforms.meta_business.request import LIVE, Request, read
from liftos_app.services.sandbox.platforms.meta_business.tree import Account, Node
from liftos_app.services.sandbox.tokens import Grant
from liftos_app.services.sandbox.trouble import Fault

CONTENT_TYPE = "application/json; charset=UTF-8"
PUBLISHED_EVERY = 900  # seconds; between two ticks all figures stand still
_MINE = "me"
STREAMS = {
    "campaigns": "campaigns",
    "adsets": "adsets",
    "ads": "ads",
    "adcreatives": "creatives",
    "insights": "insights",
    "adaccounts": "accounts",
}


def dispatch(call: Call) -> Response:
    """Any path of graph.facebook.com and of the consent host."""
    request = read(call)
    try:
        if request.parts == ("dialog", "oauth"):
            request.check_version()
            return signin.dialog(call)
        data = answer(request)
    except GraphError as error:
        return _refused(request, error)
    return _json(request, data, 200)


def answer(request: Request) -> Any:
    """The data of one call. Raises GraphError."""
    request.check_version()
    if not request.parts:
        return _root(request)
    if request.parts == ("oauth", "access_token"):
        return signin.access_token(request.call, request.params)
    if request.parts == ("debug_token",):
        return signin.debug_token(request.call, request.params)
    about_me = request.parts[0] in {_MINE, signin.USER["id"]}
    grant = signin.authenticate(request.call, request.params, about_me=about_me)
    if about_me:
        return _about_me(request, grant)
    return _about_object(request, grant)


def _root(request: Request) -> Any:
    if request.params.get("batch"):
        return batch.run(request, answer)
    if not request.params.get("ids"):
        raise GraphError(100, "(#100) The parameter ids is required")
    grant = signin.authenticate(request.call, request.params, about_me=False)
    wishes = expand.parse(request.params.get("fields", ""))
    seen = _graph(request, grant)
    found = {}
    for object_id in listed("ids", request.params["ids"])[: batch.MOST]:
        account, node = seen.find(object_id)
        found[object_id] = seen.show(account, node, wishes, request.page)
    return found


def _about_me(request: Request, grant: Grant) -> Any:
    edge = request.parts[1] if len(request.parts) > 1 else ""
    if len(request.parts) > 2:
        raise unknown_path("/".join(request.parts))
    if edge == "permissions":
        if request.method == "DELETE":
            request.call.tokens.revoke_all(request.call.platform)
            return {"success": True}
        return {"data": signin.permissions(grant)}
    if edge == "adaccounts":
        return _ad_accounts(request, grant)
    if edge in graph.EMPTY["user"]:
        return {"data": []}
    if edge:
        raise unknown_path("/".join(request.parts))
    return graph.me(signin.USER, expand.parse(request.params.get("fields", "")))


def _ad_accounts(request: Request, grant: Grant) -> Any:
    seen = _graph(request, grant)
    wishes = expand.parse(request.params.get("fields", ""))
    rows = [seen.show(a, a.node, wishes, request.page) for a in seen.accounts]
    rows = request.call.bend("accounts", rows)
    found = paging.page(rows, request.page, mark=graph.by_id)
    return found | graph.summary(request.params, len(rows))


def _about_object(request: Request, grant: Grant) -> Any:
    object_id, *rest = request.parts
    if len(rest) > 1:
        raise unknown_path("/".join(request.parts))
    if not re.fullmatch(r"(act_)?\d{1,30}", object_id):
        raise unknown_path(object_id) if not rest else invisible(object_id)
    seen = _graph(request, grant)
    if object_id in _reports(request.call).runs:
        return _report(request, seen, object_id, rest)
    account, node = seen.find(object_id)
    if request.method == "POST" and rest == ["insights"]:
        return _start_report(request, seen, account, node)
    if request.method != "GET":
        raise not_granted("ads_management")
    if rest:
        return seen.edge(account, node, rest[0], request.page)
    seen.charge(account, "ads_management")
    return seen.show(account, node, expand.parse(request.params.get("fields", "")), request.page)


def _graph(request: Request, grant: Grant) -> graph.Graph:
    """What this token sees; every ads call is counted against the account's hourly budget."""
    if not signin.has(grant, "ads_read", "ads_management"):
        raise not_granted("ads_read")
    call = request.call

    def charge(account: Account, use_case: str) -> None:
        if isinstance(account, view.LarkspurAccount):
            _charge(request, account, use_case)

    def bend(name: str, rows: list[dict[str, Any]], account: Account) -> list[dict[str, Any]]:
        return call.bend(STREAMS[name], rows, account=account.account_id, day_of=_day_of)

    def report(ask: insights.Ask, account: Account, within: Node | None) -> recall.Rows:
        if "account_currency" in ask.fields:  # may be scripted to change between two calls
            return insights.rows(ask, account, within=within)
        kept: recall.Recall = call.memory.setdefault("recall", recall.Recall())
        tick = int(call.now.timestamp()) // PUBLISHED_EVERY
        key = (account.account_id, within.id if within else "", tick, ask)
        return kept.rows(key, call.world, lambda: insights.rows(ask, account, within=within))

    return graph.Graph(view.accounts(call), charge, bend, report)


def _day_of(row: Mapping[str, Any]) -> date | None:
    day = row.get("date_start")
    return date.fromisoformat(day) if day and day == row.get("date_stop") else None


def _charge(request: Request, account: view.LarkspurAccount, use_case: str) -> None:
    kept = _usage(request.call)
    now = request.call.now.timestamp()
    kept.note(account.account_id, use_case, now)
    percent = kept.percent(account.account_id, use_case, account.active_ads)
    minutes = kept.minutes_left(account.account_id, use_case, now)
    # A rate limit aimed at the stream "usage" climbs: count calls, ten percent apart, the last
    # of them refused.
    climb = request.call.trouble.take(
        ("rate_limited",), request.call.platform, account=account.account_id, stream="usage"
    )
    if climb is not None:
        percent = max(percent, 100 - 10 * ((climb.count or 1) - 1))
        minutes = max(1, -(-climb.retry_after // 60))
    request.headers |= usage.headers(
        account_id=account.account_id, business_id=view.BUSINESS["id"], use_case=use_case,
        percent=percent, minutes=minutes,
    )  # fmt: skip
    if percent >= 100:
        raise too_many_calls(minutes)


def _usage(call: Call) -> usage.Usage:
    kept: usage.Usage = call.memory.setdefault("usage", usage.Usage())
    return kept


def _reports(call: Call) -> reports.Reports:
    kept: reports.Reports = call.memory.setdefault("reports", reports.Reports())
    return kept


def _start_report(request: Request, seen: graph.Graph, account: Account, node: Node) -> Any:
    """Queue an asynchronous report. Its parameters are checked at once, as the vendor does."""
    seen.charge(account, "ads_insights")
    ask = insights.read(request.params, account.today, level=node.kind)
    if ask.breakdowns and usage.REACH & set(ask.fields):
        used = _usage(request.call).reach_reports(account.account_id, request.call.now.timestamp())
        request.headers |= usage.reach_headers(used)
        ask = replace(ask, keeps_reach=used <= usage.REACH_REPORTS)
    within = None if node.kind == "account" else node
    rows = insights.rows(ask, account, within=within, most=reports.MAX_SPAN_ROWS + 1)
    rows = seen.bend("insights", rows, account)
    # Trouble aimed at the stream "report" makes a run fail instead of the call.
    fails = request.call.trouble.take(
        ("server_error",), request.call.platform, account=account.account_id, stream="report"
    )
    run = _reports(request.call).start(
        account.account_id, request.params, rows,
        now=int(request.call.now.timestamp()), fails=fails is not None,
    )  # fmt: skip
    return {"report_run_id": run.id}


def _report(request: Request, seen: graph.Graph, run_id: str, rest: list[str]) -> Any:
    visible = {a.account_id for a in seen.accounts}
    run = _reports(request.call).find(run_id, visible)
    account = next(a for a in seen.accounts if a.account_id == run.account_id)
    seen.charge(account, "ads_insights")
    if not rest:
        run.poll(int(request.call.now.timestamp()))
        wishes = expand.parse(request.params.get("fields", ""))
        return reports.show(run, wishes, tells_errors=request.version != "v24.0")
    if rest != ["insights"]:
        raise unknown_field(rest[0], "AdReportRun")
    found = paging.page(reports.results(run), request.page, mark=graph.by_position)
    return found | {"data": [orjson.loads(row) for row in found["data"]]}


def _refused(request: Request, error: GraphError) -> Response:
    request.headers |= error.headers
    return _json(request, error.body(), error.status)


def _json(request: Request, data: Any, status: int) -> Response:
    kept = _usage(request.call)
    kept.note("app", "app", request.call.now.timestamp())
    headers = usage.app_headers(kept.percent("app", "app", 0)) | {
        "facebook-api-version": request.version or LIVE[0],
        "x-fb-request-id": secrets.token_urlsafe(8),
        "x-fb-trace-id": secrets.token_urlsafe(8),
        "cache-control": "private, no-cache, no-store, must-revalidate",
    }
    return json_answer(data, status, headers=headers | request.headers, content_type=CONTENT_TYPE)


def fault(call: Call, trouble: Fault) -> Response:
    """Scripted trouble, with the usage headers that belong to it."""
    request = read(call)
    error, minutes = faults.of(trouble)
    if minutes is not None:
        request.headers |= usage.headers(
            account_id=(call.target.account if call.target else "") or "0",
            business_id=view.BUSINESS["id"], use_case="ads_insights", percent=100, minutes=minutes,
        )  # fmt: skip
    return _refused(request, error)


def classify(call: Call) -> Target:
    """What a call is about: the account and the stream in its path."""
    request = read(call)
    parts = request.parts
    if parts == ("dialog", "oauth"):
        return Target(kind="consent")
    if parts in {("oauth", "access_token"), ("debug_token",)}:
        return Target(kind="token")
    if not parts:
        return Target()
    account = parts[0].removeprefix("act_") if parts[0].startswith("act_") else ""
    stream = STREAMS.get(parts[1], parts[1]) if len(parts) > 1 else ""
    if account and not stream:
        stream = "accounts"
    run = _reports(call).runs.get(parts[0])
    return Target(account=run.account_id if run else account, stream=stream)
