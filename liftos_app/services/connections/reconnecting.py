"""Authorising a connection again, whichever way it signs in. History and settings stay."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from liftos_app.services import catalogue, consent, oauth
from liftos_app.services.connections import drafts, reading, signin
from liftos_app.services.context import App, Principal, open_context


@dataclass(frozen=True, slots=True)
class Reconnect:
    """Either a consent page to open, or a sign-in that is done."""

    consent: oauth.Begun | None = None
    outcome: signin.SignedIn | None = None


def reconnect(
    app: App, who: Principal, org_id: int, connection_id: UUID, *, origin: str,
    inputs: Mapping[str, str] | None = None,
) -> Reconnect:
    """Begin a new consent, or try a new key; the old credential stays until the new one works."""
    with open_context(app, who, org_id) as ctx:
        ctx.require("connections.write")
        connection = reading.get(ctx, connection_id)
        platform = catalogue.find(connection.platform)
        method = catalogue.find_method(platform, connection.auth_kind)
    if not method.has_consent:
        return Reconnect(
            outcome=signin.sign_in(app, who, org_id, connection_id, inputs=inputs)
        )
    if inputs:
        with open_context(app, who, org_id, write=True) as ctx:
            drafts.save_inputs(ctx, connection_id, inputs)
    return Reconnect(consent=consent.open_consent(app, who, org_id, connection_id, origin=origin))
