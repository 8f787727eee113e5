"""Damaged goods of transfers and returns may come onto the books with the inspection that answers for them."""

from alembic import op
from sqlalchemy import text

from database.migrations.common import no_way_back

revision = "0058"
down_revision = "0057"
branch_labels = None
depends_on = None

# Only workers of this version bring units with an inspection.
serves_older_workers = True


def upgrade() -> None:
    op.execute("""
        ALTER TABLE inspection_lines
            ADD COLUMN brought bigint NOT NULL DEFAULT 0,
            ADD CONSTRAINT inspection_lines_brought_check CHECK (brought IN (0, quantity))
    """)
    known = op.get_bind().execute(text("SELECT pg_get_viewdef('documents_say')")).scalar_one()
    told = known.replace("- inspection_lines.scrapped", "inspection_lines.brought - inspection_lines.scrapped")
    op.execute(f"CREATE OR REPLACE VIEW documents_say AS {told}")


downgrade = no_way_back
