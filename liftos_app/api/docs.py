"""The OpenAPI document and a page that lists it, without any script or foreign host."""

from __future__ import annotations

from html import escape
from typing import Any, Final

from fastapi import APIRouter, FastAPI, Request
from fastapi.openapi.utils import get_openapi
from starlette.responses import HTMLResponse, JSONResponse, Response

from liftos_app import __version__
from liftos_app.api.deps import app_of, ip_of
from liftos_app.errors import SignInNeeded
from liftos_app.services import api_keys, sessions, tokens

router = APIRouter(include_in_schema=False)
TITLE: Final = "LiftOS API"
_METHODS: Final = ("get", "post", "put", "patch", "delete")
_STYLE: Final = """
:root{color-scheme:light dark;--ink:CanvasText;--quiet:color-mix(in srgb,CanvasText 70%,Canvas);
--line:color-mix(in srgb,CanvasText 18%,Canvas);--back:Canvas;
--code:color-mix(in srgb,CanvasText 7%,Canvas)}
body{margin:0 auto;max-width:60rem;padding:2rem 1rem;font:16px/1.5 system-ui,sans-serif;
color:var(--ink);background:var(--back)}
h2{margin-top:2.5rem;border-bottom:1px solid var(--line)}
details{border:1px solid var(--line);border-radius:.5rem;margin:.5rem 0;padding:.5rem .75rem}
summary{cursor:pointer;overflow-wrap:anywhere}
code{background:var(--code);border-radius:.25rem;padding:.1rem .3rem;font-size:.9em}
.method{display:inline-block;min-width:4rem;font-weight:600}
.quiet{color:var(--quiet)} table{border-collapse:collapse;width:100%}
td,th{border-bottom:1px solid var(--line);padding:.3rem;text-align:left;vertical-align:top}
a{color:inherit} :focus-visible{outline:2px solid;outline-offset:2px}
"""


@router.get("/openapi.json")
def document(request: Request) -> Response:
    """The OpenAPI 3.1 document."""
    _may_look(request)
    return JSONResponse(schema(request.app))


@router.get("/docs")
def page(request: Request) -> Response:
    """All operations, readable without scripts."""
    _may_look(request)
    return HTMLResponse(_page(schema(request.app)))


def schema(api: FastAPI) -> dict[str, Any]:
    """The document, made once per application."""
    if not api.openapi_schema:
        document = get_openapi(
            title=TITLE, version=__version__, routes=api.routes,
            description="Everything the pages do, for programs. Failures are problem details "
                        "(application/problem+json) with a stable code.",
        )
        _describe_problems(document)
        api.openapi_schema = document
    return api.openapi_schema


def _may_look(request: Request) -> None:
    """Open in demo mode; else for signed-in people and programs (L71)."""
    app = app_of(request)
    if app.settings.demo_mode:
        return
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        check = api_keys.check if api_keys.looks_like_one(token) else tokens.check
        check(app, token, ip=ip_of(request))
        return
    cookie = request.cookies.get(sessions.cookie_name(app.settings), "")
    if sessions.resolve(app, cookie) is None:
        raise SignInNeeded("Sign in to read the API documentation.", fix="Sign in.")


def _describe_problems(document: dict[str, Any]) -> None:
    """Say of every operation that its failures are problem documents."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)
    text = {"type": "string"}
    schemas["Problem"] = {
        "type": "object",
        "required": ["type", "title", "status", "detail", "code", "what", "why", "fix",
                     "request_id"],
        "properties": {
            "type": text, "title": text, "status": {"type": "integer"}, "detail": text,
            "code": {"type": "string", "description": "Stable; branch on this."},
            "what": text, "why": text, "fix": text, "request_id": text, "field": text,
        },
    }
    body = {"schema": {"$ref": "#/components/schemas/Problem"}}
    answer = {"description": "Refused or failed", "content": {"application/problem+json": body}}
    for path in document["paths"].values():
        for method in _METHODS:
            if method in path:
                path[method]["responses"].pop("422", None)
                path[method]["responses"]["default"] = answer


def _page(document: dict[str, Any]) -> str:
    groups: dict[str, list[str]] = {}
    for path, operations in document["paths"].items():
        for method in _METHODS:
            if method in operations:
                tag = (operations[method].get("tags") or ["Other"])[0]
                groups.setdefault(tag, []).append(_operation(method, path, operations[method]))
    parts = [
        f"<section><h2>{escape(tag)}</h2>{''.join(items)}</section>"
        for tag, items in groups.items()
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{TITLE}</title><style>{_STYLE}</style></head><body><main><h1>{TITLE}</h1>"
        f'<p class="quiet">Version {escape(document["info"]["version"])}. '
        "Get a token with <code>POST /api/v1/auth/token</code>, send it as "
        "<code>Authorization: Bearer</code>. For tools: "
        '<a href="/api/v1/openapi.json">openapi.json</a>.</p>'
        f"{''.join(parts)}</main></body></html>"
    )


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    inputs = "".join(
        f"<tr><td><code>{escape(p['name'])}</code></td><td>{escape(p['in'])}"
        f"{', needed' if p.get('required') else ''}</td>"
        f"<td>{escape(p.get('description', ''))}</td></tr>"
        for p in operation.get("parameters", ())
    )
    table = f"<table><tr><th>Input</th><th>In</th><th></th></tr>{inputs}</table>" if inputs else ""
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    named = escape(_name_of(body.get("schema", {})))
    answers = ", ".join(
        f"<code>{escape(status)}</code>" for status in operation["responses"] if status != "default"
    )
    return (
        f'<details><summary><span class="method">{method.upper()}</span> '
        f"<code>{escape(path)}</code></summary>"
        f"<p>{escape(operation.get('description') or operation.get('summary', ''))}</p>{table}"
        f"{f'<p>Body: <code>{named}</code></p>' if named else ''}"
        f'<p class="quiet">Answers {answers}</p></details>'
    )


def _name_of(body: dict[str, Any]) -> str:
    return str(body.get("$ref", "")).rpartition("/")[2] or str(body.get("title", ""))


