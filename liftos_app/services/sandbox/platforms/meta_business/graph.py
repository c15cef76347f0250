"""Answers for Graph objects and their edges: field expansion, filters, pages."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from liftos_app.services.sandbox.platforms.meta_business import (
    expand,
    filtering,
    insights,
    names,
    paging,
)
from liftos_app.services.sandbox.platforms.meta_business.answers import (
    bad_parameter,
    invisible,
    too_much_data,
    unknown_field,
)
from liftos_app.services.sandbox.platforms.meta_business.expand import Wish
from liftos_app.services.sandbox.platforms.meta_business.tree import KINDS, Account, Node

FIELDS = {
    "account": names.ACCOUNT,
    "campaign": names.CAMPAIGN,
    "adset": names.ADSET,
    "ad": names.AD,
    "adcreative": names.CREATIVE,
}
TYPES = {"account": "AdAccount", "campaign": "Campaign", "adset": "AdSet", "ad": "Ad",
         "adcreative": "AdCreative", "user": "User"}  # fmt: skip
EDGES = {"campaigns": "campaign", "adsets": "adset", "ads": "ad", "adcreatives": "adcreative"}
OFFERED = {
    "account": {*EDGES, "insights"},
    "campaign": {"adsets", "ads", "insights"},
    "adset": {"ads", "adcreatives", "insights"},
    "ad": {"adcreatives", "insights"},
    "adcreative": set(),
}
# Edges the vendor has; this advertiser has nothing there.
EMPTY = {
    "account": {"activities", "adimages", "adlabels", "adspixels", "advideos", "customaudiences",
                "customconversions", "saved_audiences", "adstudies", "assigned_users"},
    "user": {"accounts", "businesses"},
}  # fmt: skip
HIDDEN = frozenset({"ARCHIVED", "DELETED"})
_DEFAULTS = {"account": ("account_id",), "user": ("name",)}
_NO_WISHES: tuple[Wish, ...] = ()
Row = dict[str, Any]
MOST_EFFORT = 2_000  # edges in one expanded request; a report counts twenty


@dataclass(frozen=True, slots=True)
class Graph:
    """The objects one token may see.

    `charge` is called for each ad account touched, with the use case; `bend` gets the complete
    rows of a stream and may spoil them; `report` computes report rows.
    """

    accounts: Sequence[Account]
    charge: Callable[[Account, str], None]
    bend: Callable[[str, list[Row], Account], list[Row]]
    report: Callable[[insights.Ask, Account, Node | None], list[Row]]
    effort: list[int] = field(default_factory=list)  # what this request has cost so far

    def find(self, object_id: str) -> tuple[Account, Node]:
        """The object behind an id. Raises GraphError 100/33 when this token cannot see it."""
        for account in self.accounts:
            if object_id in {f"act_{account.account_id}", account.account_id}:
                return account, account.node
            for kind in KINDS:
                for node in account.nodes(kind):
                    if node.id == object_id:
                        return account, node
        raise invisible(object_id)

    def show(
        self, account: Account, node: Node, wishes: tuple[Wish, ...], call: paging.Call
    ) -> dict[str, Any]:
        """One object with the wished fields; fields without a value are left out."""
        out: dict[str, Any] = {}
        if not wishes:
            wishes = tuple(Wish(name) for name in _DEFAULTS.get(node.kind, ()))
        for wish in wishes:
            if wish.name in OFFERED[node.kind] | EMPTY.get(node.kind, set()):
                inner = _inner_call(call, node, wish)
                out[wish.name] = self.edge(account, node, wish.name, inner, wish.inner)
            elif wish.name in FIELDS[node.kind]:
                value = self._value(account, node, wish, call)
                if value is not None:
                    out[wish.name] = value
            else:
                raise unknown_field(wish.name, TYPES[node.kind])
        return out | {"id": node.id}

    def _value(self, account: Account, node: Node, wish: Wish, call: paging.Call) -> Any:
        target = {"creative": "adcreative"}.get(wish.name, wish.name)
        if target in node.up and target in KINDS:
            for other in account.nodes(target):
                if other.id == node.up[target]:
                    return self.show(account, other, wish.inner, call)
        value = node.values.get(wish.name)
        if node.kind == "account" and wish.name == "currency":
            value = account.currency
        if wish.inner and isinstance(value, Mapping):
            return {w.name: value[w.name] for w in wish.inner if w.name in value}
        return value

    def edge(
        self,
        account: Account,
        node: Node,
        name: str,
        call: paging.Call,
        wishes: tuple[Wish, ...] = _NO_WISHES,
    ) -> dict[str, Any]:
        """A page of an edge. Raises GraphError."""
        if name in EMPTY.get(node.kind, ()):
            return {"data": []}
        self.effort.append(20 if name == "insights" else 1)
        if sum(self.effort) > MOST_EFFORT:
            raise too_much_data()
        if name == "insights":
            return self.insights(account, node, call, wishes)
        if name not in OFFERED[node.kind]:
            raise unknown_field(name, TYPES[node.kind])
        self.charge(account, "ads_management")
        wishes = wishes or expand.parse(call.params.get("fields", ""))
        kind = EDGES[name]
        found = [n for n in account.nodes(kind) if _belongs(n, node, account)]
        shown = [
            self.show(account, n, wishes, call)
            for n in _filtered(found, kind, call.params, account)
        ]
        shown = self.bend(name, shown, account)
        return paging.page(shown, call, mark=by_id) | summary(call.params, len(shown))

    def insights(
        self,
        account: Account,
        node: Node,
        call: paging.Call,
        wishes: tuple[Wish, ...] = _NO_WISHES,
    ) -> dict[str, Any]:
        """A page of a synchronous report."""
        self.charge(account, "ads_insights")
        params = dict(call.params)
        if wishes:
            params["fields"] = ",".join(w.name for w in wishes)
        ask = insights.read(params, account.today, level=node.kind)
        found = self.report(ask, account, None if node.kind == "account" else node)
        found = self.bend("insights", found, account)
        answer = paging.page(found, call, mark=by_position)
        return answer | _report_summary(params, ask, account, node)


def by_id(index: int, row: Row) -> str:
    """Objects are named by their id in cursors."""
    return str(row.get("id", index))


def by_position(index: int, _row: object) -> str:
    """Report rows are named by their position in cursors."""
    return str(index)


def _inner_call(call: paging.Call, node: Node, wish: Wish) -> paging.Call:
    """An edge met while expanding fields has its own address and its own parameters."""
    kept = {k: v for k, v in call.params.items() if k == "access_token"}
    base = call.url.split("/")
    version = next(i for i, part in enumerate(base) if part.startswith("v") and "." in part)
    url = "/".join([*base[: version + 1], node.id, wish.name])
    fields = {"fields": ",".join(w.name for w in wish.inner)} if wish.inner else {}
    return paging.Call(url, kept | wish.modifiers | fields)


def _belongs(child: Node, parent: Node, account: Account) -> bool:
    if parent.kind == "account":
        return True
    if child.kind == "adcreative":
        return any(
            ad.up.get("adcreative") == child.id and parent.id in {ad.id, *ad.up.values()}
            for ad in account.nodes("ad")
        )
    return parent.id in child.up.values()


def _filtered(
    found: list[Node], kind: str, params: Mapping[str, str], account: Account
) -> list[Node]:
    text = params.get("filtering", "")
    statuses = filtering.listed("effective_status", params.get("effective_status", ""))
    if statuses:
        found = [n for n in found if n.values.get("effective_status") in statuses]
    elif "effective_status" not in text and "delivery_info" not in text:
        found = [n for n in found if n.values.get("effective_status") not in HIDDEN]

    above = {n.id: n for other in ("campaign", "adset") for n in account.nodes(other)}

    def known(name: str) -> bool:
        other, _, rest = name.rpartition(".")
        if other and other not in {"campaign", "adset", "ad"}:
            return False
        return rest == "delivery_info" or rest in FIELDS[other or kind]

    def read(node: Node, name: str) -> Any:
        other, _, rest = name.rpartition(".")
        seen = node if other in {"", kind} else above.get(node.up.get(other, ""))
        if seen is None:
            return None
        value = seen.values.get("effective_status" if rest == "delivery_info" else rest)
        return seen.id if rest == "id" else _seconds(value) if rest.endswith("_time") else value

    test = filtering.parse(text, known=known, read=read)
    return [n for n in found if test(n)]


def _seconds(value: Any) -> Any:
    """Times are compared as Unix seconds, as the vendor's filters do."""
    try:
        return int(dt.datetime.strptime(str(value), "%Y-%m-%dT%H:%M:%S%z").timestamp())
    except ValueError:
        return value


def summary(params: Mapping[str, str], total: int) -> dict[str, Any]:
    """The `summary` of an edge when it was asked for."""
    asked = params.get("summary", "").strip()
    if asked in {"", "false", "0", "[]"}:
        return {}
    if asked not in {"true", "1"}:
        for name in filtering.listed("summary", asked):
            if name != "total_count":
                raise bad_parameter("summary", f"cannot be '{name[:60]}'")
    return {"summary": {"total_count": total}}


def _report_summary(
    params: Mapping[str, str], ask: insights.Ask, account: Account, node: Node
) -> dict[str, Any]:
    """One more row over the whole report, with the fields asked for or those of the rows."""
    listed = params.get("summary", "")
    if listed not in {"", "true", "false"}:
        fields = tuple(filtering.listed("summary", listed))
        for name in fields:
            if name not in names.INSIGHTS:
                raise bad_parameter("summary", f"cannot hold '{name[:60]}'")
        ask = replace(ask, fields=fields)
    elif "true" not in {listed, params.get("default_summary", "").lower()}:
        return {}
    within = None if node.kind == "account" else node
    return {"summary": insights.total(ask, account, within=within)}


def me(user: Mapping[str, Any], wishes: tuple[Wish, ...]) -> dict[str, Any]:
    """The person the token belongs to."""
    out: dict[str, Any] = {"id": user["id"]}
    for wish in wishes or (Wish("name"),):
        if wish.name not in names.USER:
            raise unknown_field(wish.name, "User")
        if wish.name in user:
            out[wish.name] = user[wish.name]
    return out
