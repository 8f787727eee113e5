"""Runs the migrations on the connection that `database.migrate` hands over, and writes down whom they serve."""

from collections.abc import Collection, Mapping
from typing import Any

from alembic import context
from alembic.runtime.migration import MigrationContext, MigrationInfo
from alembic.script import Script

from database.migrations.common import BEFORE_REVISIONS_WERE_KEPT, write_down


def applied(ctx: MigrationContext, step: MigrationInfo, heads: Collection[Any], run_args: Mapping[str, Any]) -> None:
    """Write a revision down that has just been migrated to, in the same transaction."""
    del heads, run_args
    script, connection = step.up_revision, ctx.connection
    if connection is not None and isinstance(script, Script) and script.revision > BEFORE_REVISIONS_WERE_KEPT:
        write_down(connection, script.revision, serves_older_workers=script.module.serves_older_workers)


context.configure(connection=context.config.attributes["connection"], on_version_apply=applied)
with context.begin_transaction():
    context.run_migrations()
