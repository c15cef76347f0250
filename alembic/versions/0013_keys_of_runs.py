"""keys of runs"""

from alembic import op

revision = '0013'
down_revision = '0012'
branch_labels = None
depends_on = None

_CHILDREN = ('rejected_row', 'resync_change', 'staged_unit', 'stream_run')


def upgrade() -> None:
    with op.batch_alter_table('sync_run', schema=None) as batch_op:
        batch_op.create_unique_constraint(op.f('uq_sync_run_org_id_id'), ['org_id', 'id'])
    for name in _CHILDREN:
        with op.batch_alter_table(name, schema=None) as batch_op:
            batch_op.drop_constraint(op.f(f'fk_{name}_run_id_sync_run'), type_='foreignkey')
            batch_op.create_foreign_key(
                op.f(f'fk_{name}_org_id_run_id_sync_run'), 'sync_run',
                ['org_id', 'run_id'], ['org_id', 'id'],
            )


def downgrade() -> None:
    for name in _CHILDREN:
        with op.batch_alter_table(name, schema=None) as batch_op:
            batch_op.drop_constraint(op.f(f'fk_{name}_org_id_run_id_sync_run'), type_='foreignkey')
            batch_op.create_foreign_key(
                op.f(f'fk_{name}_run_id_sync_run'), 'sync_run', ['run_id'], ['id'],
            )
    with op.batch_alter_table('sync_run', schema=None) as batch_op:
        batch_op.drop_constraint(op.f('uq_sync_run_org_id_id'), type_='unique')
