"""Databricks' envelopes, and values as JSON_ARRAY shows them: text or null."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from starlette.responses import Response

from liftos_app.services.sandbox.call import json_answer
from liftos_app.services.sandbox.warehouse import Column

JSON = "application/json;charset=UTF-8"
_INFO = "type.googleapis.com/google.rpc.RequestInfo"


class Refusal(Exception):
    """An error answer: status, error code, message; `after` in seconds."""

    def __init__(self, status: int, code: str, message: str, *, after: int | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.after = status, code, message, after

    def answer(self) -> Response:
        """As it goes out."""
        headers = {"retry-after": str(self.after)} if self.after is not None else {}
        if self.status == 401:
            headers["www-authenticate"] = 'Bearer realm="DatabricksRealm"'
        body = {
            "error_code": self.code, "message": self.message,
            "details": [{"@type": _INFO, "request_id": str(uuid.uuid4()), "serving_data": ""}],
        }
        return json_answer(body, self.status, headers=headers, content_type=JSON)


class Failure(Exception):
    """A statement that failed: error code and a message that begins with an error class."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


def schema(columns: Sequence[Column]) -> dict[str, Any]:
    """The manifest's schema."""
    return {
        "column_count": len(columns),
        "columns": [_described(c, i) for i, c in enumerate(columns)],
    }


def _described(column: Column, position: int) -> dict[str, Any]:
    name, text = _NAMES.get(column.type, ("STRING", "STRING"))
    found: dict[str, Any] = {"name": column.name, "position": position}
    if column.type == "fixed" and column.scale:
        return {**found, "type_name": "DECIMAL", "type_text": f"DECIMAL({column.precision},"
                f"{column.scale})", "type_precision": column.precision,
                "type_scale": column.scale}
    return {**found, "type_name": name, "type_text": text}


_NAMES: Mapping[str, tuple[str, str]] = {
    "fixed": ("LONG", "BIGINT"), "real": ("DOUBLE", "DOUBLE"), "date": ("DATE", "DATE"),
    "boolean": ("BOOLEAN", "BOOLEAN"), "timestamp_ntz": ("TIMESTAMP", "TIMESTAMP_NTZ"),
    "timestamp_ltz": ("TIMESTAMP", "TIMESTAMP"), "timestamp_tz": ("TIMESTAMP", "TIMESTAMP"),
}


def texts(columns: Sequence[Column], rows: Sequence[Sequence[Any]]) -> list[list[str | None]]:
    """Rows as the wire shows them."""
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


def _wall(value: Any) -> str:
    """Micro-seconds, as Spark keeps them."""
    head, _, fraction = str(value).partition(" ")[0].rstrip("Z").partition(".")
    return f"{head}.{fraction[:6]:0<6}"


_TEXTS: Mapping[str, Callable[[Column, Any], str]] = {
    "fixed": _fixed,
    "boolean": lambda _, v: "true" if v else "false",
    "date": lambda _, v: str(v)[:10],
    "timestamp_ntz": lambda _, v: _wall(v),
    "timestamp_ltz": lambda _, v: _wall(v) + "Z",
    "timestamp_tz": lambda _, v: _wall(v) + "Z",
}
