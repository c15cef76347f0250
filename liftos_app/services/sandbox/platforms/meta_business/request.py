"""A Graph call taken apart: version, path, and parameters from query, form, JSON or multipart."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

from liftos_app.services.sandbox.call import Call
from liftos_app.services.sandbox.platforms.meta_business import paging
from liftos_app.services.sandbox.platforms.meta_business.answers import dead_version

LIVE = ("v26.0", "v25.0", "v24.0")
_VERSION = re.compile(r"v\d+\.\d+")


@dataclass(slots=True)
class Request:
    """One Graph call: its path in parts, its parameters, and the headers it earned so far."""

    call: Call
    version: str
    parts: tuple[str, ...]
    params: dict[str, str]
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def method(self) -> str:
        """HTTP method; a POST may say `method=GET`, as the vendor's SDKs do."""
        told = self.params.get("method", "").upper()
        return (
            told if self.call.method == "POST" and told in {"GET", "DELETE"} else self.call.method
        )

    def check_version(self) -> None:
        """Raise GraphError unless the call names a version that is served."""
        if self.version not in LIVE:
            raise dead_version(self.version, LIVE[0])

    @property
    def page(self) -> paging.Call:
        """The address and parameters that paging links repeat."""
        url = "/".join([self.call.base, self.version, *self.parts])
        return paging.Call(url, {k: v for k, v in self.params.items() if k != "method"})


def read(call: Call) -> Request:
    """Path and parameters; query, form and JSON body are one."""
    pieces = [p for p in call.path.split("/") if p]
    version = pieces.pop(0) if pieces and _VERSION.fullmatch(pieces[0]) else ""
    params = {**call.query, **call.form, **_json_body(call), **_multipart(call)}
    return Request(call, version, tuple(pieces), params)


def _json_body(call: Call) -> dict[str, str]:
    if not call.content_type.startswith("application/json") or not call.body:
        return {}
    try:
        found = call.json()
    except ValueError:
        return {}
    if not isinstance(found, dict):
        return {}
    return {k: v if isinstance(v, str) else json.dumps(v) for k, v in found.items()}


def _multipart(call: Call) -> dict[str, str]:
    """Plain fields of a multipart body, which SDKs use for batches. Files are not kept."""
    match = re.search(r'boundary="?([^";,]+)', call.headers.get("content-type", ""))
    if not call.content_type.startswith("multipart/form-data") or match is None:
        return {}
    found: dict[str, str] = {}
    for part in call.body.split(b"--" + match.group(1).encode()):
        head, _, body = part.partition(b"\r\n\r\n")
        name = re.search(rb'name="([^"]+)"', head)
        if name and b"filename=" not in head:
            text = body.removesuffix(b"\r\n").decode("utf-8", errors="replace")
            found[name.group(1).decode("utf-8", errors="replace")] = text
    return found
