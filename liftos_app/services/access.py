"""Roles and permissions: the one table that decides who may do what. Deny by default.

Pages, REST routes, jobs and commands all ask `authorize` (or `permits`, which does not raise).
The page "People & roles" and docs/security/identity.md are drawn from this table.
"""

from __future__ import annotations

from typing import Final, Protocol

from liftos_app.errors import Denied, Missing, SignInNeeded
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
    "profile.write": (Role.VIEWER, "Change your own name, password, sessions and second factor"),
    "keys.write": (Role.VIEWER, "Make and revoke your own API keys"),
    "quality.run": (Role.ANALYST, "Run data-quality checks now"),
    "syncs.run": (Role.ANALYST, "Start and cancel syncs"),
    "members.read": (Role.MANAGER, "See the people of the organization and their roles"),
    "connections.write": (Role.MANAGER, "Add, change, pause and re-authorise connections"),
    "connections.delete": (Role.MANAGER, "Disconnect a platform and delete its data"),
    "jobs.run": (Role.MANAGER, "Let the clock run its work (jobs act as managers)"),
    "demo.use": (Role.MANAGER, "Connect the sandbox's platforms"),
    "organization.write": (Role.ADMIN, "Change currency, time zone and name"),
    "members.write": (Role.ADMIN, "Invite people, set their roles, end their sessions"),
    "audit.read": (Role.ADMIN, "Read the audit log"),
    "data.export": (Role.ADMIN, "Export everything the organization stores"),
    "data.erase": (Role.ADMIN, "Delete the organization with everything it stores"),
    "sandbox.control": (Role.ADMIN, "Cause trouble in the sandbox and read its truth"),
    "installation.admin": (Role.SUPER_ADMIN, "Administer the installation"),
}

# What asks for the password again when it was typed more than five minutes ago (L12).
SENSITIVE: Final[dict[str, str]] = {
    "second factor": "Remove it, or make new recovery codes",
    "API key": "Make one",
    "member": "Change a role, remove a person, invite an administrator",
    "organization": "Require a second factor of everybody, or stop requiring it",
    "data": "Export or delete it, change how long it is kept, begin or end a legal hold",
}

# What a personal API key may be allowed: always within the role of its person. No scope holds
# profile, keys, members or the installation: a stolen key cannot make itself at home.
SCOPES: Final[dict[str, tuple[str, frozenset[str]]]] = {
    "read": ("See figures, connections, quality and settings", frozenset(
        {"metrics.read", "connections.read", "quality.read", "organization.read"}
    )),
    "sync": ("Start and cancel syncs, run quality checks", frozenset(
        {"connections.read", "quality.read", "syncs.run", "quality.run"}
    )),
    "connections": ("Add, change and delete connections", frozenset(
        {"connections.read", "connections.write", "connections.delete", "syncs.run", "demo.use"}
    )),
    "sandbox": ("Cause trouble in the sandbox", frozenset({"sandbox.control"})),
}


class Actor(Protocol):
    """What the decision needs to know of somebody: their role here and, for keys, their limits."""

    @property
    def role(self) -> Role | None:
        """The role in the organization of the act."""

    @property
    def scopes(self) -> frozenset[str] | None:
        """The permissions a key is limited to; None for everybody else."""


def role_for(permission: str) -> Role:
    """The lowest role that holds a permission. Raises KeyError for a name that does not exist."""
    return PERMISSIONS[permission][0]


def allows(role: Role | None, permission: str) -> bool:
    """Whether a role holds a permission; nobody holds none."""
    return role is not None and ORDER[role] >= ORDER[role_for(permission)]


def permits(actor: Actor | None, permission: str) -> bool:
    """Whether somebody may do this in the organization they act for."""
    if actor is None or not allows(actor.role, permission):
        return False
    return actor.scopes is None or permission in actor.scopes


def authorize(
    actor: Actor, permission: str, *, org_id: int | None = None, resource: object = None
) -> None:
    """The one wall. Raises SignInNeeded, Denied, or Missing for a row of another organization.

    `resource` is a table row; one of another organization answers exactly like one that is not
    there (L17).
    """
    if not permits(actor, permission):
        raise _refusal(actor, permission)
    if resource is not None and getattr(resource, "org_id", None) != org_id:
        raise Missing("It does not exist.", why="It was deleted, or the address is wrong.")


def is_above(one: Role, other: Role) -> bool:
    """Whether the first role holds more than the second."""
    return ORDER[one] > ORDER[other]


def word(role: Role) -> str:
    """A role as people read it: `super admin`."""
    return role.value.replace("_", " ")


def scope_permissions(scopes: list[str]) -> frozenset[str]:
    """All permissions of some scopes. Scopes that no longer exist hold nothing."""
    return frozenset().union(*(SCOPES[s][1] for s in scopes if s in SCOPES))


def matrix() -> list[tuple[str, str, list[bool]]]:
    """Permission, its words, and for each role in order whether it holds it."""
    return [
        (name, words, [allows(role, name) for role in ORDER])
        for name, (_, words) in PERMISSIONS.items()
    ]


def _refusal(actor: Actor, permission: str) -> SignInNeeded | Denied:
    if actor.role is None:
        return SignInNeeded("You are not signed in.", why="The session ended.", fix="Sign in.")
    if allows(actor.role, permission):
        return Denied(
            "This API key does not allow this.", why="Its scopes do not hold it.",
            fix="Use a key with another scope, or an access token.", permission=permission,
        )
    return Denied(
        "Your role does not allow this.",
        why=f"You are {word(actor.role)}; it takes {word(role_for(permission))} or above.",
        fix="Ask an administrator of your organization.", permission=permission,
    )
