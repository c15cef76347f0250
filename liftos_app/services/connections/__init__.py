"""Connections: drafts and settings, accounts, sign-in, life and what lists show of them.

Functions that take a Context work in its transaction; those that take the App call a platform and
open short contexts themselves.
"""

from liftos_app.services.condition import refresh as derive_status
from liftos_app.services.connections.choosing import Difference, also_connected, select_accounts
from liftos_app.services.connections.defining import (
    Column,
    Preview,
    PreviewRow,
    define,
    defined,
    objects,
    preview,
)
from liftos_app.services.connections.drafts import (
    COLORS,
    HISTORY_DAYS,
    SCHEDULE,
    choose_streams,
    create_draft,
    default_streams,
    longest_history,
    rename,
    resolve_mode,
    save_inputs,
    set_history,
    set_schedule,
    set_step,
)
from liftos_app.services.connections.life import delete, pause, request_sync, resume, start
from liftos_app.services.connections.reading import (
    ConnectionRow,
    CredentialView,
    LogPage,
    Overview,
    accounts_of,
    credentials_of,
    get,
    list_all,
    log,
    overview,
    pulse,
    row_of,
)
from liftos_app.services.connections.reconnecting import Reconnect, reconnect
from liftos_app.services.connections.running import (
    PRIORITIES,
    Asked,
    accept_columns,
    clear,
    request_many,
    set_drift_policy,
    set_priority,
    set_sync_window,
)
from liftos_app.services.connections.scopes import granted_scopes
from liftos_app.services.connections.signin import (
    SignedIn,
    Wishes,
    account_ids,
    after_sign_in,
    create_connected,
    disconnect,
    discover_accounts,
    sign_in,
)
from liftos_app.services.connections.testing import Tested, test

__all__ = [
    "COLORS", "HISTORY_DAYS", "PRIORITIES", "SCHEDULE", "Asked", "Column", "ConnectionRow",
    "CredentialView", "Difference", "LogPage", "Overview", "Preview", "PreviewRow", "Reconnect",
    "SignedIn", "Tested", "Wishes", "accept_columns", "account_ids", "accounts_of", "after_sign_in",
    "also_connected", "choose_streams", "clear", "create_connected", "create_draft",
    "credentials_of", "default_streams", "define", "defined", "delete", "derive_status",
    "disconnect", "discover_accounts", "get", "granted_scopes", "list_all", "log",
    "longest_history", "objects", "overview", "pause", "preview", "pulse", "reconnect", "rename",
    "request_many", "request_sync", "resolve_mode", "resume", "row_of", "save_inputs",
    "select_accounts", "set_drift_policy", "set_history", "set_priority", "set_schedule",
    "set_step", "set_sync_window", "sign_in", "start", "test",
]
