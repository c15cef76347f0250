"""What a list takes: its own filters, spans of time, a cursor, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from liftos_app.services.sandbox.platforms.stripe.refusals import Refusal, unknown_parameter

_COMMON: Final = frozenset({"limit", "starting_after", "ending_before"})
_SPAN: Final = re.compile(r"(created|due_date|current_period_start|current_period_end)\[(\w+)\]")
_LISTED: Final = re.compile(r"(expand|types)\[\d*\]")
_BOUNDS: Final = {"gt": (1, None), "gte": (0, None), "lt": (None, 0), "lte": (None, 1)}
MOST: Final = 100


@dataclass(slots=True)
class Asked:
    """A checked query. The span of creation is [since, until)."""

    limit: int = 10
    after: str = ""
    before: str = ""
    since: datetime | None = None
    until: datetime | None = None
    filters: dict[str, str] = field(default_factory=dict)
    types: list[str] = field(default_factory=list)
    expand: list[str] = field(default_factory=list)


def read(
    pairs: Iterable[tuple[str, str]], known: Iterable[str], choices: Mapping[str, tuple[str, ...]],
    *, listing: bool = True,
) -> Asked:  # fmt: skip
    """Check a query against an endpoint's filters. Raises Refusal (400)."""
    asked, names = Asked(), set(known)
    for name, value in pairs:
        listed = _LISTED.fullmatch(name)
        if listed and listed[1] == "expand":
            asked.expand.append(value)
        elif not listing:
            raise unknown_parameter(name)
        elif listed and listed[1] in names:
            asked.types.append(value)
        elif name in _COMMON:
            _page(asked, name, value)
        elif not _span(asked, name, value, names):
            if name not in names:
                raise unknown_parameter(name)
            asked.filters[name] = _choice(name, value, choices)
    if asked.after and asked.before:
        raise Refusal(400, "You cannot specify both starting_after and ending_before.")
    if len(asked.types) > 20:
        raise Refusal(400, "You may pass at most 20 types.", param="types")
    return asked


def _span(asked: Asked, name: str, value: str, names: set[str]) -> bool:
    """Whether it was a span of time, which is then taken up."""
    if name == "created" and name in names:
        _narrow(asked, "gte", _whole(name, value))
        _narrow(asked, "lte", _whole(name, value))
        return True
    found = _SPAN.fullmatch(name)
    if found is None or found[1] not in names or found[2] not in _BOUNDS:
        return False
    if found[1] != "created":
        raise Refusal(400, f"The sandbox does not filter by {found[1]}.", param=name)
    _narrow(asked, found[2], _whole(name, value))
    return True


def _page(asked: Asked, name: str, value: str) -> None:
    if name == "limit":
        asked.limit = _whole(name, value)
        if not 1 <= asked.limit <= MOST:
            word = "less than or equal to 100" if asked.limit > MOST else "greater than 0"
            raise Refusal(
                400, f"This value must be {word}.", code="parameter_invalid_integer", param=name
            )
    elif name == "starting_after":
        asked.after = value
    else:
        asked.before = value


def _narrow(asked: Asked, sign: str, seconds: int) -> None:
    later, earlier = _BOUNDS[sign]
    try:
        moment = datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        raise Refusal(400, f"Invalid timestamp: {seconds}", param="created") from None
    if later is not None:
        asked.since = max(asked.since or moment, moment + timedelta(seconds=later))
    if earlier is not None:
        end = moment + timedelta(seconds=earlier)
        asked.until = min(asked.until or end, end)


def _whole(name: str, value: str) -> int:
    if not re.fullmatch(r"-?\d{1,18}", value):
        raise Refusal(
            400, f"Invalid integer: {value[:40]}", code="parameter_invalid_integer", param=name
        )
    return int(value)


def _choice(name: str, value: str, choices: Mapping[str, tuple[str, ...]]) -> str:
    allowed = choices.get(name)
    if allowed and value not in allowed:
        raise Refusal(
            400, f"Invalid {name}: must be one of {', '.join(allowed[:-1])}, or {allowed[-1]}",
            param=name,
        )  # fmt: skip
    if not value:
        raise Refusal(
            400, f"You passed an empty string for '{name}'.", code="parameter_invalid_empty",
            param=name,
        )  # fmt: skip
    return value
