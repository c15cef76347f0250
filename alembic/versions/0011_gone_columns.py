"""gone columns"""

from alembic import op
import sqlalchemy as sa

revision = '0011'
down_revision = '0009'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('stream_state', schema=None) as batch_op:
        batch_op.add_column(sa.Column('gone_columns', sa.JSON(), nullable=False, server_default='[]'))
        batch_op.add_column(sa.Column('steady_columns', sa.JSON(), nullable=False, server_default='[]'))
        batch_op.add_column(sa.Column('whole_readings', sa.Integer(), nullable=False, server_default='0'))


def downgrade() -> None:
    with op.batch_alter_table('stream_state', schema=None) as batch_op:
        batch_op.drop_column('whole_readings')
        batch_op.drop_column('steady_columns')
        batch_op.drop_column('gone_columns')
