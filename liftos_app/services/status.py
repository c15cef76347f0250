"""The one rule that turns what is stored about a connection into its state."""

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
    due = connection.next_run_at
    late = due is not None and not active and now > due + GRACE
    rules = (
        (status in _SETTING_UP or status is ConnectionStatus.DISABLED, status),
        (connection.paused_at is not None, ConnectionStatus.PAUSED),
        ((connection.cause or {}).get("cause") == "credential", ConnectionStatus.NEEDS_REAUTH),
        (connection.last_success_at is None and (active or last_state is None),
         ConnectionStatus.BACKFILLING),
        (last_state == RunState.FAILED, ConnectionStatus.FAILING),
        (last_state == RunState.PARTIAL, ConnectionStatus.DEGRADED),
        (late, ConnectionStatus.DELAYED),
    )
    return next((found for holds, found in rules if holds), ConnectionStatus.HEALTHY)
