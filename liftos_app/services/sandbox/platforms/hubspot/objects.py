"""Records: lists, single ones, batches, and the links between them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Any

from liftos_app.services.sandbox.call import Call
from liftos_app.services.sandbox.platforms.hubspot.catalog import (
    ALWAYS,
    LINKS,
    PROPERTIES,
    UNASKED,
)
from liftos_app.services.sandbox.platforms.hubspot.refusals import (
    Refusal,
    invalid,
    missing_scopes,
    not_found,
)
from liftos_app.services.sandbox.platforms.hubspot.serve import Asked, endpoint
from liftos_app.services.sandbox.platforms.hubspot.view import (
    PORTAL,
    Thing,
    record,
    shelf,
    time_text,
)
from liftos_app.services.sandbox.trouble import name_at

BIN = timedelta(days=90)
_TYPES = {"deals": "0-3", "contacts": "0-1", "companies": "0-2"}
_SINGLES = ("limit", "after", "archived")
_LISTS = ("properties", "propertiesWithHistory", "associations")


def kind_of(call: Call) -> str:
    """The kind of record a path names. Raises Refusal (400)."""
    kind = call.params["kind"]
    if kind not in PROPERTIES:
        raise invalid(f"Unable to infer object type from: {kind[:60]}")
    return kind


@endpoint(scope="crm.objects.{kind}.read", singles=_SINGLES, lists=_LISTS)
def listing(asked: Asked) -> dict[str, Any]:
    """GET a page of records by id; `archived` shows the bin instead."""
    call, kind = asked.call, kind_of(asked.call)
    limit = asked.limit(default=10, most=100)
    own = shelf(call, kind)
    if asked.flag("archived"):
        things = [t for t in own.binned() if t.archived and t.archived > call.now - BIN]
    else:
        things = own.living()
    rows = bent(call, kind, things)
    after = asked.query.get("after", "")
    if after:
        if not after.isdecimal():
            raise invalid("after is not a valid paging cursor.", name="after")
        rows = [r for r in rows if _id(r) > int(after)]
    page = rows[:limit]
    by_id = own.things
    found: dict[str, Any] = {
        "results": [
            {
                **shown(asked, kind, row),
                **_history(asked, by_id.get(_id(row))),
                **_linked(asked, kind, by_id.get(_id(row))),
            }
            for row in page
        ]
    }
    if len(rows) > limit:
        last = str(_id(page[-1]))
        found["paging"] = {"next": {"after": last, "link": f"{call.url}?after={last}"}}
    return found


@endpoint(scope="crm.objects.{kind}.read", singles=("archived", "idProperty"), lists=_LISTS)
def single(asked: Asked) -> dict[str, Any]:
    """GET one record; an id that was merged away answers with what it went into."""
    kind = kind_of(asked.call)
    thing = _find(asked, kind, asked.call.params["id"])
    if thing is None or (thing.archived is not None) != asked.flag("archived"):
        raise not_found("resource not found")
    row = bent(asked.call, kind, [thing])[0]
    return {**shown(asked, kind, row), **_history(asked, thing), **_linked(asked, kind, thing)}


@endpoint(scope="crm.objects.{kind}.read", singles=("archived",))
def batch(asked: Asked) -> Any:
    """POST batch/read: up to 100 records by id; unknown ones make it a 207."""
    kind = kind_of(asked.call)
    body = asked.body("inputs", "properties", "propertiesWithHistory", "idProperty")
    ids = _inputs(body, most=100)
    things = [(i, _find(asked, kind, i)) for i in ids]
    rows = bent(asked.call, kind, [t for _, t in things if t is not None and t.archived is None])
    names = tuple(str(n) for n in body.get("properties") or ())
    found = _complete(asked.call, [shown(asked, kind, r, names) for r in rows])
    missing = [i for i, t in things if t is None or t.archived is not None]
    if not missing:
        return found
    error = {
        "status": "error",
        "category": "OBJECT_NOT_FOUND",
        "message": "Could not get some objects; they may be deleted or not exist.",
        "context": {"ids": missing},
    }
    return {**found, "numErrors": 1, "errors": [error]}, 207


@endpoint()
def associations(asked: Asked) -> Any:
    """POST batch/read of links: up to 1,000 records; those without any make it a 207."""
    call = asked.call
    pair = call.params["kind"], call.params["to"]
    if pair not in LINKS:
        raise invalid(f"No associations between {pair[0][:40]} and {pair[1][:40]}.")
    for kind in pair:
        if f"crm.objects.{kind}.read" not in asked.scopes:
            raise missing_scopes(f"crm.objects.{kind}.read")
    ids = _inputs(asked.body("inputs"), most=1000)
    own = shelf(call, pair[0]).things
    results, lone = [], []
    for ident in ids:
        thing = own.get(int(ident)) if ident.isdecimal() else None
        ends = _ends(call, pair, thing)
        if ends:
            results.append({"from": {"id": ident}, "to": ends})
        else:
            lone.append(ident)
    found = _complete(call, results)
    if not lone:
        return found
    errors = [
        {
            "status": "error",
            "category": "OBJECT_NOT_FOUND",
            "subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND",
            "message": f"No {pair[1]} is associated with {pair[0]} {ident}.",
            "context": {"fromObjectId": [ident]},
        }
        for ident in lone
    ]
    return {**found, "numErrors": len(errors), "errors": errors}, 207


def bent(call: Call, kind: str, things: Iterable[Thing]) -> list[dict[str, Any]]:
    """Whole records, after the trouble that is asked for."""
    return call.bend(
        kind,
        [record(t) for t in things],
        day_of=lambda row: date.fromisoformat(row["createdAt"][:10]),
    )


def shown(
    asked: Asked, kind: str, row: dict[str, Any], names: Sequence[str] | None = None
) -> dict[str, Any]:
    """A record with the properties asked for. Names that HubSpot does not know are ignored."""
    wanted = asked.lists.get("properties", ()) if names is None else names
    keep = {*wanted, *ALWAYS[kind]} if wanted else set(UNASKED[kind])
    place = name_at(row, 1)
    known, own = PROPERTIES[kind], row[place]
    found = {n: v for n, v in own.items() if n in keep or n not in known}
    more = {"url": f"https://app.hubspot.com/contacts/{PORTAL}/record/{_TYPES[kind]}/{_id(row)}"}
    return {**row, place: found, **(more if asked.dated else {})}


def _id(row: dict[str, Any]) -> int:
    """The id of a record, whatever its column is called now."""
    return int(row[name_at(row, 0)])


def _history(asked: Asked, thing: Thing | None) -> dict[str, Any]:
    """Only the stage of a deal has a history here."""
    names = asked.lists.get("propertiesWithHistory", ())
    if not names or thing is None:
        return {}
    stages = [
        {"value": stage, "timestamp": time_text(at), "sourceType": "CRM_UI"}
        for stage, at in reversed(thing.stages)
    ]
    return {"propertiesWithHistory": {n: stages if n == "dealstage" else [] for n in names}}


def _linked(asked: Asked, kind: str, thing: Thing | None) -> dict[str, Any]:
    names = asked.lists.get("associations", ())
    if not names or thing is None:
        return {}
    found = {}
    for name in names:
        if (kind, name) not in LINKS:
            raise invalid(f"Unable to infer object type from: {name[:60]}", name="associations")
        word = LINKS[kind, name][2]
        ends = [str(i) for i in thing.links.get(name, ()) if _stands(asked.call, name, i)]
        if ends:
            found[name] = {"results": [{"id": i, "type": word} for i in ends]}
    return {"associations": found} if found else {}


def _ends(call: Call, pair: tuple[str, str], thing: Thing | None) -> list[dict[str, Any]]:
    if thing is None or thing.archived is not None:
        return []
    plain, main, _ = LINKS[pair]
    found = []
    for place, number in enumerate(i for i in thing.links.get(pair[1], ()) if
                                   _stands(call, pair[1], i)):  # fmt: skip
        types = [{"category": "HUBSPOT_DEFINED", "typeId": plain, "label": None}]
        if main is not None and place == 0:
            types.insert(0, {"category": "HUBSPOT_DEFINED", "typeId": main, "label": "Primary"})
        found.append({"toObjectId": str(number), "associationTypes": types})
    return found


def _stands(call: Call, kind: str, number: int) -> bool:
    """Links to deleted records are gone with them."""
    thing = shelf(call, kind).things.get(number)
    return thing is not None and thing.archived is None


def _find(asked: Asked, kind: str, ident: str) -> Thing | None:
    own = shelf(asked.call, kind).things
    thing = own.get(int(ident)) if ident.isdecimal() else None
    return own.get(thing.merged_into) if thing is not None and thing.merged_into else thing


def _inputs(body: dict[str, Any], *, most: int) -> list[str]:
    inputs = body.get("inputs")
    if not isinstance(inputs, list) or not all(
        isinstance(i, dict) and isinstance(i.get("id"), str) for i in inputs
    ):
        raise invalid("inputs must be a list of objects with an id.", name="inputs", place="body")
    if not 1 <= len(inputs) <= most:
        raise Refusal(
            400, "VALIDATION_ERROR", f"The maximum number of inputs is {most}.",
            context={"inputs": [str(len(inputs))]},
        )  # fmt: skip
    return [i["id"] for i in inputs]


def _complete(call: Call, results: list[dict[str, Any]]) -> dict[str, Any]:
    now = time_text(call.now)
    return {"status": "COMPLETE", "results": results, "startedAt": now, "completedAt": now}
