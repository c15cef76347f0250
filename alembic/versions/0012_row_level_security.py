"""row-level security"""

from alembic import op
import sqlalchemy as sa

revision = '0012'
down_revision = '0011'
branch_labels = None
depends_on = None

# PostgreSQL only. The limited role is made at the start (liftos_app/row_security.py): roles belong
# to the server, not to the database.
_CONDITION = "(SELECT nullif(current_setting('liftos.org', true), '')::integer)"


def _tables() -> list[str]:
    """Tables of organizations, as this revision finds them."""
    found = sa.inspect(op.get_bind())
    return sorted(
        name for name in found.get_table_names()
        if name == 'organization'
        or any(column['name'] == 'org_id' for column in found.get_columns(name))
    )


def upgrade() -> None:
    if op.get_bind().dialect.name != 'postgresql':
        return
    for name in _tables():
        op.execute(f'ALTER TABLE {name} ENABLE ROW LEVEL SECURITY')
        column = 'id' if name == 'organization' else 'org_id'
        op.execute(f'CREATE POLICY one_organization ON {name} USING ({column} = {_CONDITION})')


def downgrade() -> None:
    if op.get_bind().dialect.name != 'postgresql':
        return
    for name in _tables():
        op.execute(f'DROP POLICY IF EXISTS one_organization ON {name}')
        op.execute(f'ALTER TABLE {name} DISABLE ROW LEVEL SECURITY')
