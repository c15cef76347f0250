"""Databricks: tables and views of a lakehouse, read as streams that a person defines."""

from __future__ import annotations

from liftos_app.services.connectors.platforms.databricks import publish, tables
from liftos_app.services.connectors.platforms.databricks.errors import fault
from liftos_app.services.connectors.platforms.databricks.signin import (
    OAUTH,
    SCOPES,
    SERVICE_PRINCIPAL,
    TOKEN,
    authorize,
)
from liftos_app.services.connectors.platforms.databricks.version import VERSION
from liftos_app.services.connectors.spec import Platform, Prerequisite

PLATFORM = Platform(
    slug="databricks",
    name="Databricks",
    category="Warehouse",
    tier=3,
    summary="Marketing figures, orders, CRM records and payments from your tables; and back.",
    hosts={"api": "https://{workspace}"},
    api_version=VERSION,
    version_ends=None,
    auth=(SERVICE_PRINCIPAL, OAUTH, TOKEN),
    scopes=SCOPES,
    streams=(),
    prerequisites=(
        Prerequisite(
            text="A service principal that may use one SQL warehouse and read the tables.",
            who="your platform admin",
        ),
        Prerequisite(
            text="A way from this machine to the workspace and to its cloud storage; without the "
            "storage, results come in smaller pieces.",
            who="your platform admin",
        ),
    ),
    setup_minutes=(10, 30),
    needs_app=False,
    history="as long as the tables go back",
    latency="as late as the tables are filled",
    role_needed="Workspace administrator to add the service principal",
    docs_url="https://docs.databricks.com/api/workspace/statementexecution",
    requests_per_minute=600,
    concurrency=2,
    never=(
        "We never send our token to the storage that hands out results.",
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
