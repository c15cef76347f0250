"""Asking for a publishing: checked at once, done in the background, one at a time a connection."""

from __future__ import annotations

import logging
import re
import secrets
import threading
from collections.abc import Callable
from typing import Final
from uuid import UUID, uuid4

from liftos_app.errors import Conflict, Invalid, LiftOSError
from liftos_app.models import Connection, Lease
from liftos_app.services import audit, condition, leases
from liftos_app.services.connections import reading
from liftos_app.services.connectors import registry
from liftos_app.services.connectors.client import Stopped
from liftos_app.services.context import App, Context, Principal, open_context
from liftos_app.services.publish import job

log = logging.getLogger(__name__)
PLACE: Final = "publish_to"  # in Connection.options: the database or catalog chosen last
LEASE_SECONDS: Final = 1_200.0
_NAME = re.compile(r"[^\"`'\x00-\x1f.]{1,255}")


def can_publish(connection: Connection) -> bool:
    """Whether tables can be written to this connection's platform."""
    return registry.get(connection.platform).writer is not None


def begin(
    app: App, who: Principal, org_id: int, connection_id: UUID, place: str, *, wait: bool = False
) -> str:
    """Begin to publish into a database (or catalog) of a warehouse; returns its name.

    Progress and result are lines of the connection's timeline. Raises Invalid for an impossible
    name, Conflict before sign-in, for other platforms, and while one is under way. `wait` does it
    before returning and raises what stopped it.
    """
    name = place.strip()
    with open_context(app, who, org_id, write=True) as ctx:
        ctx.require("connections.write")
        connection = reading.get(ctx, connection_id)
        _check(ctx, connection, name)
        connection.options = {**connection.options, PLACE: name}
        ctx.session.add(connection)
        audit.record(ctx, "connection.published", connection, place=name)
    holder, lease = uuid4().hex, f"publish:{connection_id}"
    epoch = leases.take(app, lease, holder=holder, seconds=LEASE_SECONDS)
    if epoch is None:
        raise Conflict(
            "This connection is being published to already.", why="One at a time keeps it whole.",
            fix="Wait until it ends; its log tells.",
        )

    def work() -> None:
        try:
            job.run(app, who, org_id, connection_id, name, alive=alive)
        finally:
            leases.release(app, lease, epoch)

    def alive() -> bool:
        with app.db.read() as session:
            row = session.get(Lease, lease)
            return row is not None and row.epoch == epoch

    if wait:
        work()
    else:
        threading.Thread(
            target=_quietly, args=(app, who, org_id, connection_id, work), name="publish",
            daemon=True,
        ).start()
    return name


def _quietly(
    app: App, who: Principal, org_id: int, connection_id: UUID, work: Callable[[], None]
) -> None:
    """An edge: what stopped a publishing is in its timeline; what broke it, in the log too."""
    try:
        work()
    except (LiftOSError, Stopped) as error:
        log.info("publish.stopped", extra={"error": type(error).__name__})
    except Exception:
        reference = secrets.token_hex(4)
        log.exception("publish.failed", extra={"ref": reference})
        with open_context(app, who, org_id, write=True) as ctx:
            condition.note(
                ctx, reading.get(ctx, connection_id), job.KIND, level="error",
                text=f"Publishing broke on a fault of ours. Send reference {reference} to your "
                     "administrator.",
            )


def _check(ctx: Context, connection: Connection, name: str) -> None:
    if not can_publish(connection):
        raise Conflict(
            f"{registry.get(connection.platform).name} takes no tables.",
            why="Only warehouses can be published to.", fix="Choose a connection of a warehouse.",
        )
    condition.require_sign_in(ctx, connection)
    if not _NAME.fullmatch(name):
        raise Invalid(
            "This is not the name of a database.",
            why="It is empty, or holds quotes or a point." if name else "It is empty.",
            fix="Enter one name, spelt as the warehouse stores it.", field="place",
        )
