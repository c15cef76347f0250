"""Several Graph calls in one POST."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from liftos_app.services.sandbox.platforms.meta_business.answers import GraphError, bad_parameter
from liftos_app.services.sandbox.platforms.meta_business.filtering import load_json
from liftos_app.services.sandbox.platforms.meta_business.request import Request, read

MOST = 50
CONTENT_TYPE = "application/json; charset=UTF-8"


def run(request: Request, answer: Callable[[Request], Any]) -> list[dict[str, Any]]:
    """The answers of all calls, in order; one that fails does not stop the others."""
    items = load_json("batch", request.params["batch"])
    if not isinstance(items, list) or not all(isinstance(i, dict) for i in items):
        raise bad_parameter("batch", "must be an array of calls")
    if len(items) > MOST:
        raise bad_parameter("batch", f"holds more than {MOST} calls")
    return [_one(request, item, answer) for item in items]


def _one(
    request: Request, item: Mapping[str, Any], answer: Callable[[Request], Any]
) -> dict[str, Any]:
    parts = urlsplit(str(item.get("relative_url", "")))
    path = "/" + parts.path.strip("/")
    if not re.match(r"/v\d+\.\d+(/|$)", path):
        path = f"/{request.version}{path}"
    method = str(item.get("method", "GET")).upper()
    params = dict(parse_qsl(parts.query, keep_blank_values=True))
    body = dict(parse_qsl(str(item.get("body", "")), keep_blank_values=True))
    shared = {k: request.params[k] for k in ("access_token", "appsecret_proof")
              if k in request.params and k not in params | body}  # fmt: skip
    query = urlencode(params | shared)
    call = replace(request.call, method=method, path=path, body=b"", query_string=query)
    inner = read(call)
    inner.params = {k: v for k, v in (inner.params | body).items() if k != "batch"}
    try:
        data, status = answer(inner), 200
    except GraphError as error:
        data, status = error.body(), error.status
    headers = [{"name": "Content-Type", "value": CONTENT_TYPE}]
    headers += [{"name": k, "value": v} for k, v in inner.headers.items()]
    return {"code": status, "headers": headers, "body": json.dumps(data)}
