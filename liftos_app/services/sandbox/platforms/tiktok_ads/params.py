"""Query parameters as TikTok reads them: lists and objects are JSON texts, spaces do not matter."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any

from liftos_app.services.sandbox.call import Call
from liftos_app.services.sandbox.platforms.tiktok_ads.wire import bad


def only(call: Call, known: Collection[str]) -> None:
    """Refuse a parameter that the endpoint does not have."""
    for name in call.query:
        if name not in known:
            raise bad(f"{name}: Unknown field.")


def required(call: Call, name: str) -> str:
    """A parameter that must be there."""
    value = call.query.get(name, "")
    if not value:
        raise bad(f"{name}: Missing data for required field.")
    return value


def names(call: Call, name: str, known: Collection[str]) -> list[str]:
    """A JSON list of texts, each of them known; empty when it was left out."""
    found = _json(call, name, [])
    if not isinstance(found, list) or not all(isinstance(x, str) for x in found):
        raise bad(f"{name}: Not a valid list.")
    for one in found:
        if one not in known:
            raise bad(f"{name}: Invalid value(s): {one}")
    return found


def idents(call: Call, name: str) -> list[str]:
    """A JSON list of ids; numbers instead of texts are refused, as they lose digits."""
    found = _json(call, name, [])
    if not isinstance(found, list) or not all(isinstance(x, str) and x.isdigit() for x in found):
        raise bad(f"{name}: Not a valid list of ids.")
    return found


def mapping(call: Call, name: str, known: Collection[str]) -> dict[str, Any]:
    """A JSON object with known keys."""
    found = _json(call, name, {})
    if not isinstance(found, dict):
        raise bad(f"{name}: Not a valid object.")
    for key in found:
        if key not in known:
            raise bad(f"{name}.{key}: Unknown field.")
    return found


def objects(call: Call, name: str) -> list[dict[str, Any]]:
    """A JSON list of objects."""
    found = _json(call, name, [])
    if not isinstance(found, list) or not all(isinstance(x, dict) for x in found):
        raise bad(f"{name}: Not a valid list of objects.")
    return found


def one_of(call: Call, name: str, known: Sequence[str], default: str = "") -> str:
    """A parameter with listed values."""
    value = call.query.get(name, default)
    if value not in known:
        raise bad(f"{name}: Must be one of: {', '.join(known)}.")
    return value


def paged(call: Call, rows: Sequence[Any], *, most: int = 1000) -> dict[str, Any]:
    """The part of a result that was asked for, with totals of all of it."""
    page, size = _number(call, "page", 1), _number(call, "page_size", 10)
    if page < 1:
        raise bad("page: Must be greater than or equal to 1.")
    if not 1 <= size <= most:
        raise bad(f"page_size: Must be between 1 and {most}.")
    info = {
        "page": page, "page_size": size, "total_number": len(rows),
        "total_page": -(-len(rows) // size),
    }
    return {"list": list(rows[(page - 1) * size : page * size]), "page_info": info}


def _number(call: Call, name: str, default: int) -> int:
    text = call.query.get(name, str(default))
    if not text.isdigit():
        raise bad(f"{name}: Not a valid integer.")
    return int(text)


def _json(call: Call, name: str, default: Any) -> Any:
    text = call.query.get(name)
    if text is None:
        return default
    try:
        return json.loads(text)
    except ValueError:
        raise bad(f"{name}: Not valid JSON.") from None
