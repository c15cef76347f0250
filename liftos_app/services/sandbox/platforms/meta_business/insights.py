"""The insights report: which rows, with which fields. Knows no HTTP and no paging."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from liftos_app.services.sandbox.platforms.meta_business import (
    filtering,
    names,
    periods,
    usage,
)
from liftos_app.services.sandbox.platforms.meta_business.answers import GraphError, bad_parameter
from liftos_app.services.sandbox.platforms.meta_business.figures import (
    DEFAULT_WINDOWS,
    LISTS,
    PLAIN,
    WINDOWS,
    Figures,
)
from liftos_app.services.sandbox.platforms.meta_business.tree import Account, Cell, Node

LEVELS = ("account", "campaign", "adset", "ad")
DEFAULT_FIELDS = ("account_id", "campaign_id", "adset_id", "ad_id", "impressions", "spend")
PLATFORMS = ("facebook", "instagram", "audience_network", "messenger")
PLATFORM_WEIGHTS = (54, 41, 3, 2)
SPLITS = frozenset({"publisher_platform"})
REACH_MONTHS = 13  # reach with a breakdown is kept this long
MAX_ROWS = 20_000  # a synchronous answer of more rows times out
_REPORT_TIMES = ("impression", "conversion", "mixed", "lifetime")


@dataclass(frozen=True, slots=True)
class Ask:
    """A checked insights request."""

    level: str
    fields: tuple[str, ...]
    pieces: tuple[periods.Period, ...]
    ranges: tuple[tuple[int, int], ...]  # which pieces (from, to) make up each asked range
    windows: tuple[str, ...]
    breakdowns: tuple[str, ...]
    filtering: str
    sort: tuple[str, ...]
    keeps_reach: bool = False  # reach of old broken-down rows, for a few asynchronous reports a day


def read(params: Mapping[str, str], today: dt.date, *, level: str) -> Ask:
    """Check the parameters; `level` is the default for the object asked. Raises GraphError."""
    level = params.get("level") or level
    if level not in LEVELS:
        raise bad_parameter("level", "must be one of {ad, adset, campaign, account}")
    fields = filtering.listed("fields", params.get("fields", "")) or list(DEFAULT_FIELDS)
    for name in fields:
        if name not in names.INSIGHTS:
            raise GraphError(
                100, f"(#100) {name[:80]} is not valid for fields param. Check the reference."
            )
    report_time = params.get("action_report_time", "") or "mixed"
    if report_time not in _REPORT_TIMES:
        raise bad_parameter("action_report_time", f"must be one of {{{', '.join(_REPORT_TIMES)}}}")
    _known("action_breakdowns", params, names.ACTION_BREAKDOWNS)
    increment = params.get("time_increment", "").strip('"')
    pieces: list[periods.Period] = []
    ranges: list[tuple[int, int]] = []
    for period in periods.asked(params, today):
        found = periods.cut(period, increment, today)
        if found:
            ranges.append((len(pieces), len(pieces) + len(found)))
            pieces += found
    return Ask(
        level=level,
        fields=tuple(dict.fromkeys(fields)),
        pieces=tuple(pieces),
        ranges=tuple(ranges),
        windows=_windows(params),
        breakdowns=_breakdowns(params),
        filtering=params.get("filtering", ""),
        sort=tuple(filtering.listed("sort", params.get("sort", ""))),
    )


def _known(name: str, params: Mapping[str, str], allowed: frozenset[str]) -> list[str]:
    found = filtering.listed(name, params.get(name, ""))
    for index, item in enumerate(found):
        if item not in allowed:
            raise bad_parameter(
                f"{name}[{index}]", f"must be one of {{{', '.join(sorted(allowed))}}}"
            )
    return found


def _windows(params: Mapping[str, str]) -> tuple[str, ...]:
    asked = _known("action_attribution_windows", params, names.WINDOWS)
    wanted: list[str] = []
    for window in asked:
        wanted += DEFAULT_WINDOWS if window == "default" else [window]
    return tuple(w for w in dict.fromkeys(wanted) if w in WINDOWS)


def _breakdowns(params: Mapping[str, str]) -> tuple[str, ...]:
    found = _known("breakdowns", params, names.BREAKDOWNS)
    missing = [b for b in found if b not in SPLITS]
    if missing:
        raise GraphError(
            2,
            "(#2) The breakdown combination cannot be computed: " + ", ".join(missing),
            subcode=1504041,
            transient=False,
        )
    return tuple(dict.fromkeys(found))


Group = tuple[str, int, tuple[str, ...]]


def rows(
    ask: Ask, account: Account, *, within: Node | None = None, most: int = MAX_ROWS
) -> list[dict[str, Any]]:
    """Rows of a report in a stable order: by day, then by object, then by breakdown."""
    found = [row for row, _ in _built(ask, account, within, most)]
    return [_shown(row, ask, account) for row in _sorted(found, ask.sort)]


def total(ask: Ask, account: Account, *, within: Node | None = None) -> dict[str, Any]:
    """The figures of the whole report in one row: what `default_summary` adds."""
    whole = Figures()
    for _, figures in _built(ask, account, within, MAX_ROWS):
        whole.add(figures)
    row = _figures(whole, set(ask.fields), ask, account)
    if ask.pieces:
        row |= {
            "date_start": min(first for first, _ in ask.pieces).isoformat(),
            "date_stop": max(last for _, last in ask.pieces).isoformat(),
        }
    return {name: value for name, value in row.items() if value not in (None, [])}


def _built(
    ask: Ask, account: Account, within: Node | None, most: int
) -> list[tuple[dict[str, Any], Figures]]:
    """Rows with their figures, after filters."""
    groups = _grouped(ask, account, within, most)
    objects = {n.id: n for kind in LEVELS[1:] for n in account.nodes(kind)}
    test = filtering.parse(ask.filtering, known=_filterable, read=_read)
    wanted = {*ask.fields, *(term.rpartition("_")[0] for term in ask.sort)}
    wanted |= {name for name in PLAIN if name in ask.filtering}
    found = []
    for (entity, piece, split), figures in sorted(
        groups.items(), key=lambda item: (item[0][1], item[0][0], item[0][2])
    ):
        if figures.is_zero():
            continue
        row = _identity(entity, account, objects, ask) | _figures(figures, wanted, ask, account)
        first, last = ask.pieces[piece]
        row |= {"date_start": first.isoformat(), "date_stop": last.isoformat()}
        row |= zip(ask.breakdowns, split, strict=True)
        if test(row):
            found.append((row, figures))
    return found


def _figures(figures: Figures, wanted: set[str], ask: Ask, account: Account) -> dict[str, Any]:
    plain = {n: PLAIN[n](figures, account.digits) for n in wanted & PLAIN.keys()}
    lists = {n: LISTS[n](figures, ask.windows, account.digits) for n in wanted & LISTS.keys()}
    return plain | lists


def _grouped(ask: Ask, account: Account, within: Node | None, most: int) -> dict[Group, Figures]:
    groups: dict[Group, Figures] = {}
    # A report on a level above the object asked is summed from the object's own rows.
    level = ask.level
    if within is not None and LEVELS.index(within.kind) > LEVELS.index(level):
        level = within.kind
    for begin, end in ask.ranges:
        starts = [first for first, _ in ask.pieces[begin:end]]
        for cell in account.cells(starts[0], ask.pieces[end - 1][1], level):
            if within is not None and within.id not in cell.ids.values():
                continue
            piece = begin + bisect_right(starts, cell.day) - 1
            above = ask.level != level
            entity = cell.ids.get(ask.level, "") or account.node.id if above else cell.entity
            for split, figures in _splits(ask, cell):
                groups.setdefault((entity, piece, split), Figures()).add(figures)
        if len(groups) > most:
            raise GraphError(
                100,
                "(#100) Too much data was requested in this query. Reduce the date range or "
                "use an asynchronous report.",
                subcode=1487534,
            )
    return groups


def _splits(ask: Ask, cell: Cell) -> list[tuple[tuple[str, ...], Figures]]:
    if not ask.breakdowns:
        return [((), cell.figures)]
    parts = cell.figures.split(PLATFORM_WEIGHTS)
    return [((name,), part) for name, part in zip(PLATFORMS, parts, strict=True)]


def _identity(
    entity: str, account: Account, objects: Mapping[str, Node], ask: Ask
) -> dict[str, Any]:
    """Names and ids from the object upwards, and the settings an ad reports."""
    values = account.node.values
    row: dict[str, Any] = {
        "account_id": values["account_id"],
        "account_name": values["name"],
        "attribution_setting": "7d_click_1d_view",
    }
    if "account_currency" in ask.fields:
        row["account_currency"] = account.currency
    node = objects.get(entity)
    if node is None:
        return row
    chain = [node, *(objects[up] for up in node.up.values() if up in objects)]
    for item in chain:
        row |= {f"{item.kind}_id": item.id, f"{item.kind}_name": item.name}
        row |= {
            name: item.values[name]
            for name in ("objective", "buying_type", "optimization_goal")
            if name in item.values
        }
    row |= {k: node.values[k] for k in ("created_time", "updated_time") if k in node.values}
    row["_status"] = {item.kind: item.values.get("effective_status") for item in chain}
    return row


def _filterable(name: str) -> bool:
    kind, _, rest = name.rpartition(".")
    if kind:
        return kind in LEVELS and rest in {"id", "name", "effective_status", "delivery_info"}
    return name in names.INSIGHTS or name in {"id", "action_type"}


def _read(row: Mapping[str, Any], name: str) -> Any:
    kind, _, rest = name.rpartition(".")
    if rest in {"effective_status", "delivery_info"}:
        return row.get("_status", {}).get(kind)
    return row.get(f"{kind}_{rest}") if kind else row.get(name)


def _sorted(found: list[dict[str, Any]], sort: Sequence[str]) -> list[dict[str, Any]]:
    for term in reversed(sort):
        name, _, way = term.rpartition("_")
        if way not in {"ascending", "descending"} or name not in names.INSIGHTS | SPLITS:
            raise bad_parameter("sort", f"cannot be '{term[:60]}'")
        found.sort(key=partial(_order, name=name), reverse=way == "descending")
    return found


def _order(row: Mapping[str, Any], *, name: str) -> tuple[int, float, str]:
    value: Any = row.get(name)
    try:
        return 0, float(value), ""
    except (TypeError, ValueError):
        return 1, 0.0, str(value)


def _shown(row: dict[str, Any], ask: Ask, account: Account) -> dict[str, Any]:
    """The asked fields that have a value. Reach in old broken-down rows silently falls away."""
    hidden: frozenset[str] = frozenset()
    if ask.breakdowns and not ask.keeps_reach:
        oldest = account.today - dt.timedelta(days=REACH_MONTHS * 365 // 12)
        if dt.date.fromisoformat(row["date_start"]) < oldest:
            hidden = usage.REACH
    fields = (*ask.fields, "date_start", "date_stop", *ask.breakdowns)
    return {f: row[f] for f in fields if f not in hidden and row.get(f) not in (None, [], "")}
