"""Opens a consent page, whatever the platform wants first.

OAuth 1.0a asks the platform for a request token before the browser can be sent there. No
transaction is open while it is asked.
"""

from __future__ import annotations

from uuid import UUID

from liftos_app.services import oauth
from liftos_app.services.connectors import grants_oauth1
from liftos_app.services.context import App, Context, Principal, open_context
from liftos_app.services.oauth import Begun


def open_consent(
    app: App, who: Principal, org_id: int, connection_id: UUID, *, origin: str
) -> Begun:
    """The consent address for the browser, and where it returns to.

    Raises as `oauth.begin_in_full`, and a PlatformFault when the platform gives no request token.
    """
    home = oauth.home_for(app, origin)
    with open_context(app, who, org_id) as ctx:
        connection, platform, method, inputs = oauth.require(ctx, connection_id)
        where = oauth.addresses_of(app, platform, connection, inputs, home)
    ticket = None
    if method.kind == "oauth1":
        ticket = grants_oauth1.request_token(
            platform, method, where, inputs, callback=oauth.return_address(home, platform.slug)
        )
    with open_context(app, who, org_id, write=True) as ctx:
        return oauth.begin_in_full(ctx, connection_id, origin=origin, ticket=ticket)


def require(ctx: Context, connection_id: UUID) -> None:
    """Check that a consent can begin, without asking the platform anything."""
    oauth.require(ctx, connection_id)
