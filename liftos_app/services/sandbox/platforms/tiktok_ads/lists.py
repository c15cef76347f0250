"""Ad accounts, campaigns, ad groups and ads, and the lists that Smart+ has for itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from liftos_app.services.sandbox.call import Call
from liftos_app.services.sandbox.platforms.tiktok_ads import params, signin
from liftos_app.services.sandbox.platforms.tiktok_ads.view import INFO_FIELDS, View, account, info
from liftos_app.services.sandbox.platforms.tiktok_ads.wire import bad

ACCOUNTS_SCOPE, ADS_SCOPE = "1", "2"
_KNOWN = ("advertiser_id", "fields", "filtering", "page", "page_size")
_COMMON = (
    "advertiser_id", "campaign_id", "campaign_name", "operation_status", "secondary_status",
    "create_time", "modify_time",
)
FIELDS = {
    "campaign": (*_COMMON, "campaign_type", "objective_type", "budget", "budget_mode",
                 "is_smart_performance_campaign"),
    "adgroup": (*_COMMON, "adgroup_id", "adgroup_name", "optimization_goal", "billing_event",
                "bid_price", "budget", "budget_mode", "schedule_start_time", "schedule_end_time"),
    "ad": (*_COMMON, "ad_id", "ad_name", "adgroup_id", "adgroup_name", "ad_text",
           "landing_page_url", "call_to_action"),
}
_STATES = ("ALL", "NOT_DELETE", "DELETE", "ENABLE", "DISABLE")


def advertisers(call: Call) -> dict[str, Any]:
    """Details of up to 100 ad accounts."""
    signin.authenticate(call, ACCOUNTS_SCOPE)
    params.only(call, ("advertiser_ids", "fields"))
    params.required(call, "advertiser_ids")
    idents = params.idents(call, "advertiser_ids")
    if not 1 <= len(idents) <= 100:
        raise bad("advertiser_ids: Length must be between 1 and 100.")
    fields = params.names(call, "fields", INFO_FIELDS) or list(INFO_FIELDS)
    rows = [info(call, account(call, i)) for i in idents]
    return {"list": [{k: v for k, v in r.items() if k in fields} for r in rows]}


def classic(kind: str) -> Callable[[Call], dict[str, Any]]:
    """`/campaign/get/`, `/adgroup/get/`, `/ad/get/`: without deleted ones unless asked for."""

    def answer(call: Call) -> dict[str, Any]:
        view = _view(call)
        filtering = params.mapping(
            call, "filtering",
            ("primary_status", "secondary_status", "campaign_ids", "adgroup_ids", "ad_ids"),
        )
        fields = params.names(call, "fields", FIELDS[kind])
        rows = [
            r for r in view.things(kind)
            if not (kind == "ad" and view.is_smart(r["campaign_id"]))
        ]
        return _answer(call, kind, rows, filtering=filtering, fields=fields, most=1000)

    return answer


def smart(kind: str) -> Callable[[Call], dict[str, Any]]:
    """`/smart_plus/{kind}/get/`: only what is in Smart+ campaigns, 100 a page."""

    def answer(call: Call) -> dict[str, Any]:
        view = _view(call)
        known = FIELDS[kind] if kind != "ad" else (*FIELDS[kind], "smart_plus_ad_id")
        filtering = params.mapping(
            call, "filtering",
            ("primary_status", "campaign_ids", "adgroup_ids", "smart_plus_ad_ids"),
        )
        fields = params.names(call, "fields", known)
        rows = [r for r in view.things(kind) if view.is_smart(r["campaign_id"])]
        return _answer(call, kind, rows, filtering=filtering, fields=fields, most=100)

    return answer


def _view(call: Call) -> View:
    signin.authenticate(call, ADS_SCOPE)
    params.only(call, _KNOWN)
    return View(call, account(call, params.required(call, "advertiser_id")))


def _answer(
    call: Call, kind: str, rows: list[dict[str, Any]], *, filtering: dict[str, Any],
    fields: list[str], most: int,
) -> dict[str, Any]:
    state = _state(kind, filtering)
    rows = [r for r in rows if _fits(r["secondary_status"], state)]
    for name in ("campaign", "adgroup", "ad", "smart_plus_ad"):
        wanted = filtering.get(f"{name}_ids")
        if wanted is not None:
            if not isinstance(wanted, list) or not all(isinstance(w, str) for w in wanted):
                raise bad(f"filtering.{name}_ids: Not a valid list.")
            rows = [r for r in rows if r.get(f"{name}_id") in wanted]
    if fields:
        rows = [{k: v for k, v in r.items() if k in fields} for r in rows]
    bent = call.bend(f"{kind}s", rows, account=call.query["advertiser_id"])
    return params.paged(call, bent, most=most)


def _state(kind: str, filtering: dict[str, Any]) -> str:
    """ALL, DELETE... of either status filter; deleted ones are left out by default."""
    for name, prefix in (("secondary_status", f"{kind.upper()}_STATUS_"),
                         ("primary_status", "STATUS_")):
        given = filtering.get(name)
        if given is None:
            continue
        state = str(given).removeprefix(prefix)
        if not str(given).startswith(prefix) or state not in _STATES:
            raise bad(f"filtering.{name}: Invalid value(s): {given}")
        return state
    return "NOT_DELETE"


def _fits(second: str, state: str) -> bool:
    deleted = second.endswith("_DELETE")
    if state in {"DELETE", "NOT_DELETE"}:
        return deleted is (state == "DELETE")
    return state == "ALL" or second.endswith(f"_{state}")
