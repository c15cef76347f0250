"""What people sign in with, as they know it, and whether somebody has used it before."""

from __future__ import annotations

import re
from typing import Final
from uuid import UUID

from sqlmodel import Session, col, select

from liftos_app.models import AuditEntry
from liftos_app.tenancy import lifted

SIGNED_IN: Final = "auth.signed_in"
TOKENS_ISSUED: Final = "auth.tokens_issued"
SIGN_INS: Final = (SIGNED_IN, TOKENS_ISSUED)
_BROWSERS: Final = (
    ("Edg/", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS: Final = (
    ("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Windows", "Windows"),
    ("Mac OS", "macOS"), ("Linux", "Linux"),
)


def name(agent: str) -> str:
    """The browser's name and system, from what it says about itself; versions do not count."""
    browser = next((n for mark, n in _BROWSERS if mark in agent), "A browser")
    system = next((n for mark, n in _SYSTEMS if mark in agent), "")
    return f"{browser} on {system}" if system else browser


def program(agent: str) -> str:
    """The name a program gives itself; its version does not count."""
    if agent.startswith("Mozilla/"):
        return name(agent)
    found = re.match(r"[A-Za-z0-9._-]{1,40}", agent)
    return f"the program {found[0]}" if found else "a program"


def is_new(session: Session, user_id: UUID, device: str) -> bool:
    """Whether somebody who has signed in before did so without this device, says the audit log."""
    with lifted(session):  # signed in, whatever the organization
        known = set(session.exec(
            select(col(AuditEntry.data)["device"].as_string())
            .where(AuditEntry.actor_id == str(user_id), col(AuditEntry.action).in_(SIGN_INS))
            .distinct()
        ).all()) - {None}
    return bool(known) and device not in known
