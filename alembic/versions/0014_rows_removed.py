"""rows removed"""

import sqlalchemy as sa
from alembic import op

revision = '0014'
down_revision = '0013'
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ('stream_run', 'sync_run'):
        with op.batch_alter_table(name, schema=None) as batch_op:
            batch_op.add_column(
                sa.Column('rows_removed', sa.BigInteger(), nullable=False, server_default='0')
            )


def downgrade() -> None:
    for name in ('sync_run', 'stream_run'):
        with op.batch_alter_table(name, schema=None) as batch_op:
            batch_op.drop_column('rows_removed')
