"""What Alembic runs: migrations over the connection that ``migrate`` opened and locked."""

from __future__ import annotations

from alembic import context

from gate.registry.enforcement.tables.schema import VERSION_TABLE, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    render_as_batch=True,
    # `migrate` holds the transaction, under its lock; Alembic must not end it.
    transactional_ddl=False,
)
context.run_migrations()
