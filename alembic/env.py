"""Runs migrations on the connection that `liftos_app.services.migrations` hands over."""

from __future__ import annotations

from sqlalchemy import Connection, create_engine, pool

import liftos_app.models  # noqa: F401  (registers every table)
from alembic import context
from liftos_app.db import metadata


def run(connection: Connection) -> None:
    """Upgrade or downgrade on one connection; SQLite rewrites tables in batches."""
    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_as_batch=connection.dialect.name == "sqlite",
        compare_type=True,
        transactional_ddl=True,  # ours is real on SQLite too: we write BEGIN ourselves
    )
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    url = context.config.get_main_option("sqlalchemy.url")
    if not url:
        raise SystemExit("Run migrations with: liftos migrate")
    with create_engine(url, poolclass=pool.NullPool).connect() as opened:
        run(opened)
        opened.commit()
