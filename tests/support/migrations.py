"""The migrations, as Alembic reads them."""

from collections.abc import Sequence

from alembic.script import Script, ScriptDirectory

from database import migrate


def scripts() -> Sequence[Script]:
    """All of them, the newest first."""
    return list(ScriptDirectory.from_config(migrate._config()).walk_revisions())
