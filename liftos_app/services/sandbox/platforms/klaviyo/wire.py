"""Klaviyo's envelope: JSON:API answers and errors, the revision header, query parameters."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

CONTENT_TYPE = "application/vnd.api+json"
OPT_OUT = "x-klaviyo-revision-fall-forward-opt-out"
REVISIONS = tuple(
    f"{year}-{month:02}-15" for year in range(2022, 2027) for month in (1, 4, 7, 10)
)  # quarterly; the newest the vendor's own SDK sends is 2026-10-15
YEARS_SERVED = 2


@dataclass(slots=True)
class Refusal(Exception):
    """An error answer: one item of the `errors` list."""

    status: int
    code: str
    title: str
    detail: str
    source: dict[str, str] = field(default_factory=lambda: {"pointer": "/data/"})
    headers: dict[str, str] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        """The error envelope."""
        return {
            "errors": [
                {
                    "id": str(uuid.uuid4()),
                    "status": self.status,
                    "code": self.code,
                    "title": self.title,
                    "detail": self.detail,
                    "source": self.source,
                    "meta": {},
                }
            ]
        }


def invalid(detail: str, *, parameter: str = "", pointer: str = "") -> Refusal:
    """400: something in the request is wrong."""
    source = {"parameter": parameter} if parameter else {"pointer": pointer or "/data/"}
    return Refusal(400, "invalid", "Invalid input.", detail, source)


def not_found(kind: str, identity: str) -> Refusal:
    """404: no such object."""
    return Refusal(
        404,
        "not_found",
        "Not found.",
        f"A {kind} with id {identity} does not exist.",
    )


def revision(headers: Mapping[str, str], today: date) -> str:
    """The revision that serves a request. Raises Refusal: 400 missing or malformed, 410 retired.

    A retired or unknown one falls forward to the oldest still served, unless the opt-out is sent.
    """
    asked = headers.get("revision", "").strip()
    if not asked:
        raise Refusal(
            400,
            "missing_revision",
            "Revision header is missing.",
            "The revision header is required. Send revision: YYYY-MM-DD.",
            {"pointer": "/"},
        )
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}(\.\w+)?", asked):
        raise Refusal(
            400,
            "invalid_revision",
            "Revision header is invalid.",
            "The revision header must look like YYYY-MM-DD.",
            {"pointer": "/"},
        )
    served = [r for r in REVISIONS if _is_served(r, today)]
    plain = asked.split(".")[0]
    if plain in served:
        return asked
    if headers.get(OPT_OUT, "").strip() in {"1", "true"}:
        raise Refusal(
            410,
            "revision_retired",
            "Revision is no longer available.",
            f"Revision {asked} is retired or unknown. The oldest revision served is {served[0]}.",
            {"pointer": "/"},
        )
    later = [r for r in served if r >= plain]
    return later[0] if later else served[-1]


def _is_served(name: str, today: date) -> bool:
    published = date.fromisoformat(name)
    ends = published.replace(year=published.year + YEARS_SERVED)
    return published <= today < ends


def check_query(pairs: Sequence[tuple[str, str]], allowed: Sequence[str]) -> dict[str, str]:
    """The query as a mapping. Unknown and repeated names are refused."""
    query: dict[str, str] = {}
    for name, value in pairs:
        if name not in allowed:
            raise invalid(
                f"'{name}' is not a valid query parameter for this resource.", parameter=name
            )
        if name in query:
            raise invalid(f"'{name}' was given more than once.", parameter=name)
        query[name] = value
    return query


def choices(query: Mapping[str, str], name: str, allowed: Sequence[str]) -> list[str]:
    """A comma separated parameter, each part one of `allowed`."""
    parts = [p.strip() for p in query.get(name, "").split(",") if p.strip()]
    for part in parts:
        if part not in allowed:
            raise invalid(
                f"'{part}' is not a valid value for {name}. Allowed: {', '.join(allowed)}.",
                parameter=name,
            )
    return parts


def page_size(query: Mapping[str, str], *, default: int, maximum: int) -> int:
    """`page[size]`, checked."""
    text = query.get("page[size]")
    if text is None:
        return default
    if not re.fullmatch(r"-?\d{1,6}", text) or not 1 <= int(text) <= maximum:
        raise invalid(
            f"Page size must be an integer between 1 and {maximum}.", parameter="page[size]"
        )
    return int(text)


def sparse(attributes: Mapping[str, Any], wanted: Sequence[str]) -> dict[str, Any]:
    """Only the attributes named, dotted names reaching inside; everything when none is named."""
    if not wanted:
        return dict(attributes)
    kept: dict[str, Any] = {}
    for name in wanted:
        head, _, rest = name.partition(".")
        if head not in attributes:
            continue
        value = attributes[head]
        if rest and isinstance(value, Mapping):
            inner = sparse(value, [rest])
            before = kept.get(head)
            kept[head] = {**before, **inner} if isinstance(before, dict) else inner
        else:
            kept[head] = value
    return kept
