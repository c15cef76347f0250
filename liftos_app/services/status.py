"""The one rule that turns what is stored about a connection into its state (product.md section 4)."""

from __future__ import annotations

from datetime import datetime, timedelta

from liftos_app.models import Connection, ConnectionStatus, RunState

GRACE = timedelta(hours=2)
_SETTING_UP = {
    ConnectionStatus.DRAFT,
    ConnectionStatus.AUTHORISING,
    ConnectionStatus.SELECTING_ACCOUNTS,
}


def derive(
    connection: Connection, *, last_state: RunState | str | None, active: bool, now: datetime
) -> ConnectionStatus:
    """The state now. `last_state` is that of the newest finished run, `active` whether one runs."""
    status = ConnectionStatus(connection.status)
    if status in _SETTING_UP or status is ConnectionStatus.DISABLED:
        return status
    if connection.paused_at is not None:
        return ConnectionStatus.PAUSED
    if (connection.cause or {}).get("cause") == "credential":
        return ConnectionStatus.NEEDS_REAUTH
    if connection.last_success_at is None and (active or last_state is None):
        return ConnectionStatus.BACKFILLING
    if last_state == RunState.FAILED:
        return ConnectionStatus.FAILING
    if last_state == RunState.PARTIAL:
        return ConnectionStatus.DEGRADED
    due = connection.next_run_at
    if due is not None and not active and now > due + GRACE:
        return ConnectionStatus.DELAYED
    return ConnectionStatus.HEALTHY
