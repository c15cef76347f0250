"""Every REST route and what it takes: one table, asked before a request's body is even read.

A route that stands in no table here is refused (deny by default), and a test fails for it. The
services ask again with the row at hand; this wall makes forgetting harmless.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from fastapi import Request

from liftos_app.errors import Denied, LiftOSError, TooMany
from liftos_app.services import access, quotas
from liftos_app.services.audit import notes, refusals
from liftos_app.services.context import App, Principal

API: Final = "/api/v1"
CALLER: Final = "liftos.caller"  # of a request's scope: (Principal, organization) once known
_C: Final = f"{API}/platform-connections"
_ONE: Final = f"{_C}/connections/{{connection_id}}"

# "METHOD path" -> permission
ROUTES: Final[dict[str, str]] = {
    f"GET {API}/health/services": "organization.read",
    f"GET {API}/health/database": "organization.read",
    f"GET {API}/health/connections": "connections.read",
    f"GET {_C}/platforms": "connections.read",
    f"GET {_C}/platforms/{{platform_id}}": "connections.read",
    f"GET {_C}/dashboard": "connections.read",
    f"GET {_C}/connections": "connections.read",
    f"POST {_C}/connections": "connections.write",
    f"GET {_ONE}": "connections.read",
    f"PUT {_ONE}": "connections.write",
    f"DELETE {_ONE}": "connections.delete",
    f"POST {_ONE}/test": "syncs.run",
    f"POST {_ONE}/discover": "connections.write",
    f"GET {_ONE}/log": "connections.read",
    f"GET {_ONE}/objects": "connections.write",
    f"POST {_ONE}/preview": "connections.write",
    f"POST {_ONE}/publish": "connections.write",
    f"GET {API}/metrics/definitions": "metrics.read",
    f"GET {API}/metrics/totals": "metrics.read",
    f"GET {API}/metrics/days": "metrics.read",
    f"GET {API}/metrics/channels": "metrics.read",
    f"GET {API}/metrics/claims": "metrics.read",
    f"GET {API}/quality": "quality.read",
    f"GET {API}/quality/rules": "quality.read",
    f"POST {API}/quality/checks": "quality.run",
    f"GET {API}/organization": "organization.read",
    f"PUT {API}/organization": "organization.write",
    f"GET {_ONE}/rows": "metrics.read",
    f"GET {_ONE}/source": "metrics.read",
    f"POST {_ONE}/sync": "syncs.run",
    f"GET {_ONE}/sync/{{sync_id}}": "connections.read",
    f"DELETE {_ONE}/sync/{{sync_id}}": "syncs.run",
    f"GET {_ONE}/sync-history": "connections.read",
    f"GET {_C}/preferences": "connections.read",
    f"PUT {_C}/preferences": "connections.write",
    f"POST {_C}/sync": "syncs.run",
    f"POST {_ONE}/resync/preview": "syncs.run",
    f"GET {_ONE}/sync/{{sync_id}}/changes": "connections.read",
    f"POST {_ONE}/sync/{{sync_id}}/undo": "connections.write",
    f"GET {_ONE}/restatements": "connections.read",
    f"POST {_ONE}/clear": "connections.delete",
    f"GET {_ONE}/schema": "connections.read",
    f"POST {_ONE}/schema/accept": "connections.write",
    f"GET {_ONE}/sign-in": "connections.read",
    f"POST {_C}/oauth/initiate": "connections.write",
    f"GET {_C}/oauth/callback": "connections.write",
    "GET /oauth/callback/{platform}": "connections.write",
    f"GET {API}/me": "organization.read",
    f"GET {API}/permissions": "organization.read",
    f"GET {API}/organizations": "organization.read",
    f"POST {API}/organizations": "installation.admin",
    f"POST {API}/admin/organizations/look": "installation.admin",
    f"POST {API}/admin/organizations/{{organization_id}}/look": "installation.admin",
    f"GET {API}/members": "members.read",
    f"PATCH {API}/members/{{user_id}}": "members.write",
    f"DELETE {API}/members/{{user_id}}": "members.write",
    f"GET {API}/members/{{user_id}}/sessions": "members.write",
    f"DELETE {API}/members/{{user_id}}/sessions": "members.write",
    f"GET {API}/invitations": "members.read",
    f"POST {API}/invitations": "members.write",
    f"POST {API}/invitations/{{invitation_id}}/resend": "members.write",
    f"DELETE {API}/invitations/{{invitation_id}}": "members.write",
    f"GET {API}/sessions": "profile.write",
    f"DELETE {API}/sessions": "profile.write",
    f"DELETE {API}/sessions/{{session_id}}": "profile.write",
    f"GET {API}/retention": "organization.read",
    f"PUT {API}/retention": "organization.write",
    f"GET {API}/retention/preview": "organization.write",
    f"PUT {API}/retention/hold": "organization.write",
    f"DELETE {API}/retention/hold": "organization.write",
    f"GET {API}/data-map": "organization.read",
    f"POST {API}/me/export": "profile.write",
    f"POST {API}/me/export/file": "profile.write",
    f"DELETE {API}/me": "profile.write",
    f"POST {API}/organization/export": "data.export",
    f"POST {API}/organization/export/file": "data.export",
    f"POST {API}/organization/erasure": "data.erase",
    f"DELETE {API}/organization/erasure": "data.erase",
    f"GET {API}/api-keys": "keys.write",
    f"POST {API}/api-keys": "keys.write",
    f"DELETE {API}/api-keys/{{key_id}}": "keys.write",
    f"GET {API}/audit": "audit.read",
    f"GET {API}/audit/export": "audit.read",
}

# Open to strangers on purpose, each with the reason.
PUBLIC: Final[dict[str, str]] = {
    f"POST {API}/auth/token": "gives the token for a password",
    f"POST {API}/auth/refresh": "takes a refresh token",
    f"POST {API}/auth/revoke": "takes a refresh token",
    f"GET {API}/health": "says nothing but that it lives",
    f"GET {API}/openapi.json": "looks for a session or token itself",
    f"GET {API}/docs": "looks for a session or token itself",
    "POST /auth/setup": "open only while there is nobody",
    "POST /auth/login": "checks the password",
    "POST /auth/logout": "ends one's own session",
    "GET /auth/second-step": "a form for whoever holds a waiting sign-in",
    "POST /auth/second-step": "checks the code",
    "GET /auth/second-factor": "looks for a session or a waiting sign-in itself",
    "GET /auth/second-factor/code.svg": "looks for a session or a waiting sign-in itself",
    "POST /auth/second-factor": "looks for a session or a waiting sign-in itself",
    "GET /auth/export/me/file": "an empty form",
    "GET /auth/export/organization/file": "an empty form",
    "GET /auth/reset": "an empty form",
    "POST /auth/reset": "takes a link that works once",
    "GET /auth/forgot": "an empty form",
    "POST /auth/forgot": "answers alike for everybody",
    "GET /auth/email": "an empty form",
    "GET /auth/invitation": "an empty form",
    "POST /auth/invitation": "takes an invitation",
    "POST /auth/invitation/accept": "takes an invitation and a password",
    "GET /auth/provider": "sends on to the OpenID Connect provider",
    "GET /auth/provider/callback": "takes the provider's answer, bound to the browser",
    "GET /auth/{rest:path}": "a redirect to the sign-in page",
}

# Forms of signed-in people: by session cookie, same origin only; web_session.signed_in asks.
FORMS: Final[dict[str, str]] = {
    "GET /auth/confirm": "profile.write",
    "POST /auth/confirm": "profile.write",
    "POST /auth/password": "profile.write",
    "POST /auth/email": "profile.write",
    "POST /auth/email/confirm": "profile.write",
    "POST /auth/everywhere": "profile.write",
    "POST /auth/second-factor/remove": "profile.write",
    "POST /auth/second-factor/codes": "profile.write",
    "POST /auth/organization": "organization.read",
    "POST /auth/export/me": "profile.write",
    "POST /auth/export/me/file": "profile.write",
    "POST /auth/erase/me": "profile.write",
    "POST /auth/export/organization": "data.export",
    "POST /auth/export/organization/file": "data.export",
    "POST /auth/erase/organization": "data.erase",
    "POST /auth/retention": "organization.write",
    "POST /auth/retention/hold": "organization.write",
    "POST /auth/keys": "keys.write",
    "POST /auth/invite": "members.write",
    "POST /auth/invite/again": "members.write",
    "POST /auth/audit": "audit.read",
}


def need_of(request: Request) -> str:
    """The permission of the route a request came to. Raises Denied for one without."""
    path = str(getattr(request.scope.get("route"), "path", ""))
    if request.scope["path"].startswith(f"{API}/"):
        path = API + path
    method = "GET" if request.method == "HEAD" else request.method
    need = ROUTES.get(f"{method} {path}") or FORMS.get(f"{method} {path}")
    if need is None:
        raise Denied("This is not open to anybody.", why="The route names no permission.")
    return need


def check(request: Request, app: App, who: Principal, org_id: int) -> None:
    """Let a request in: its permission, then its hourly limit. Raises Denied, TooMany."""
    need = need_of(request)
    request.scope[CALLER] = (who, org_id)
    try:
        access.authorize(who, need)
    except Denied as error:
        notes.denied(app, who, org_id, need=need, where=f"{request.method} {request.url.path}",
                     reason=error.why)
        raise
    category = quotas.category_of(need, looks=request.method in {"GET", "HEAD", "OPTIONS"})
    told = request.scope.get("liftos.quota")
    try:
        quota = quotas.spend(app, category, who=who, org_id=org_id)
    except TooMany as error:
        _tell(told, error.facts.get("quota"))
        raise
    _tell(told, quota)


def look_at(request: Request, error: LiftOSError, *, sent: Iterable[str] = ()) -> None:
    """Let the audit log know of a failure that tells of an attack (rules I4, I10)."""
    who, org_id = request.scope.get(CALLER, (None, None))
    if who is not None:
        refusals.note(
            request.app.state.liftos, who, org_id, error,
            values=[*request.path_params.values(), *request.query_params.values(), *sent],
            where=f"{request.method} {request.url.path}",
        )


def _tell(told: object, quota: object) -> None:
    """Let the outermost layer add what is left to the answer, whatever it becomes."""
    if isinstance(told, dict) and isinstance(quota, quotas.Quota):
        told |= headers_of(quota)


def headers_of(quota: quotas.Quota) -> dict[str, str]:
    """What an answer says about the limit it counted on."""
    return {
        "RateLimit-Limit": str(quota.limit), "RateLimit-Remaining": str(quota.remaining),
        "RateLimit-Reset": str(quota.reset),
        "RateLimit-Policy": f'"{quota.category}";q={quota.limit};w={quotas.HOUR}',
    }
