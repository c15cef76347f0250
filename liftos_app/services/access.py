"""Roles and permissions: the one table that decides who may do what. Deny by default."""

from __future__ import annotations

from typing import Final

from liftos_app.models import Role

ORDER: Final = {
    Role.VIEWER: 1, Role.ANALYST: 2, Role.MANAGER: 3, Role.ADMIN: 4, Role.SUPER_ADMIN: 5,
}

# permission -> (lowest role, what it lets you do)
PERMISSIONS: Final[dict[str, tuple[Role, str]]] = {
    "metrics.read": (Role.VIEWER, "See dashboards and figures"),
    "connections.read": (Role.VIEWER, "See connections, their state and their log"),
    "quality.read": (Role.VIEWER, "See data-quality scores and checks"),
    "organization.read": (Role.VIEWER, "See the organization's settings"),
    "profile.write": (Role.VIEWER, "Change your own name and password"),
    "quality.run": (Role.ANALYST, "Run data-quality checks now"),
    "syncs.run": (Role.ANALYST, "Start and cancel syncs"),
    "connections.write": (Role.MANAGER, "Add, change, pause and re-authorise connections"),
    "connections.delete": (Role.MANAGER, "Disconnect a platform and delete its data"),
    "demo.use": (Role.MANAGER, "Connect the sandbox's platforms"),
    "organization.write": (Role.ADMIN, "Change currency, time zone and name"),
    "members.write": (Role.ADMIN, "Invite people and set their roles"),
    "audit.read": (Role.ADMIN, "Read the audit log"),
    "sandbox.control": (Role.ADMIN, "Cause trouble in the sandbox and read its truth"),
    "installation.admin": (Role.SUPER_ADMIN, "Administer the installation"),
}


def role_for(permission: str) -> Role:
    """The lowest role that holds a permission. Raises KeyError for a name that does not exist."""
    return PERMISSIONS[permission][0]


def allows(role: Role | None, permission: str) -> bool:
    """Whether a role holds a permission; nobody holds none."""
    return role is not None and ORDER[role] >= ORDER[role_for(permission)]
