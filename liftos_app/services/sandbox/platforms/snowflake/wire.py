"""Snowflake's envelopes and typed strings."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import orjson
from starlette.responses import Response

from liftos_app.services.sandbox.warehouse import Column

JSON = "application/json;charset=UTF-8"
_LENGTH = 16_777_216


class Refusal(Exception):
    """An error answer: status, Snowflake's code, its message."""

    def __init__(self, status: int, code: str, message: str, state: str = "") -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.state = status, code, message, state

    def answer(self, **more: Any) -> Response:
        """As it goes out."""
        body = {"code": self.code, "message": self.message}
        if self.state:
            body["sqlState"] = self.state
        return answer({**body, **more}, self.status)


def answer(
    body: Mapping[str, Any], status: int = 200, *, headers: Mapping[str, str] | None = None,
    packed: bool = False,
) -> Response:
    """JSON, packed when asked: partitions after the first always are."""
    data = orjson.dumps(body)
    more = dict(headers or {})
    if packed:
        data = gzip.compress(data)
        more["content-encoding"] = "gzip"
    return Response(data, status, more, JSON)


def row_type(columns: Sequence[Column]) -> list[dict[str, Any]]:
    """The description of a result's columns."""
    return [_described(c) for c in columns]


def _described(column: Column) -> dict[str, Any]:
    kind = {"json": "variant"}.get(column.type, column.type)
    time = kind.startswith("timestamp")
    return {
        "name": column.name, "type": kind, "nullable": True,
        "length": _LENGTH if kind == "text" else None,
        "precision": column.precision if kind == "fixed" else 0 if time else None,
        "scale": column.scale if kind == "fixed" else 9 if time else None,
    }


def texts(columns: Sequence[Column], rows: Sequence[Sequence[Any]]) -> list[list[str | None]]:
    """Rows as the wire shows them: everything is text or null."""
    return [
        [None if v is None else _text(c, v) for c, v in zip(columns, row, strict=True)]
        for row in rows
    ]


def _text(column: Column, value: Any) -> str:
    write = _TEXTS.get(column.type)
    return write(column, value) if write else str(value)


def _fixed(column: Column, value: Any) -> str:
    if not column.scale:
        return str(value)
    unit = Decimal(1).scaleb(-column.scale)
    return format(Decimal(str(value)).quantize(unit, ROUND_HALF_UP), "f")


def _zoned(value: Any) -> str:
    moment, _, offset = str(value).partition(" ")
    return f"{_epoch(moment)} {int(offset or 0) + 1440}"


def _epoch(stored: str) -> str:
    """A stored time, `2026-11-20T13:03:11.123456789` with or without Z, as epoch seconds."""
    head, _, fraction = stored.rstrip("Z").partition(".")
    seconds = int(datetime.fromisoformat(head).replace(tzinfo=UTC).timestamp())
    return f"{seconds}.{(fraction or '0')[:9]:0<9}"


_TEXTS: Mapping[str, Callable[[Column, Any], str]] = {
    "fixed": _fixed,
    "boolean": lambda _, v: "true" if v else "false",
    "date": lambda _, v: str((date.fromisoformat(str(v)[:10]) - date(1970, 1, 1)).days),
    "timestamp_ntz": lambda _, v: _epoch(str(v)),
    "timestamp_ltz": lambda _, v: _epoch(str(v)),
    "timestamp_tz": lambda _, v: _zoned(v),
}
