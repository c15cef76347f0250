"""Snowflake: tables and views of a warehouse, read as streams that a person defines."""

from __future__ import annotations

from liftos_app.services.connectors.platforms.snowflake import publish, tables
from liftos_app.services.connectors.platforms.snowflake.errors import fault
from liftos_app.services.connectors.platforms.snowflake.signin import (
    KEY_PAIR,
    OAUTH,
    SCOPES,
    TOKEN,
    authorize,
)
from liftos_app.services.connectors.platforms.snowflake.version import VERSION
from liftos_app.services.connectors.spec import Platform, Prerequisite

PLATFORM = Platform(
    slug="snowflake",
    name="Snowflake",
    category="Warehouse",
    tier=3,
    summary="Marketing figures, orders, CRM records and payments from your tables; and back.",
    hosts={"api": "https://{account}.snowflakecomputing.com"},
    api_version=VERSION,
    version_ends=None,
    auth=(KEY_PAIR, TOKEN, OAUTH),
    scopes=SCOPES,
    streams=(),
    prerequisites=(
        Prerequisite(
            text="A service user with a role that may read the tables, and a small warehouse.",
            who="your platform admin",
        ),
        Prerequisite(
            text="A network policy that lets this machine in, for access tokens.",
            who="your platform admin",
        ),
    ),
    setup_minutes=(10, 30),
    needs_app=False,
    history="as long as the tables go back",
    latency="as late as the tables are filled",
    role_needed="USERADMIN and SECURITYADMIN to make the user and the role",
    docs_url="https://docs.snowflake.com/en/developer-guide/sql-api/index",
    requests_per_minute=600,
    concurrency=2,
    never=(
        "We never ask for a password.",
        "We read only the tables and columns you choose; columns that look personal are left out.",
        "We write only when you ask to publish, and only into a schema of our own.",
    ),
    discover=tables.discover,
    test=tables.test,
    fault=fault,
    authorize=authorize,
    define=tables.define,
    objects=tables.objects,
    preview=tables.preview,
    writer=publish.Publisher,
)
