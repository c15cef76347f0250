"""fallback"""

from alembic import op
import sqlalchemy as sa
import sqlmodel

revision = '0010'
down_revision = '0007'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('sync_preference', schema=None) as batch_op:
        batch_op.add_column(sa.Column(
            'fallback', sqlmodel.sql.sqltypes.AutoString(length=10), nullable=False,
            server_default='',
        ))
    op.execute("UPDATE sync_preference SET fallback = 'demo' WHERE fallback_to_mock")
    with op.batch_alter_table('sync_preference', schema=None) as batch_op:
        batch_op.alter_column('fallback', server_default=None)
        batch_op.drop_column('fallback_to_mock')


def downgrade() -> None:
    with op.batch_alter_table('sync_preference', schema=None) as batch_op:
        batch_op.add_column(sa.Column(
            'fallback_to_mock', sa.Boolean(), nullable=False, server_default=sa.false(),
        ))
    op.execute("UPDATE sync_preference SET fallback_to_mock = (fallback = 'demo')")
    with op.batch_alter_table('sync_preference', schema=None) as batch_op:
        batch_op.alter_column('fallback_to_mock', server_default=None)
        batch_op.drop_column('fallback')
